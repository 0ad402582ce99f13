"""What stands around the lines of a trace: at its head which report it is, at its foot what came of it."""

from collections import Counter
from datetime import datetime, timedelta

from rich import box
from rich.console import Group
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from gateway.flows.audit.pen import joined, moment, status_style
from gateway.flows.audit.trace import Trace
from gateway.flows.audit.words import Words


def header(trace: Trace, words: Words, width: int) -> Panel:
    """Return the head: the report, how it stands, since when, and what it is linked to."""
    report = trace.report
    lines = [
        joined(
            [
                (words.service(report.service), "bold"),
                (words.status(report.status), f"bold {status_style(report.status)}"),
                (f"{words.phrase('agency')} {report.agency}", ""),
                (f"{words.phrase('channel')} {words.app(report.channel)}", ""),
            ]
        ),
        joined(
            [
                (f"{words.phrase('opened')} {moment(report.created_at, words)}", ""),
                (
                    f"{words.phrase('happened')} {moment(report.occurred_at, words)}" if report.occurred_at else "",
                    "",
                ),
            ]
        ),
    ]
    by_code = {other.code: other for other in trace.reports}
    for link in report.links:
        other = by_code.get(link.code)
        lines.append(
            joined(
                [
                    (f"{words.link(link.kind, link.direction)} {link.code}", "magenta"),
                    (words.service(other.service) if other else "", ""),
                    (words.status(other.status) if other else "", ""),
                ]
            )
        )
    further = len(trace.reports) - 1 - len({link.code for link in report.links} & by_code.keys())
    if further > 0:
        lines.append(Text(f"+ {further} {words.phrase('linked')}", "dim"))
    title = Text(f" {words.phrase('title')} {report.code} ", "bold")
    return Panel(Group(*lines), title=title, title_align="left", width=width, box=box.ROUNDED, border_style="cyan")


def summary(trace: Trace, words: Words, width: int) -> Panel:
    """Return the foot: the apps touched, how long it took, deadlines, and whether anything is missing."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column(overflow="fold")
    grid.add_row(words.phrase("apps"), _apps(trace, words))
    grid.add_row(words.phrase("duration"), _duration(trace, words))
    gone = sum(hop.superseded for hop in trace.hops)
    grid.add_row(
        words.phrase("hops"),
        f"{len(trace.hops)}" + (f" ({gone} {words.phrase('superseded')})" if gone else ""),
    )
    due = [(report, clock) for report in trace.reports for clock in report.due]
    lines = [
        joined(
            [
                (f"{report.code} {words.clock(clock.clock)}: {moment(clock.by, words)}", ""),
                (words.due(clock.state), "red" if clock.state in {"missed", "late"} else ""),
            ]
        )
        for report, clock in due
    ]
    grid.add_row(words.phrase("deadlines"), Group(*lines) if lines else words.phrase("none"))
    whole = not trace.gaps and not trace.truncated
    marks: list[tuple[str, str]] = [(words.phrase("whole"), "green")] if whole else []
    for reason in sorted({gap.reason for gap in trace.gaps}):
        count = sum(gap.last - gap.first + 1 for gap in trace.gaps if gap.reason == reason)
        marks.append((f"{count} {words.phrase(reason)}", "bold red"))
    if trace.truncated:
        marks.append((words.phrase("truncated"), "bold red"))
    marks.append((words.phrase("unsealed"), "dim"))
    grid.add_row(words.phrase("integrity"), joined(marks))
    title = Text(f" {words.phrase('summary')} ", "bold")
    return Panel(
        grid,
        title=title,
        title_align="left",
        width=width,
        box=box.ROUNDED,
        border_style="red" if trace.gaps else "cyan",
    )


def _apps(trace: Trace, words: Words) -> Text:
    """Tell which apps were touched, with how many deliveries to them and how much news from them."""
    sent = Counter(hop.app for hop in trace.hops if hop.kind == "delivery.queued" and hop.app)
    heard = Counter(hop.app for hop in trace.hops if hop.direction == "in" and hop.app)
    named = [case.app for report in trace.reports for case in report.cases]
    apps = dict.fromkeys([*named, *sent, *heard])
    told = []
    for app in apps:
        counts = [f"{words.phrase('deliveries')} {sent[app]}"] if sent[app] else []
        counts += [f"{words.phrase('events')} {heard[app]}"] if heard[app] else []
        told.append((f"{words.app(app)} ({', '.join(counts)})" if counts else words.app(app), ""))
    return joined(told) if told else Text(words.phrase("none"))


def _duration(trace: Trace, words: Words) -> str:
    if not trace.hops:
        return "–"
    times = [datetime.fromisoformat(hop.at) for hop in trace.hops]
    return _span(max(times) - min(times), words)


def _span(span: timedelta, words: Words) -> str:
    """Tell a duration by its two largest units."""
    seconds = int(span.total_seconds())
    units = (
        (seconds // 86400, "days"),
        (seconds // 3600 % 24, "hours"),
        (seconds // 60 % 60, "minutes"),
        (seconds % 60, "seconds"),
    )
    told = [f"{count} {words.phrase(name)}" for count, name in units if count]
    return " ".join(told[:2]) or f"{span.total_seconds():.1f} {words.phrase('seconds')}"
