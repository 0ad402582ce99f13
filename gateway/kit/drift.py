"""Gold: the app's own lists of categories and words are held against the maps, before a report fails on them."""

import json
from collections.abc import Callable, Sequence
from typing import Any, Final

from gateway.flows.inbound.drift import SEEN, STANDING
from gateway.kit.faults import changes
from gateway.kit.room import Room
from gateway.kit.rule import DoesNotApply, Failed, expect, rule
from gateway.kit.trial import Trial
from gateway.kit.wire import answer_of, body_of, status_of
from gateway.sdk import Lists, Upstream
from gateway.sdk.tier import Tier

Row = dict[str, Any]
Edit = Callable[[list[Any], Row, Upstream], list[Any]]
"""Changes a list of the app in which a row stands for an entry."""
_SIGN: Final = "Kenari"
_NUMBER: Final = 77


@rule(
    "K33",
    Tier.GOLD,
    "What the app adds, renames or removes is noticed",
    why="Apps grow a category on a Tuesday. Nobody here knows before the first report of it is set aside, and its "
    "reporter waits.",
    tested="The app's lists, as catalogue reads them, agree with the maps to begin with. Then on the way to the class "
    "one entry of each list is removed, one gets another label, and one is new: each must be told by kind and value. "
    "When the app's lists are as before, what stood against the maps must be over, and the maps be as they were.",
    passing="Return every entry that the app lists as Upstream(kind, value, label): kind 'category' and 'status' with "
    "the words that the maps in connector.toml use, the label as the app writes it.",
)
async def k33(trial: Trial) -> None:
    """Change the app's lists."""
    if not issubclass(trial.subject.connector, Lists):
        raise DoesNotApply("the class has no method catalogue: the app shows no lists of its own")
    async with trial.room() as room:
        await room.compare()
        at_odds = await _standing(room)
        expect(not at_odds, f"the app's lists and the maps do not agree: {', '.join(sorted(at_odds)[:5])}")
        listed = await _listed(room)
        expect(listed, "catalogue lists nothing")
        for kind in sorted({one.kind for one in listed}):
            await _kind(room, kind, listed)
        await room.compare()
        left = await _standing(room)
        expect(not left, f"the app's lists are as before, and it is still told: {', '.join(sorted(left)[:5])}")


async def _kind(room: Room, kind: str, listed: Sequence[Upstream]) -> None:
    """Change one list of the app in three ways."""
    labels = [one.label for one in listed]
    entry = next((one for one in listed if one.kind == kind and labels.count(one.label) == 1), None)
    if entry is None:
        raise Failed(f"{kind}: no entry has a label of its own")
    values = {one.value for one in listed if one.kind == kind}
    for way, edit in _EDITS.items():
        before = await _told(room)
        found = await _during(room, entry, edit, room.compare)
        expect(found, f"{kind}: the label {entry.label!r} is not in what the app answers, as it is listed")
        fresh = {subject: told for subject, told in (await _told(room)).items() if before.get(subject) != told}
        now = await _values(room, entry, edit)
        wanted = [value for value in _concerned(way, entry, values, now) if f"{room.app}:{kind}:{value}" in fresh]
        expect(wanted, f"{kind}: an entry is {way} in the app, and nobody is told its name")
        await room.compare()


def _concerned(way: str, entry: Upstream, before: set[str], now: set[str]) -> set[str]:
    """Return the values of which one must be told: what came, what went, or what is called otherwise."""
    if way == "new":
        return now - before
    return {entry.value} | (now - before if way == "renamed" else set())


async def _listed(room: Room) -> list[Upstream]:
    outcome = await room.host.catalogue(room.app)
    return list(outcome.listed or ())


async def _values(room: Room, entry: Upstream, edit: Edit) -> set[str]:
    found: list[Upstream] = []

    async def look() -> None:
        found.extend(await _listed(room))

    await _during(room, entry, edit, look)
    return {one.value for one in found if one.kind == entry.kind}


