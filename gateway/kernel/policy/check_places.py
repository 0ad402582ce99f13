"""Mistakes in the tables: territory, agencies, holidays."""

import re
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from typing import Final

from gateway.kernel.policy import files
from gateway.kernel.policy.findings import Finding
from gateway.kernel.policy.routing import level_of
from gateway.kernel.policy.shapes import Config
from gateway.model.territory import REGENCY, CodeRefused, CodeSystem, Level, Territory, expect

_AGENCY: Final = re.compile(r"[A-Z][A-Z0-9]*(-[A-Z0-9]+)*")
_PROVINCE: Final = "73"
_LEAST_DAYS_OFF: Final = 12
"""No year has had fewer days off; a year with less is a decree that was entered in part."""


def territory_faults(config: Config) -> Iterator[Finding]:
    """Yield the mistakes in territories: codes of the wrong system, duplicates, missing parents, boxes."""
    known = {territory.code: territory for _, territory in config.territories}
    for system in CodeSystem:
        seen: dict[str, int] = {}
        for line, territory in config.territories:
            code = territory.in_system(system)
            if code is not None and seen.setdefault(code, line) != line:
                yield _at(files.TERRITORY, line, f"{system} code {code} stands in line {seen[code]} already")
    for line, territory in config.territories:
        for message in _territory(territory, known, config.declared.territories):
            yield _at(files.TERRITORY, line, message)


def _territory(territory: Territory, known: dict[str, Territory], declared: frozenset[str]) -> Iterator[str]:
    for system in CodeSystem:
        code = territory.in_system(system)
        try:
            if code is not None:
                expect(code, system)
        except CodeRefused as refused:
            yield str(refused)
    if territory.compact != territory.code.replace(".", ""):
        yield f"compact code {territory.compact} is not {territory.code} without dots"
    level = level_of(territory.code)
    if territory.level != level:
        yield f"{territory.code} is the code of a {level}, not of a {territory.level}"
    parent = _PROVINCE if territory.level is Level.REGENCY else territory.code.rpartition(".")[0]
    if territory.parent != parent:
        yield f"the parent of {territory.code} is {parent}, not {territory.parent}"
    elif parent != _PROVINCE and parent not in declared:
        yield f"the parent {parent} is not in this file"
    above = known.get(territory.parent)
    if above is not None and territory.bps and above.bps and not territory.bps.startswith(above.bps):
        yield f"BPS code {territory.bps} does not lie in that of the parent, {above.bps}"
    if territory.min_latitude >= territory.max_latitude or territory.min_longitude >= territory.max_longitude:
        yield "the box is empty: its south-west corner comes first"
    elif not territory.bounds(territory.latitude, territory.longitude):
        yield "the centre lies outside the box (are latitude and longitude exchanged?)"
    regency = known.get(REGENCY)
    if regency is not None and not regency.bounds(territory.latitude, territory.longitude):
        yield "the centre lies outside the regency"


def agency_faults(config: Config) -> Iterator[Finding]:
    """Yield the mistakes in agencies: duplicates, codes of the wrong form, district offices of no district."""
    seen: dict[str, int] = {}
    offices: dict[str, str] = {}
    levels = {territory.code: territory.level for _, territory in config.territories}
    for line, agency in config.agencies:
        if seen.setdefault(agency.code, line) != line:
            yield _at(files.AGENCIES, line, f"{agency.code} stands in line {seen[agency.code]} already")
            continue
        if not _AGENCY.fullmatch(agency.code):
            yield _at(files.AGENCIES, line, f"{agency.code!r} must be capital letters, digits and dashes")
        if agency.district is None:
            continue
        if agency.district not in config.declared.territories:
            yield _at(files.AGENCIES, line, f"district {agency.district} is not in {files.TERRITORY}")
        elif levels.get(agency.district, Level.DISTRICT) is not Level.DISTRICT:
            yield _at(files.AGENCIES, line, f"{agency.district} is not a district")
        other = offices.setdefault(agency.district, agency.code)
        if other != agency.code:
            yield _at(files.AGENCIES, line, f"district {agency.district} has the office {other} already")


def holiday_faults(config: Config) -> Iterator[Finding]:
    """Yield days out of order or given twice, and years that were entered in part."""
    days = config.days_off
    for (_, before), (line, day) in pairwise(days):
        if day.date == before.date:
            yield _at(files.HOLIDAYS, line, f"{day.date} is given twice")
        elif day.date < before.date:
            yield _at(files.HOLIDAYS, line, f"{day.date} stands after {before.date}: the days must be in order")
    for year, count in Counter(day.date.year for _, day in days).items():
        if count < _LEAST_DAYS_OFF:
            line = next(line for line, day in days if day.date.year == year)
            yield _at(
                files.HOLIDAYS,
                line,
                f"{year} has only {count} days off; a year that stands here must be entered whole",
            )


def _at(file: str, line: int, message: str) -> Finding:
    return Finding(file, f"line {line}", message)
