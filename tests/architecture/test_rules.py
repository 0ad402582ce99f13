"""The sources keep the rules, and each rule catches what it is for."""

import pytest

from tests.architecture import connector_rules, rules
from tests.architecture.connector_rules import CONNECTOR_RULES
from tests.architecture.rules import GATEWAY_RULES, Rule
from tests.architecture.source import Module, modules, parse


def offences(rule: Rule, sources: list[Module]) -> list[str]:
    return [f"{m.path}:{found.line}: {found.what}" for m in sources for found in rule(m)]


def test_there_is_something_to_check() -> None:
    assert len(modules("gateway")) > 20


@pytest.mark.parametrize("rule", GATEWAY_RULES, ids=lambda rule: rule.__name__)
def test_the_gateway_keeps(rule: Rule) -> None:
    assert offences(rule, modules("gateway")) == []


@pytest.mark.parametrize("rule", CONNECTOR_RULES, ids=lambda rule: rule.__name__)
def test_connectors_keep(rule: Rule) -> None:
    assert offences(rule, modules("connectors")) == []


def test_tests_mock_nothing() -> None:
    assert offences(rules.mocks_nothing, modules("tests")) == []


DESK, LEDGER, QUERIES = (
    "gateway/flows/desk/reply.py",
    "gateway/kernel/ledger/act.py",
    "gateway/flows/desk/queries.py",
)
APP, WIRE, SANDBOX = (
    "connectors/lapor/connector.py",
    "connectors/lapor/wire.py",
    "connectors/lapor/sandbox.py",
)
TEST = "connectors/lapor/test_lapor.py"
LOOP = """
async def send(http):
    while left():
        try:
            return await http.post("/x")
        except OSError:
            pass
"""
ROWS = """
def fold(rows):
    for row in rows:
        try:
            take(row)
        except ValueError:
            set_aside(row)
"""

BAD: list[tuple[Rule, str, str]] = [
    (rules.is_short, DESK, "\n" * 401),
    (rules.is_named, "gateway/flows/desk/utils.py", ""),
    (rules.is_named, "gateway/common/desk.py", ""),
    (rules.reads_no_clock, DESK, "import datetime as dt\nx = dt.datetime.now(dt.UTC)"),
    (rules.reads_no_clock, DESK, "from datetime import datetime\nx = datetime.utcnow()"),
    (rules.reads_no_clock, DESK, "from datetime import date\nx = date.today"),
    (rules.reads_no_clock, DESK, "from time import time as seconds\nx = seconds()"),
    (rules.reads_no_clock, DESK, "def f():\n    import time\n    return time.time_ns()"),
    (rules.takes_no_chances, DESK, "import random\nx = random.choice([1])"),
    (rules.takes_no_chances, DESK, "from secrets import token_hex\nx = token_hex(4)"),
    (rules.takes_no_chances, DESK, "from uuid import uuid4\nx = uuid4()"),
    (rules.takes_no_chances, DESK, "import os\nx = os.urandom(12)"),
    (rules.catches_by_name, DESK, "try:\n    f()\nexcept Exception:\n    raise"),
    (rules.catches_by_name, DESK, "try:\n    f()\nexcept (OSError, Exception) as e:\n    pass"),
    (rules.catches_by_name, DESK, "try:\n    f()\nexcept:\n    pass"),
    (rules.catches_by_name, DESK, "try:\n    f()\nexcept BaseException:\n    g()"),
    (rules.catches_by_name, DESK, "try:\n    f()\nexcept* Exception:\n    g()"),
    (rules.catches_by_name, DESK, "from contextlib import suppress\nwith suppress(Exception):\n    f()"),
    (rules.leaves_commits_to_the_ledger, DESK, "async def f(c):\n    await c.commit()"),
    (
        rules.leaves_commits_to_the_ledger,
        QUERIES,
        "def f(engine):\n    with engine.begin() as c:\n        pass",
    ),
    (rules.speaks_sql_in_its_place, DESK, "from sqlalchemy import select"),
    (rules.speaks_sql_in_its_place, DESK, "def f():\n    import sqlalchemy.ext.asyncio"),
    (rules.speaks_sql_in_its_place, QUERIES, "import asyncpg"),
    (rules.speaks_redis_in_its_place, LEDGER, "import redis.asyncio as r"),
    (rules.goes_out_by_one_door, DESK, "import aiohttp"),
    (rules.goes_out_by_one_door, "gateway/sdk/sandbox.py", "from aiohttp import ClientSession"),
    (rules.goes_out_by_one_door, "gateway/sdk/http.py", "from aiohttp import web"),
    (rules.goes_out_by_one_door, DESK, "from urllib.request import urlopen"),
    (rules.knows_no_app, DESK, "from connectors.lapor import connector"),
    (rules.keeps_annotations_real, DESK, "from __future__ import annotations\nfrom litestar import get"),
    (rules.mocks_nothing, "tests/unit/test_x.py", "from unittest import mock"),
    (connector_rules.stands_on_the_sdk, APP, "from gateway.kernel.ledger import act"),
    (connector_rules.stands_on_the_sdk, APP, "from gateway.model import report"),
    (connector_rules.stands_on_the_sdk, APP, "import aiohttp"),
    (connector_rules.stands_on_the_sdk, APP, "from connectors.other import wire"),
    (connector_rules.stands_on_the_sdk, APP, "from ..other import wire"),
    (connector_rules.stands_on_the_sdk, WIRE, "import sqlite3"),
    (connector_rules.stands_on_the_sdk, SANDBOX, "import sqlalchemy"),
    (connector_rules.is_brief, WIRE, "\n" * 251),
    (connector_rules.never_sleeps, APP, "import asyncio\nasync def f():\n    await asyncio.sleep(1)"),
    (connector_rules.never_sleeps, APP, "from time import sleep as rest"),
    (connector_rules.never_retries, APP, LOOP),
    (connector_rules.never_retries, APP, "def f():\n    while True:\n        g()"),
    (connector_rules.never_retries, APP, "async def f(h):\n    for i in range(3):\n        await h.get(i)"),
    (connector_rules.never_retries, WIRE, "max_retries = 3"),
    (connector_rules.never_retries, WIRE, "from stamina import retry"),
    (connector_rules.writes_no_sql, WIRE, "q = 'SELECT id FROM rows'"),
    (connector_rules.writes_no_sql, WIRE, "q = f'insert into {t} values (1)'"),
]

