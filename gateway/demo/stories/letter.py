"""A letter request from a phone on a bad network: sent three times, one report; to its collection in the village."""

import asyncio
from typing import Final

from gateway.demo.ending import Ending, Wanted
from gateway.demo.stage import Stage
from gateway.demo.stories.cast import LETTER_WAY, MADELLO, STUDENT, letter

TITLE: Final = ("Surat dari ponsel, sinyal buruk", "A letter from a phone, on a bad network")

_STEP: Final = "letter.request"
_TIMES: Final = 3

ENDING: Final = Ending(
    name="letter",
    wanted=(Wanted(step=_STEP, app="sigapdes", word="4", status="resolved", messages=1),),
)


async def play(stage: Stage) -> None:
    """Play it from wherever it stands."""
    phone = stage.phone
    body = letter(STUDENT, MADELLO, "tidak_mampu", "Melengkapi permohonan beasiswa")
    sent = await asyncio.gather(*(stage.file(_STEP, phone, body) for _ in range(_TIMES)))
    code, secret = sent[0].code, sent[0].secret
    stage.say(
        "warga",
        f"ponsel tanpa akun mengirim permohonan surat [b]{_TIMES} kali[/b]: satu laporan, [b]{code}[/b]",
        f"a phone without an account sends the same request {_TIMES} times: one report",
    )
    reference = await stage.arrives(code, "sigapdes")
    record = await stage.officers["sigapdes"].record(reference)
    if not record.messages:
        await stage.officers["sigapdes"].advance(reference, "0", "Mohon sebutkan nama orang tua")
        await stage.reaches(code, "needs_info", secret=secret)
        stage.say(
            "Si-GAPDes",
            f"[b]{reference}[/b] belum lengkap: “nama orang tua?” → warga melihat “perlu keterangan”",
            "it is incomplete: “name of the parents?” → the citizen sees “needs information”",
        )
    await stage.tell("letter.answer", phone, code, {"text": "Orang tua: Muh. Yusuf dan Nurhayati"}, secret)
    await stage.reaches(code, "in_progress", "resolved", secret=secret)
    stage.say(
        "warga",
        "menjawab dengan kode dan rahasia laporannya; jawaban sampai di Si-GAPDes",
        "answers with the report's code and secret; the answer arrives in Si-GAPDes",
    )
    for word in ("2", "3"):
        await stage.move("sigapdes", reference, word, LETTER_WAY)
    await stage.move("sigapdes", reference, "4", LETTER_WAY, "Surat sudah diambil")
    await stage.reaches(code, "resolved", secret=secret)
    stage.say(
        "Si-GAPDes",
        f"surat ditandatangani, siap, diambil → {code} “selesai”",
        "the letter is signed, ready, collected → “resolved”",
    )
