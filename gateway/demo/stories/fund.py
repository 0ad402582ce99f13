"""A question about village funds: a complaint and, split off, a request for information that lacks an identity card;
no answer in time, so an objection follows."""

from typing import Final

from gateway.demo import parked
from gateway.demo.ending import Ending, Hop, Unseen, Wanted
from gateway.demo.stage import Filed, Stage, document
from gateway.demo.stories.asking import PDF, Applicant, answers, objection, person, typed
from gateway.demo.stories.cast import NEPO, OBJECTION_WAY, REQUEST_WAY, VILLAGE_WAY
from gateway.demo.when import day

TITLE: Final = ("Dana desa: aduan, permohonan, keberatan", "Village funds: complaint, request, objection")

_FUND: Final = "fund.complaint"
_REQUEST: Final = "fund.request"
_ANSWER: Final = "fund.answer"
_OBJECT: Final = "fund.objection"
_ASKER: Final = Applicant(
    name="Muh. Idrus",
    phone="+6285342000801",
    email="idrus@contoh.id",
    national_id="7311051106780005",
    address="Dusun Bola Bulu, Nepo",
    occupation="farmer",
)
_WANTED: Final = "Salinan APBDes Nepo tahun berjalan dan realisasinya."
_PURPOSE: Final = "Pengawasan warga"
_UNANSWERED: Final = "Permohonan saya tidak ditanggapi dalam waktu yang ditentukan."

ENDING: Final = Ending(
    name="fund",
    wanted=(
        Wanted(step=_FUND, app="sigapdes", word="3", status="resolved"),
        parked.asked(_REQUEST, "resolved", "2", follows=_FUND, kind="split_from"),
        parked.asked(_OBJECT, "resolved", "a", follows=_REQUEST, kind="objection_to"),
    ),
    hops=(
        Hop(step=_FUND, kind="report.split", rule="desk:split"),
        Hop(step=_REQUEST, kind="report.completed"),
        *parked.papers(_REQUEST),
    ),
    unseen=(Unseen(texts=(_ASKER.national_id, _ASKER.name), apps=("sigapdes",)),),
    late=((_REQUEST, "ppid_request"),),
)


async def play(stage: Stage) -> None:
    """Play it from wherever it stands."""
    fund = await stage.file(
        _FUND,
        stage.phone,
        {
            "service": "VI-FUND",
            "description": "APBDes dirahasiakan; ke mana dana jalan tani tahun ini?",
            "place": {"village": NEPO.village},
            "reporter": {"name": _ASKER.name, "phone": _ASKER.phone},
        },
    )
    number = await stage.arrives(fund.code, "sigapdes")
    stage.say(
        "warga",
        f"mengadu bahwa APBDes dirahasiakan: [b]{fund.code}[/b] → Si-GAPDes [b]{number}[/b], pelapor tersembunyi",
        "complains that the village budget is kept secret; the reporter is hidden",
    )
    part = await _split(stage, fund)
    ticket = await _completed(stage, part)
    await stage.move("sigapdes", number, "2", VILLAGE_WAY)
    await stage.move("sigapdes", number, "3", VILLAGE_WAY, "Realisasi dana dipasang di papan informasi desa")
    await stage.reaches(fund.code, "resolved")
    stage.say(
        "PPID",
        f"permohonan lengkap, diterima: [b]{ticket}[/b]; aduannya selesai, jawaban PPID belum datang",
        "the request is complete and accepted; the complaint is settled, the information not there yet",
    )


async def _split(stage: Stage, fund: Filed) -> Filed:
    part = {"service": "IF-REQUEST", "description": _WANTED, "attributes": {"purpose": _PURPOSE}}
    body = {"parts": [part], "reason": "Permintaan informasi adalah urusan PPID"}
    await stage.desk(stage.people["pmd"], fund.code, "split", body)
    code = await stage.descendant(_REQUEST, fund.code, "split_from", "IF-REQUEST", secret=fund.secret)
    stage.filed[_REQUEST] = Filed(code=code, secret=fund.secret)
    stage.say(
        "OPD",
        f"petugas memisahkan permintaan informasi: [b]{code}[/b]; yang kurang (KTP, alamat, …) ditanyakan",
        "the officer splits off a request for information; what it lacks, an identity card too, is asked for",
    )
    return stage.filed[_REQUEST]


async def _completed(stage: Stage, part: Filed) -> str:
    await stage.tell(_ANSWER, stage.phone, part.code, {"answers": await answers(stage, _REQUEST, _ASKER)}, part.secret)
    return await parked.arrives(stage, _REQUEST, part.code, typed(_ASKER, _WANTED, _PURPOSE))


async def later(stage: Stage) -> None:
    """Weeks later: no answer came, so he objects; the objection is decided, and the request answered."""
    part = stage.filed[_REQUEST]
    (due,) = (await stage.phone.track(part.code, part.secret))["due"]
    stage.say(
        "gateway",
        f"[b]{part.code}[/b]: tenggat sepuluh hari kerja lewat {day(due['by'])} tanpa jawaban",
        "the ten working days have passed without an answer",
    )
    request = await parked.arrives(stage, _REQUEST, part.code, typed(_ASKER, _WANTED, _PURPOSE))
    filed = await stage.file(
        _OBJECT,
        stage.phone,
        {
            "service": "IF-OBJECT",
            "description": _UNANSWERED,
            "attributes": {"grounds": ["c", "g"]},
            "reporter": person(_ASKER),
            "follow_up_to": part.code,
        },
        part.secret,
    )
    ticket = await parked.arrives(stage, _OBJECT, filed.code, objection(_ASKER, request, _UNANSWERED))
    stage.say(
        "warga",
        f"mengajukan keberatan [b]{filed.code}[/b] → [b]{ticket}[/b], tertaut ke {request}",
        "objects, with the request's own secret; the objection hangs on it in the same trace",
    )
    await stage.move("ppid", ticket, "p", OBJECTION_WAY)
    await stage.move("ppid", ticket, "a", OBJECTION_WAY, "Keberatan dikabulkan, informasi diberikan")
    paper = document("apbdes-nepo.pdf", "application/pdf", PDF)
    await stage.move("ppid", request, "2", REQUEST_WAY, "Terlampir APBDes dan realisasinya", paper)
    await stage.reaches(filed.code, "resolved")
    await stage.reaches(part.code, "resolved")
    await parked.answered(stage, part.code)
    stage.say(
        "PPID",
        "atasan PPID mengabulkan keberatan; APBDes diberikan",
        "the objection is upheld, the budget is handed over",
    )
