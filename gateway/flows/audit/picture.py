"""The trace as a picture for a terminal: one line per hop, by report and case, in the time of Barru (WITA)."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Final

import msgspec
from rich.console import Group, RenderableType
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from gateway.flows.audit.frame import header, summary
from gateway.flows.audit.pen import WITA, joined, moment, plain, status_style
from gateway.flows.audit.trace import Gap, Trace, TraceCase, TraceHop, TraceReport
from gateway.flows.audit.words import Words
from gateway.kernel.policy import Policy
from gateway.model.principal import Actor

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


def picture(trace: Trace, lang: str = "id", width: int = 100, policy: Policy | None = None) -> RenderableType:
    """Return a trace as something rich can print, `width` columns wide, in `id` or `en`; a policy lends its names."""
    words = Words(lang, policy)
    parts: list[RenderableType] = [header(trace, words, width)]
    apps = max((len(hop.app or "") for hop in trace.hops if hop.direction in ARROWS), default=0)
    page = _Page(words, width, max(apps + 2, 9))
    for report in trace.reports:
        hops = [hop for hop in trace.hops if hop.report == report.code]
        gaps = [gap for gap in trace.gaps if gap.report == report.code]
        parts += _report(report, hops, gaps, page)
    parts.append(summary(trace, words, width))
    return Group(*parts)


def _report(
    report: TraceReport, hops: Sequence[TraceHop], gaps: Sequence[Gap], page: _Page
) -> Iterator[RenderableType]:
    words = page.words
    title = joined(
        [
            (report.code, "bold cyan"),
            (words.service(report.service), "bold"),
            (words.status(report.status), status_style(report.status)),
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
    return joined(
        [
            (f"{words.phrase('case')} {case.case}", "bold"),
            (words.app(case.app), "bold"),
            (case.agency, ""),
            (numbers, "blue"),
            (words.status(case.status), status_style(case.status)),
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
        way = Text(f"{arrow} {plain(hop.app or '')}" if arrow else "·", _way_style(hop))
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
    return joined(pieces)


def _moved(hop: TraceHop, words: Words) -> Iterator[tuple[str, str]]:
    """Tell the app's word and our status; a report's move tells where it came from."""
    status = words.status(hop.status) if hop.status else ""
    before = hop.facts.get("from") if hop.kind == "report.moved" else None
    if before is not None:
        yield f"{words.status(str(before))} ⇒ {status}", status_style(hop.status or "")
    elif hop.word:
        yield f"“{hop.word}”" + (f" ⇒ {status}" if status else ""), status_style(hop.status or "")
    elif status and hop.kind not in {"case.opened", "report.opened"}:
        yield f"⇒ {status}" if hop.case is not None else status, status_style(hop.status or "")


def _facts(hop: TraceHop, words: Words) -> Iterator[tuple[str, str]]:
    facts = hop.facts
    match hop.kind:
        case "link.made":
            yield f"{words.link(str(facts.get('kind')), 'to')} {facts.get('to')}", "magenta"
        case "link.received":
            yield f"{words.link(str(facts.get('kind')), 'from')} {facts.get('from')}", "magenta"
        case "report.opened":
            yield f"{facts.get('service', '')} {words.phrase('channel')} {words.app(str(facts.get('channel', '')))}", ""
        case "clock.started" | "clock.met" | "clock.missed" | "clock.extended" | "clock.paused" | "clock.resumed":
            by = datetime.fromisoformat(str(facts["by"])) if "by" in facts else None
            clock = words.clock(str(facts.get("clock", "")))
            yield f"{clock} ≤ {moment(by, words).removesuffix(' WITA')}" if by else "", ""
        case "data.disclosed":
            yield _gathered(str(facts.get("fields", "")).split(",")), "dim"
        case "case.opened":
            yield "" if facts.get("reason") == hop.rule else words.reason(str(facts.get("reason", ""))), ""
        case _:
            more = {
                name: value
                for name, value in facts.items()
                if name not in _QUIET and (name, value) != ("how", "receipt")
            }
            yield " ".join(f"{name}={value}" for name, value in more.items()), "dim"


def _gathered(names: Iterable[str]) -> str:
    """Return dotted names in few words: `description place(point village)`."""
    rooms: dict[str, list[str]] = {}
    for name in names:
        room, _, part = name.partition(".")
        rooms.setdefault(room, []).extend([part] if part else [])
    return " ".join(f"{room}({' '.join(parts)})" if parts else room for room, parts in rooms.items())
