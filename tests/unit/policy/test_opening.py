"""What apps are told when a report is opened for another: an objection names the ticket of its request."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gateway.kernel.ledger.reading import links_of
from gateway.kernel.policy import Policy
from gateway.kernel.policy.opening import Born, Opener, Standing, followed
from gateway.model.link import LinkKind
from gateway.model.report import Content, Draft, Identity, Place, Reporter
from gateway.sdk.types import Linked, Submission
from tests.journeys.filed import CITIZEN, Books, opened

POLICY = Policy.load(Path(__file__).parents[3] / "config")
WHO = Reporter(name="Siti Rahma", phone="+6281", email="s@example.org", national_id="7311014107850001")
OBJECTION = Draft(
    service="IF-OBJECT",
    content=Content(description="Tidak dijawab", place=Place(address="Jl. Poros"), reporter=WHO),
)


class Live:
    """An app that is there for everything."""

    mode = "live"
    services = frozenset(POLICY.services)


class Town:
    """Apps that take everything and remember what they would be sent."""

    def __init__(self) -> None:
        self.sent: list[Submission] = []

    def states(self) -> Mapping[str, Standing]:
        return {app: Live() for app in POLICY.apps}

    def prepare(self, app: str, profile: str | None, submission: Submission) -> tuple[Submission, tuple[str, ...]]:
        self.sent.append(submission)
        return submission, ("linked",)

    def title(self, app: str) -> str:
        return app


async def request(books: Books, **row: Any) -> str:
    """A request for information that PPID has under a ticket."""
    facts: dict[str, Any] = {"kind": "information", "privacy": "personal"} | row
    code = await books.file("IF-REQUEST", [("ppid", "DISKOMINFO-SP")], emergency=False, **facts)
    await books.accepted(f"{code}-1", "PPID-2026-000123", "tiket")
    return code


async def test_an_objection_carries_the_ticket_of_its_request(database_url: str, tmp_path: Path) -> None:
    async with opened(database_url, tmp_path) as books:
        town, code = Town(), await request(books)
        act = books.ledger.act(CITIZEN, "test")
        opener = Opener(books.ledger, POLICY, town)
        made = opener.open(act, OBJECTION, owner="issuer|andi", followed=followed(await books.whole(code)))
        await books.ledger.commit(act)
        (sent,) = town.sent
        assert sent.linked == (Linked(kind="objection_to", app="ppid", value="PPID-2026-000123", code=code),)
        assert [deadline.clock for deadline in made.plan.deadlines] == ["ppid_objection"]
        (link,) = await books.ledger.read(links_of, made.report.id)
        assert (link["kind"], link["code"]) == (LinkKind.OBJECTION_TO, code)


@pytest.mark.parametrize(
    ("theirs", "mine", "told"),
    [
        ({}, Identity.OPEN, True),
        ({"identity": "confidential"}, Identity.OPEN, False),
        ({"privacy": "sensitive_reporter"}, Identity.OPEN, False),
        ({}, Identity.CONFIDENTIAL, False),
        ({"identity": "anonymous"}, Identity.CONFIDENTIAL, True),
    ],
)
async def test_a_hidden_reporter_is_not_told_by_a_number(
    sqlite_url: str, tmp_path: Path, theirs: dict[str, str], mine: Identity, told: bool
) -> None:
    async with opened(sqlite_url, tmp_path) as books:
        town, code = Town(), await request(books, **theirs)
        act = books.ledger.act(CITIZEN, "test")
        draft = msgspec.structs.replace(OBJECTION, service="IN-ROAD", identity=mine)
        Opener(books.ledger, POLICY, town).open(act, draft, owner=None, followed=followed(await books.whole(code)))
        await books.ledger.commit(act)
        assert [bool(sent.linked) for sent in town.sent] == [told]
        assert [sent.reporter.hidden for sent in town.sent] == [mine is not Identity.OPEN]


@pytest.mark.parametrize(
    ("service", "app", "profile"),
    [("CH-STUNT", "sipendting", "stunting"), ("IN-ROAD", "sipendting", "pengaduan"), ("IN-ROAD", "sigapdes", None)],
)
async def test_what_is_born_in_an_app_has_the_profile_of_its_service_there(
    sqlite_url: str, tmp_path: Path, service: str, app: str, profile: str | None
) -> None:
    """Later words to it are reduced by that profile's shares: of a child's record nothing but these."""
    async with opened(sqlite_url, tmp_path) as books:
        act = books.ledger.act(CITIZEN, "test")
        born = Born(app=app, service=service, references=(("nomor", "7"),))
        draft = Draft(service=service, content=Content(description="Lahir di sana"), channel=app)
        made = Opener(books.ledger, POLICY, Town()).open(act, draft, owner=None, born=born)
        await books.ledger.commit(act)
        first = (await books.whole(made.code)).cases[0]
        assert (first["app"], first["profile"]) == (app, profile)
