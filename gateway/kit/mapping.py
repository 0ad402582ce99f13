"""Bronze: maps. Reports arrive in the app's form, its words and categories come back as ours, times stay instants."""

import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Final

import msgspec

from gateway.kit import filing
from gateway.kit.contract import Sample
from gateway.kit.faults import says
from gateway.kit.hints import Move, Refusal
from gateway.kit.room import Room
from gateway.kit.rule import expect, fail, rule
from gateway.kit.traces import Sent
from gateway.kit.trial import Trial
from gateway.kit.wire import Seen, answer_of
from gateway.model.answers import Datatype
from gateway.model.catalogue import Service
from gateway.model.delivery import Command, DeliveryState, Verdict
from gateway.sdk import Amendment, Lists
from gateway.sdk.sandbox import Record
from gateway.sdk.tier import Tier

_WITA: Final = timezone(timedelta(hours=8))
UNKNOWN: Final = "kata-kenari-77"
"""A word that no app has."""


@rule(
    "K03",
    Tier.BRONZE,
    "Reports of every service arrive",
    why="A service in the catalogue is a promise to whoever opens it on a phone. If its reports cannot be put into "
    "the app's form, or lose an answer on the way, the promise is broken silently.",
    tested="One report of every service in [categories.out] goes the whole way: opened, carried by the worker, "
    "taken by the simulated app. The app must hold exactly one record under the number on the receipt; the text and "
    "every answer of the form that may be shared must stand in what was sent.",
    passing="The message names service and field. An answer that the app has no field for follows the text. Answers "
    "the app needs in other words than the catalogue's first choice stand in kit.toml, [answers.SERVICE].",
)
async def k03(trial: Trial) -> None:
    """Carry one report of every service."""
    _ = trial.subject.level
    expect(trial.subject.services, "no service of [categories.out] is in the catalogue")
    async with trial.room() as room:
        for service in trial.subject.services:
            before = len(room.wire.seen)
            key = await room.file(service)
            row = await room.ends(key)
            expect(
                row["state"] == DeliveryState.ACCEPTED,
                f"{service.code}: {row['state']} ({row['cause']}" + (f", {row['field']})" if row["field"] else ")"),
            )
            records = room.records_of(key)
            expect(len(records) == 1, f"{service.code}: {len(records)} records in the app")
            expect(
                records[0]["reference"] in await room.numbers(key),
                f"{service.code}: the receipt does not name the app's record",
            )
            _arrived(room, service, Sent(room.wire.seen[before:]))


def _arrived(room: Room, service: Service, sent: Sent) -> None:
    shares = room.subject.shares(service)
    if "description" in shares:
        expect(sent.holds(filing.TEXT), f"{service.code}: the text of the report is not in what was sent")
    fields = {field.code: field for field in service.fields}
    for name, value in filing.answers_of(room.subject, service, room.time.now()).items():
        if "attributes" not in shares and f"attributes.{name}" not in shares:
            continue
        datatype = fields[name].datatype if name in fields else Datatype.STRING
        if datatype in {Datatype.STRING, Datatype.TEXT, Datatype.NIK} and isinstance(value, str):
            expect(sent.holds(value), f"{service.code}: the answer to {name} is not in what was sent")
        elif datatype in {Datatype.NUMBER, Datatype.INTEGER}:
            expect(sent.holds(str(value)), f"{service.code}: the answer to {name} is not in what was sent")


@rule(
    "K04",
    Tier.BRONZE,
    "Every status word is understood",
    why="A word that is dropped leaves a citizen waiting for an answer that was given long ago; a word that is "
    "guessed tells him something nobody said.",
    tested="For every word of the status maps the app's officer brings a fresh record there; the word must arrive "
    "by webhook or poll and move the case to the status the map names. Then a word that no map knows: it must be "
    "quarantined with an alert, and the case must stay where it was.",
    passing="Where a word needs more than itself (a closing, a unit, a note), kit.toml tells how to get there: "
    "[[moves]] with to, word, fields, note, before, service. A connector passes every word on as the app says it; "
    "the map decides.",
)
async def k04(trial: Trial) -> None:
    """Move records to every word, then to one that nobody knows."""
    subject = trial.subject
    words = subject.words
    expect(words, "[statuses] is empty: the app never says how far it is")
    for word, status in words.items():
        async with trial.room() as room:
            key = await at_word(room, word)
            heard = [event.word for event in await room.events(key)]
            expect(word in heard, f"{word!r} was set in the app and never arrived (heard: {_listed(heard)})")
            now = (await room.case(key))["status"]
            expect(now == status, f"{word!r} means {status}, but the case is {now}")
    async with trial.room() as room:
        await _unknown(room)
    await _unmapped(trial, next(reversed(words)))


