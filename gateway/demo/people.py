"""Who plays: people with their tokens from `gateway token`, and the officers in the apps."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Final

import msgspec

from gateway.demo.callers import Officer, Person
from gateway.demo.memory import Memory
from gateway.demo.processes import NotStarted
from gateway.demo.surroundings import APPS, World
from gateway.sdk.clock import Clock

TOKEN_HOURS: Final = 12
_SPARE: Final = timedelta(hours=1)

ROLES: Final[Mapping[str, tuple[str, ...]]] = {
    "warga": ("warga-nur-afiah", "--role", "citizen"),
    "operator_balusu": ("operator-takkalasi", "--role", "operator", "--agency", "KEC-BALUSU"),
    "operator_mallusetasi": ("operator-nepo", "--role", "operator", "--agency", "KEC-MALLUSETASI"),
    "dinkes": ("petugas-dinkes", "--role", "operator", "--agency", "DINKES"),
    "pmd": ("petugas-pmd", "--role", "operator", "--agency", "DPMDPPKBPPPA"),
    "disparpora": ("petugas-disparpora", "--role", "operator", "--agency", "DISPARPORA"),
    "koordinator": ("koordinator-112", "--role", "coordinator"),
    "auditor": ("auditor-inspektorat", "--role", "auditor"),
}
"""Everybody with an account: the arguments of `gateway token` that make their token."""
PHONE: Final = "ponsel"
"""A phone without an account."""


class Company(msgspec.Struct, frozen=True, kw_only=True):
    """Everybody. `people` are by the names in ROLES, and PHONE; `officers`, by app, work inside the apps."""

    people: Mapping[str, Person]
    officers: Mapping[str, Officer]


@asynccontextmanager
async def enter(world: World, tokens: Mapping[str, str], clock: Clock) -> AsyncIterator[Company]:
    """Give everybody their token and a connection."""
    people = {name: Person(world.gateway, clock, token) for name, token in tokens.items()}
    company = Company(
        people=people | {PHONE: Person(world.gateway, clock)},
        officers={app: Officer(app, world.app(app), clock) for app in APPS},
    )
    try:
        yield company
    finally:
        for caller in (*company.people.values(), *company.officers.values()):
            await caller.close()


async def fetch_tokens(world: World, kept: Memory, clock: Clock) -> Mapping[str, str]:
    """Return everybody's token, made by `gateway token` where there is none that lasts."""
    state = kept.state
    now = clock.real()
    if state.tokens_until is not None and now < state.tokens_until - _SPARE and set(state.tokens) == set(ROLES):
        return state.tokens
    made = await asyncio.gather(*(_token(world, arguments) for arguments in ROLES.values()))
    tokens = dict(zip(ROLES, made, strict=True))
    until = now + timedelta(hours=TOKEN_HOURS)
    kept.change(msgspec.structs.replace(state, tokens=tokens, tokens_until=until))
    return tokens


async def _token(world: World, arguments: tuple[str, ...]) -> str:
    process = await asyncio.create_subprocess_exec(
        *world.gateway_command("token", *arguments, "--hours", str(TOKEN_HOURS)),
        start_new_session=True,  # Ctrl-C is for us to handle
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=world.environ(),
        cwd=world.folder,
    )
    out, err = await process.communicate()
    if process.returncode != 0:
        raise NotStarted(f"gateway token {arguments[0]}: {err.decode(errors='replace').strip()}")
    return out.decode().strip()