GOOD: list[tuple[Rule, str, str]] = [
    (rules.is_short, DESK, "\n" * 400),
    (rules.reads_no_clock, "gateway/sdk/clock.py", "import time\nx = time.time()"),
    (rules.reads_no_clock, DESK, "import time\ndef f(clock):\n    return clock.now(), time.monotonic()"),
    (rules.takes_no_chances, "gateway/sdk/entropy.py", "import secrets\nx = secrets.token_bytes(8)"),
    (rules.takes_no_chances, DESK, "import secrets\nx = secrets.compare_digest('a', 'b')"),
    (rules.catches_by_name, "gateway/worker.py", "try:\n    f()\nexcept Exception:\n    pass"),
    (rules.catches_by_name, LEDGER, "try:\n    f()\nexcept BaseException:\n    undo()\n    raise"),
    (rules.leaves_commits_to_the_ledger, LEDGER, "def f(c):\n    c.commit()"),
    (rules.speaks_sql_in_its_place, QUERIES, "from sqlalchemy import select"),
    (rules.speaks_sql_in_its_place, LEDGER, "import asyncpg, sqlalchemy"),
    (rules.speaks_redis_in_its_place, "gateway/kernel/coordination/remote.py", "import redis"),
    (rules.goes_out_by_one_door, "gateway/sdk/http.py", "import aiohttp"),
    (rules.goes_out_by_one_door, "gateway/sdk/sandbox.py", "from aiohttp import web"),
    (rules.keeps_annotations_real, DESK, "from __future__ import annotations\nimport json"),
    (connector_rules.stands_on_the_sdk, APP, "import json\nimport msgspec\nfrom gateway.sdk import Http"),
    (connector_rules.stands_on_the_sdk, APP, "from . import wire\nfrom .wire import Row"),
    (connector_rules.stands_on_the_sdk, APP, "from connectors.lapor.wire import Row"),
    (connector_rules.stands_on_the_sdk, TEST, "import pytest\nfrom gateway.kit import conformance"),
    (connector_rules.never_sleeps, SANDBOX, "import asyncio\nasync def f():\n    await asyncio.sleep(1)"),
    (connector_rules.never_retries, APP, ROWS),
    (
        connector_rules.never_retries,
        APP,
        "async def f(h, n):\n    for i in range(1, n):\n        await h.get(i)",
    ),
    (connector_rules.never_retries, APP, "def f(answer):\n    return answer.retry_after"),
    (connector_rules.writes_no_sql, WIRE, "x = 'Select a village from the list'[:5] + 'update'"),
]


@pytest.mark.parametrize(("rule", "path", "text"), BAD, ids=lambda value: getattr(value, "__name__", None))
def test_a_planted_offence_is_caught(rule: Rule, path: str, text: str) -> None:
    assert offences(rule, [parse(path, text)])


@pytest.mark.parametrize(("rule", "path", "text"), GOOD, ids=lambda value: getattr(value, "__name__", None))
def test_what_is_allowed_passes(rule: Rule, path: str, text: str) -> None:
    assert offences(rule, [parse(path, text)]) == []


def test_every_rule_has_an_offence_of_its_own() -> None:
    planted = {rule for rule, _, _ in BAD}
    assert planted >= {*GATEWAY_RULES, *CONNECTOR_RULES}
