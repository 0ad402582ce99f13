"""A small world around one delivery, for the exhaustive search: two workers, two that look, one app, and time.

Every decision is taken by the real functions of `gateway.model.delivery`; the world only adds what the machine
lives in. Anyone may be slow, for ever: a paused worker is one whose next step comes late. Time goes in ticks:

* An attempt has `DEADLINE` ticks from its claim. Nothing is written to the socket after them.
* A request that was written lands or is dropped within `SETTLE` ticks after the deadline, or after the connection
  was lost, whichever comes first; that is what `settle` promises.
* A lease lasts `LEASE` ticks, longer than the deadline.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import cache
from typing import Final, NamedTuple

from gateway.model.delivery import (
    MAX_AGE,
    MAX_ATTEMPTS,
    TRANSITIONS,
    DeliveryState,
    Level,
    Next,
    Resolve,
    Standing,
    Verdict,
    after_attempt,
    after_lease,
    after_look,
    after_replay,
    after_settle,
    when_unsure,
)

DEADLINE: Final = 1
LEASE: Final = 2
SETTLE: Final = 2
ATTEMPTS: Final = 3
MADE: Final = datetime(2026, 1, 28, tzinfo=UTC)
REFUSALS: Final = (Verdict.REJECTED, Verdict.RETRY, Verdict.UNAUTHORIZED)
OPEN: Final = frozenset({DeliveryState.QUEUED, DeliveryState.SENDING, DeliveryState.UNSURE})


class Rule(StrEnum):
    """The three rules that exclude a second record together; the search removes them in turn."""

    ATTEMPT_FIRST = "the attempt is committed before the socket opens"
    LOOK_BEFORE_RESEND = "the app is asked before anything is sent again"
    WAIT_TO_SETTLE = "time to settle passes before the app is asked"


class Phase(StrEnum):
    """Where a worker is with its attempt."""

    IDLE = "idle"
    CLAIMED = "claimed"
    SENT = "sent"
    DONE = "done"


class Worker(NamedTuple):
    """A worker with an attempt: `deadline` ticks in which it may write, `flight` ticks in which its request may
    still land (0: nothing under way), and `verdict` once it has one, not yet committed."""

    phase: Phase = Phase.IDLE
    attempt: int = 0
    deadline: int = 0
    flight: int = 0
    verdict: Verdict | None = None


class Looker(NamedTuple):
    """Someone who asked the app, with the row as it was read and the answer, not yet committed."""

    attempt: int
    absences: int
    verdict: Verdict


class World(NamedTuple):
    """Everything that matters. `orphans` are requests under way that nobody waits for (ticks left)."""

    state: DeliveryState = DeliveryState.QUEUED
    attempt: int = 0
    absences: int = 0
    lease: int = 0
    settle: int = 0
    records: int = 0
    aged: bool = False
    replayed: bool = False
    workers: tuple[Worker, ...] = (Worker(), Worker())
    orphans: tuple[int, ...] = ()
    lookers: tuple[Looker | None, ...] = (None, None)


class Setting(NamedTuple):
    """Which world is searched: the app's level, what may happen in it, and which rule is removed."""

    level: Level
    without: Rule | None = None
    refusals: bool = True
    ageing: bool = True
    persons: bool = False


class Limbo(AssertionError):
    """The machine left its own rules: an illegal move, or attempts without end."""


@cache
def standing(state: DeliveryState, attempt: int, absences: int, replayed: bool) -> Standing:
    """The world's third attempt is the last that the machine allows, unless a person replayed it."""
    number = MAX_ATTEMPTS - ATTEMPTS + attempt if attempt else 0
    again = MADE if replayed else None
    return Standing(state=state, attempt=number, absences=absences, made_at=MADE, replayed_at=again)


def instant(aged: bool) -> datetime:
    return MADE + MAX_AGE + timedelta(hours=1) if aged else MADE


@cache
def attempted(now: Standing, verdict: Verdict, level: Level, aged: bool) -> Next:
    return after_attempt(now, verdict, level, instant(aged), 0.5)


@cache
def looked(now: Standing, verdict: Verdict, level: Level, aged: bool) -> Next:
    return after_look(now, verdict, level, instant(aged), 0.5)


@cache
def settled(now: Standing, level: Level, aged: bool) -> Next:
    return after_settle(now, level, instant(aged))


def row(world: World) -> Standing:
    """The delivery as it stands now."""
    return standing(world.state, world.attempt, world.absences, world.replayed)


