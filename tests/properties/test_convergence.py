"""The same accepted events end in the same state, in whatever order they came, how often and how late (P18, P19).

Once as pure folds, by the ten thousand; and through the real inbox, applier and ledger: many reports are told the same
story, each in another order, with repetitions and in other pieces.
"""

import asyncio
import os
from collections.abc import Sequence
from datetime import datetime, timedelta
from random import Random
from typing import Any, Final, NamedTuple, cast

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from gateway.flows.inbound.adopt import Adopter
from gateway.flows.inbound.apply import Applier
from gateway.kernel.ledger import tables as t
from gateway.kernel.ledger.reading import events_of
from gateway.model.case import CaseEvent, Folded, fold
from gateway.model.delivery import Level
from gateway.model.status import Status, report_status
from gateway.sdk import Event, Reference
from tests.simulator.apps import FOLLOWING, WORDS, SimApp
from tests.simulator.bugs import BUGS
from tests.simulator.line import Weather, found
from tests.simulator.loop import START, Loop, Time
from tests.simulator.office import Office, rows_of
from tests.simulator.store import MemoryStore
from tests.simulator.wake import Patience
from tests.simulator.world import KEYRING

SOAK: Final = os.environ.get("GATEWAY_SOAK") == "1"
PERMUTATIONS: Final = 200_000 if SOAK else 10_000
STORIES, TELLINGS = (40, 250) if SOAK else (4, 25)
APPS: Final = {"dua": Level.L2, "tiga": Level.L3}


class Word(NamedTuple):
    """What an app says of a record: its number there (None: the app does not count), its time, and the word."""

    number: int | None
    at: datetime
    word: str


def story(random: Random, *, counts: bool) -> list[Word]:
    """Return what an app says of one record, in the order in which it was meant. One that counts may be put back."""
    words, at = ["BARU"], START
    for _ in range(random.randrange(1, 6)):
        words.append(random.choice(FOLLOWING[words[-1]]))
    told = []
    for number, word in enumerate(words, start=1):
        at += timedelta(seconds=random.choice((0, 1, 60, -60)) if counts else random.choice((1, 60)))
        told.append(Word(number if counts else None, at, word))
    return told


def case_events(words: Sequence[Word]) -> list[CaseEvent]:
    return [
        CaseEvent(id=f"e-{index}", at=word.at, seq=word.number, word=word.word, status=Status(WORDS[word.word]))
        for index, word in enumerate(words)
    ]


