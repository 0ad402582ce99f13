"""Five errors, named for what the gateway does next. Messages never hold secrets or personal data."""


class AppError(Exception):
    """Base of the five; `exchange` is filled in by `Http` with digests and the HTTP status, for the evidence."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class Retryable(AppError):
    """Nothing was written (never sent, or the app said "later"): send again. `after` is in seconds."""

    def __init__(self, message: str, after: float | None = None) -> None:
        super().__init__(message)
        self.after = after


class Ambiguous(AppError):
    """The app may or may not have it: look before anything is sent again."""


class Rejected(AppError):
    """The app refuses this content; `field` is what a person can mend, in the unified model's words."""

    def __init__(self, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


class Unauthorized(AppError):
    """Our credential is refused: the connector pauses and its owner is told."""


class ContractBroken(AppError):
    """The app spoke outside its contract (HTML, unknown form): unsure if it was a write, else held."""
