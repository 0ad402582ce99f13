"""From plain values to the shapes, entry by entry, so that one mistake never hides another."""

import re
from collections.abc import Callable, Iterable
from typing import Any, Final, TypeVar

import msgspec

from gateway.kernel.policy import files
from gateway.kernel.policy.files import Raw
from gateway.kernel.policy.findings import Finding
from gateway.kernel.policy.routing import taken_over
from gateway.kernel.policy.shapes import (
    AppEntry,
    ClassEntry,
    ClockEntry,
    Config,
    DangerEntry,
    DayOff,
    Declared,
    NoticeEntry,
    Rule,
)
from gateway.model.agency import Agency
from gateway.model.catalogue import Service, Words
from gateway.model.territory import Territory

T = TypeVar("T")
_AT: Final = re.compile(r" - at `\$(?P<path>[^`]*)`\Z")
_FLAGS: Final = {"yes": True, "no": False}


class Decoder:
    """Decodes a configuration and keeps what is wrong with it in `findings`."""

    def __init__(self, raw: Raw) -> None:
        self._raw = raw
        self.findings: list[Finding] = []

    def config(self) -> Config:
        """Decode everything; entries with mistakes are left out and found in `findings`."""
        services = self._top(files.SERVICES, {"groups": dict, "service": list})
        sla = self._top(files.SLA, {"clocks": dict, "classes": dict})
        routing = self._top(files.ROUTING, {"apps": dict, "rule": list})
        notices = self._notices()
        apps = self._named(files.ROUTING, "apps", routing["apps"], AppEntry)
        return Config(
            services=taken_over(self._list(files.SERVICES, "service", services["service"], "code", Service), apps),
            groups=self._named(files.SERVICES, "groups", services["groups"], Words),
            agencies=self._table(files.AGENCIES, Agency, _agency),
            territories=self._table(files.TERRITORY, Territory, _territory),
            days_off=self._table(files.HOLIDAYS, DayOff, dict),
            apps=apps,
            clocks=self._named(files.SLA, "clocks", sla["clocks"], ClockEntry),
            classes=self._named(files.SLA, "classes", sla["classes"], ClassEntry),
            rules=self._list(files.ROUTING, "rule", routing["rule"], "id", Rule),
            notices={
                f"{group}.{key}": entry
                for group, entries in notices.items()
                for key, entry in self._named(files.NOTICES, group, entries, NoticeEntry).items()
            },
            danger=self._named(files.DANGER, "", self._raw.documents[files.DANGER], DangerEntry),
            declared=Declared(
                services=_names(services["service"], "code"),
                groups=frozenset(services["groups"]),
                agencies=frozenset(row.cells["code"] or "" for row in self._raw.tables[files.AGENCIES]),
                territories=frozenset(row.cells["code"] or "" for row in self._raw.tables[files.TERRITORY]),
                apps=frozenset(routing["apps"]),
                clocks=frozenset(sla["clocks"]),
                classes=frozenset(sla["classes"]),
                notices=frozenset(f"{group}.{key}" for group, entries in notices.items() for key in entries),
            ),
        )

    def _top(self, file: str, wanted: dict[str, type]) -> dict[str, Any]:
        """Return the top level of a document, with empty values for what is missing or of the wrong kind."""
        document = self._raw.documents[file]
        for key in sorted(set(document) - set(wanted)):
            self._add(file, key, f"unknown key; this file has {', '.join(sorted(wanted))}")
        found = {}
        for key, kind in wanted.items():
            value = document.get(key, kind())
            if not isinstance(value, kind):
                self._add(file, key, f"must be a {'list of tables ([[…]])' if kind is list else 'table'}")
                value = kind()
            found[key] = value
        return found

    def _notices(self) -> dict[str, dict[str, Any]]:
        found = {}
        for group, entries in self._raw.documents[files.NOTICES].items():
            if isinstance(entries, dict) and all(isinstance(entry, dict) for entry in entries.values()):
                found[group] = entries
            else:
                self._add(files.NOTICES, group, "a notice stands under a name of two parts, as in [status.received]")
        return found

    def _list(self, file: str, under: str, entries: Iterable[Any], name: str, kind: type[T]) -> list[T]:
        found = []
        for number, entry in enumerate(entries, start=1):
            given = entry.get(name) if isinstance(entry, dict) else None
            decoded = self._one(file, f"{under}[{given or number}]", entry, kind)
            if decoded is not None:
                found.append(decoded)
        return found

    def _named(self, file: str, under: str, entries: dict[str, Any], kind: type[T]) -> dict[str, T]:
        found = {}
        for name, entry in entries.items():
            decoded = self._one(file, f"{under}.{name}".lstrip("."), entry, kind)
            if decoded is not None:
                found[name] = decoded
        return found

    def _table(
        self, file: str, kind: type[T], shape: Callable[[dict[str, str | None]], dict[str, Any]]
    ) -> list[tuple[int, T]]:
        found = []
        for row in self._raw.tables[file]:
            decoded = self._one(file, f"line {row.line}", shape(row.cells), kind, strict=False)
            if decoded is not None:
                found.append((row.line, decoded))
        return found

    def _one(self, file: str, path: str, value: Any, kind: type[T], *, strict: bool = True) -> T | None:
        try:
            return msgspec.convert(value, kind, strict=strict)
        except msgspec.ValidationError as fault:
            message = str(fault)
            if at := _AT.search(message):
                message, path = message[: at.start()], path + at["path"]
            self._add(file, path, message)
            return None

    def _add(self, file: str, path: str, message: str) -> None:
        self.findings.append(Finding(file, path, message))


def _names(entries: Iterable[Any], name: str) -> frozenset[str]:
    return frozenset(str(entry[name]) for entry in entries if isinstance(entry, dict) and name in entry)


def _agency(cells: dict[str, str | None]) -> dict[str, Any]:
    verified = cells["verified"] or ""
    return {**cells, "verified": _FLAGS.get(verified, verified)}


def _territory(cells: dict[str, str | None]) -> dict[str, Any]:
    shaped: dict[str, Any] = dict(cells)
    shaped["bps"] = shaped.pop("bps2018")
    return shaped
