"""In which language a caller is answered."""

import re
from functools import lru_cache
from typing import Any, Final

from litestar import Request

from gateway.model.problem import LANGUAGES

_WEIGHT: Final = re.compile(r"\s*q=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)\s*", re.IGNORECASE)
_OLD_NAMES: Final = {"in": "id", "*": LANGUAGES[0]}
"""`in` is how old telephones still call Indonesian."""


@lru_cache(256)
def preferred(accept: str) -> str:
    """Return the language for an Accept-Language header (RFC 9110): `id` unless English is preferred.

    Regions are ignored, a weight that cannot be read counts as a wish not made, equal weights as the order given.
    """
    best, most = LANGUAGES[0], 0.0
    for wish in accept[:400].split(",")[:20]:
        tag, _, parameter = wish.partition(";")
        name = tag.strip().lower().partition("-")[0]
        language = _OLD_NAMES.get(name, name)
        weight = _WEIGHT.fullmatch(parameter) if parameter else None
        if language not in LANGUAGES or (parameter and weight is None):
            continue
        given = float(weight[1]) if weight else 1.0
        if given > most:
            best, most = language, given
    return best


def language_of(request: Request[Any, Any, Any]) -> str:
    """Return the language for a request: `id` or `en`. Provides the dependency `language`."""
    accept = request.headers.get("accept-language")
    return preferred(accept) if accept else LANGUAGES[0]
