"""The delivery machine: how one command reaches one app exactly once, or is visibly parked.

Pure: a snapshot of the delivery and what happened go in, what happens next comes out. Three rules together
exclude a second ticket, and no two of them do: an attempt is committed before its socket opens; after an
ambiguous answer the app is asked before anything is sent again; and before it is asked, time to settle passes.
"""

from datetime import datetime, timedelta
from enum import IntEnum, StrEnum
from typing import Final

import msgspec


class DeliveryState(StrEnum):
    """Where a delivery stands. A citizen never sees it; the desk does."""

    QUEUED = "queued"
    SENDING = "sending"
    ACCEPTED = "accepted"
    UNSURE = "unsure"
    HELD = "held"
    DEAD = "dead"
    CANCELLED = "cancelled"


class Command(StrEnum):
    """What a delivery asks of the app."""

    OPEN = "open"
    MESSAGE = "message"
    WITHDRAW = "withdraw"


class Level(IntEnum):
    """What an app can do about a repeated command (design: L0 nothing … L3 honours our key)."""

    L0 = 0
    L1 = 1
    L2 = 2
    L3 = 3


TRANSITIONS: Final[dict[DeliveryState, frozenset[DeliveryState]]] = {
    # An event that carries our key proves arrival even where a resend was already queued.
    DeliveryState.QUEUED: frozenset(
        {DeliveryState.SENDING, DeliveryState.CANCELLED, DeliveryState.DEAD, DeliveryState.ACCEPTED}
    ),
    DeliveryState.SENDING: frozenset(
        {
            DeliveryState.ACCEPTED,
            DeliveryState.QUEUED,
            DeliveryState.UNSURE,
            DeliveryState.HELD,
            DeliveryState.DEAD,
        }
    ),
    DeliveryState.UNSURE: frozenset({DeliveryState.ACCEPTED, DeliveryState.QUEUED, DeliveryState.HELD}),
    # Replayed by a person; where the app can be looked up, by way of `unsure` (see `after_replay`).
    DeliveryState.HELD: frozenset(
        {
            DeliveryState.QUEUED,
            DeliveryState.UNSURE,
            DeliveryState.ACCEPTED,
            DeliveryState.CANCELLED,
            DeliveryState.DEAD,
        }
    ),
    DeliveryState.DEAD: frozenset(
        {DeliveryState.QUEUED, DeliveryState.UNSURE, DeliveryState.ACCEPTED, DeliveryState.CANCELLED}
    ),
    DeliveryState.ACCEPTED: frozenset(),
    DeliveryState.CANCELLED: frozenset(),
}

FILE_NEEDED: Final = "file_needed"
"""Cause of a delivery that is held because a file it passes on was destroyed meanwhile: it is asked for again."""
MAX_ATTEMPTS: Final = 20
MAX_AGE: Final = timedelta(hours=72)
ABSENCES_NEEDED: Final = 2
"""How often, a settle apart, an app must say "I do not have it" before that is believed."""


class Verdict(StrEnum):
    """What became of an attempt or of a look, named for what the gateway does next."""

    ACCEPTED = "accepted"
    RETRY = "retryable"
    AMBIGUOUS = "ambiguous"
    REJECTED = "rejected"
    UNAUTHORIZED = "unauthorized"
    BROKEN = "contract_broken"
    ABSENT = "absent"


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """The part of a delivery that decides. Times are real (they do not travel with the development clock)."""

    state: DeliveryState
    attempt: int
    absences: int
    made_at: datetime
    replayed_at: datetime | None = None

    @property
    def expired_from(self) -> datetime:
        """Instant from which the 72 hours count: the making, or the last replay by a person."""
        return self.replayed_at or self.made_at


class Next(msgspec.Struct, frozen=True, kw_only=True):
    """What happens to the delivery now.

    `wait` is how many real seconds must pass before it may be taken up again; `settle` tells that the app's
    settle time must pass as well (on the travelling clock); `alert` that a person must look at it.
    """

    state: DeliveryState
    absences: int = 0
    wait: float = 0.0
    settle: bool = False
    alert: bool = False


class Resolve(StrEnum):
    """How an unsure delivery is resolved at a level once it has settled."""

    RESEND = "resend"
    LOOK = "look"
    HOLD = "hold"


def backoff(attempt: int, fraction: float) -> float:
    """Seconds to wait after failed attempt `attempt` (from 1): full jitter over 2 s, 4 s, … 15 min.

    `fraction` is uniform in [0, 1).
    """
    return fraction * min(900.0, 2.0 ** min(attempt, 10))


