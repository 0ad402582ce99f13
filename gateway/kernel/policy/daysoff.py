"""Days on which government offices are closed: the decree where config/holidays.csv has it, else the library."""

from collections.abc import Iterable
from datetime import date
from functools import lru_cache
from typing import Final

YEARS: Final = range(2024, 2037)
"""Years for which days off are known. Islamic dates far ahead are estimates until a decree is entered."""


def days_off(decreed: Iterable[date]) -> frozenset[date]:
    """Return all days off; a year with decreed days has those and no others."""
    given = frozenset(decreed)
    years = {day.year for day in given}
    return given | {day for day in _computed() if day.year not in years}


@lru_cache(maxsize=1)
def _computed() -> frozenset[date]:
    """Return public holidays and joint leave (offices close on both) as the library computes them."""
    # Loaded only where days are counted: it takes longer to import than most commands take to run.
    from holidays import country_holidays

    return frozenset(country_holidays("ID", years=YEARS, categories=("public", "government")))
