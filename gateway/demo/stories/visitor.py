"""A visitor falls at Celebes Canyon: her call for help in Singgah Di Barru becomes a 112 incident; afterwards the
railings are a task of their own."""

from typing import Final

from gateway.demo.ending import DESK, Ending, Wanted
from gateway.demo.stage import Stage
from gateway.demo.stories.cast import CANYON, LIBURENG, VISITOR_WAY, place

TITLE: Final = ("Wisatawan jatuh di Celebes Canyon", "A visitor falls at Celebes Canyon")

_SOS: Final = "visitor.sos"
_RESCUE: Final = "visitor.rescue"
_RAILINGS: Final = "visitor.railings"
_UNIT: Final = ("BASARNAS-03", "EXT-BASARNAS")

ENDING: Final = Ending(
    name="visitor",
    wanted=(
        Wanted(step=_SOS, app="singgah_di_barru", born=True, word="selesai", status="resolved"),
        Wanted(step=_RESCUE, app="cc112", word="CLOSED", status="resolved", follows=_SOS, kind="escalated_from"),
        Wanted(step=_RAILINGS, app="singgah_di_barru", word="selesai", status="resolved", follows=_RESCUE),
        Wanted(step=_RAILINGS, app=DESK, agency="PUTR", status="resolved"),
    ),
    calm=(_SOS, _RAILINGS),
)


async def play(stage: Stage) -> None:
    """Play it from wherever it stands."""
    number, code = await _called(stage)
    ticket = await _rescued(stage, number, code)
    await _mended(stage, ticket)


async def _called(stage: Stage) -> tuple[str, str]:
    record = await stage.born(
        _SOS,
        "singgah_di_barru",
        {
            "id_kategori": "3",
            "id_destinasi": CANYON[0],
            "judul": "SOS",
            "isi": "My friend fell at the canyon and cannot move her leg. Please send help.",
            "nama": "Emma Brown",
            "telp": "+61412345678",
            "bahasa": "en",
            "lat": str(LIBURENG.latitude),
            "lon": str(LIBURENG.longitude),
        },
        "isi",
    )
    code = await stage.code_of(_SOS, record.reference)
    stage.say(
        "Singgah",
        f"wisatawan asing menekan SOS di {CANYON[1]}: tanpa NIK, nomor luar negeri → [b]{code}[/b]",
        "a foreign visitor presses SOS in the tourism app: no NIK, the place is the destination's",
    )
    return record.reference, code


async def _rescued(stage: Stage, number: str, code: str) -> str:
    await stage.move("singgah_di_barru", number, "diteruskan", VISITOR_WAY)
    emergency = await stage.escalate(
        _RESCUE,
        stage.people["disparpora"],
        code,
        "EM-SAR",
        "Wisatawan terluka di jurang",
        "Wisatawan asing jatuh di Celebes Canyon, kaki tidak bisa digerakkan.",
    )
    ticket = await stage.arrives(emergency, "cc112")
    stage.say(
        "OPD",
        f"Disparpora menaikkannya ke 112: [b]{emergency}[/b] → tiket [b]{ticket}[/b], Basarnas dikirim",
        "the tourism office makes an emergency of it; search and rescue goes",
    )
    await stage.rescue(ticket, emergency, _UNIT, "Korban dievakuasi ke RSUD, stabil")
    await stage.move("singgah_di_barru", number, "selesai", VISITOR_WAY, "Your friend is safe at the hospital.")
    await stage.reaches(code, "resolved")
    return ticket


async def _mended(stage: Stage, ticket: str) -> None:
    """After the closure: a task for the operator in Singgah Di Barru, and the works office mends the railings."""
    filed = await stage.file(
        _RAILINGS,
        stage.people["disparpora"],
        {
            "service": "TO-FACILITY",
            "description": "Pagar pembatas di tepi jurang patah; wisatawan jatuh di sini.",
            "place": place(LIBURENG, "Tepi jurang sebelah timur"),
            "attributes": {"destination": CANYON[0]},
            "reporter": {"name": "Operator Disparpora", "phone": "+6281342000401"},
            "follow_up_to": ticket,
        },
    )
    number = await stage.arrives(filed.code, "singgah_di_barru")
    await stage.move("singgah_di_barru", number, "diteruskan", VISITOR_WAY)
    body = {"agency": "PUTR", "reason": "Pagar adalah urusan pekerjaan umum"}
    await stage.refer(stage.people["disparpora"], filed.code, DESK, "PUTR", body)
    await stage.close(filed.code, "PUTR", "Pagar baru sepanjang 40 meter sudah dipasang")
    await stage.move("singgah_di_barru", number, "selesai", VISITOR_WAY, "Pagar baru sudah dipasang")
    await stage.reaches(filed.code, "resolved")
    stage.say(
        "OPD",
        f"setelah tiket ditutup, pagar jurang menjadi tugas sendiri: [b]{filed.code}[/b], Singgah {number} → PUTR",
        "after the closure the railings become a task of their own; the works office mends them",
    )
