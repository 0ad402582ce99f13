"""A broken street light, told to 112: information and no emergency, so it goes where street lights are mended."""

import re
from typing import Final

from gateway.demo.callers import Unexpected
from gateway.demo.ending import Ending, Texted, Wanted
from gateway.demo.stage import Stage
from gateway.demo.stories.cast import COMPLAINT_WAY, SUMPANG_BINANGAE

TITLE: Final = ("Lampu jalan dilaporkan ke 112", "A street light is reported to 112")

_CALL: Final = "light.call"
_NUMBER: Final = "+6285342000701"

ENDING: Final = Ending(
    name="light",
    wanted=(
        Wanted(step=_CALL, app="cc112", born=True, word="CLOSED", status="resolved"),
        Wanted(step=_CALL, app="sipendting", word="6", status="resolved"),
    ),
    texted=(Texted(step=_CALL, number=_NUMBER, says="Panggilan 112 Anda dicatat"),),
    calm=(_CALL,),
)


async def play(stage: Stage) -> None:
    """Play it from wherever it stands."""
    call = await stage.born(
        _CALL,
        "cc112",
        {
            "call": {"type": "informasi", "service": "IN-LIGHT", "msisdn": _NUMBER},
            "caller": {"name": "Darmawati", "withheld": False},
            "location": {
                "lat": SUMPANG_BINANGAE.latitude,
                "lon": SUMPANG_BINANGAE.longitude,
                "text": "Jalan poros, depan masjid apung",
                "kode_wilayah": SUMPANG_BINANGAE.village,
            },
            "narrative": "Tiga lampu jalan padam sejak kemarin.",
        },
        "narrative",
    )
    ticket = call.reference
    code = await stage.code_of(_CALL, ticket)
    number = await stage.arrives(code, "sipendting")
    stage.say(
        "112",
        f"penelepon melaporkan lampu jalan; ditandai [i]informasi[/i], bukan darurat: {ticket} → [b]{code}[/b]",
        "a caller reports a street light; the call taker marks it “information”: no emergency",
    )
    text = await stage.until(
        "SMS kepada penelepon", "a text message to the caller", lambda: stage.inbox.first(_NUMBER, code)
    )
    stage.say("gateway", f"SMS kepada penelepon: “{text}”", "the caller gets code and secret by text message")
    await stage.dispatch(ticket, "CLOSED", {}, "Diteruskan ke Dishub", "transferred")
    for word in ("2", "3", "4"):
        await stage.move("sipendting", number, word, COMPLAINT_WAY)
    await stage.move("sipendting", number, "6", COMPLAINT_WAY, "Tiga lampu diganti")
    await stage.reaches(code, "resolved", secret=_secret(text, code))
    stage.say(
        "Si-PeNDTING",
        f"Dishub mengganti lampunya: [b]{number}[/b] selesai; si penelepon melihatnya dengan kode dari SMS",
        "the transport office mends it; the caller sees it with the code from the message",
    )


def _secret(text: str, code: str) -> str:
    """Return what opens the report, from the text message. Raises Unexpected."""
    found = re.search(rf"{code}[ :](s\d+\.\w+)", text)
    if found is None:
        raise Unexpected("the text message does not say how the report is opened")
    return found[1]
