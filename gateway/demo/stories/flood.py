"""Flood at Takkalasi: rings at 112, is born there; the same night the lurah's operator records 14 damaged houses."""

import asyncio
from typing import Final

from gateway.demo import parked
from gateway.demo.callers import Json
from gateway.demo.ending import Ending, Unseen, Wanted
from gateway.demo.stage import Stage, document
from gateway.demo.stories.asking import PDF, Applicant, request, typed
from gateway.demo.stories.cast import HOUSES, REQUEST_WAY, TAKKALASI, VILLAGE_WAY, damage

TITLE: Final = ("Banjir di Takkalasi", "Flood at Takkalasi")

_CALL: Final = "flood.call"
_MOVED: Final = 1
_LIST: Final = "flood.list"
_ASKER: Final = Applicant(
    name="Suryani Ambo",
    phone="+6285342000101",
    email="suryani@contoh.id",
    national_id="7311075511880007",
    address="Lingkungan Takkalasi",
    occupation="household",
)
_WANTED: Final = "Daftar penerima bantuan banjir Takkalasi, dalam angka per lingkungan."
_PURPOSE: Final = "Memastikan bantuan merata"
_UNITS: Final = {"BPBD-01": "BPBD", "BASARNAS-02": "EXT-BASARNAS"}

ENDING: Final = Ending(
    name="flood",
    wanted=(
        Wanted(step=_CALL, app="cc112", born=True, word="CLOSED", status="resolved"),
        *(
            Wanted(
                step=f"flood.house-{number:02d}",
                app="sigapdes",
                word="3" if number == _MOVED else "1",
                status="resolved" if number == _MOVED else "received",
                follows=_CALL,
            )
            for number in range(1, len(HOUSES) + 1)
        ),
        parked.asked(_LIST, "resolved", "2", follows=_CALL),
    ),
    hops=parked.papers(_LIST),
    unseen=(Unseen(texts=tuple(house.name for house in HOUSES), apps=("ppid",), reporters=(_LIST,)),),
)


async def play(stage: Stage) -> None:
    """Play it from wherever it stands."""
    ticket, code = await _call(stage)
    await _rescue(stage, ticket, code)
    await _houses(stage, ticket)
    stage.say(
        "auditor",
        f"menelusuri tiket [b]{ticket}[/b]: satu jejak lewat 112, gateway dan Si-GAPDes (dicetak di bawah)",
        f"traces ticket {ticket}: one trail through 112, gateway and Si-GAPDes (printed below)",
    )


async def _call(stage: Stage) -> tuple[str, str]:
    incident = await stage.born(
        _CALL,
        "cc112",
        {
            "category": "BANJIR",
            "priority": 1,
            "call": {"type": "normal", "msisdn": "+6281242000112"},
            "caller": {"name": "Hj. Rosmini", "withheld": False},
            "location": {
                "lat": TAKKALASI.latitude,
                "lon": TAKKALASI.longitude,
                "accuracy_m": 40,
                "text": "Takkalasi, dekat jembatan",
                "kode_wilayah": TAKKALASI.village,
            },
            "narrative": "Air sungai meluap, sudah setinggi pinggang; ada lansia yang belum keluar rumah.",
        },
        "narrative",
    )
    ticket = incident.reference
    stage.say(
        "112",
        f"menerima telepon: air setinggi pinggang di Takkalasi → tiket [b]{ticket}[/b]",
        "takes a call: water waist-high at Takkalasi → a ticket",
    )
    code = await stage.code_of(_CALL, ticket)
    stage.say(
        "gateway",
        f"dikabari 112, memeriksa tanda tangannya, dan membuka laporan [b]{code}[/b] (banjir, untuk BPBD)",
        "is told by 112, checks the signature, and opens a report here",
    )
    return ticket, code


