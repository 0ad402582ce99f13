"""Dependencies are taken in turn, and what they need comes first."""

import asyncio
import time
from typing import Any

from litestar import Litestar, get
from litestar.di import NamedDependency, Provide

from gateway.kernel.edge.turns import take_in_turn
from tests.unit.edge.served import served


class Tasks:
    """How many tasks ran while dependencies were made."""

    def __init__(self) -> None:
        self.seen: set[int] = set()

    def note(self) -> int:
        self.seen.add(id(asyncio.current_task()))
        return len(self.seen)


@get("/")
async def handler(
    one: NamedDependency[int], two: NamedDependency[int], three: NamedDependency[int], four: NamedDependency[int]
) -> list[int]:
    return [one, two, three, four]


def application(tasks: Tasks) -> Litestar:
    async def one() -> int:
        tasks.note()
        return 1

    async def two() -> int:
        tasks.note()
        return 2

    async def three(two: NamedDependency[int]) -> int:
        tasks.note()
        return two + 1

    async def four(three: NamedDependency[int], one: NamedDependency[int]) -> int:
        tasks.note()
        return three + one

    given: dict[str, Any] = {name: Provide(make) for name, make in (("one", one), ("two", two), ("three", three))}
    return Litestar([handler], dependencies={**given, "four": Provide(four)}, logging_config=None, openapi_config=None)


async def test_no_task_is_started_and_the_values_are_right() -> None:
    tasks, apart = Tasks(), Tasks()
    app = application(tasks)
    take_in_turn(app)
    async with served(app) as call:
        assert (await call("GET", "/")).json() == [1, 2, 3, 4]
    assert len(tasks.seen) == 1
    async with served(application(apart)) as call:
        assert (await call("GET", "/")).json() == [1, 2, 3, 4]
    assert len(apart.seen) > 1, "Litestar has stopped starting tasks: this module can go"


async def test_it_is_worth_it() -> None:
    in_turn, apart = application(Tasks()), application(Tasks())
    take_in_turn(in_turn)
    assert await cost(in_turn) < await cost(apart) * 0.8


async def cost(app: Litestar) -> float:
    """Processor seconds of the cheapest of several rounds of requests."""
    scope: dict[str, Any] = {
        "type": "http", "method": "GET", "path": "/", "raw_path": b"/", "query_string": b"", "headers": [],
        "http_version": "1.1", "scheme": "http", "root_path": "", "client": None, "server": None,
    }  # fmt: skip

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None: ...

    rounds = []
    for _ in range(5):
        began = time.process_time()
        for _ in range(200):
            await app({**scope, "state": {}}, receive, send)  # type: ignore[arg-type]
        rounds.append(time.process_time() - began)
    return min(rounds)
