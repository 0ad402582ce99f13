"""Words that sound like an emergency. They suggest a service and say "call 112"; they never decide anything."""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

_TOKEN: Final = re.compile(r"[^\W_]+")
_APOSTROPHES: Final = str.maketrans("", "", "'’ʼ`´")


class Suggested(msgspec.Struct, frozen=True):
    """An emergency service that a text suggests, and the words (as configured) that did."""

    service: str
    words: tuple[str, ...]


class DangerWords:
    """Finds configured words and phrases in texts, as whole words, whatever their case, accents and apostrophes."""

    def __init__(self, words: Mapping[str, Iterable[str]]) -> None:
        self._by_first: dict[str, list[tuple[tuple[str, ...], str, str]]] = {}
        for service, phrases in words.items():
            for phrase in phrases:
                tokens = tuple(tokens_of(phrase))
                if tokens:
                    self._by_first.setdefault(tokens[0], []).append((tokens, phrase, service))

    def suggest(self, text: str) -> tuple[Suggested, ...]:
        """Return the services a text suggests, in the order in which their first words stand in it."""
        tokens = tokens_of(text)
        found: dict[str, dict[str, None]] = {}
        for at, token in enumerate(tokens):
            for phrase, words, service in self._by_first.get(token, ()):
                if len(phrase) == 1 or tuple(tokens[at : at + len(phrase)]) == phrase:
                    found.setdefault(service, {})[words] = None
        return tuple(Suggested(service, tuple(words)) for service, words in found.items())


def tokens_of(text: str) -> list[str]:
    """Return the words of a text in small letters, without accents and apostrophes."""
    plain = text.casefold().translate(_APOSTROPHES)
    if not plain.isascii():
        plain = "".join(char for char in unicodedata.normalize("NFKD", plain) if not unicodedata.combining(char))
    return _TOKEN.findall(plain)
