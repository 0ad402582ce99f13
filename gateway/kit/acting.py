"""What several rules do: find out how a connector writes, bring records through words, repeat what was said before."""

import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec

from gateway.kernel.host import Outcome
from gateway.kit.hints import Move
from gateway.kit.room import Room
from gateway.kit.rule import DoesNotApply, Failed, expect
from gateway.kit.subject import Subject
from gateway.kit.trial import Trial
from gateway.kit.wire import Passage, Seen
from gateway.model.catalogue import Service
from gateway.model.delivery import DeliveryState
from gateway.model.status import ENDED, RANK
from gateway.sdk import News, Tally, Unreadable

Fits = Callable[[Seen], bool]


def everything(seen: Seen) -> bool:
    """Fits every request."""
    return True


def shape(seen: Seen) -> tuple[str, str]:
    """Return method and path of a request, with every number in it taken for the same."""
    return seen.method, re.sub(r"\d+", "0", seen.path.partition("?")[0])


async def writing(room: Room, service: Service) -> tuple[Fits, tuple[str, str]]:
    """Send a report of a service and return what fits the request by which it is written, and that request's shape."""
    before = len(room.wire.seen)
    outcome = await room.submit(await room.submission(service))
    expect(outcome.receipt, f"{service.code}: a report is not taken ({outcome.verdict}, {outcome.cause})")
    written = [exchange for exchange in outcome.exchanges if exchange.write]
    if not written:
        raise Failed(f"{service.code}: no request of submit is marked as a write", "Say write=True where it writes.")
    wanted = [one for one in room.wire.seen[before:] if one.method == written[-1].method][-1]
    found = shape(wanted)
    return (lambda seen: shape(seen) == found), found


async def writings(room: Room) -> dict[tuple[str, str], tuple[Service, Fits]]:
    """Return one service for every kind of request by which the connector writes."""
    found: dict[tuple[str, str], tuple[Service, Fits]] = {}
    for service in room.subject.services:
        fits, kind = await writing(room, service)
        found.setdefault(kind, (service, fits))
    return found


async def arrived(room: Room, service: Service | None = None, text: str | None = None) -> tuple[str, str]:
    """File a report and let it arrive; return its key and the app's number."""
    key = await (room.file(service) if text is None else room.file(service, text))
    row = await room.ends(key)
    expect(row["state"] == DeliveryState.ACCEPTED, f"a report is {row['state']} ({row['cause']})")
    records = room.records_of(key)
    expect(len(records) == 1, f"{len(records)} records of one report are in the app")
    return key, str(records[0]["reference"])


def spelled(move: Move) -> Move:
    """Return a move with the word that the app's officer uses: told, else the map's, else what is behind its slash."""
    if move.word is not None or "/" not in move.to:
        return move
    return msgspec.structs.replace(move, word=move.to.rpartition("/")[2])


def journey(subject: Subject, most: int = 4) -> tuple[Service, list[Move]]:
    """Return a service and moves that one of its records can make one after the other, from little progress to much.

    Raises DoesNotApply where the app says no words.
    """
    if not subject.words:
        raise DoesNotApply("[statuses] is empty: the app never says how far it is")
    by_service: dict[str, list[str]] = {}
    for word, status in subject.words.items():
        move = subject.move(word)
        if word not in subject.hints.initial and not move.before and status != "needs_info":
            by_service.setdefault(subject.service_of_word(word).code, []).append(word)
    code, words = max(by_service.items(), key=lambda one: len(one[1]), default=(None, []))
    if code is None:
        raise Failed("no record can be moved", "List the app's words in kit.toml, [[moves]].")
    running = sorted(
        (word for word in words if subject.words[word] not in ENDED), key=lambda one: RANK[subject.words[one]]
    )
    ended = [word for word in words if subject.words[word] in ENDED]
    chosen = [*running[: most - 1], *ended[:1]] if ended else running[:most]
    return subject.service(code), [spelled(subject.move(word)) for word in chosen]


def needs_news(trial: Trial) -> None:
    """End a rule about news where the app brings none."""
    if trial.subject.manifest.poll is None and trial.subject.manifest.webhook is None:
        raise DoesNotApply("there is neither [poll] nor [webhook]: the app brings no news")


def needs_poll(trial: Trial) -> None:
    """End a rule about polling where the app is not polled."""
    if trial.subject.manifest.poll is None:
        raise DoesNotApply("there is no [poll]: the app is not asked for news")


def needs_webhook(trial: Trial) -> None:
    """End a rule about webhooks where the app sends none."""
    if trial.subject.manifest.webhook is None:
        raise DoesNotApply("there is no [webhook]: the app does not call")


def repeats(answers: Sequence[bytes]) -> Callable[[Passage], Awaitable[None]]:
    """Answer requests one after the other with what was answered before; the app does not see them."""
    left = list(answers)

    async def repeated(passage: Passage) -> None:
        await passage.answer(left.pop(0) if len(left) > 1 else left[0])

    return repeated


async def answers_to(room: Room, act: Awaitable[Outcome]) -> tuple[Outcome, list[bytes]]:
    """Do something and return its outcome with everything that the app answered meanwhile."""
    before = len(room.wire.given)
    outcome = await act
    await room.calm()
    return outcome, [content for _, content in room.wire.given[before:]]


async def gather(room: Room, cursor: str | None, *, restart: bool = False) -> tuple[list[News], str | None]:
    """Poll by the host until the app has nothing more to tell; return all news and the last cursor.

    With `restart` every page is asked for by a new connector, as after a crash.
    """
    news: list[News] = []
    for _ in range(400):
        outcome = await room.host.poll(room.app, cursor)
        if outcome.batch is None:
            raise Failed(f"a poll fails: {outcome.verdict}, {outcome.cause}")
        news += outcome.batch.news
        stuck = outcome.batch.cursor == cursor
        cursor = outcome.batch.cursor
        if restart:
            await room.employ()
        if not outcome.batch.more or stuck:
            return news, cursor
    raise Failed("polling does not come to an end: every page says that there is more")


def told_of(news: Sequence[News]) -> dict[str, set[str]]:
    """Return the ids of news by the app's number of the record they are about."""
    found: dict[str, set[str]] = {}
    for one in news:
        if isinstance(one, Tally | Unreadable):
            continue
        references: Any = (one.reference,) if not hasattr(one, "references") else one.references
        for reference in references[:1]:
            found.setdefault(reference.value, set()).add(one.id)
    return found
