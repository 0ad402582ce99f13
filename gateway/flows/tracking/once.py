"""What a reporter does with his report, done once however often and however concurrently it is asked for.

With an Idempotency-Key a repeat gets the first answer. Without one whatever has been done already is answered as done.
"""

from collections.abc import Awaitable, Callable
from hashlib import sha256
from typing import Final

import msgspec

from gateway.flows.tracking import queries
from gateway.kernel.coordination import Wake
from gateway.kernel.ledger import Act, Erased, Ledger, Stale, Taken
from gateway.kernel.ledger import tables as t
from gateway.kernel.ledger.reading import Whole, report_by_code
from gateway.model.principal import Actor, Principal, Scope
from gateway.model.problem import Problem

_TRIES: Final = 20
_COUNTED: Final = frozenset({"delivery", "cases", "deadline", "rating"})
"""Tables whose rows are numbered within a report: whoever comes second counts again."""


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """Who asks, under which scope, for which report."""

    principal: Principal
    scope: Scope
    actor: Actor
    code: str

    def scope_of(self, what: str) -> str:
        """Return the name under which answers to this caller are kept."""
        return f"{what}|{self.code}|{self.principal.key}"[:300]


Deed = Callable[[Whole], Awaitable[tuple[Act | None, msgspec.Struct]]]
"""Thinks of an act on a report as it stands, and the answer; no act: there is nothing left to do."""


class Once:
    """Does things with reports for their reporters."""

    def __init__(self, ledger: Ledger, wake: Wake) -> None:
        self.ledger, self._wake = ledger, wake

    async def do(self, caller: Caller, what: str, key: str | None, body: object, deed: Deed) -> bytes:
        """Do `deed` and return the answer's bytes when it is durable.

        Raises Problem `idempotency-conflict` where the key was used for another body, `not-found` for a report that is
        not there for this caller or was erased, `stale` where others keep coming first.
        """
        digest = sha256(msgspec.json.encode(body, order="sorted")).digest()
        answer = b""

        async def think() -> Act | None:
            nonlocal answer
            whole = await self._whole(caller)
            act, told = await deed(whole)
            answer = msgspec.json.encode(told)
            if act is not None and key is not None:
                act.insert(
                    t.idempotency,
                    scope=caller.scope_of(what),
                    key=key,
                    fingerprint=digest,
                    report_id=whole.id,
                    status=201,
                    created_at=act.real,
                    sealed=whole.key(self.ledger.vault).seal("first-answer", answer),
                )
            return act

        for _ in range(_TRIES):
            if key is not None and (first := await self._first(caller, what, key, digest)) is not None:
                return first
            try:
                await self.ledger.decide(think)
            except Taken as clash:
                if clash.table not in _COUNTED | {"idempotency"}:
                    raise
                continue
            except Stale:
                break
            except Erased:
                raise Problem("not-found") from None
            self._wake.ring("delivery")
            self._wake.ring(f"report:{caller.code}")
            return answer
        raise Problem("stale")

    async def _whole(self, caller: Caller) -> Whole:
        whole = await self.ledger.read(report_by_code, caller.scope, caller.code)
        if whole is None:
            raise Problem("not-found")
        return whole

    async def _first(self, caller: Caller, what: str, key: str, digest: bytes) -> bytes | None:
        row = await self.ledger.read(queries.first_answer, caller.scope_of(what), key)
        if row is None:
            return None
        if row["fingerprint"] != digest:
            raise Problem("idempotency-conflict")
        return (await self._whole(caller)).key(self.ledger.vault).open("first-answer", row["sealed"], bytes)
