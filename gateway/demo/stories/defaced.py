"""PPID defaced: it answers 200 with a page for gambling. The gateway takes it for away, stores nothing, and what it
cannot know it leaves to a person; it never sends a second time."""

from functools import partial
from typing import Final

from gateway.demo import parked
from gateway.demo.callers import Unexpected
from gateway.demo.ending import Ending, Hop
from gateway.demo.stage import Filed, Stage, document
from gateway.demo.stories.asking import PDF, Applicant, request, typed
from gateway.demo.stories.cast import REQUEST_WAY
from gateway.demo.waiting import NotYet
from gateway.demo.when import ago

TITLE: Final = ("Situs PPID diretas", "PPID is defaced")

_EARLIER: Final = "defaced.earlier"
_REQUEST: Final = "defaced.request"
_ASKER: Final = Applicant(
    name="Rahmatia",
    phone="+6285342001001",
    email="rahmatia@contoh.id",
    national_id="7311034708920006",
    address="Jl. Iskandar Unru 8, Barru",
    occupation="student",
)
_WANTED: Final = "Daftar destinasi wisata dan jumlah pengunjung per bulan."
_OLD: Final = "Jumlah perpustakaan desa."
_PURPOSE: Final = "Bahan skripsi"

ENDING: Final = Ending(
    name="defaced",
    wanted=(
        parked.asked(_REQUEST, "resolved", "2", follows=_EARLIER, kind="related_to"),
        parked.asked(_EARLIER, "in_progress", "1"),
    ),
    hops=(
        Hop(step=_REQUEST, kind="delivery.attempt", times=None, app="ppid"),
        Hop(step=_REQUEST, kind="delivery.accepted", app="ppid"),
        *parked.papers(_REQUEST),
    ),
)


async def play(stage: Stage) -> None:
    """Play it from wherever it stands: an earlier request of hers is being worked on."""
    body = await request(stage, _EARLIER, _ASKER, _OLD, _PURPOSE)
    earlier = await stage.file(_EARLIER, stage.phone, body)
    ticket = await parked.arrives(stage, _EARLIER, earlier.code, typed(_ASKER, _OLD, _PURPOSE))
    await stage.move("ppid", ticket, "1", REQUEST_WAY)
    await stage.reaches(earlier.code, "in_progress")
    stage.say(
        "warga",
        f"seorang mahasiswi meminta informasi: [b]{earlier.code}[/b] → [b]{ticket}[/b], sedang ditangani",
        "a student asks for information; PPID works on it",
    )


async def alone(stage: Stage) -> None:
    """Nobody else is on the stage: the site is defaced, she asks again, the site is mended, an officer looks."""
    earlier = stage.filed[_EARLIER]
    filed = await _lost(stage, earlier)
    ticket = await _found(stage, filed)
    await stage.link(filed.code, "related_to", earlier.code, "Pemohon yang sama, bahan yang sama")
    await stage.move("ppid", ticket, "1", REQUEST_WAY)
    paper = document("kunjungan-wisata.pdf", "application/pdf", PDF)
    await stage.move("ppid", ticket, "2", REQUEST_WAY, "Terlampir datanya", paper)
    await stage.reaches(filed.code, "resolved", secret=filed.secret)
    await parked.answered(stage, filed.code)
    stage.say("PPID", f"[b]{ticket}[/b] dijawab dengan dokumen", "answers it with a document")


async def _lost(stage: Stage, earlier: Filed) -> Filed:
    """She asks while the site is not PPID's. What was known stays known, with its age."""
    officer = stage.officers["ppid"]
    before = len(await officer.records())
    body = await request(stage, _REQUEST, _ASKER, _WANTED, _PURPOSE)
    # A run that goes on after a kill may find the request done: then nobody defaces anything any more.
    told = any(ack.step == _REQUEST for ack in stage.memory.acks())
    if not told:
        await officer.switch(deface=True)
    filed = await stage.file(_REQUEST, stage.phone, body)
    if not told:
        await stage.until("jawaban PPID tidak terbaca", "PPID's answer cannot be read", partial(_unsure, stage, filed))
        shown = (await stage.phone.track(earlier.code, earlier.secret))["cases"][0]
        stage.say(
            "PPID",
            "situsnya menjadi halaman judi → gateway: “tidak tersedia”, tidak ada yang disimpan; "
            f"{earlier.code} tetap “{shown['status_title']}”, kabar terakhir {ago(shown['seen_at'], stage.clock)}",
            "its site is a page for gambling → “unavailable”; the last known state is shown, with its age",
        )
    await officer.switch(deface=False)
    if (await officer.records())[before:] and not told:
        raise Unexpected("the defaced site has stored something")
    return filed


async def _unsure(stage: Stage, filed: Filed) -> None:
    # A gateway that was started anew reads PPID's lists first, and does not come to sending.
    if not any(one["state"] != "queued" or one["attempts"] for one in await parked.waiting(stage, filed.code)):
        raise NotYet(f"the delivery of {filed.code} is not unsure yet")


async def _found(stage: Stage, filed: Filed) -> str:
    """Twice looked for and not found, it is parked; the officer types it in by hand."""
    ticket = await parked.arrives(stage, _REQUEST, filed.code, typed(_ASKER, _WANTED, _PURPOSE))
    if (await stage.officers["ppid"].record(ticket)).key is not None:
        stage.say("PPID", f"situs pulih: [b]{ticket}[/b]", "the site is back, and the request arrives, once")
        return ticket
    stage.say(
        "OPD",
        f"dua kali dicari, tidak ada → [b]ditahan[/b], tidak dikirim lagi; petugas mencatatnya: [b]{ticket}[/b]",
        "looked for twice and not there → parked, never sent again; the officer enters it by hand",
    )
    return ticket
