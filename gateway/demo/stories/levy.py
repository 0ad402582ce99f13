"""An illegal levy at a beach: who complains stays hidden, while somebody else asks for the tariff rule. The two never
learn of each other."""

from typing import Final

from gateway.demo import parked
from gateway.demo.ending import Ending, Hop, Unseen, Wanted
from gateway.demo.stage import Filed, Stage, document
from gateway.demo.stories.asking import PDF, Applicant, request, typed
from gateway.demo.stories.cast import COMPLAINT_WAY, KUPA, REQUEST_WAY, VISITOR_WAY

TITLE: Final = ("Pungutan liar di pantai", "An illegal levy at a beach")

_LEVY: Final = "levy.complaint"
_RULE: Final = "levy.rule"
_NAME: Final = "Andi Baso Pallawa"
_PHONE: Final = "+6285342000501"
_ASKER: Final = Applicant(
    name="Kamaruddin Latif",
    phone="+6285342000502",
    email="kamaruddin@contoh.id",
    national_id="7311052509850004",
    address="Jl. Poros Parepare 12, Kupa",
    occupation="business",
)
_WANTED: Final = "Salinan peraturan tarif masuk dan parkir pantai."

ENDING: Final = Ending(
    name="levy",
    wanted=(
        Wanted(step=_LEVY, app="singgah_di_barru", word="selesai", status="resolved", follows=_RULE, kind="related_to"),
        Wanted(step=_LEVY, app="sipendting", word="6", status="resolved"),
        parked.asked(_RULE, "resolved", "2"),
    ),
    hops=(Hop(step=_LEVY, kind="case.referred", rule="desk:refer"), *parked.papers(_RULE)),
    unseen=(
        Unseen(texts=(_NAME, _PHONE, _PHONE[3:]), apps=("singgah_di_barru", "sipendting", "ppid")),
        Unseen(texts=(_NAME,), codes=(_LEVY,), apps=("ppid",), reporters=(_RULE,), seen=("Selesai ditangani",)),
        Unseen(
            texts=(_ASKER.name, _WANTED),
            codes=(_RULE,),
            apps=("singgah_di_barru", "sipendting"),
            reporters=(_LEVY,),
            seen=("ditangani",),
        ),
    ),
)


async def play(stage: Stage) -> None:
    """Play it from wherever it stands."""
    levy = await stage.file(
        _LEVY,
        stage.phone,
        {
            "service": "TO-PRICE",
            "description": "Parkir motor ditarik 25 ribu tanpa karcis oleh orang berseragam.",
            "place": {"village": KUPA.village, "latitude": KUPA.latitude, "longitude": KUPA.longitude},
            "attributes": {"destination": "Pantai Kupa", "amount": 25000},
            "reporter": {"name": _NAME, "phone": _PHONE},
        },
    )
    number = await stage.arrives(levy.code, "singgah_di_barru")
    stage.say(
        "warga",
        f"melaporkan pungli: [b]{levy.code}[/b]; Singgah Di Barru menerimanya tanpa nama pelapor",
        "reports a levy; the tourism app gets it without the reporter's name",
    )
    await _investigated(stage, levy, number)
    await _answered(stage, levy)


async def _investigated(stage: Stage, levy: Filed, number: str) -> None:
    await stage.move("singgah_di_barru", number, "diteruskan", VISITOR_WAY)
    await stage.refer(
        stage.coordinator,
        levy.code,
        "sipendting",
        "INSPEKTORAT",
        {"service": "GV-INTEGRITY", "reason": "Dugaan pungutan liar oleh petugas", "case": 1},
    )
    complaint = await stage.arrives(levy.code, "sipendting")
    for word in ("2", "3", "4"):
        await stage.move("sipendting", complaint, word, COMPLAINT_WAY)
    await stage.move("sipendting", complaint, "6", COMPLAINT_WAY, "Pungutan dihentikan, petugas ditindak")
    await stage.move("singgah_di_barru", number, "selesai", VISITOR_WAY, "Papan tarif resmi sudah dipasang")
    await stage.reaches(levy.code, "resolved")
    stage.say(
        "OPD",
        f"Inspektorat memeriksa ([b]{complaint}[/b], 60 hari kerja): pungutan dihentikan; pelapor tetap tersembunyi",
        "the Inspectorate looks into it; the levy is stopped, the reporter stays hidden",
    )


async def _answered(stage: Stage, levy: Filed) -> None:
    """Somebody else asks for the rule; the officers know that the two belong together, the two do not."""
    rule = await stage.file(_RULE, stage.phone, await request(stage, _RULE, _ASKER, _WANTED, "Ingin tahu tarif resmi"))
    ticket = await parked.arrives(stage, _RULE, rule.code, typed(_ASKER, _WANTED, "Ingin tahu tarif resmi"))
    await stage.link(levy.code, "related_to", rule.code, "Keduanya tentang tarif pantai yang sama")
    await stage.move("ppid", ticket, "1", REQUEST_WAY)
    paper = document("peraturan-tarif.pdf", "application/pdf", PDF)
    await stage.move("ppid", ticket, "2", REQUEST_WAY, "Terlampir peraturan tarif retribusi", paper)
    await stage.reaches(rule.code, "resolved", secret=rule.secret)
    await parked.answered(stage, rule.code)
    stage.say(
        "PPID",
        f"orang lain meminta peraturan tarifnya: [b]{rule.code}[/b] → [b]{ticket}[/b], dijawab dengan dokumen",
        "somebody else asks for the tariff rule, and gets the document; neither learns of the other",
    )
