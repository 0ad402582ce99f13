"""What a report follows: a report code, or for officers a number that an app gave."""

from gateway.kernel.ledger import Ledger
from gateway.kernel.ledger.door import opens
from gateway.kernel.ledger.reading import Whole, report_by_code, report_named
from gateway.kernel.policy.opening import Followed, followed
from gateway.model.codes import parse_code
from gateway.model.principal import EVERYTHING, Principal, Role, Scope
from gateway.model.problem import Fault, refused


class Following:
    """Finds the report that a new one follows."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    async def find(self, principal: Principal, name: str, secret: str | None) -> Followed:
        """Return the report that `name` means to this caller.

        Officers and programs may name any report by its code or by an app's number (a 112 ticket): the link shows
        them nothing of it. A citizen may name his own, a caller without account one whose secret he sends along.
        """
        whole = await self._look(principal, name, secret)
        if whole is None:
            raise refused([Fault(code="follow-up-unknown", pointer="/follow_up_to")])
        return followed(whole)

    async def _look(self, principal: Principal, name: str, secret: str | None) -> Whole | None:
        code = parse_code(name)
        if principal.has(Role.OPERATOR, Role.COORDINATOR, Role.SERVICE):
            return await self._ledger.read(report_named, EVERYTHING, code or name.strip())
        if code is None:
            return None
        if principal.account:
            found = await self._ledger.read(report_by_code, Scope(owner=principal.key), code)
            if found is not None or secret is None:
                return found
        whole = await self._ledger.read(report_by_code, Scope(code=code), code)
        if whole is None or secret is None:
            return None
        return whole if await opens(self._ledger, code, secret) else None
