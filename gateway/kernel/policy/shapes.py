"""What a configuration holds once it is decoded. Unknown keys are mistakes everywhere."""

from datetime import date
from enum import StrEnum
from typing import Final, Literal

import msgspec

from gateway.model.agency import Agency
from gateway.model.catalogue import Priority, Service, Words
from gateway.model.territory import Territory

DESK: Final = "gateway"
"""How services and rules name the gateway's own desk among the apps."""
THE_DISTRICT: Final = "@district"
"""How rules name the office of the district that a report's place is in."""


class _Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pass


class AppEntry(_Section, frozen=True, kw_only=True):
    """An app that services and rules may name; `planned` has no connector yet and is no mistake without one.

    `services` are those it takes over: codes, or beginnings that end in `*`.
    """

    title: str
    connector: Literal["present", "planned"]
    services: tuple[str, ...] = ()


class When(_Section, frozen=True, kw_only=True):
    """The conditions of a rule; all that are given must fit."""

    services: tuple[str, ...] = ()
    villages: tuple[str, ...] = ()
    districts: tuple[str, ...] = ()
    levels: tuple[Literal["kelurahan", "desa"], ...] = ()
    channels: tuple[str, ...] = ()
    priorities: tuple[Priority, ...] = ()
    attributes: dict[str, str | int | bool | tuple[str, ...]] = {}


class Then(_Section, frozen=True, kw_only=True):
    """What a rule changes; what is not given stays as the service says. `support` adds."""

    app: str | None = None
    profile: str | None = None
    fallback: str | None = None
    agency: str | None = None
    support: tuple[str, ...] = ()


class Rule(_Section, frozen=True, kw_only=True):
    """A routing rule that differs from the catalogue."""

    id: str
    reason: Words
    when: When
    then: Then

    @property
    def name(self) -> str:
        """Return the name under which decisions and reasons know this rule."""
        return f"routing:{self.id}"


class ClockEntry(_Section, frozen=True, kw_only=True):
    """A clock as sla.toml gives it; exactly one of the four limits is set."""

    label: Words
    basis: str
    working_days: int | None = None
    calendar_days: int | None = None
    hours: int | None = None
    minutes: int | None = None
    extension: int = 0
    week: Literal["national", "agency"] = "national"
    legal: bool = True
    pauses: bool = True
    levels: tuple[Literal["kelurahan", "desa", "unknown"], ...] = ()
    until: Literal["verified", "routed", "in_progress", "on_scene", "ended"] = "ended"

    def limits(self) -> dict[str, int]:
        """Return the limits that are set, by unit."""
        given = {
            "working_days": self.working_days,
            "calendar_days": self.calendar_days,
            "hours": self.hours,
            "minutes": self.minutes,
        }
        return {unit: amount for unit, amount in given.items() if amount is not None}


class ClassEntry(_Section, frozen=True, kw_only=True):
    """A class of deadlines: the clocks that start when a report is received."""

    label: Words
    clocks: tuple[str, ...]


class NoticeEntry(_Section, frozen=True, kw_only=True):
    """A notice in both languages; the quiet texts replace the others for protected services. `sms`: reporters without
    an account are told it by text message too."""

    id: str
    en: str
    quiet_id: str | None = None
    quiet_en: str | None = None
    sms: bool = False


class DangerEntry(_Section, frozen=True, kw_only=True):
    """Words that suggest an emergency service, by language."""

    id: tuple[str, ...] = ()
    bug: tuple[str, ...] = ()
    en: tuple[str, ...] = ()

    def words(self) -> tuple[str, ...]:
        """Return the words of all languages."""
        return self.id + self.bug + self.en


class DayOffKind(StrEnum):
    """Why offices are closed: a public holiday, or the joint leave that surrounds it."""

    PUBLIC = "public"
    JOINT_LEAVE = "joint_leave"


class DayOff(_Section, frozen=True, kw_only=True):
    """One day on which government offices are closed."""

    date: date
    kind: DayOffKind
    name_id: str
    name_en: str


class Declared(msgspec.Struct, frozen=True, kw_only=True):
    """Every name that some file declares, also where its entry has a mistake: so that one mistake is told once."""

    services: frozenset[str]
    groups: frozenset[str]
    agencies: frozenset[str]
    territories: frozenset[str]
    apps: frozenset[str]
    clocks: frozenset[str]
    classes: frozenset[str]
    notices: frozenset[str]


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """All of config/, decoded. Lists keep the order of their file; entries with mistakes are left out."""

    services: list[Service]
    groups: dict[str, Words]
    agencies: list[tuple[int, Agency]]
    territories: list[tuple[int, Territory]]
    days_off: list[tuple[int, DayOff]]
    apps: dict[str, AppEntry]
    clocks: dict[str, ClockEntry]
    classes: dict[str, ClassEntry]
    rules: list[Rule]
    notices: dict[str, NoticeEntry]
    danger: dict[str, DangerEntry]
    declared: Declared
