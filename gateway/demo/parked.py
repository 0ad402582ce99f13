"""What a search cannot settle is left to a person: the demo's officer at PPID looks there, and says what she found.

PPID keeps no number of ours. A request whose answer was lost is searched for and, where the search has it not, parked:
it is never sent again by itself.
"""

from typing import Final

from gateway.demo.callers import Json
from gateway.demo.ending import Hop, Wanted
from gateway.demo.stage import Stage
from gateway.demo.verdict import born_records
from gateway.demo.waiting import NotYet

APP: Final = "ppid"
_RESOLVED_BEFORE: Final = frozenset({"/problems/delivery-conflict"})


async def arrives(stage: Stage, step: str, code: str, by_hand: Json) -> str:
    """Wait until PPID has a request, by itself or by an officer's hand; return its ticket.

    `by_hand` is what she types there if PPID does not have it; its `rincian` (or `kasus`) gets the step's mark.
    """

    async def look() -> str:
        report = await stage.report(code)
        for case in report["cases"]:
            if case["app"] == APP and case["references"]:
                return str(case["references"][0]["value"])
        for delivery in await waiting(stage, code):
            if delivery["state"] == "unsure":  # two minutes of settling are too long for a show
                stage.travel.settle()
            if delivery["state"] == "held":
                await resolve(stage, step, delivery, by_hand)
        raise NotYet(f"{code} has no number of {APP} yet")

    return await stage.until(f"PPID menerima {code}", f"PPID accepts {code}", look)


async def waiting(stage: Stage, code: str) -> list[Json]:
    """Return the deliveries of a report that wait: for the app, for certainty, for somebody."""
    states = [("state", state) for state in ("queued", "unsure", "held", "dead")]
    found = await stage.coordinator.read("/v1/desk/deliveries", [*states, ("limit", "200")])
    return [one for one in found["items"] if one["report"] == code and one["app"] == APP]


async def resolve(stage: Stage, step: str, delivery: Json, by_hand: Json) -> str:
    """The officer looks whether PPID has it, types it in if not, and resolves the delivery; return its ticket."""
    officer = stage.officers[APP]
    records = await officer.records()
    there = [record for record in records if record.key == delivery["key"]]
    there += born_records(records, stage.memory.mark(step))
    text = "kasus" if "kasus" in by_hand else "rincian"
    record = there[0] if there else await stage.born(step, APP, by_hand, text)
    body = {
        "reference": {"kind": "tiket", "value": record.reference},
        "reason": "Dicari di PPID; dicatat dengan tangan di loket",
    }
    # Requests are Diskominfo-SP's, objections Setda's: whoever stands at all desks may resolve both.
    await stage.coordinator.move(delivery["id"], "resolve", body, done=_RESOLVED_BEFORE)
    return record.reference


async def answered(stage: Stage, code: str) -> None:
    """Wait until the document of an answer is in the gateway's own store."""

    async def look() -> None:
        trace = await stage.people["auditor"].read(f"/v1/audit/reports/{code}/trace")
        if not any(hop["kind"] == "document.received" and hop["report"] == code for hop in trace["hops"]):
            raise NotYet(f"{code} has got no document yet")

    await stage.until(f"dokumen jawaban {code}", f"the document for {code}", look)


def asked(step: str, status: str, word: str, follows: str | None = None, kind: str = "follow_up_to") -> Wanted:
    """Return a request that PPID must have once, whoever brought it there."""
    return Wanted(step=step, app=APP, status=status, word=word, parked=True, follows=follows, kind=kind)


def papers(step: str) -> tuple[Hop, Hop]:
    """Return what the trace of an answered request tells of files: the identity card only passed through, and the
    answer's document was fetched into our own store."""
    card = Hop(step=step, kind="document.destroyed", rule="transit")
    return card, Hop(step=step, kind="document.received", app=APP)