async def at_word(room: Room, word: str) -> str:
    """File a report and let the app bring it to a word; return its delivery's key once the news was heard."""
    service = room.subject.service_of_word(word)
    key = await room.file(service)
    row = await room.ends(key)
    expect(row["state"] == DeliveryState.ACCEPTED, f"{service.code}: {row['state']} ({row['cause']})")
    await room.hear()
    records = room.records_of(key)
    if word not in room.subject.hints.initial and word not in [event.word for event in await room.events(key)]:
        move = room.subject.move(word)
        for before in move.before:
            await room.move(records[0]["reference"], room.subject.move(before))
            await room.hear()
        await room.move(records[0]["reference"], _spelled(room, records[0]["reference"], move))
    await room.hear()
    return key


def _spelled(room: Room, reference: str, move: Move) -> Move:
    """Return a move with the word that the app's officer uses: told, else the map's, else what stands behind its last
    slash."""
    if move.word is not None or "/" not in move.to:
        return move
    return msgspec.structs.replace(move, word=move.to.rpartition("/")[2])


async def _unknown(room: Room) -> None:
    """Let the app say a word that nobody knows, where its rows show the word in a field of their own."""
    word = next(iter(room.subject.words))
    key = await at_word(room, word)
    before = (await room.case(key))["status"]
    (record,) = (
        one for one in room.sandbox.store.records.values() if one.reference == room.records_of(key)[0]["reference"]
    )
    spoiled = _spoiled(room, record)
    if spoiled is None or room.manifest.poll is None:
        return
    room.sandbox.store.put(spoiled)
    room.sandbox.store.note()
    await room.hear()
    expect((await room.case(key))["status"] == before, "a word that no map knows has moved the case")


def _spoiled(room: Room, record: Record) -> Record | None:
    """Return a record with an unknown word in the field that shows its word; None where no field does."""
    word = room.sandbox.word(record)
    for name, value in record.row.items():
        if str(value) == word and not isinstance(value, bool) and name not in {"id", "reference"}:
            return msgspec.structs.replace(record, row={**record.row, name: 97 if isinstance(value, int) else UNKNOWN})
    return None


async def _unmapped(trial: Trial, word: str) -> None:
    """Take a word out of the maps: what the app says then is a word that no map knows."""
    manifest = trial.subject.unhurried
    left = {name: status for name, status in manifest.statuses.items() if name != word}
    profiles = {
        name: profile
        if profile.statuses is None
        else msgspec.structs.replace(profile, statuses={one: to for one, to in profile.statuses.items() if one != word})
        for name, profile in manifest.profiles.items()
    }
    async with trial.room(msgspec.structs.replace(manifest, statuses=left, profiles=profiles)) as room:
        key = await at_word(room, word)
        alerts = await room.alerts("unknown_word")
        expect(alerts, f"{word!r} is in no map, and nobody was alerted: the connector does not pass it on")
        heard = [event.word for event in await room.events(key)]
        expect(word not in heard, f"{word!r} is in no map and has moved the case")


def _listed(words: list[str | None]) -> str:
    return ", ".join(word for word in words if word) or "nothing"


