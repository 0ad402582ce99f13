"""A letter request from a phone on a bad network: sent three times, one report; to its collection in the village."""

import asyncio
from typing import Final

from gateway.demo.stage import Stage
from gateway.demo.stories.cast import LETTER_WAY, MADELLO, STUDENT, letter
from gateway.demo.verdict import Ending, Wanted

TITLE: Final = ("Surat dari ponsel, sinyal buruk", "A letter from a phone, on a bad network")

_STEP: Final = "letter.request"
_TIMES: Final = 3

ENDING: Final = Ending(
    name="letter",
    wanted=(Wanted(step=_STEP, app="sigapdes", word="4", status="resolved", messages=1),),
)


async def play(stage: Stage) -> None:
    """Play it from wherever it stands."""
    citizen = stage.people["warga"]
    body = letter(STUDENT, MADELLO, "tidak_mampu", "Melengkapi permohonan beasiswa")
    sent = await asyncio.gather(*(stage.file(_STEP, citizen, body) for _ in range(_TIMES)))
    code = sent[0].code
    stage.teller.say(
        "warga",
        f"ponsel mengirim permohonan surat [b]{_TIMES} kali[/b] (sinyal buruk): satu laporan, [b]{code}[/b]",
        f"a phone sends the same request {_TIMES} times on a bad network: one report",
    )
    reference = await stage.arrives(code, "sigapdes")
    record = await stage.sigapdes.record(reference)
    if not record.messages:
        await stage.sigapdes.advance(reference, "0", "Mohon sebutkan nama orang tua")
        await stage.reaches(code, "needs_info")
        stage.teller.say(
            "sigapdes",
            f"[b]{reference}[/b] belum lengkap: “nama orang tua?” → warga melihat “perlu keterangan”",
            "it is incomplete: “name of the parents?” → the citizen sees “needs information”",
        )
    await citizen.tell(code, "Orang tua: Muh. Yusuf dan Nurhayati", stage.memory.key("letter.answer"))
    await stage.reaches(code, "in_progress", "resolved")
    stage.teller.say(
        "warga", "menjawab dari ponsel; jawaban sampai di Si-GAPDes", "answers from the phone; it arrives in Si-GAPDes"
    )
    for word in ("2", "3"):
        await stage.move_village(reference, word, LETTER_WAY)
    await stage.move_village(reference, "4", LETTER_WAY, "Surat sudah diambil")
    await stage.reaches(code, "resolved")
    stage.teller.say(
        "sigapdes",
        f"surat ditandatangani, siap, diambil → {code} “selesai”",
        "the letter is signed, ready, collected → “resolved”",
    )
