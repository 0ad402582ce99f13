"""The trace as a picture for a terminal: one line per hop, by report and case, in the time of Barru (WITA).

What apps say is untrusted: nothing unprintable reaches the terminal, and nothing is read as markup.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import msgspec
from rich import box
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from gateway.flows.audit.trace import Gap, Trace, TraceCase, TraceHop, TraceReport
from gateway.flows.audit.words import Words
from gateway.model.principal import Actor

WITA: Final = ZoneInfo("Asia/Makassar")
ARROWS: Final = {"out": "→", "in": "←"}

_STYLES: Final = {
    "delivery.accepted": "green",
    "delivery.retry": "yellow",
    "delivery.unsure": "yellow",
    "delivery.late": "yellow",
    "delivery.held": "red",
    "delivery.dead": "bold red",
    "report.opened": "bold",
    "report.moved": "bold",
}
_QUIET: Final = frozenset({"key", "service", "channel", "from", "to", "kind", "app", "agency"})
"""Facts that the picture shows in another way, or not at all."""


class _Page(msgspec.Struct, frozen=True):
    """What all lines of one picture share; `way` is the width of the column that names the app."""

    words: Words
    width: int
    way: int


def picture(trace: Trace, lang: str = "id", width: int = 100) -> RenderableType:
    """Return a trace as something rich can print, `width` columns wide, in `id` or `en`."""
    words = Words(lang)
    parts: list[RenderableType] = [_header(trace, words, width)]
    apps = max((len(hop.app or "") for hop in trace.hops if hop.direction in ARROWS), default=0)
    page = _Page(words, width, max(apps + 2, 9))
    for report in trace.reports:
        hops = [hop for hop in trace.hops if hop.report == report.code]
        gaps = [gap for gap in trace.gaps if gap.report == report.code]
        parts += _report(report, hops, gaps, page)
    parts.append(_summary(trace, words, width))
    return Group(*parts)


def _plain(value: object) -> str:
    """Return text that only prints: control, escape and direction characters become a replacement sign."""
    return "".join(char if char.isprintable() else "�" for char in str(value))


def _moment(at: datetime, words: Words) -> str:
    local = at.astimezone(WITA)
    return f"{local.day:2d} {words.month(local.month)} {local.year} {local:%H:%M:%S} WITA"


def _joined(parts: Iterable[tuple[str, str]]) -> Text:
    """Join (text, style) pieces with dots in between, leaving out empty ones."""
    line = Text()
    for text, style in parts:
        if text:
            line.append(" · " if line else "", "dim")
            line.append(_plain(text), style)
    return line


def _status_style(status: str) -> str:
    match status:
        case "resolved" | "closed":
            return "green"
        case "rejected" | "cancelled":
            return "red"
        case "received":
            return "cyan"
        case _:
            return "yellow"


def _header(trace: Trace, words: Words, width: int) -> Panel:
    report = trace.report
    lines = [
        _joined(
            [
                (report.service, "bold"),
                (words.status(report.status), f"bold {_status_style(report.status)}"),
                (f"{words.phrase('agency')} {report.agency}", ""),
                (f"{words.phrase('channel')} {report.channel}", ""),
            ]
        ),
        _joined(
            [
                (f"{words.phrase('opened')} {_moment(report.created_at, words).strip()}", ""),
                (
                    f"{words.phrase('happened')} {_moment(report.occurred_at, words).strip()}"
                    if report.occurred_at
                    else "",
                    "",
                ),
            ]
        ),
    ]
    by_code = {other.code: other for other in trace.reports}
    for link in report.links:
        other = by_code.get(link.code)
        lines.append(
            _joined(
                [
                    (f"{words.link(link.kind, link.direction)} {link.code}", "magenta"),
                    (other.service if other else "", ""),
                    (words.status(other.status) if other else "", ""),
                ]
            )
        )
    further = len(trace.reports) - 1 - len({link.code for link in report.links} & by_code.keys())
    if further > 0:
        lines.append(Text(f"+ {further} {words.phrase('linked')}", "dim"))
    title = Text(f" {words.phrase('title')} {report.code} ", "bold")
    return Panel(Group(*lines), title=title, title_align="left", width=width, box=box.ROUNDED, border_style="cyan")


def _report(
    report: TraceReport, hops: Sequence[TraceHop], gaps: Sequence[Gap], page: _Page
) -> Iterator[RenderableType]:
    words = page.words
    title = _joined(
        [
            (report.code, "bold cyan"),
            (report.service, "bold"),
            (words.status(report.status), _status_style(report.status)),
        ]
    )
    yield Text()
    yield Rule(title, align="left", style="cyan", characters="─")
    for gap in gaps:
        which = f"{gap.first}" if gap.first == gap.last else f"{gap.first}–{gap.last}"
        yield Text(f"  ✗ {words.phrase(gap.reason)}: {gap.report} {which}", "bold red")
    numbers = {case.case for case in report.cases}
    if here := [hop for hop in hops if hop.case not in numbers]:
        yield _lines(here, page)
    for case in report.cases:
        yield _case_title(case, words)
        yield _lines([hop for hop in hops if hop.case == case.case], page)


def _case_title(case: TraceCase, words: Words) -> Text:
    numbers = " ".join(f"{number.kind}={number.value}" for number in case.references)
    return _joined(
        [
            (f"{words.phrase('case')} {case.case}", "bold"),
            (case.app, "bold"),
            (case.agency, ""),
            (numbers, "blue"),
            (words.status(case.status), _status_style(case.status)),
        ]
    )


def _lines(hops: Sequence[TraceHop], page: _Page) -> Table:
    """Return one line per hop: when, which way, what. Who did it is told once per moment."""
    table = Table(box=None, show_header=False, pad_edge=False, width=page.width, padding=(0, 1, 0, 0))
    table.add_column(width=15, no_wrap=True)
    table.add_column(width=page.way, no_wrap=True)
    table.add_column(ratio=1, overflow="fold")
    told: tuple[str, Actor] | None = None
    for hop in hops:
        local = datetime.fromisoformat(hop.at).astimezone(WITA)
        when = f"{local.day:2d} {page.words.month(local.month)} {local:%H:%M:%S}"
        arrow = ARROWS.get(hop.direction)
        way = Text(f"{arrow} {_plain(hop.app or '')}" if arrow else "·", _way_style(hop))
        what = _what(hop, page.words, who=told != (hop.at, hop.actor))
        told = (hop.at, hop.actor)
        table.add_row(Text(when, "dim"), way, what, style="dim" if hop.superseded else "")
    return table


def _way_style(hop: TraceHop) -> str:
    return {"out": "blue", "in": "magenta"}.get(hop.direction, "dim")


def _what(hop: TraceHop, words: Words, who: bool) -> Text:
    style = _STYLES.get(hop.kind, "")
    pieces: list[tuple[str, str]] = [(words.kind(hop.kind), style)]
    if hop.delivery:
        pieces.append((f"#{hop.delivery.rpartition('-')[2]} {hop.operation or ''}".strip(), ""))
    if hop.attempt:
        pieces.append((f"{words.phrase('attempt')} {hop.attempt}", ""))
    if hop.outcome and hop.kind != f"delivery.{hop.outcome}":
        pieces.append((words.outcome(hop.outcome), style))
    if hop.http:
        pieces.append((f"HTTP {hop.http}", "dim"))
    if hop.latency_ms is not None:
        pieces.append((f"{hop.latency_ms}ms", "dim"))
    pieces += _moved(hop, words)
    pieces += _facts(hop, words)
    if hop.superseded:
        pieces.append((words.phrase("superseded"), "italic"))
    if hop.rule:
        pieces.append((f"§{hop.rule}", "dim cyan"))
    if who and hop.actor.kind not in {"gateway", "app"}:
        name = f"{words.actor(hop.actor.kind)} {hop.actor.org or ''} {hop.actor.ref[:8]}"
        pieces.append((" ".join(name.split()), "dim"))
    return _joined(pieces)


def _moved(hop: TraceHop, words: Words) -> Iterator[tuple[str, str]]:
    """Tell the app's word and our status; a report's move tells where it came from."""
    status = words.status(hop.status) if hop.status else ""
    before = hop.facts.get("from") if hop.kind == "report.moved" else None
    if before is not None:
        yield f"{words.status(str(before))} ⇒ {status}", _status_style(hop.status or "")
    elif hop.word:
        yield f"“{hop.word}”" + (f" ⇒ {status}" if status else ""), _status_style(hop.status or "")
    elif status and hop.kind not in {"case.opened", "report.opened"}:
        yield f"⇒ {status}" if hop.case is not None else status, _status_style(hop.status or "")


def _facts(hop: TraceHop, words: Words) -> Iterator[tuple[str, str]]:
    facts = hop.facts
    match hop.kind:
        case "link.made":
            yield f"{words.link(str(facts.get('kind')), 'to')} {facts.get('to')}", "magenta"
        case "link.received":
            yield f"{words.link(str(facts.get('kind')), 'from')} {facts.get('from')}", "magenta"
        case "report.opened":
            yield f"{facts.get('service', '')} {words.phrase('channel')} {facts.get('channel', '')}", ""
        case "clock.started":
            by = datetime.fromisoformat(str(facts["by"])) if "by" in facts else None
            yield f"{facts.get('clock', '')} ≤ {_moment(by, words).strip()}" if by else "", ""
        case "data.disclosed":
            yield str(facts.get("fields", "")).replace(",", ", "), "dim"
        case "case.opened":
            yield str(facts.get("reason", "")), ""
        case _:
            more = {
                name: value
                for name, value in facts.items()
                if name not in _QUIET and (name, value) != ("how", "receipt")
            }
            yield " ".join(f"{name}={value}" for name, value in more.items()), "dim"


def _summary(trace: Trace, words: Words, width: int) -> Panel:
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
        _joined(
            [
                (f"{report.code} {clock.clock}: {_moment(clock.by, words).strip()}", ""),
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
    grid.add_row(words.phrase("integrity"), _joined(marks))
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
        told.append((f"{app} ({', '.join(counts)})" if counts else app, ""))
    return _joined(told) if told else Text(words.phrase("none"))


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