@rule(
    "K05",
    Tier.BRONZE,
    "Categories map both ways",
    why="A service without a word of the app falls back to the desk; a category of the app without a service loses "
    "reports that were born there.",
    tested="Every service that config/ routes to this app has a word in [categories.out] (of its profile), every "
    "word leads to a service that the catalogue has, and every category of the app (its own list where the "
    "connector reads one, [categories] of kit.toml otherwise, and every word the gateway sends) leads to a service "
    "in [categories.in] or is refused by name in kit.toml, [refused].",
    passing="Add the missing line to the map. What the app has and the gateway cannot take stands in kit.toml under "
    "[refused], with the reason.",
)
async def k05(trial: Trial) -> None:
    """Compare catalogue, routing, maps and the app's own categories."""
    subject, manifest = trial.subject, trial.subject.manifest
    policy = subject.policy
    for service in policy.services.values():
        if service.app == subject.name and service.active:
            out = manifest.categories_of(service.profile).out
            named = f" (profile {service.profile})" if service.profile else ""
            expect(service.code in out, f"{service.code} is routed to this app and has no word{named}")
    for code in subject.outward:
        expect(code in policy.services, f"[categories.out] names {code}, which the catalogue does not have")
    for word, code in subject.inward.items():
        expect(code in policy.services, f"[categories.in] leads {word} to {code}, which the catalogue does not have")
    if not manifest.opening.kinds:
        return
    known, refused = set(subject.inward), set(subject.hints.refused)
    for word in (*subject.outward.values(), *subject.hints.categories):
        expect(word in known | refused, f"the app's category {word} leads nowhere")
    if issubclass(subject.connector, Lists):
        async with trial.room() as room:
            instance = room.host.get(room.app).instance
            assert isinstance(instance, Lists)
            listed = [one.value for one in await instance.catalogue() if one.kind == "category"]
        for word in listed:
            expect(word in known | refused, f"the app lists category {word}, which leads nowhere")
    for word, reason in subject.hints.refused.items():
        expect(reason.strip(), f"category {word} is refused without a reason")
        expect(word not in known, f"category {word} is refused and mapped as well")


MOMENTS: Final = (
    datetime(2028, 2, 28, 15, 59, 58, tzinfo=UTC),
    datetime(2028, 2, 28, 16, 30, 0, tzinfo=UTC),
    datetime(2028, 2, 29, 16, 0, 1, tzinfo=UTC),
    datetime(2026, 12, 31, 16, 0, 0, tzinfo=UTC),
)
"""Two seconds before midnight in Barru and the leap day begins; in it; just after it; and a new year."""


@rule(
    "K06",
    Tier.BRONZE,
    "Times are the same instant on both sides",
    why="A deadline that is eight hours off is a deadline missed, and evidence with the wrong day is no evidence.",
    tested="At midnight in Barru, on a leap day and at New Year a report is filed and moved: the receipt's time, "
    "the time of every event and what was sent must all be the instant it happened, in whatever form the app writes "
    "it.",
    passing="Naive times are in the zone of naive_timezone (gateway.sdk.local_time); times out carry the app's "
    "zone. Never use the machine's zone.",
)
async def k06(trial: Trial) -> None:
    """Let things happen at awkward moments, and compare."""
    for moment in MOMENTS:
        async with trial.room(start=moment - timedelta(seconds=1)) as room:
            await room.travel(1.0)
            await _at(room, moment)


async def _at(room: Room, moment: datetime) -> None:
    shown = moment.isoformat()
    if room.manifest.level(Command.OPEN) is not None:
        before = len(room.wire.seen)
        submission = await room.submission(occurred_at=moment)
        outcome = await room.submit(submission)
        expect(outcome.receipt, f"{shown}: a report is not taken ({outcome.verdict}, {outcome.cause})")
        assert outcome.receipt is not None
        at = outcome.receipt.at
        expect(at is None or _near(at, room.time.now()), f"{shown}: the receipt says {at}")
        _sent_at(moment, Sent(room.wire.seen[before:]))
    if not room.subject.words:
        return
    word = _moving(room)
    key = await room.file(room.subject.service_of_word(word))
    row = await room.ends(key)
    expect(row["state"] == DeliveryState.ACCEPTED, f"{shown}: {row['state']} ({row['cause']})")
    await room.hear()
    changed = room.time.now()
    reference = room.records_of(key)[0]["reference"]
    move = room.subject.move(word)
    for before_it in move.before:
        await room.move(reference, room.subject.move(before_it))
    await room.move(reference, _spelled(room, reference, move))
    await room.hear()
    heard = next((event for event in await room.events(key) if event.word == word), None)
    if heard is None:
        fail(f"{shown}: {word!r} was set and did not arrive")
    expect(_near(heard.at, changed), f"{shown}: the app moved the record at {changed}, its event says {heard.at}")


