"""Fixtures that every test may ask for: fresh databases, a Redis, a port.

Servers start once per test process, when a test first asks; databases are fresh for each test.
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis

from tests import processes, servers


@pytest.fixture(scope="session")
def postgres() -> Iterator[servers.Postgres]:
    """The PostgreSQL server of this test process; for tests that make databases themselves."""
    with servers.postgres_server() as server:
        yield server


@pytest.fixture(scope="session")
def redis_base_url() -> Iterator[str]:
    """The Redis-compatible server of this test process; tests ask for ``redis_url``."""
    with servers.redis_server() as url:
        yield url


def worker() -> str:
    """The name of this test process: ``main``, or ``gw0``, ``gw1``... under xdist."""
    return os.environ.get("PYTEST_XDIST_WORKER", "main")


@pytest.fixture
def postgres_url(postgres: servers.Postgres) -> Iterator[str]:
    """A fresh, empty PostgreSQL database, ``postgresql+asyncpg://...``; dropped after the test."""
    name = postgres.create(worker())
    yield postgres.url(name)
    postgres.drop(name)


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """A SQLite database that does not exist yet, ``sqlite:////...``, in the test's own folder."""
    return f"sqlite:///{tmp_path / 'gateway.sqlite3'}"


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest) -> str:
    """A fresh, empty database of each kind: a test that asks for it runs on SQLite and on PostgreSQL."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.fixture
def redis_url(redis_base_url: str) -> str:
    """An empty Redis database, ``redis://...``."""
    with redis.Redis.from_url(redis_base_url) as client:
        client.flushdb()
    return redis_base_url


@pytest.fixture
def free_port() -> Callable[[], int]:
    """A function that names a free TCP port of 127.0.0.1, another at each call."""
    return processes.free_port
