"""What became of a call into a connector, in the words that the rest of the gateway decides with."""

from collections.abc import Sequence
from typing import Final

import msgspec

from gateway.model.delivery import Verdict
from gateway.sdk import (
    Ambiguous,
    AppError,
    Batch,
    ContractBroken,
    Exchange,
    Receipt,
    Rejected,
    Retryable,
    Unauthorized,
    Upstream,
)

_VERDICTS: Final[dict[type[AppError], Verdict]] = {
    Retryable: Verdict.RETRY,
    Ambiguous: Verdict.AMBIGUOUS,
    Rejected: Verdict.REJECTED,
    Unauthorized: Verdict.UNAUTHORIZED,
    ContractBroken: Verdict.BROKEN,
}
_LONGEST: Final = 500


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """Result of one call.

    `cause` is a code of ours (`connect_failed`, `timeout`, `http_503`, `refused`, `connector_error`, …) and holds
    nothing of what the app said; `message` may, so it belongs into the vault. `field` is what a person can mend,
    `after` the seconds the app asked for; `batch` is what a poll, a reading, a sweep or a webhook brought, `listed`
    the app's own catalogue, `content` the bytes of a document; `exchanges` are the requests made, the last one last.
    """

    verdict: Verdict
    receipt: Receipt | None = None
    batch: Batch | None = None
    listed: tuple[Upstream, ...] | None = None
    content: bytes | None = None
    cause: str = ""
    message: str | None = None
    field: str | None = None
    after: float | None = None
    exchanges: tuple[Exchange, ...] = ()

    @property
    def absent(self) -> bool:
        """Tell whether the app says that it does not have what was looked for."""
        return self.verdict is Verdict.ABSENT

    @property
    def http(self) -> int | None:
        """HTTP status of the last exchange; None if there was none or it was not answered."""
        return self.exchanges[-1].status if self.exchanges else None

    @property
    def sent(self) -> bool:
        """Tell whether a byte of a request that changes something may have left."""
        return any(exchange.write and exchange.sent for exchange in self.exchanges)


def outcome_of(error: AppError, write: bool, exchanges: Sequence[Exchange], message: str) -> Outcome:
    """Return the outcome of one of the five errors; `message` is its message without secrets.

    A read changes nothing and so cannot be ambiguous: it is made again.
    """
    verdict = next(verdict for kind, verdict in _VERDICTS.items() if isinstance(error, kind))
    if verdict is Verdict.AMBIGUOUS and not write:
        verdict = Verdict.RETRY
    return Outcome(
        verdict=verdict,
        cause=_cause(verdict, exchanges[-1] if exchanges else None),
        message=message[:_LONGEST],
        field=error.field if isinstance(error, Rejected) else None,
        after=error.after if isinstance(error, Retryable) else None,
        exchanges=tuple(exchanges),
    )


def _cause(verdict: Verdict, last: Exchange | None) -> str:
    if verdict is Verdict.REJECTED:
        return "refused"
    if verdict is Verdict.UNAUTHORIZED:
        return "unauthorized"
    if last is None:
        return "not_now" if verdict is Verdict.RETRY else str(verdict)
    if last.status is None:
        return last.cause or "cut"
    if last.status >= 300:
        return f"http_{last.status}"
    return "later" if verdict is Verdict.RETRY else "unreadable"
