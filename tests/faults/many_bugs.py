"""`python -m tests.faults.many_bugs BUG… -- COMMAND…`: the gateway with bugs planted in it, which its tests must find.

Nothing in the product knows of this: the bugs are put in place of what is right, in a process of their own.
"""

import copy
import sys
from collections.abc import Callable, Mapping
from typing import Any, Final

from gateway.cli import main
from gateway.flows.delivery import deliver, queries
from gateway.kernel.host import Outcome
from gateway.kernel.ledger import Act, Claimed, Ledger
from gateway.kernel.ledger import tables as t
from gateway.model.delivery import DeliveryState


class Blind:
    """A ledger that shows a delivery as this worker left it, whatever became of it since."""

    def __init__(self, ledger: Ledger, claimed: Claimed) -> None:
        self._ledger, self._claimed = ledger, claimed

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ledger, name)

    async def read_together(self, work: Callable[..., Any], *args: Any) -> Any:
        found = await self._ledger.read_together(work, *args)
        if work is not queries.standing:
            return found
        row, *more = found
        seen = {"state": DeliveryState.SENDING, "attempt": self._claimed.row["attempt"]}
        return (row | seen, *more)


def unfenced() -> None:
    """P6: an outcome is committed whoever has the delivery by now."""
    right = deliver.Deliverer._commit
    change = Act.change

    async def commit(self: deliver.Deliverer, claimed: Claimed, outcome: Outcome) -> None:
        blind = copy.copy(self)
        blind._ledger = Blind(self._ledger, claimed)  # type: ignore[assignment]
        await right(blind, claimed, outcome)

    def unconditional(self: Act, table: Any, where: Mapping[str, Any], **values: Any) -> None:
        change(self, table, {"id": where["id"]} if table is t.delivery else where, **values)

    deliver.Deliverer._commit = commit  # type: ignore[method-assign]
    Act.change = unconditional  # type: ignore[method-assign]


BUGS: Final[Mapping[str, Callable[[], None]]] = {"unfenced": unfenced}

if __name__ == "__main__":
    cut = sys.argv.index("--")
    for bug in sys.argv[1:cut]:
        BUGS[bug]()
    sys.argv[1:] = sys.argv[cut + 1 :]
    main()
