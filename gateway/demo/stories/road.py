"""A road collapses and isolates Jangan Jangan: a complaint grows into an emergency, other callers are merged into it,
and the road office answers."""

from functools import partial
from typing import Final

from gateway.demo.callers import Json, Unexpected
from gateway.demo.ending import Ending, Hop, Wanted
from gateway.demo.stage import Filed, Stage
from gateway.demo.stories.cast import COMPLAINT_WAY, JANGAN_JANGAN, VILLAGE_WAY, place
from gateway.demo.waiting import NotYet

TITLE: Final = ("Jalan ambles, Jangan Jangan terisolasi", "A road collapses and isolates Jangan Jangan")

_ROAD: Final = "road.complaint"
_WORD: Final = "road.word"
_EMERGENCY: Final = "road.emergency"
_CALLS: Final = {"road.call-1": "+6285255000061", "road.call-2": "+6285255000062"}
_URGENT: Final = "EM-MATERNAL"
_UNIT: Final = ("AMBULANS-PKM-PUJANANTING", "DINKES")

ENDING: Final = Ending(
    name="road",
    wanted=(
        Wanted(step=_ROAD, app="sigapdes", word="3", status="resolved", messages=1),
        Wanted(step=_ROAD, app="sipendting", word="6", status="resolved"),
        Wanted(step=_EMERGENCY, app="cc112", word="CLOSED", status="resolved", follows=_ROAD, kind="escalated_from"),
        *(
            Wanted(
                step=step,
                app="cc112",
                born=True,
                word="CLOSED",
                status="resolved",
                follows=_EMERGENCY,
                kind="duplicate_of",
            )
            for step in _CALLS
        ),
    ),
    hops=(
        *(Hop(step=step, kind="report.told", rule="link:duplicate_of") for step in _CALLS),
        Hop(step=_ROAD, kind="case.referred", times=2, rule="desk:refer"),
    ),
    calm=(_ROAD,),
)


async def play(stage: Stage) -> None:
    """Play it from wherever it stands."""
    road = await stage.file(
        _ROAD,
        stage.phone,
        {
            "service": "VI-AID",
            "description": "Jalan ke Jangan Jangan ambles sejak semalam, bantuan sembako tidak bisa masuk.",
            "place": place(JANGAN_JANGAN, "Dusun Maddo, setelah jembatan"),
            "reporter": {"name": "La Mappa", "phone": "+6285342000601"},
            "attributes": {"programme": "sembako"},
        },
    )
    number = await stage.arrives(road.code, "sigapdes")
    await stage.move("sigapdes", number, "2", VILLAGE_WAY)
    stage.say(
        "warga",
        f"mengadu: jalan ambles, bantuan tidak bisa masuk → [b]{road.code}[/b], di Si-GAPDes [b]{number}[/b]",
        "complains: the road is gone, aid cannot come in → Si-GAPDes, 14 working days",
    )
    ticket = await _grown(stage, road)
    await _merged(stage, ticket)
    await _repaired(stage, road, number)


async def _grown(stage: Stage, road: Filed) -> str:
    """The reporter's next word is an emergency; return its ticket."""
    told = {"text": "Sekarang ada ibu hamil tidak bisa lewat, sudah mulas."}
    answer = await stage.tell(_WORD, stage.phone, road.code, told, road.secret)
    if _URGENT not in {one["service"] for one in answer["suggestions"]}:
        raise Unexpected("the gateway does not see that a word of the reporter is an emergency")
    stage.say(
        "warga",
        "menambah pesan: “ibu hamil tidak bisa lewat” → gateway mengenali keadaan darurat: [b]telepon 112[/b]",
        "adds: “a pregnant woman cannot pass” → the gateway says: call 112",
    )
    emergency = await stage.escalate(
        _EMERGENCY,
        stage.coordinator,
        road.code,
        _URGENT,
        "Ibu hamil tidak bisa lewat",
        "Ibu hamil sudah mulas, jalan putus; perlu ambulans dari sisi Pujananting.",
    )
    ticket = await stage.arrives(emergency, "cc112")
    stage.say(
        "OPD",
        f"petugas menaikkannya ke 112: [b]{emergency}[/b] → tiket [b]{ticket}[/b], tertaut ke aduan",
        "the officer makes an emergency of it: a 112 ticket, linked to the complaint",
    )
    return ticket


