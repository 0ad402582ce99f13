"""`kit.toml`: what an app team tells the kit about its app that neither manifest nor contract says. All of it is data.

Everything is optional. What is not told is guessed from the manifest; where the guess is wrong the rule that needs it
says which entry is missing.
"""

import tomllib
from datetime import date
from pathlib import Path
from typing import Any, Final

import msgspec

from gateway.sdk.tier import Tier

FILE: Final = "kit.toml"


class HintsError(Exception):
    """`kit.toml` cannot be read or is wrong; the message names the place inside it."""


class _Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pass


class Exemption(_Section, frozen=True, kw_only=True):
    """A rule that need not hold until a day (the last one on which it need not), for a reason."""

    rule: str
    reason: str
    until: date


class Move(_Section, frozen=True, kw_only=True):
    """How the app's officer brings a record to the word `to` of the status map.

    `word` is what he sets in the app (not given: `to`, then what stands behind its last slash), `fields` and `note`
    go with it; `before` are moves that come first, by their `to`; `service` names the kind of report it is for.
    """

    to: str
    word: str | None = None
    service: str | None = None
    note: str | None = None
    fields: dict[str, Any] = {}
    before: tuple[str, ...] = ()
    document: bool = False


class Birth(_Section, frozen=True, kw_only=True):
    """A record that begins in the app: `fields` in its own wire shape, and what must arrive here.

    `service` is the service of the report that opens (None: nothing may open), `name` and `phone` how its reporter is
    known here, `hidden` whether he asked not to be known.
    """

    fields: dict[str, Any]
    service: str | None = None
    name: str | None = None
    phone: str | None = None
    hidden: bool = False


class Refusal(_Section, frozen=True, kw_only=True):
    """A recorded refusal: the sample's name, the service whose report meets it, and the field a person can mend.

    `command` is `message` where it is a later word that is refused.
    """

    sample: str
    service: str
    field: str
    command: str = "open"


class Hints(_Section, frozen=True, kw_only=True):
    """What `kit.toml` holds.

    `claimed` is the tier the team claims; `page` how many rows the app's longest page has. `answers` are form answers
    per service where the catalogue's first choices do not fit the app; `follows` per service the service of an earlier
    report that it must refer to; `documents` per service the roles of files it must carry. `categories`
    are the app's own where it has no list that the connector reads; `refused` those of them that open no report here,
    with the reason. `initial` are words that a record has before anybody moves it.
    """

    claimed: str = "bronze"
    page: int = 50
    exempt: tuple[Exemption, ...] = ()
    moves: tuple[Move, ...] = ()
    born: tuple[Birth, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    answers: dict[str, dict[str, Any]] = {}
    follows: dict[str, str] = {}
    documents: dict[str, tuple[str, ...]] = {}
    categories: tuple[str, ...] = ()
    refused: dict[str, str] = {}
    initial: tuple[str, ...] = ()

    @property
    def tier(self) -> Tier:
        """The claimed tier."""
        return Tier.of(self.claimed)

    def exemption(self, rule: str, today: date) -> Exemption | None:
        """Return the exemption from a rule that holds on a day."""
        return next((one for one in self.exempt if one.rule == rule and one.until >= today), None)


def read_hints(folder: Path) -> Hints:
    """Read `kit.toml`; a folder without one tells nothing. Raises HintsError."""
    file = folder / FILE
    if not file.exists():
        return Hints()
    try:
        hints = msgspec.convert(tomllib.loads(file.read_text(encoding="utf-8")), type=Hints, strict=True)
        Tier.of(hints.claimed)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, msgspec.ValidationError, ValueError) as error:
        raise HintsError(f"{file.name}: {error}") from error
    for exemption in hints.exempt:
        if not exemption.reason.strip():
            raise HintsError(f"{file.name}: the exemption from {exemption.rule} names no reason")
    return hints
