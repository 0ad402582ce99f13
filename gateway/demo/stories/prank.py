"""Prank burst: forty ghost calls from one number are counted and nothing else; the normal call after them counts."""

from typing import Final

from gateway.demo.ending import Ending, Wanted
from gateway.demo.stage import Stage
from gateway.demo.stories.cast import SUMPANG_BINANGAE
from gateway.demo.verdict import GHOST_CALL
from gateway.demo.waiting import NotYet

TITLE: Final = ("Empat puluh panggilan hantu", "Forty ghost calls")

GHOSTS: Final = 40
_CALL: Final = "prank.normal"
_NUMBER: Final = "+6285255000040"

ENDING: Final = Ending(
    name="prank",
    wanted=(Wanted(step=_CALL, app="cc112", born=True, word="NEW", status="received", left_open=True),),
    ghosts=GHOSTS,
    ghost_number=_NUMBER,
)


async def play(stage: Stage) -> None:
    """Play it from wherever it stands."""
    rung = [one for one in await stage.officers["cc112"].records(GHOST_CALL) if _NUMBER in str(one.fields["call"])]
    for _ in range(len(rung), GHOSTS):
        await stage.officers["cc112"].bear({"call": {"type": "ghost", "msisdn": _NUMBER}})

    async def heard() -> None:
        if owed := await stage.officers["cc112"].owes():
            raise NotYet(f"{owed} webhooks of cc112 are not answered yet")

    await stage.until("gateway menghitung panggilan", "the gateway counts the calls", heard)
    stage.say(
        "112",
        f"{GHOSTS} panggilan hantu dari satu nomor; gateway hanya [b]menghitung[/b], tanpa nomor, tanpa laporan",
        f"{GHOSTS} ghost calls from one number; the gateway counts them: no number kept, no report",
    )
    incident = await stage.born(
        _CALL,
        "cc112",
        {
            "category": "LAKALANTAS",
            "priority": 1,
            "call": {"type": "normal", "msisdn": _NUMBER},
            "location": {
                "lat": SUMPANG_BINANGAE.latitude,
                "lon": SUMPANG_BINANGAE.longitude,
                "text": "Jalan poros depan pasar Barru",
                "kode_wilayah": SUMPANG_BINANGAE.village,
            },
            "narrative": "Dua sepeda motor bertabrakan, satu orang pingsan.",
        },
        "narrative",
    )
    code = await stage.code_of(_CALL, incident.reference)
    stage.say(
        "112",
        f"panggilan ke-41 dari nomor yang sama sungguhan: [b]{incident.reference}[/b] → laporan [b]{code}[/b]",
        "the 41st call from the same number is real, and gets through: one report",
    )