async def _merged(stage: Stage, ticket: str) -> None:
    """Two more callers report the same; all of them hear its end."""
    emergency = await stage.code_of(_EMERGENCY, ticket)
    calls = {step: await _rung(stage, step, phone) for step, phone in _CALLS.items()}
    codes = {step: await stage.code_of(step, number) for step, number in calls.items()}
    for code in codes.values():
        await stage.link(code, "duplicate_of", emergency, "Penelepon yang lain melaporkan hal yang sama")
    stage.say(
        "112",
        f"dua telepon lagi tentang hal yang sama: [b]{'[/b], [b]'.join(calls.values())}[/b], digabungkan",
        "two more calls about the same: merged as duplicates",
    )
    await stage.rescue(ticket, emergency, _UNIT, "Ibu dievakuasi, melahirkan dengan selamat")
    for step, code in codes.items():
        await stage.until("penelepon lain dikabari", "the other callers are told", partial(_told, stage, code))
        await stage.dispatch(calls[step], "CLOSED", {}, f"Digabung dengan {ticket}", "transferred")
        await stage.reaches(code, "resolved")
    stage.say(
        "gateway",
        "ibu selamat; kedua penelepon lain dikabari, tanpa tahu siapa yang melapor lebih dulu",
        "mother and child are safe; the other callers are told, and nothing about who reported first",
    )


async def _rung(stage: Stage, step: str, phone: str) -> str:
    fields: Json = {
        "category": "PERSALINAN",
        "priority": 1,
        "call": {"type": "normal", "msisdn": phone},
        "location": {
            "lat": JANGAN_JANGAN.latitude,
            "lon": JANGAN_JANGAN.longitude,
            "text": "Jangan Jangan, jalan putus",
            "kode_wilayah": JANGAN_JANGAN.village,
        },
        "narrative": "Ada ibu mau melahirkan, jalan putus.",
    }
    return (await stage.born(step, "cc112", fields, "narrative")).reference


async def _told(stage: Stage, code: str) -> None:
    trace = await stage.people["auditor"].read(f"/v1/audit/reports/{code}/trace")
    if not any(hop["kind"] == "report.told" and hop["report"] == code for hop in trace["hops"]):
        raise NotYet(f"{code} was not told yet")


async def _repaired(stage: Stage, road: Filed, number: str) -> None:
    """The road itself: to the road office, answered although it is mended only next year."""
    await stage.refer(
        stage.coordinator,
        road.code,
        "sipendting",
        "PUTR",
        {
            "service": "IN-ROAD",
            "reason": "Perbaikan jalan adalah urusan PUTR",
            "attributes": {"damage": "cut"},
        },
    )
    complaint = await stage.arrives(road.code, "sipendting")
    for word in ("2", "3", "4"):
        await stage.move("sipendting", complaint, word, COMPLAINT_WAY)
    answer = "Jalan darurat dibuka; perbaikan tetap masuk anggaran tahun depan"
    await stage.move("sipendting", complaint, "6", COMPLAINT_WAY, answer)
    await stage.move("sigapdes", number, "3", VILLAGE_WAY, "Bantuan sembako diantar lewat jalan darurat")
    await stage.reaches(road.code, "resolved")
    stage.say(
        "Si-PeNDTING",
        f"PUTR menjawab di Si-PeNDTING [b]{complaint}[/b]: jalan darurat dibuka, perbaikan tahun depan → “selesai”",
        "the road office answers: a detour now, the repair in next year's budget → “resolved”",
    )
