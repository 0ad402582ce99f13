"""What is odd about Teladan."""

from pathlib import Path

from gateway.kit.contract import read_contract
from gateway.sdk import Person, Site, Submission
from gateway.sdk.bench import MORNING, bench

FOLDER = Path(__file__).parent


def complaint(key: str) -> Submission:
    return Submission(
        key=key,
        code=key[:-2],
        service="EN-WASTE",
        category="sampah",
        profile=None,
        priority="P3",
        title="Sampah",
        text="Sampah menumpuk",
        occurred_at=MORNING,
        received_at=MORNING,
        site=Site(),
        reporter=Person(name="Andi"),
    )


async def test_a_repeated_ref_is_a_second_complaint(tmp_path: Path) -> None:
    async with bench(FOLDER, tmp_path) as made:
        first = await made.connector.submit(complaint("BRU-7Q4M-2XKT-1"))
        second = await made.connector.submit(complaint("BRU-7Q4M-2XKT-1"))
        assert first.references != second.references
        assert (await made.connector.find("BRU-7Q4M-2XKT-1")).references == first.references


async def test_a_document_is_a_link_to_be_fetched(tmp_path: Path) -> None:
    async with bench(FOLDER, tmp_path) as made:
        receipt = await made.connector.submit(complaint("BRU-7Q4M-2XKT-1"))
        number = receipt.references[0].value
        made.advance(
            number, "selesai", document={"name": "jawaban.pdf", "media_type": "application/pdf", "data": "JVBERi0="}
        )
        (event,) = (await made.connector.read(number, None)).news
        (document,) = event.documents
        assert document.name == "jawaban.pdf"
        assert document.url.startswith("/berkas/")


def test_its_samples_can_be_read() -> None:
    assert len(read_contract(FOLDER)) == 11
