"""Whose reports a read may return, as SQL: every read of reports takes a scope, there is no read without."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, FromClause, and_, exists, false, or_, select, true, tuple_

from gateway.kernel.ledger import tables as t
from gateway.kernel.ledger.rows import padded
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


class Viewers(msgspec.Struct, frozen=True):
    """Callers whose reads share a query, each with the reports (codes) he asks for and his scope applied in it.

    `scope` is that of all of them; None: each sees what he filed himself, and `asked` holds owner and code.
    """

    scope: Scope | None
    asked: tuple[tuple[str, ...], ...] = ()

    @property
    def theirs(self) -> ColumnElement[bool]:
        """The condition on `report`: what they ask for, as far as they may see it."""
        if self.scope is None:
            return tuple_(t.report.c.owner, t.report.c.code).in_(padded(self.asked))
        return and_(t.report.c.code.in_(padded([code for (code,) in self.asked])), visible(self.scope))

    def linked(self, own: FromClause) -> ColumnElement[bool]:
        """The condition on `report` where it is linked with `own`, a report that they see."""
        return t.report.c.owner == own.c.owner if self.scope is None else visible(self.scope)

    def of(self, row: Mapping[str, Any]) -> Scope:
        """Return the scope of whoever sees a report (its row, with its owner)."""
        return self.scope or Scope(owner=row["owner"])


def grouped(asked: Sequence[tuple[Scope, str]]) -> list[Viewers]:
    """Return callers with what they ask for, in as few groups as there may be queries."""
    groups: dict[Scope | None, set[tuple[str, ...]]] = {}
    for scope, code in asked:
        if scope.owner is not None and scope == Scope(owner=scope.owner):
            groups.setdefault(None, set()).add((scope.owner, code))
        else:
            groups.setdefault(scope, set()).add((code,))
    return [Viewers(scope, tuple(sorted(codes))) for scope, codes in groups.items()]
