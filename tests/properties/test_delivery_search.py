"""The exhaustive search of the delivery machine: every interleaving of a small world, breadth first.

With all three rules there is never a second record and never limbo. With any one of them removed a second record
is found, which shows that the search would see it and that no two rules suffice.
"""

from collections import Counter
from typing import NamedTuple

import pytest

from gateway.model.delivery import DeliveryState, Level
from tests.properties.delivery_world import (
    ATTEMPTS,
    Looker,
    Phase,
    Rule,
    Setting,
    World,
    steps,
)

ENDS = frozenset({DeliveryState.ACCEPTED, DeliveryState.HELD, DeliveryState.DEAD})
HOPELESS = frozenset({"the app is asked: retryable", "the one who looked crashes"})
"""Steps that may repeat for ever while the app is away; what must end must end without them."""


class Found(NamedTuple):
    """All worlds that can be reached, how each was reached first, and what may follow each."""

    came_from: dict[World, tuple[World, str] | None]
    follows: dict[World, list[tuple[str, World]]]

    def story(self, world: World) -> str:
        """The shortest way to a world, a step a line."""
        lines: list[str] = []
        at = self.came_from[world]
        while at is not None:
            before, name = at
            lines.append(name)
            at = self.came_from[before]
        return "\n".join([*reversed(lines), f"=> {world}"])


def search(setting: Setting, stop_at_double: bool = False) -> tuple[Found, World | None]:
    """Visit every world that can be reached; return them, and the first with a second record."""
    start = World()
    found = Found({start: None}, {})
    queue = [start]
    double: World | None = None
    for world in queue:
        found.follows[world] = list(steps(world, setting))
        for name, following in found.follows[world]:
            if following in found.came_from:
                continue
            found.came_from[following] = (world, name)
            queue.append(following)
            if following.records > 1 and double is None:
                double = following
                if stop_at_double:
                    return found, double
    return found, double


def quiet(world: World) -> bool:
    """Nobody is doing anything, and nothing is under way."""
    return (
        all(worker.phase is Phase.IDLE for worker in world.workers)
        and not any(isinstance(looker, Looker) for looker in world.lookers)
        and not world.orphans
    )


def resting(world: World) -> bool:
    """The delivery has come to its end, visibly; or to where this search stops looking at replays."""
    beyond = world.state is DeliveryState.QUEUED and world.replayed and world.attempt == ATTEMPTS
    return (world.state in ENDS or beyond) and quiet(world)


def check_no_limbo(found: Found) -> Counter[str]:
    """From every world the delivery can come to rest, and where nothing can happen any more it has."""
    before: dict[World, list[World]] = {world: [] for world in found.follows}
    for world, following in found.follows.items():
        if not following:
            assert resting(world), found.story(world)
        for _, after in following:
            before[after].append(world)
    ends = [world for world in found.follows if resting(world)]
    reach = set(ends)
    queue = list(ends)
    for world in queue:
        for earlier in before[world]:
            if earlier not in reach:
                reach.add(earlier)
                queue.append(earlier)
    for world in found.follows:
        assert world in reach, found.story(world)
    for world in ends:
        if world.state is DeliveryState.ACCEPTED:
            assert world.records == 1, found.story(world)
    return Counter(f"{world.state}, {world.records} in the app" for world in ends)


def check_ends(found: Found) -> None:
    """No run goes on for ever once the app answers when it is asked (Kahn: the steps make no circle)."""
    steps_in = Counter(
        after for following in found.follows.values() for name, after in following if name not in HOPELESS
    )
    queue = [world for world in found.follows if not steps_in[world]]
    for world in queue:
        for name, after in found.follows[world]:
            if name not in HOPELESS:
                steps_in[after] -= 1
                if not steps_in[after]:
                    queue.append(after)
    assert len(queue) == len(found.follows), "a circle: something goes on for ever"


@pytest.mark.parametrize("persons", [False, True], ids=["alone", "with replays"])
@pytest.mark.parametrize("level", list(Level), ids=lambda level: level.name)
def test_with_all_three_rules_no_second_record_and_no_limbo(level: Level, persons: bool) -> None:
    found, double = search(Setting(level, persons=persons))
    assert double is None, found.story(double)
    rests = check_no_limbo(found)
    if not persons:
        check_ends(found)
    print(f"{level.name}: {len(found.follows)} worlds, at rest: {dict(sorted(rests.items()))}")  # noqa: T201
    assert rests["accepted, 1 in the app"]
    assert rests["held, 0 in the app"]
    if level <= Level.L1:
        assert rests["held, 1 in the app"], "what cannot be known is parked where a person sees it"


@pytest.mark.parametrize("level", [Level.L2, Level.L3], ids=lambda level: level.name)
def test_exactly_once_without_refusals(level: Level) -> None:
    """Where nobody refuses and nobody gives up, a record in the app means `accepted` here."""
    found, double = search(Setting(level, refusals=False, ageing=False))
    assert double is None
    for world in filter(resting, found.follows):
        if world.records and world.state is not DeliveryState.ACCEPTED:
            assert level is Level.L3, found.story(world)
            assert world.attempt == ATTEMPTS, found.story(world)


REMOVED = [
    (Level.L0, Rule.ATTEMPT_FIRST),
    (Level.L1, Rule.ATTEMPT_FIRST),
    (Level.L2, Rule.ATTEMPT_FIRST),
    (Level.L1, Rule.LOOK_BEFORE_RESEND),
    (Level.L2, Rule.LOOK_BEFORE_RESEND),
    (Level.L2, Rule.WAIT_TO_SETTLE),
]


@pytest.mark.parametrize(("level", "rule"), REMOVED, ids=lambda value: str(getattr(value, "name", value)))
def test_without_any_one_rule_a_second_record_is_found(level: Level, rule: Rule) -> None:
    found, double = search(Setting(level, without=rule), stop_at_double=True)
    assert double is not None
    print(f"{level.name} without '{rule}': a second record after {len(found.came_from)} worlds")  # noqa: T201
    print(found.story(double))  # noqa: T201


@pytest.mark.parametrize("rule", [Rule.LOOK_BEFORE_RESEND, Rule.WAIT_TO_SETTLE])
def test_an_app_that_honours_our_key_absorbs_the_rest(rule: Rule) -> None:
    """At L3 the app's own idempotency holds even where the gateway resends blindly and at once."""
    found, double = search(Setting(Level.L3, without=rule))
    assert double is None, found.story(double)
    assert any(sum(worker.phase is Phase.SENT for worker in world.workers) == 2 for world in found.follows), (
        "the world must contain two requests of one key at the same time"
    )


def test_the_world_contains_what_it_is_meant_to_contain() -> None:
    """A search over too small a world proves nothing: the hard moments are all in it."""
    found, _ = search(Setting(Level.L2, refusals=False, ageing=False))
    names = {name for following in found.follows.values() for name, _ in following}
    for step in (
        "the request is lost",
        "the app accepts and answers",
        "the app accepts and its answer is lost",
        "a late request is accepted",
        "the worker crashes",
        "the lease has run out",
        "an event of the app carries our key",
        "the app is asked: absent",
        "the look is committed: accepted",
    ):
        assert step in names
    worlds = found.follows.keys()
    assert any(world.attempt == ATTEMPTS and world.records for world in worlds)
    assert any(  # a zombie: its attempt is over, another is under way
        worker.phase is Phase.DONE and worker.attempt < world.attempt
        for world in worlds
        for worker in world.workers
        if world.state is DeliveryState.SENDING
    )
    assert any(len(world.orphans) >= 1 and world.state is DeliveryState.UNSURE for world in worlds)