def moved(world: World, following: Next, setting: Setting) -> World:
    """Apply a decision to the delivery's row."""
    if following.state is not world.state and following.state not in TRANSITIONS[world.state]:
        raise Limbo(f"{world.state} may not become {following.state}")
    waits = following.settle and setting.without is not Rule.WAIT_TO_SETTLE
    return world._replace(state=following.state, absences=following.absences, settle=SETTLE if waits else 0, lease=0)


def steps(world: World, setting: Setting) -> Iterator[tuple[str, World]]:
    """Yield everything that may happen next, with its name."""
    for index, worker in enumerate(world.workers):
        if index and worker == world.workers[0]:
            continue  # the same step of the same worker
        for name, following, changed in worker_steps(world, worker, setting):
            workers = (*following.workers[:index], changed, *following.workers[index + 1 :])
            yield name, following._replace(workers=tuple(sorted(workers, key=_order)))
    for index, looker in enumerate(world.lookers):
        if index and looker == world.lookers[0]:
            continue
        for name, following, seen in looker_steps(world, looker, setting):
            lookers = (*following.lookers[:index], seen, *following.lookers[index + 1 :])
            yield name, following._replace(lookers=tuple(sorted(lookers, key=_seen_order)))
    yield from other_steps(world, setting)


@cache
def _order(worker: Worker) -> tuple[str, ...]:
    return tuple(map(str, worker))


@cache
def _seen_order(looker: Looker | None) -> tuple[str, ...]:
    return () if looker is None else tuple(map(str, looker))


def accepted(world: World, level: Level) -> World:
    """The app carries out the command; at L3 a key it knows already is answered with the record it has."""
    records = 1 if level is Level.L3 else min(2, world.records + 1)
    return world._replace(records=records)


def orphaned(world: World, flight: int) -> World:
    return world._replace(orphans=tuple(sorted((*world.orphans, flight)))) if flight else world


def worker_steps(world: World, worker: Worker, setting: Setting) -> Iterator[tuple[str, World, Worker]]:
    """What one worker may do, or what may happen to it."""
    idle = Worker()
    match worker.phase:
        case Phase.IDLE:
            if world.state is DeliveryState.QUEUED:
                if world.attempt == ATTEMPTS:
                    if world.replayed:
                        return  # as far as this search looks
                    raise Limbo("the attempts have no end")
                claimed = Worker(Phase.CLAIMED, world.attempt + 1, DEADLINE)
                if setting.without is not Rule.ATTEMPT_FIRST:
                    yield "a worker claims it", begun(world), claimed
                elif all(other.phase is Phase.IDLE for other in world.workers):
                    # Even if nobody else takes it up meanwhile: a crash forgets that something was sent.
                    yield "a worker takes it up without a commit", world, claimed
            return
        case Phase.CLAIMED:
            yield "it is never sent", world, worker._replace(phase=Phase.DONE, verdict=Verdict.RETRY)
            if worker.deadline:
                sent = worker._replace(phase=Phase.SENT, flight=worker.deadline + SETTLE)
                yield "it is sent", world, sent
        case Phase.SENT:
            if uncommitted(world, worker):
                yield "the attempt is committed after the socket opened", begun(world), worker
            yield from answers(world, worker, setting)
            lost = worker._replace(phase=Phase.DONE, flight=0, verdict=Verdict.AMBIGUOUS)
            yield "the worker hears nothing", orphaned(world, min(worker.flight, SETTLE)), lost
        case Phase.DONE:
            assert worker.verdict is not None
            yield f"the worker commits {worker.verdict}", committed(world, worker, setting), idle
    yield "the worker crashes", orphaned(world, worker.flight), idle


def uncommitted(world: World, worker: Worker) -> bool:
    """Whether the worker sends without having committed its attempt (only where that rule is removed)."""
    return world.state is DeliveryState.QUEUED and world.attempt + 1 == worker.attempt


def begun(world: World) -> World:
    return world._replace(state=DeliveryState.SENDING, attempt=world.attempt + 1, lease=LEASE)


def answers(world: World, worker: Worker, setting: Setting) -> Iterator[tuple[str, World, Worker]]:
    """What the app may do with a request that somebody waits for."""
    if not worker.flight:
        return
    over = worker._replace(flight=0)
    yield "the request is lost", world, over
    there = accepted(world, setting.level)
    answered = over._replace(phase=Phase.DONE, verdict=Verdict.ACCEPTED)
    yield "the app accepts and answers", there, answered
    yield "the app accepts and its answer is lost", there, over
    if setting.refusals:
        for verdict in REFUSALS:
            yield f"the app answers {verdict}", world, over._replace(phase=Phase.DONE, verdict=verdict)