def _moving(room: Room) -> str:
    """Return a word that a record does not have from the beginning."""
    words = room.subject.words
    others = [word for word, status in words.items() if status != "received" and word not in room.subject.hints.initial]
    told = [word for word in others if any(move.to == word for move in room.subject.hints.moves)]
    return (told or others or list(words))[0]


def _near(one: datetime, other: datetime) -> bool:
    return abs((one - other).total_seconds()) < 1.01


def _sent_at(moment: datetime, sent: Sent) -> None:
    """Fail where the day in universal time was sent as if it were the day in Barru."""
    here, there = moment.astimezone(_WITA), moment
    if here.date() == there.date():
        return
    for form in ("%Y-%m-%d", "%d-%m-%Y"):
        wrong = re.compile(re.escape(there.strftime(form)) + r"(?!T?[0-9: .]*(Z|\+00))")
        right = here.strftime(form)
        mistaken = any(wrong.search(text) for text in sent.texts)
        expect(not mistaken or sent.holds(right), f"sent {there.strftime(form)} for what happened on {right} in Barru")


@rule(
    "K07",
    Tier.BRONZE,
    "A refusal names what a person can mend",
    why="A report that an app refuses waits for a person. Without the name of the field he can only guess, and the "
    "citizen is asked for everything again.",
    tested="Every recorded refusal of content (kit.toml, [[refusals]]) answers a fresh report: the outcome must be "
    "Rejected with the field that is named there. Samples that refuse by their status and are not in the list fail.",
    passing="Record the app's refusals in contract/, list them in kit.toml with service and field, and raise "
    "Rejected(message, field) with the word of the unified model (place.village, reporter.national_id, description).",
)
async def k07(trial: Trial) -> None:
    """Answer fresh reports with the recorded refusals."""
    _ = trial.subject.level
    samples = {sample.name: sample for sample in trial.subject.contract}
    told = {refusal.sample for refusal in trial.subject.hints.refusals}
    for sample in samples.values():
        if sample.request.writes and not sample.from_app and sample.response.refuses:
            expect(
                sample.name in told,
                f"sample {sample.name} refuses what was sent, and kit.toml does not say which field",
                f'Add [[refusals]] to kit.toml: sample = "{sample.name}", service = …, field = ….',
            )
    expect(
        told, "no refusal of the app is recorded", "Record one into contract/ and list it in kit.toml, [[refusals]]."
    )
    async with trial.room() as room:
        for refusal in trial.subject.hints.refusals:
            if refusal.sample not in samples:
                fail(f"kit.toml names a refusal {refusal.sample!r} that is no sample")
            await _refused(room, refusal, samples[refusal.sample])


async def _refused(room: Room, refusal: Refusal, sample: Sample) -> None:
    body: Any = sample.response.body
    raw = body.encode() if isinstance(body, str) else msgspec.json.encode(body)
    if refusal.command == "open":
        submission = await room.submission(room.subject.service(refusal.service))
        room.wire.when(_is(sample), says(answer_of(sample.response.status, raw, sample.response.media_type)))
        outcome = await room.submit(submission)
    else:
        key = await room.file(room.subject.service(refusal.service))
        await room.ends(key)
        reference = (await room.numbers(key))[0]
        room.wire.when(_is(sample), says(answer_of(sample.response.status, raw, sample.response.media_type)))
        amendment = Amendment(
            key=f"{key[:-1]}2", code=key[:-2], command=refusal.command, text=filing.TEXT, at=room.time.now()
        )
        outcome = await room.host.amend(room.app, reference, amendment)
        await room.calm()
    expect(room.wire.injected["said"], f"{refusal.sample}: the connector does not write there ({outcome.cause})")
    room.wire.injected.clear()
    room.wire.clear()
    expect(outcome.verdict is Verdict.REJECTED, f"{refusal.sample}: {outcome.verdict} ({outcome.cause}), not refused")
    expect(outcome.field == refusal.field, f"{refusal.sample}: names {outcome.field}, not {refusal.field}")


def _is(sample: Sample) -> Any:
    """Fits a write to the sample's address, whatever record it names."""
    shape = re.sub(r"\d+", "0", sample.request.route)

    def fits(seen: Seen) -> bool:
        return seen.method == sample.request.method and re.sub(r"\d+", "0", seen.path.partition("?")[0]) == shape

    return fits
