"""What is left when the stories have been told: the outcome, the trace of the flood, and an invitation to play on."""

import os
import shlex
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec
from rich.table import Table
from rich.text import Text

from gateway.demo.outline import outline
from gateway.demo.people import ROLES, Company
from gateway.demo.surroundings import APPS, World
from gateway.demo.teller import Teller
from gateway.demo.verdict import Scene
from gateway.flows.audit import Trace, picture
from gateway.flows.audit.words import Words
from gateway.kernel.policy import Policy

PLAY: Final = "play.sh"


def outcome(
    teller: Teller,
    scenes: Sequence[Scene],
    titles: Mapping[str, tuple[str, str]],
    traces: Mapping[str, Trace],
    words: Words,
    as_json: bool,
) -> None:
    """Tell how every story ended, with its trace in short; `titles` are by the story's name, `traces` by code."""
    if as_json:
        scenarios = [_scenario(scene) for scene in scenes]
        sys.stdout.write(msgspec.json.encode({"scenarios": scenarios}).decode() + "\n")
        sys.stdout.flush()
        return
    teller.heading("Hasil, dari catatan aplikasi dan jejak", "outcome, from the apps' records and the trace")
    for scene in scenes:
        indonesian, english = titles[scene.name]
        reports = len({case.code for case in scene.cases})
        if scene.ok:
            teller.result(
                True,
                f"[b]{indonesian}[/b]: {reports} laporan, sekali di tiap aplikasi; satu jejak, {scene.entries} catatan",
                f"{english}: {_count(reports, 'report')}, once in each app; one trace, {scene.entries} entries",
            )
        else:
            teller.result(
                False,
                f"[b]{indonesian}[/b]: {len(scene.faults)} hal tidak sesuai",
                f"{english}: {_count(len(scene.faults), 'thing')} not as it must be",
            )
        if scene.code is not None and scene.code in traces:
            teller.show(outline(traces[scene.code], words, teller.width))


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def _scenario(scene: Scene) -> dict[str, object]:
    cases = [{"app": case.app, "reference": case.reference, "status": case.status} for case in scene.cases]
    return {"name": scene.name, "code": scene.code, "cases": cases, "entries": scene.entries, "ok": scene.ok}


def trace(teller: Teller, whole: Trace, policy: Policy, file: Path) -> None:
    """Print the trace of a story: the report itself and, of those linked to it, one for each app; and how the rest of
    it, and any other, is read (`file` is the play file)."""
    if teller.silent:
        return
    brief, left_out = shortened(whole)
    teller.blank()
    teller.show(picture(brief, "id", teller.width, policy))
    more = f" (+ {left_out} laporan · {left_out} more reports)" if left_out else ""
    teller.show(Text(f"\n# jejak seutuhnya, dan jejak lain · the whole trace, and any other{more}", "dim"))
    teller.line(f". {shlex.quote(str(file))}; gateway audit trace {whole.report.code}")


def shortened(whole: Trace) -> tuple[Trace, int]:
    """Return a trace with its root and, for each further app, that linked report which has most entries there; and how
    many reports were left out."""
    entries = Counter(hop.report for hop in whole.hops)
    best: dict[str, str] = {}
    for report in whole.reports:
        app = report.cases[0].app if report.cases else ""
        if report.code != whole.report.code and entries[report.code] > entries[best.get(app, "")]:
            best[app] = report.code
    kept = {whole.report.code, *best.values()}
    links = tuple(link for link in whole.report.links if link.code in kept)
    root = msgspec.structs.replace(whole.report, links=links)
    left_out = {report.code for report in whole.reports} - kept
    brief = msgspec.structs.replace(
        whole,
        report=root,
        reports=tuple(report for report in whole.reports if report.code in kept),
        hops=tuple(hop for hop in whole.hops if hop.report in kept and hop.facts.get("from") not in left_out),
        gaps=tuple(gap for gap in whole.gaps if gap.report in kept),
    )
    return brief, len(left_out)


def invite(teller: Teller, world: World, file: Path, scenes: Sequence[Scene]) -> None:
    """Print addresses, tokens and lines to go on playing with, and where everything is kept."""
    teller.heading("Silakan bermain", "now it is your turn · Ctrl-C ends it")
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True, style="bold")
    grid.add_column(overflow="fold")
    grid.add_row("gateway", f"{world.gateway}  (API; {world.gateway}/schema)")
    for app in APPS:
        grid.add_row(app, f"{world.app(app)}/_sandbox/records")
    grid.add_row("data", str(world.folder))
    teller.show(grid)
    cases = [case for scene in sorted(scenes, key=lambda one: one.name != "prank") for case in scene.cases]
    ticket = next((case.reference for case in cases if case.app == "cc112" and case.reference), None)
    for told, line in _lines(file, ticket, scenes[0].code or "CODE"):
        teller.show(Text(f"\n# {told}", "dim"))
        # One line each, however long: a line that the terminal wraps can still be copied.
        teller.line(line)


def _lines(file: Path, ticket: str | None, code: str) -> list[tuple[str, str]]:
    """Return lines for a shell, each with what it does; `ticket` is one of 112, where a story has one (the ghost
    calls' is still open), `code` that of a report."""
    body = '{"service":"EM-HAZARD","description":"Pohon tumbang menutup jalan","place":{"village":"73.11.03.1003"}}'
    post = "-H 'Idempotency-Key: coba-1' -H 'Content-Type: application/json'"
    moved = (
        []
        if ticket is None
        else [
            (
                "gerakkan tiket 112 · move the 112 ticket",
                f'curl -s $CC112_URL/_sandbox/records/{ticket}/advance -d \'{{"word":"DISPATCHED"}}\'',
            ),
            (
                "lihat laporannya · see its report",
                f'curl -s "$GATEWAY/v1/reports?q={ticket}" -H "Authorization: Bearer $KOORDINATOR"',
            ),
        ]
    )
    return [
        (
            "alamat dan token untuk baris-baris berikut · addresses and tokens for the lines below",
            f". {shlex.quote(str(file))}",
        ),
        (
            "lapor sebagai warga · report as a citizen",
            f"curl -s $GATEWAY/v1/reports -H \"Authorization: Bearer $WARGA\" {post} -d '{body}'",
        ),
        *moved,
        (
            "jejak sebagai auditor · the trace as an auditor",
            f'curl -s $GATEWAY/v1/audit/reports/{code}/trace -H "Authorization: Bearer $AUDITOR"',
        ),
        (
            "jejak di terminal, dari nomor mana pun · on the terminal, from any number",
            f"gateway audit trace {ticket or code}",
        ),
        ("majukan waktu sepuluh hari · let ten days pass", "gateway clock +10d"),
    ]


def play_file(world: World, company: Company) -> Path:
    """Write a file for the shell: addresses, tokens, and the settings that make `gateway` work on this data."""
    exports = {"GATEWAY": world.gateway} | {f"{app.upper()}_URL": world.app(app) for app in APPS}
    exports |= {name.upper(): company.people[name].token or "" for name in ROLES}
    exports |= world.settings()
    lines = [f"export {name}={shlex.quote(value)}\n" for name, value in exports.items()]
    lines.append(f'PATH={shlex.quote(str(Path(sys.executable).parent))}:"$PATH"\n')
    file = world.folder / PLAY
    with open(file, "w", opener=lambda path, flags: os.open(path, flags, 0o600), encoding="utf-8") as out:
        out.writelines(lines)
    return file
