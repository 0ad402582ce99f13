"""A toddler convulsing at Pujananting: 112, hospital, a request to look with an opaque number, aid for the family.

What the doctor found is for those who treat; the family reads that it is being followed up.
"""

from typing import Final

from gateway.demo.ending import Ending, Hop, Unseen, Wanted
from gateway.demo.stage import Filed, Stage
from gateway.demo.stories.cast import PUJANANTING, REFERRAL_WAY, VILLAGE_WAY, place
from gateway.demo.waiting import NotYet

TITLE: Final = ("Balita kejang di Pujananting", "A toddler convulsing at Pujananting")

_CALL: Final = "toddler.call"
_CHILD: Final = "Aisyah"
_FOUND: Final = "gizi buruk"
_WEIGHT: Final = "7,1 kg"
_LABELS: Final = ("stunting", "Stunting", "gizi", "Gizi")
"""Words for what the doctor thinks of; a mother who was told none of it reads none of it."""
_CASE: Final = "STG-2026-0042"
_UNIT: Final = ("AMBULANS-PSC-03", "PSC119")

ENDING: Final = Ending(
    name="toddler",
    wanted=(
        Wanted(step=_CALL, app="cc112", word="CLOSED", status="in_progress"),
        Wanted(step=_CALL, app="sipendting", word="5", status="in_progress"),
        Wanted(step=_CALL, app="sigapdes", word="3", status="in_progress"),
    ),
    hops=(Hop(step=_CALL, kind="case.referred", times=2, rule="desk:refer"),),
    unseen=(
        Unseen(texts=(_CHILD, _FOUND), apps=("sipendting", "sigapdes")),
        Unseen(texts=(_WEIGHT,), apps=("sigapdes",)),
        Unseen(texts=(_FOUND, _WEIGHT, *_LABELS), reporters=(_CALL,), seen=("Sedang ditangani",)),
    ),
)


async def play(stage: Stage) -> None:
    """Play it from wherever it stands."""
    call = await stage.file(
        _CALL,
        stage.phone,
        {
            "service": "EM-MEDICAL",
            "description": f"Anak saya {_CHILD}, dua tahun, kejang-kejang dan panas tinggi.",
            "place": place(PUJANANTING, "Dusun Panggalungan"),
            "reporter": {"name": "Sitti Hajar", "phone": "+6285342000301"},
        },
    )
    ticket = await stage.arrives(call.code, "cc112")
    stage.say(
        "warga",
        f"seorang ibu menekan tombol darurat: balita kejang → [b]{call.code}[/b], tiket [b]{ticket}[/b]",
        "a mother presses the emergency button: her toddler convulses → a 112 ticket",
    )
    await stage.rescue(ticket, call.code, _UNIT, "Pasien sudah ditangani dokter di RSUD")
    stage.say("112", "ambulans PSC 119 membawa anak ke RSUD; ditangani", "the ambulance takes the child to hospital")
    await _referred(stage, call)
    await _aided(stage, call)
    await _followed(stage, call)


async def _referred(stage: Stage, call: Filed) -> None:
    """The doctor's finding goes into a note for officers; to Si-PeNDTING goes a number and the request to look."""
    await stage.refer(
        stage.people["dinkes"],
        call.code,
        "sipendting",
        "DPMDPPKBPPPA",
        {
            "service": "CH-STUNT",
            "reason": f"Dokter RSUD: {_FOUND}, berat badan {_WEIGHT}",
            "description": "Mohon keluarga ini dikunjungi.",
            "attributes": {"relation": "officer", "case_number": _CASE},
        },
    )
    number = await stage.arrives(call.code, "sipendting")
    stage.say(
        "OPD",
        f"Dinkes meneruskan ke Si-PeNDTING hanya nomor [b]{_CASE}[/b] dan permintaan kunjungan: {number}",
        "the health office passes on an opaque number and a request to look, nothing of the child",
    )
    for word in ("3", "4"):
        await stage.move("sipendting", number, word, REFERRAL_WAY)
    await stage.move("sipendting", number, "5", REFERRAL_WAY, f"Kunjungan pertama: berat badan {_WEIGHT}")
    await stage.reaches(call.code, "in_progress")


async def _aided(stage: Stage, call: Filed) -> None:
    """The family is put on the list of village aid: another case of the same report, in an officer's words."""
    await stage.refer(
        stage.people["pmd"],
        call.code,
        "sigapdes",
        "DINSOS",
        {
            "service": "VI-AID",
            "reason": "Keluarga diusulkan menerima bantuan pangan desa",
            "description": "Keluarga ini diusulkan menerima bantuan pangan desa.",
            "attributes": {"programme": "sembako"},
        },
    )
    number = await stage.arrives(call.code, "sigapdes")
    await stage.move("sigapdes", number, "2", VILLAGE_WAY)
    await stage.move("sigapdes", number, "3", VILLAGE_WAY, "Keluarga masuk daftar bantuan pangan desa")
    stage.say(
        "Si-GAPDes",
        f"menerima usulan bantuan pangan untuk keluarga itu: [b]{number}[/b], disetujui",
        "the village puts the family on its list of food aid, without learning why",
    )


async def _followed(stage: Stage, call: Filed) -> None:
    async def aided() -> None:
        report = await stage.report(call.code)
        if not any(case["app"] == "sigapdes" and case["status"] == "resolved" for case in report["cases"]):
            raise NotYet(f"{call.code} is not resolved in sigapdes")

    await stage.until("kabar dari desa", "news from the village", aided)
    seen = await stage.reaches(call.code, "in_progress", secret=call.secret)
    stage.say(
        "warga",
        f"si ibu membaca “{seen['status_title']}”; temuan dokter tidak tertulis di mana pun baginya",
        "the mother reads “being followed up”; what the doctor found is nowhere for her phone to show",
    )
