"""Fire without signal at Nepo: typed into Si-GAPDes late, taken to 112 two hours after it broke out."""

from datetime import timedelta
from typing import Final

from gateway.demo.ending import Ending, Wanted
from gateway.demo.stage import Filed, Stage
from gateway.demo.stories.cast import FIRE_FAMILY, LETTER_WAY, NEPO, VILLAGE_WAY, letter, place

TITLE: Final = ("Kebakaran tanpa sinyal di Nepo", "Fire without signal at Nepo")

_TYPED: Final = "fire.typed"
_FIRE: Final = "fire.emergency"
_LETTER: Final = "fire.letter"
_LATE: Final = timedelta(hours=2)
_DAMKAR: Final = ("DAMKAR-PAREPARE-1", "EXT-DAMKAR-PAREPARE")

ENDING: Final = Ending(
    name="fire",
    wanted=(
        Wanted(step=_FIRE, app="cc112", word="CLOSED", status="resolved", follows=_TYPED),
        Wanted(step=_TYPED, app="sigapdes", born=True, word="3", status="resolved"),
        Wanted(step=_LETTER, app="sigapdes", word="4", status="resolved", follows=_FIRE),
    ),
)


async def play(stage: Stage) -> None:
    """Play it from wherever it stands."""
    broke_out = stage.memory.state.started_at - _LATE
    household = FIRE_FAMILY
    record = await stage.born(
        _TYPED,
        "sigapdes",
        {
            "kind": "kerusakan",
            "kode_desa": NEPO.village.replace(".", ""),
            "nama_kk": household.name,
            "jumlah_jiwa": household.people,
            "jenis_bencana": "kebakaran",
            "tingkat": "berat",
            "lat": NEPO.latitude,
            "lon": NEPO.longitude,
            "keterangan": "Rumah panggung terbakar, tidak ada sinyal untuk menelepon 112",
        },
        "keterangan",
    )
    reference = record.reference
    stage.say(
        "desa",
        f"operator Desa Nepo mengetik data kebakaran langsung di Si-GAPDes: [b]{reference}[/b] (tanpa sinyal)",
        "the village operator types the fire into Si-GAPDes itself (no signal, late)",
    )
    typed = await stage.code_of(_TYPED, reference)
    stage.say(
        "gateway",
        f"menemukan data yang lahir di sana dan membuka [b]{typed}[/b]",
        "finds the record that was born there and opens a report",
    )
    fire = await stage.file(
        _FIRE,
        stage.people["operator_mallusetasi"],
        {
            "service": "EM-FIRE",
            "description": "Rumah panggung terbakar di Dusun Bola Bulu, api sudah merambat; jalan sempit bagi mobil.",
            "place": place(NEPO, "Dusun Bola Bulu, dekat mushala"),
            "reporter": {"name": "Operator Desa Nepo", "phone": "+6281342000205"},
            "occurred_at": broke_out.isoformat(),
            "follow_up_to": reference,
        },
    )
    ticket = await stage.arrives(fire.code, "cc112")
    stage.say(
        "desa",
        f"melaporkan darurat lewat gateway, terjadi [b]dua jam lalu[/b]: [b]{fire.code}[/b] → tiket [b]{ticket}[/b]",
        "reports the emergency through the gateway, two hours after it broke out → a 112 ticket",
    )
    await _extinguish(stage, ticket, fire.code)
    await stage.move("sigapdes", reference, "3", VILLAGE_WAY, "Data diverifikasi, bantuan dijadwalkan")
    await _papers(stage, fire)
    await stage.reaches(typed, "resolved")


async def _extinguish(stage: Stage, ticket: str, code: str) -> None:
    await stage.rescue(ticket, code, _DAMKAR, "Api padam, satu rumah habis terbakar, tidak ada korban jiwa")
    stage.say(
        "112",
        "regu pertama dari luar wilayah: Damkar Parepare; api padam, tiket ditutup → “selesai”",
        "the first team is from outside: Parepare's fire brigade; fire out, ticket closed → “resolved”",
    )


async def _papers(stage: Stage, fire: Filed) -> None:
    """The family has code and secret of the fire from the operator; that lets it follow it up."""
    body = letter(FIRE_FAMILY, NEPO, "kehilangan", "KTP dan KK hangus terbakar; surat untuk mengurus penggantinya")
    filed = await stage.file(_LETTER, stage.people["warga"], body | {"follow_up_to": fire.code}, fire.secret)
    reference = await stage.arrives(filed.code, "sigapdes")
    await stage.move("sigapdes", reference, "4", LETTER_WAY, "Diambil keluarga, diteruskan ke Disdukcapil")
    await stage.reaches(filed.code, "resolved")
    stage.say(
        "warga",
        f"meminta surat kehilangan KTP dan KK, tindak lanjut kebakaran: [b]{filed.code}[/b] → {reference}, diambil",
        "asks for a letter about the burnt ID papers, following up the fire → collected",
    )