async def _during(room: Room, entry: Upstream, edit: Edit, act: Callable[[], Any]) -> bool:
    """Do something while the app's lists are changed; tell whether there was something to change."""
    touched = [False]

    def change(answer: bytes) -> bytes:
        body, found = edited(body_of(answer), entry, edit)
        touched[0] = touched[0] or found
        return answer_of(status_of(answer), body) if found else answer

    room.wire.when(lambda seen: True, changes(change), times=1000, name="edited")
    await act()
    await room.calm()
    room.wire.clear()
    return touched[0]


async def _standing(room: Room) -> set[str]:
    return {alert["subject"] for alert in await room.alerts(STANDING) if alert["cleared_at"] is None}


async def _told(room: Room) -> dict[str, tuple[str, int]]:
    alerts = [*await room.alerts(STANDING), *await room.alerts(SEEN)]
    return {alert["subject"]: (alert["detail"], alert["times"]) for alert in alerts}


# -- changing an answer, whatever its form -----------------------------------------------------------------------------


def edited(body: bytes, entry: Upstream, edit: Edit) -> tuple[bytes, bool]:
    """Return an answer with the list changed in which an entry stands, and whether it stands there: as a row that has
    its label among its values, or as a label under its value."""
    try:
        page = json.loads(body)
    except (ValueError, RecursionError):
        return body, False
    found = False

    def within(value: Any) -> Any:
        nonlocal found
        if isinstance(value, dict):
            if any(value.get(form) == entry.label for form in _forms(entry)):
                found = True
                return _as_map(edit(_as_rows(value), _row_of(value, entry), entry))
            return {name: within(one) for name, one in value.items()}
        if not isinstance(value, list):
            return value
        row = next((one for one in value if isinstance(one, dict) and entry.label in one.values()), None)
        if row is None:
            return [within(one) for one in value]
        found = True
        return edit(value, row, entry)

    changed = within(page)
    return json.dumps(changed).encode(), found


def _forms(entry: Upstream) -> tuple[str, str]:
    """Return how a value may stand in the app: whole, or what is behind its last slash."""
    return entry.value, entry.value.rpartition("/")[2]


def _as_rows(entries: Row) -> list[Row]:
    return [{"value": value, "label": label} for value, label in entries.items()]


def _row_of(entries: Row, entry: Upstream) -> Row:
    value = next(form for form in _forms(entry) if entries.get(form) == entry.label)
    return {"value": value, "label": entry.label}


def _as_map(entries: list[Row]) -> Row:
    return {one["value"]: one["label"] for one in entries}


def _new(entries: list[Any], row: Row, entry: Upstream) -> list[Any]:
    """Add a row like another one; what names it, and whatever no two rows of the list have in common, is another."""

    def own(name: str, value: object) -> bool:
        named = str(value) in {*_forms(entry), entry.label}
        rows = [one for one in entries if isinstance(one, dict)]
        return named or len({str(one.get(name)) for one in rows}) == len(rows)

    return [*entries, {name: _other(value) if own(name, value) else value for name, value in row.items()}]


def _other(value: object) -> object:
    """Return another value of the same kind."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value + 1000 * _NUMBER
    if not isinstance(value, str):
        return value
    if value.isdecimal():
        return f"{value[:-2] if len(value) > 3 else value}{_NUMBER}"  # codes of a fixed length keep it
    return f"{value} {_SIGN}"


def _renamed(entries: list[Any], row: Row, entry: Upstream) -> list[Any]:
    other = {name: _other(value) if value == entry.label else value for name, value in row.items()}
    return [other if one == row else one for one in entries]


def _removed(entries: list[Any], row: Row, entry: Upstream) -> list[Any]:
    return [one for one in entries if one != row]


_EDITS: Final[dict[str, Edit]] = {"removed": _removed, "renamed": _renamed, "new": _new}
