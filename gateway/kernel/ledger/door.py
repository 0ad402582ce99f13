"""Which secret opens which report: its own, or that of the report it was split off, until somebody claims it."""

from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection, and_, select

from gateway.kernel.ledger import tables as t
from gateway.kernel.ledger.ledger import Ledger

_NOBODY: Final = UUID(int=0)


async def opens(ledger: Ledger, code: str, secret: str) -> bool:
    """Tell whether a secret opens a report.

    For a report that is not there, or no part of another, the same work is done for nothing.
    """
    row = await ledger.read(_door, code) or {"id": None, "main_id": None}
    own, main = (
        ledger.keyring.secret_matches(row[f"{which}id"] or _NOBODY, row.get(f"{which}epoch") or 0, secret)
        and row[f"{which}id"] is not None
        for which in ("", "main_")
    )
    return own or main


def _door(connection: Connection, code: str) -> dict[str, Any] | None:
    """Return what the secret of a report is checked against: `{id, epoch}`, and for a part that nobody has claimed that
    of the report it was split off (`main_id`, `main_epoch`). Not a read of the report."""
    main = t.report.alias("main")
    unclaimed = and_(main.c.id == t.report.c.part_of, t.report.c.epoch == 0)
    columns = (t.report.c.id, t.report.c.epoch, main.c.id.label("main_id"), main.c.epoch.label("main_epoch"))
    row = connection.execute(
        select(*columns).select_from(t.report.outerjoin(main, unclaimed)).where(t.report.c.code == code)
    )
    found = row.mappings().first()
    return None if found is None else dict(found)