def test_every_order_of_the_same_events_folds_the_same() -> None:
    random = Random(18)
    for _ in range(PERMUTATIONS // 50):
        words = story(random, counts=random.random() < 0.5)
        events = case_events(words)
        truth = fold(events)
        assert (truth.status, truth.word) == (WORDS[words[-1].word], words[-1].word)
        for _ in range(50):
            told = [*events, *random.choices(events, k=random.randrange(3))]
            random.shuffle(told)
            assert fold(told) == truth


class Arrivals(RuleBasedStateMachine):
    """Two apps speak of one report, the gateway closes and reopens it, and everything arrives when it likes."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[list[CaseEvent]] = [[], []]
        self.came: list[list[CaseEvent]] = [[], []]

    @rule(
        case=st.integers(0, 1),
        status=st.sampled_from(Status),
        minutes=st.integers(-3, 3),
        counts=st.booleans(),
        by_gateway=st.booleans(),
    )
    def something_happens(self, case: int, status: Status, minutes: int, counts: bool, by_gateway: bool) -> None:
        number = len(self.said[case]) + 1
        self.said[case].append(
            CaseEvent(
                id=f"e-{number}",
                at=START + timedelta(minutes=number + minutes),
                seq=number if counts else None,
                status=status,
                word=None if by_gateway else str(status),
                by_gateway=by_gateway,
            )
        )

    @rule(case=st.integers(0, 1), data=st.data())
    def some_of_it_arrives(self, case: int, data: st.DataObject) -> None:
        if self.said[case]:
            self.came[case] += data.draw(st.lists(st.sampled_from(self.said[case]), max_size=4))

    @invariant()
    def the_order_of_arrival_cannot_matter(self) -> None:
        folds: list[Folded] = []
        for said, came in zip(self.said, self.came, strict=True):
            known = {event.id for event in came}
            folds.append(fold(came))
            assert folds[-1] == fold([event for event in said if event.id in known])
        assert report_status([one.status for one in folds]) is report_status([one.status for one in reversed(folds)])


Arrivals.TestCase.settings = settings(max_examples=30, stateful_step_count=30)
TestArrivals = Arrivals.TestCase


# -- through inbox, applier and ledger -----------------------------------------------------------------------------


def news(key: str, app: str, words: Sequence[Word]) -> list[Event]:
    reference = Reference("number", f"{app}-{key}")
    return [
        Event(
            id=f"{key}:{index}",
            references=(reference,),
            at=word.at,
            kind="said",
            word=word.word,
            seq=word.number,
            key=key,
        )
        for index, word in enumerate(words)
    ]


async def tell(office: Office, stories: dict[str, list[Word]], random: Random, tellings: int) -> list[list[str]]:
    """Tell reports the same story, each in another order; return their codes with their deliveries' keys."""
    filed = [await office.file([(app, 0) for app in stories], emergency=False) for _ in range(tellings)]
    pieces: list[list[tuple[str, Event]]] = [[] for _ in range(4)]
    for keys in filed:
        told = [
            (app, event)
            for (app, words), key in zip(stories.items(), keys, strict=True)
            for event in news(key, app, words)
        ]
        told += random.choices(told, k=len(told) // 3)
        random.shuffle(told)
        for one in told:
            random.choice(pieces).append(one)
    adopter = cast(Adopter, _Nobody())
    appliers = [Applier(app, office.ledger, office.host, office.store, adopter, office.wake) for app in stories]
    for piece in pieces:
        for app in stories:
            await office.store.keep(app, "webhook", [event for name, event in piece if name == app])
        for applier in appliers:
            while await applier.round():
                pass
    return filed


class _Nobody:
    """Nothing is born in an app here, nor is more time asked for."""

    def extend(self, *_: object) -> None:
        """See `Adopter.extend`."""


def converged(seed: int, tellings: int) -> set[tuple[Any, ...]]:
    """Tell a story in many orders; return what the gateway then says of it (one answer, if it converges), beginning
    with what is true."""
    random, loop = Random(seed), Loop()
    time, store = Time(loop), MemoryStore(random)
    apps = {name: SimApp(name, level, loop, time, random) for name, level in APPS.items()}
    known = {name: found(app, Weather(random), loop, time.true) for name, app in apps.items()}
    stories = {"dua": story(random, counts=False), "tiga": story(random, counts=True)}
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        office = Office("one", loop, time, store, KEYRING, known, Patience(1), seed)

        async def run() -> None:
            office.ledger.start()
            await tell(office, stories, random, tellings)
            await office.ledger.close()

        runner.run(run())
    truth = tuple((app, WORDS[words[-1].word], words[-1].word) for app, words in sorted(stories.items()))
    answers: set[tuple[Any, ...]] = {(*truth, report_status(Status(status) for _, status, _ in truth))}
    statuses = {row["id"]: row["status"] for row in rows_of(store, t.report)}
    cases: dict[Any, list[tuple[str, str, str]]] = {report: [] for report in statuses}
    for row in rows_of(store, t.cases):
        cases[row["report_id"]].append((row["app"], row["status"], row["word"]))
        events = store.look(events_of, [row["id"]])[row["id"]]
        assert len(events) == len(stories[row["app"]]), "each is kept once, also what changed nothing"
    answers |= {(*sorted(cases[report]), status) for report, status in statuses.items()}
    store.drop()
    return answers


@pytest.mark.parametrize("seed", range(STORIES))
def test_reports_that_are_told_the_same_in_any_order_end_the_same(seed: int) -> None:
    assert len(converged(seed, TELLINGS)) == 1


@pytest.mark.parametrize("bug", ["last word wins", "order of arrival"])
def test_a_fold_that_minds_the_order_is_caught(bug: str) -> None:
    with BUGS[bug].plant():
        assert any(len(converged(seed, 20)) > 1 for seed in range(3))
