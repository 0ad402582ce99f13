"""Whose reports a read may return, as SQL: every read of reports takes a scope, there is no read without."""

from sqlalchemy import ColumnElement, and_, exists, false, or_, select, true

from gateway.kernel.ledger import tables as t
from gateway.model.principal import Scope

_CASE = t.cases.alias("case_of_agency")
_MAIN = t.report.alias("main_report")
RESTRICTED = "restricted"
"""Privacy class whose reports an agency's ordinary operators do not see (graft, violence, crime)."""


def visible(scope: Scope) -> ColumnElement[bool]:
    """Return the condition on `report` that a scope stands for. Who holds a report's secret may see its parts too, as
    long as nobody has claimed them."""
    if scope.everything:
        return true() if scope.restricted else t.report.c.privacy != RESTRICTED
    allowed: list[ColumnElement[bool]] = []
    if scope.owner is not None:
        allowed.append(t.report.c.owner == scope.owner)
    if scope.code is not None:
        main = select(_MAIN.c.id).where(_MAIN.c.code == scope.code).scalar_subquery()
        allowed.append(t.report.c.code == scope.code)
        allowed.append(and_(t.report.c.part_of == main, t.report.c.epoch == 0))
    if scope.agency is not None:
        at_agency = exists().where(_CASE.c.report_id == t.report.c.id, _CASE.c.agency == scope.agency)
        mine = or_(t.report.c.agency == scope.agency, at_agency)
        allowed.append(mine if scope.restricted else and_(mine, t.report.c.privacy != RESTRICTED))
    return or_(*allowed) if allowed else false()
