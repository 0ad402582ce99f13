"""Which report and which case an officer means."""

from uuid import UUID

import msgspec

from gateway.flows.desk import queries
from gateway.flows.desk.who import Desk
from gateway.kernel.ledger import Ledger
from gateway.kernel.ledger.reading import Row, Whole
from gateway.model.case import CaseEvent
from gateway.model.codes import parse_code
from gateway.model.problem import Problem
from gateway.model.status import OPEN


class Meant(msgspec.Struct, frozen=True):
    """A report, the case of it that is meant, and the events of all its cases."""

    whole: Whole
    row: Row
    events: dict[UUID, list[CaseEvent]]

    @property
    def known(self) -> list[CaseEvent]:
        """The events of the case that is meant."""
        return self.events[self.row["id"]]


async def meant(ledger: Ledger, desk: Desk, code: str, number: int | None) -> Meant:
    """Return the case meant: the one numbered, else the desk's own, else the only open one at this agency.

    Raises Problem `not-found` for a report without a case at the officer's agency, `case-ambiguous` where he must say
    which one.
    """
    found = await ledger.read(queries.report, desk.scope, parse_code(code) or "")
    if found is None:
        raise Problem("not-found")
    whole, events = found
    mine = [row for row in whole.cases if desk.agency is None or row["agency"] == desk.agency]
    if number is not None:
        mine = [row for row in mine if row["number"] == number]
    for wanted in (
        [row for row in mine if row["app"] == queries.DESK and row["status"] in OPEN],
        [row for row in mine if row["status"] in OPEN],
        mine,
    ):
        if len(wanted) == 1:
            return Meant(whole, wanted[0], events)
        if wanted:
            raise Problem("case-ambiguous", cases=", ".join(str(row["number"]) for row in wanted))
    raise Problem("not-found")


async def some(ledger: Ledger, desk: Desk, code: str) -> Meant:
    """Return a report that has a case at the officer's agency, where it does not matter which case it is."""
    found = await ledger.read(queries.report, desk.scope, parse_code(code) or "")
    if found is None:
        raise Problem("not-found")
    whole, events = found
    mine = [row for row in whole.cases if desk.agency is None or row["agency"] == desk.agency]
    if not mine:
        raise Problem("not-found")
    return Meant(whole, mine[0], events)