async def _rescue(stage: Stage, ticket: str, code: str) -> None:
    async def move(word: str, unit_word: str, note: str | None = None) -> None:
        units = {unit: (agency, unit_word) for unit, agency in _UNITS.items()}
        await stage.dispatch(ticket, word, units, note)

    await move("DISPATCHED", "ASSIGNED")
    await stage.reaches(code, "routed", "in_progress", "on_scene", "resolved")
    await move("ON_THE_WAY", "ON_THE_WAY")
    await stage.reaches(code, "in_progress", "on_scene", "resolved")
    stage.say(
        "112",
        "mengirim BPBD dan Basarnas; keduanya di jalan → warga melihat “ditangani”",
        "sends BPBD and Basarnas; both on the way → people see “in progress”",
    )
    await move("ON_SCENE", "ON_SCENE", "Perahu karet tiba, evakuasi 3 lansia")
    await stage.reaches(code, "on_scene", "resolved")
    stage.say(
        "112",
        "regu tiba di lokasi, tiga lansia dievakuasi → “petugas di lokasi”",
        "the teams arrive, three elderly people are brought out → “on scene”",
    )
    await move("ON_SCENE", "DONE")
    await move("CLOSED", "DONE", "Seluruh warga terevakuasi, air surut")
    await stage.reaches(code, "resolved")
    stage.say("112", "menutup tiket, tertangani → laporan “selesai”", "closes the ticket, handled → “resolved”")


async def _houses(stage: Stage, ticket: str) -> None:
    async def file(number: int, house: Json) -> str:
        filed = await stage.file(
            f"flood.house-{number:02d}", stage.people["operator_balusu"], house | {"follow_up_to": ticket}
        )
        return filed.code

    at = stage.memory.state.started_at
    codes = await asyncio.gather(
        *(file(number, damage(household, TAKKALASI, "banjir", at)) for number, household in enumerate(HOUSES, start=1))
    )
    stage.say(
        "desa",
        f"operator Kelurahan Takkalasi mendata [b]{len(codes)} rumah rusak[/b], tindak lanjut dari tiket 112",
        f"the lurah's operator records {len(codes)} damaged houses, following up the 112 ticket",
    )
    references = await asyncio.gather(*(stage.arrives(code, "sigapdes") for code in codes))
    reference, code = references[_MOVED - 1], codes[_MOVED - 1]
    stage.say(
        "Si-GAPDes",
        f"menyimpan {len(set(references))} data kerusakan; [b]{code}[/b] di sana bernama [b]{reference}[/b]",
        "keeps every record once, each under its own number",
    )
    await stage.move("sigapdes", reference, "2", VILLAGE_WAY)
    await stage.reaches(code, "in_progress", "resolved")
    await stage.move("sigapdes", reference, "3", VILLAGE_WAY, "Bantuan seng dan sembako sudah disalurkan")
    await stage.reaches(code, "resolved")
    stage.say(
        "Si-GAPDes",
        f"petugas menangani {reference}, lalu selesai: bantuan disalurkan → {code} “selesai”",
        "the officer handles it, then done: relief handed out → “resolved”",
    )


async def later(stage: Stage) -> None:
    """Weeks later a resident asks PPID for the relief list, and gets it in figures: no victim is named."""
    call = await stage.born(_CALL, "cc112", {"narrative": ""}, "narrative")
    flood = await stage.code_of(_CALL, call.reference)
    filed = await stage.file(_LIST, stage.phone, await request(stage, _LIST, _ASKER, _WANTED, _PURPOSE))
    ticket = await parked.arrives(stage, _LIST, filed.code, typed(_ASKER, _WANTED, _PURPOSE))
    await stage.link(filed.code, "follow_up_to", flood, "Permohonan tentang bantuan banjir ini")
    stage.say(
        "warga",
        f"meminta daftar bantuan kepada PPID: [b]{filed.code}[/b] → [b]{ticket}[/b], dengan KTP",
        "a resident asks PPID for the relief list; her identity card only passes through",
    )
    await stage.move("ppid", ticket, "1", REQUEST_WAY)
    paper = document("rekap-bantuan.pdf", "application/pdf", PDF)
    await stage.move("ppid", ticket, "2", REQUEST_WAY, "Terlampir rekap bantuan; nama korban dikecualikan", paper)
    await stage.reaches(filed.code, "resolved", secret=filed.secret)
    await parked.answered(stage, filed.code)
    stage.say(
        "PPID",
        "menjawab dengan rekap dalam angka, tanpa nama korban → satu jejak: 112 → Si-GAPDes → PPID",
        "answers with figures, no victim's name → one trace: 112 → Si-GAPDes → PPID, each with its own deadline",
    )
