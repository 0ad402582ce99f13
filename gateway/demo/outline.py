"""A trace in a few lines: each report with what it is to another, and each of its cases with the app's own number."""

from collections import Counter
from collections.abc import Iterator

from rich.table import Table
from rich.text import Text

from gateway.demo.teller import NAMES
from gateway.flows.audit import Trace
from gateway.flows.audit.pen import joined, status_style
from gateway.flows.audit.trace import TraceReport
from gateway.flows.audit.words import Words


def outline(trace: Trace, words: Words, width: int) -> Table:
    """Return the reports of a trace, in the order of their opening; those that are alike are one line and a count."""
    table = Table.grid(padding=(0, 2))
    table.width = width
    table.add_column(width=NAMES, justify="right", no_wrap=True)
    table.add_column(ratio=1, overflow="fold")
    alike = Counter(_kind(report, trace) for report in trace.reports)
    told: set[object] = set()
    for report in _ordered(trace):
        kind = _kind(report, trace)
        if kind in told:
            continue
        told.add(kind)
        table.add_row("" if report.code == trace.report.code else "↳", _line(report, trace, words, alike[kind] - 1))
    return table


def _ordered(trace: Trace) -> list[TraceReport]:
    """Return the reports, the first one first, of those that are alike the furthest first."""
    entries = Counter(hop.report for hop in trace.hops)

    def place(report: TraceReport) -> tuple[bool, object, int]:
        begun = min(one.created_at for one in trace.reports if _kind(one, trace) == _kind(report, trace))
        return report.code != trace.report.code, begun, -entries[report.code]

    return sorted(trace.reports, key=place)


def _kind(report: TraceReport, trace: Trace) -> object:
    """Return what makes reports of one trace alike: their service, their apps, and what they are to which other."""
    if report.code == trace.report.code:
        return report.code
    return report.service, tuple(case.app for case in report.cases), tuple(_to(report))


def _to(report: TraceReport) -> Iterator[tuple[str, str]]:
    yield from ((link.kind, link.code) for link in report.links if link.direction == "to")


def _line(report: TraceReport, trace: Trace, words: Words, more: int) -> Text:
    shown = {one.code for one in trace.reports}
    pieces = [(report.code, "bold cyan"), (words.service(report.service).partition(" (")[0], "")]
    pieces += [(f"{words.link(kind, 'to')} {code}", "magenta") for kind, code in _to(report) if code in shown]
    line = joined(pieces)
    for index, case in enumerate(report.cases):
        number = case.references[0].value if case.references else case.agency
        line.append(" → " if index else ": ", "dim")
        line.append(f"{words.app(case.app)} ")
        line.append_text(joined([(number, "blue")]))
        line.append(" ")
        line.append(words.status(case.status), status_style(case.status))
    if more:
        line.append(f"  +{more} {words.phrase('alike')}", "dim")
    return line