def committed(world: World, worker: Worker, setting: Setting) -> World:
    """Commit what became of an attempt, fenced by state and attempt: too late changes nothing."""
    assert worker.verdict is not None
    if uncommitted(world, worker):
        world = begun(world)
    late_receipt = world.state is DeliveryState.UNSURE and worker.verdict is Verdict.ACCEPTED
    if world.attempt != worker.attempt or not (world.state is DeliveryState.SENDING or late_receipt):
        return world
    following = attempted(row(world), worker.verdict, setting.level, world.aged)
    return moved(world, following, setting)


def looker_steps(world: World, looker: Looker | None, setting: Setting) -> Iterator[tuple[str, World, Looker | None]]:
    """What someone who resolves unsure deliveries may do."""
    if looker is not None:
        yield "the one who looked crashes", world, None
        fits = world.state is DeliveryState.UNSURE and world.attempt == looker.attempt
        after = world
        if fits:
            read = standing(DeliveryState.UNSURE, looker.attempt, looker.absences, world.replayed)
            following = looked(read, looker.verdict, setting.level, world.aged)
            after = moved(world, following, setting)
        yield f"the look is committed: {looker.verdict}", after, None
        return
    if world.state is not DeliveryState.UNSURE or world.settle:
        return
    if setting.without is Rule.LOOK_BEFORE_RESEND:
        again = settled(row(world), Level.L3, world.aged)
        yield "it is queued again without looking", moved(world, again, setting), None
        return
    if when_unsure(setting.level) is not Resolve.LOOK:
        following = settled(row(world), setting.level, world.aged)
        yield "it has settled", moved(world, following, setting), None
        return
    for verdict in sightings(world, setting.level):
        yield f"the app is asked: {verdict}", world, Looker(world.attempt, world.absences, verdict)


def sightings(world: World, level: Level) -> Iterator[Verdict]:
    """What a look-up may say at this moment: the truth or nothing; a mere search (L1) may overlook a record."""
    yield Verdict.RETRY
    match world.records:
        case 0:
            yield Verdict.ABSENT
        case 1:
            yield Verdict.ACCEPTED
            if level is Level.L1:
                yield Verdict.ABSENT
        case _:
            yield Verdict.REJECTED


def other_steps(world: World, setting: Setting) -> Iterator[tuple[str, World]]:
    """What happens besides: requests nobody waits for, the lease, the app's own events, persons, time."""
    for index, left in enumerate(world.orphans):
        if index and left == world.orphans[index - 1]:
            continue
        rest = world.orphans[:index] + world.orphans[index + 1 :]
        yield "a late request is accepted", accepted(world, setting.level)._replace(orphans=rest)
    if world.state is DeliveryState.SENDING and not world.lease:
        yield "the lease has run out", moved(world, after_lease(setting.level), setting)
    live = OPEN | {DeliveryState.HELD, DeliveryState.DEAD}
    if world.records and setting.level >= Level.L2 and world.state in live:
        yield "an event of the app carries our key", moved(world, Next(state=DeliveryState.ACCEPTED), setting)
    if setting.persons and world.state in {DeliveryState.HELD, DeliveryState.DEAD}:
        # At L1 and L0 a person looks before: there is no record, and nothing under way can make one.
        quiet = not (world.records or world.orphans or any(worker.flight for worker in world.workers))
        if world.attempt < ATTEMPTS and (quiet or setting.level >= Level.L2):
            again = world._replace(replayed=True, aged=False)
            yield "a person replays it", moved(again, after_replay(row(again), setting.level), setting)
    if setting.ageing and not world.aged:
        yield "72 hours pass", world._replace(aged=True)
    later = ticked(world)
    if later != world:
        yield "time passes", later


def ticked(world: World) -> World:
    """Let one tick pass; requests whose time is over are dropped."""
    workers = tuple(
        worker._replace(deadline=max(0, worker.deadline - 1), flight=max(0, worker.flight - 1))
        for worker in world.workers
    )
    return world._replace(
        lease=max(0, world.lease - 1),
        settle=max(0, world.settle - 1),
        workers=tuple(sorted(workers, key=_order)),
        orphans=tuple(left - 1 for left in world.orphans if left > 1),
    )