def when_unsure(level: Level) -> Resolve:
    """Tell how an app of this level resolves an unsure delivery."""
    if level >= Level.L3:
        return Resolve.RESEND
    return Resolve.LOOK if level >= Level.L1 else Resolve.HOLD


def _again(standing: Standing, now: datetime, wait: float) -> Next:
    spent = standing.attempt >= MAX_ATTEMPTS and standing.replayed_at is None
    if spent or now - standing.expired_from >= MAX_AGE:
        # What was unsure goes to a person first: there may be a record that no look-up has shown.
        unsure = standing.state is DeliveryState.UNSURE
        return Next(state=DeliveryState.HELD if unsure else DeliveryState.DEAD, alert=True)
    return Next(state=DeliveryState.QUEUED, wait=wait)


def _unsure(level: Level, absences: int = 0) -> Next:
    if when_unsure(level) is Resolve.HOLD:
        return Next(state=DeliveryState.HELD, alert=True)
    return Next(state=DeliveryState.UNSURE, absences=absences, settle=True)


def after_attempt(
    standing: Standing,
    verdict: Verdict,
    level: Level,
    now: datetime,
    fraction: float,
    after: float | None = None,
) -> Next:
    """Decide what follows an attempt to write to an app.

    `after` is what the app asked for with Retry-After, in seconds; it is a floor under the jittered backoff.
    A contract broken by the answer to a write may hide a success, so it counts as ambiguous.
    """
    wait = max(backoff(standing.attempt, fraction), after or 0.0)
    match verdict:
        case Verdict.ACCEPTED:
            return Next(state=DeliveryState.ACCEPTED)
        case Verdict.RETRY:
            return _again(standing, now, wait)
        case Verdict.UNAUTHORIZED:
            following = _again(standing, now, max(wait, 30.0))
            return msgspec.structs.replace(following, alert=True)
        case Verdict.REJECTED:
            return Next(state=DeliveryState.HELD, alert=True)
        case Verdict.AMBIGUOUS | Verdict.BROKEN:
            return _unsure(level)
        case Verdict.ABSENT:
            raise ValueError("an attempt cannot end in `absent`")


def after_lease(level: Level) -> Next:
    """Decide what follows when the worker that was sending has vanished: the bytes may have left."""
    return _unsure(level)


def after_settle(standing: Standing, level: Level, now: datetime) -> Next:
    """Decide what follows when an unsure delivery has settled and the app cannot be asked.

    An app that honours our key (L3) gets the same command again, which is the look-up: at most 20 attempts and
    72 hours, like any other. At L0 a person takes over. Raises ValueError for a level that looks.
    """
    match when_unsure(level):
        case Resolve.RESEND:
            return _again(standing, now, 0.0)
        case Resolve.HOLD:
            return Next(state=DeliveryState.HELD, alert=True)
        case Resolve.LOOK:
            raise ValueError("this app is looked up, not simply resent to")


def after_replay(standing: Standing, level: Level) -> Next:
    """Decide what follows when a person sends a held or dead delivery again: same key, a fresh 72 hours.

    Anything sent before may have arrived without an answer. An app that can be looked up exactly (L2) is
    therefore asked first. At L1 and L0 only the person can look: whoever offers this move must have them say so.
    """
    if level is Level.L2 and standing.attempt > 0:
        return Next(state=DeliveryState.UNSURE, settle=True)
    return Next(state=DeliveryState.QUEUED)


def after_look(
    standing: Standing,
    verdict: Verdict,
    level: Level,
    now: datetime,
    fraction: float,
    after: float | None = None,
) -> Next:
    """Decide what follows a look-up of our key in the app (`find`) for an unsure delivery.

    Absence is believed only when it was seen `ABSENCES_NEEDED` times, a settle apart; then an exact look-up (L2)
    permits a resend, a mere search (L1) does not. A look that keeps failing for 72 hours ends with a person.
    """
    match verdict:
        case Verdict.ACCEPTED:
            return Next(state=DeliveryState.ACCEPTED)
        case Verdict.ABSENT:
            absences = standing.absences + 1
            if absences < ABSENCES_NEEDED:
                return _unsure(level, absences)
            if level >= Level.L2:
                return _again(standing, now, 0.0)
            return Next(state=DeliveryState.HELD, absences=absences, alert=True)
        case Verdict.REJECTED:
            return Next(state=DeliveryState.HELD, absences=standing.absences, alert=True)
        case _:
            if now - standing.expired_from >= MAX_AGE:
                return Next(state=DeliveryState.HELD, absences=standing.absences, alert=True)
            wait = max(backoff(4, fraction), after or 0.0)
            return Next(
                state=DeliveryState.UNSURE,
                absences=standing.absences,
                wait=wait,
                alert=verdict is Verdict.UNAUTHORIZED,
            )
