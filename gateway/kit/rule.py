"""One rule of the kit: a test that can be read, with the words that explain it."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, NoReturn

import msgspec

from gateway.sdk.tier import Tier

if TYPE_CHECKING:
    from gateway.kit.trial import Trial

Test = Callable[["Trial"], Awaitable[None]]


class Failed(Exception):
    """A connector does not keep a rule: what was seen, and what to do next where that is known better than in general.

    Neither holds a secret or what a person wrote.
    """

    def __init__(self, detail: str, step: str | None = None) -> None:
        super().__init__(detail)
        self.detail, self.step = detail, step


class DoesNotApply(Exception):
    """A rule says nothing about this connector, for a reason that its manifest gives."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """A rule: `id` (`K11`), the tier that needs it, a title, and three paragraphs for its page.

    `why` is what happens to people without it, `tested` what is done to the connector, `passing` what to do about a
    failure, `exempt` when an exemption is reasonable. `test` raises `Failed` or `DoesNotApply`, or returns.
    """

    id: str
    tier: Tier
    title: str
    why: str
    tested: str
    passing: str
    exempt: str
    test: Test

    @property
    def page(self) -> str:
        """Path of the rule's page in the repository."""
        return f"docs/connectors/rules/{self.id}.md"


NEVER = "Never: there is no app for which this may be otherwise."


def rule(
    id: str,  # noqa: A002 - the word that everybody knows it by
    tier: Tier,
    title: str,
    *,
    why: str,
    tested: str,
    passing: str,
    exempt: str = NEVER,
) -> Callable[[Test], Rule]:
    """Make a rule of the function that tests it."""

    def made(test: Test) -> Rule:
        return Rule(id=id, tier=tier, title=title, why=why, tested=tested, passing=passing, exempt=exempt, test=test)

    return made


def fail(detail: str, step: str | None = None) -> NoReturn:
    """End a rule's test: the connector does not keep it."""
    raise Failed(detail, step)


def expect(holds: object, detail: str, step: str | None = None) -> None:
    """End a rule's test unless something holds."""
    if not holds:
        raise Failed(detail, step)
