"""What cannot be done, told so that a program and a person both know why and what to do (RFC 9457).

The kinds of problem are data in `problems.toml`, in Indonesian and English. A flow raises `Problem("kind", …)` or,
for fields, `refused([Fault(…)])`; the edge turns it into the answer.
"""

from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files
from typing import Final
from urllib.parse import quote

import msgspec

LANGUAGES: Final = ("id", "en")
"""Languages that people are answered in; the first is the default."""

_ECHO: Final = 80
_POSSIBLE: Final = {"id": "Yang mungkin: {possible}.", "en": "Possible: {possible}."}


class Told(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A sentence in both languages."""

    id: str
    en: str

    def in_language(self, language: str) -> str:
        """Return the sentence in a language, Indonesian if it is not English."""
        return self.en if language == "en" else self.id


class Kind(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A kind of problem: HTTP status, its name for people, and what happened with the way out.

    `retry_after` is after how many seconds it makes sense to try again, None if it does not.
    """

    status: int
    title: Told
    detail: Told
    retry_after: int | None = None


CATALOGUE: Final[Mapping[str, Kind]] = msgspec.toml.decode(
    files("gateway.model").joinpath("problems.toml").read_bytes(), type=dict[str, Kind]
)
"""Every kind of problem by its name, the last part of its `type`."""


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """One field that cannot be accepted.

    `code` is a kind of the catalogue; `pointer` is where it stands in the body (RFC 6901, `/place/village`);
    for a parameter `parameter` is its name instead; `params` fill the kind's sentence.
    """

    code: str
    pointer: str = ""
    parameter: str | None = None
    params: Mapping[str, object] = {}

    @property
    def field(self) -> str:
        """The field's name as people read it: `place.village`."""
        if self.parameter is not None:
            return self.parameter
        return ".".join(_unescaped(part) for part in self.pointer.split("/")[1:]) or "body"


class Problem(Exception):
    """Something cannot be done; the caller is told.

    `slug` names a kind of the catalogue (KeyError if it does not), `params` fill its sentence, `pointer` is the
    field of the body meant, `faults` all fields meant; a param `possible` says what would be accepted instead.
    `retry_after` in seconds overrides the kind's; `headers` go with the answer. `str()` of it is the slug alone:
    what a caller sent does not belong into a log.
    """

    def __init__(
        self,
        slug: str,
        /,
        *,
        pointer: str | None = None,
        faults: Iterable[Fault] = (),
        retry_after: float | None = None,
        headers: Mapping[str, str] | None = None,
        **params: object,
    ) -> None:
        super().__init__(slug)
        self.slug = slug
        self.kind = CATALOGUE[slug]
        self.params: Mapping[str, object] = params
        self.faults: tuple[Fault, ...] = tuple(faults)
        if pointer is not None:
            self.faults = (Fault(code=slug, pointer=pointer, params=params), *self.faults)
        wait = self.kind.retry_after if retry_after is None else max(1, -int(-retry_after // 1))
        self.retry_after: int | None = wait
        self.headers: Mapping[str, str] = dict(headers or {})

    @property
    def status(self) -> int:
        """The HTTP status."""
        return self.kind.status

    def document(self, language: str, instance: str | None = None, request: str | None = None) -> dict[str, object]:
        """Return the problem details in a language; `instance` is the path asked for, `request` its number."""
        told: dict[str, object] = {"field": "body"}
        if self.faults:
            told |= {"field": self.faults[0].field} | dict(self.faults[0].params)
        if self.retry_after is not None:
            told["retry_after"] = self.retry_after
        document: dict[str, object] = {
            "type": f"/problems/{self.slug}",
            "title": self.kind.title.in_language(language),
            "status": self.kind.status,
            "detail": _sentence(self.kind, language, told | dict(self.params)),
        }
        if instance is not None:
            document["instance"] = instance
        if self.faults:
            document["errors"] = [_error(fault, language) for fault in self.faults]
        if request is not None:
            document["request"] = request
        return document


def refused(faults: Sequence[Fault]) -> Problem:
    """Return the problem for fields that cannot be accepted: of their own kind if it is one, else `invalid`."""
    if len(faults) == 1:
        return Problem(faults[0].code, faults=faults)
    return Problem("invalid", faults=faults)


def pointer_to(*parts: str | int) -> str:
    """Return the JSON pointer (RFC 6901) to a place in a document."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)


def _unescaped(part: str) -> str:
    return part.replace("~1", "/").replace("~0", "~")


def _error(fault: Fault, language: str) -> dict[str, object]:
    detail = _sentence(CATALOGUE[fault.code], language, {"field": fault.field} | dict(fault.params))
    where = (
        {"pointer": "#" + quote(_printable(fault.pointer, 400), safe="/~!$&'()*+,;=:@?")}
        if fault.parameter is None
        else {"parameter": _printable(fault.parameter, _ECHO)}
    )
    return {**where, "code": fault.code, "detail": detail}


class _Filled(dict[str, str]):
    """A word that nobody gave is a dash: an answer is never lost over it."""

    def __missing__(self, key: str) -> str:
        return "-"


def _sentence(kind: Kind, language: str, params: Mapping[str, object]) -> str:
    words = _Filled({name: _printable(str(value), _ECHO) for name, value in params.items()})
    sentence = kind.detail.in_language(language).format_map(words)
    if "possible" in params:
        words["possible"] = _printable(str(params["possible"]), 4 * _ECHO)
        sentence += " " + _POSSIBLE[language if language in _POSSIBLE else "id"].format_map(words)
    return sentence


def _printable(text: str, limit: int) -> str:
    """Return what a caller sent so that it can be shown: no control or half characters, cut to a length."""
    cut = text if len(text) <= limit else text[: limit - 1] + "…"
    return cut if cut.isprintable() else "".join(char if char.isprintable() else "\ufffd" for char in cut)
