"""Logs that can be given away: named keys only, no messages of exceptions, nothing that looks like a person.

Three walls. Keys outside the list are dropped, so that a new piece of data must be let in by name. Words are cleaned
of what looks like a telephone number, a NIK or a mail address. Exceptions are shown as kind and place, without
their message, which often repeats what somebody sent. Everything goes to stderr.
"""

import logging
import re
import sys
import traceback
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import msgspec
import structlog
from structlog.typing import EventDict, WrappedLogger

KEYS: Final = frozenset(
    {
        *("event", "level", "time", "at", "logger", "message", "exception", "dropped"),
        *("request", "method", "route", "status", "ms", "link"),
        *("report", "case", "delivery", "connector", "service", "loop", "use", "check", "limit", "instance"),
        *("attempt", "outcome", "cause", "reason", "fault", "falls", "rule", "word", "kind", "state", "place"),
        *("cases", "count", "new", "found", "skew_s", "wait_s", "seconds", "host", "port", "version", "emergency"),
    }
)
"""Every key that a log line may have. None of them is for what people wrote, or for who they are."""

_NAMES: Final = frozenset({"event", "level", "time", "logger", "request", "link", "report", "delivery", "exception"})
"""Keys whose values are made by us, and may hold many digits."""
_EVENT: Final = re.compile(r"[a-z][a-z0-9_.:-]{0,63}")
_PERSONAL: Final = re.compile(r"\+?\d(?:[ .()/-]{0,2}\d){7,}|[^\s@]+@[^\s@]+")
_LONGEST: Final = 200
_TRUSTED: Final = ("uvicorn.error", "alembic.runtime.migration")
"""Loggers of libraries whose whole messages are known to hold nothing of a caller."""
_LEVELS: Final = (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR, logging.CRITICAL)


def configure_logging(production: bool, level: int = logging.INFO) -> None:
    """Set up logging of this process, to stderr: lines for people where people watch, on a terminal in development;
    JSON lines everywhere else."""
    renderer: Any = (
        structlog.dev.ConsoleRenderer(colors=True, event_key="event", timestamp_key="time")
        if sys.stderr.isatty() and not production
        else structlog.processors.JSONRenderer(serializer=_json)
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
            place_exception,
            keep_known,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    root = logging.getLogger()
    root.handlers[:] = [_Bridge()]
    root.setLevel(max(level, logging.INFO))
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access", "alembic"):
        found = logging.getLogger(name)
        found.handlers.clear()
        found.propagate = True


def keep_known(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """Drop what is not in `KEYS`, clean what is, and name what was dropped (names are code, not data)."""
    kept: EventDict = {key: _clean(key, value) for key, value in event.items() if key in KEYS}
    if not _is_event(str(kept.get("event", ""))):
        kept["event"] = "unnamed"
    if len(kept) < len(event):
        kept["dropped"] = sorted(_printable(str(key))[:40] for key in event if key not in KEYS)
    return kept


def place_exception(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """Turn `exc_info` into kinds and places."""
    error: Any = event.pop("exc_info", None)
    if error is True:
        error = sys.exc_info()[1]
    elif isinstance(error, tuple):
        error = error[1]
    if isinstance(error, BaseException):
        event["exception"] = places(error)
        event.setdefault("fault", type(error).__name__)
    return event


def places(error: BaseException) -> str:
    """Return where an exception came from, and what led to it: kinds, files, lines, our source; no messages."""
    return "\n".join(_places(error, set()))


def _places(error: BaseException, seen: set[int]) -> Iterator[str]:
    seen.add(id(error))
    before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if before is not None and id(before) not in seen:
        yield from _places(before, seen)
        yield "led to"
    for frame in traceback.extract_tb(error.__traceback__)[-30:]:
        source = f": {frame.line}" if frame.line else ""
        yield f"  {_short(frame.filename)}:{frame.lineno} in {frame.name}{source}"
    yield f"{type(error).__module__}.{type(error).__qualname__}".removeprefix("builtins.")
    if isinstance(error, BaseExceptionGroup):
        for index, inner in enumerate(error.exceptions[:5], start=1):
            yield f"with {index} of {len(error.exceptions)}"
            yield from _places(inner, seen)


def _short(path: str) -> str:
    """Return a path from its package on: the machine it stands on is nobody's business."""
    parts = Path(path).parts
    for mark in ("site-packages", "gateway", "connectors"):
        if mark in parts:
            start = len(parts) - 1 - parts[::-1].index(mark)
            return "/".join(parts[start + (mark == "site-packages") :])
    return "/".join(parts[-2:])


@lru_cache(1024)
def _is_event(name: str) -> bool:
    return _EVENT.fullmatch(name) is not None


def _clean(key: str, value: object) -> object:
    if isinstance(value, str):
        text = _printable(value)
        return text if key in _NAMES else _PERSONAL.sub("…", text)[:_LONGEST]
    if value is None or isinstance(value, int | float):
        return value
    if isinstance(value, list | tuple | set | frozenset):
        return [_clean(key, item) for item in list(value)[:20]]
    return type(value).__name__


def _printable(text: str) -> str:
    """Return plain text without half characters (an enumeration's member is its text)."""
    return str(text) if text.isascii() else text.encode("utf-8", "replace").decode()


def _json(event: Mapping[str, Any], **_: Any) -> str:
    return msgspec.json.encode(event).decode()


class _Bridge(logging.Handler):
    """Takes what libraries log into the same lines, under the same rules.

    A message is kept only where it is a constant with arguments (the arguments are not), or from a trusted logger:
    a message that was put together beforehand may hold anything.
    """

    def emit(self, record: logging.LogRecord) -> None:
        words: dict[str, object] = {"logger": record.name}
        if record.name in _TRUSTED:
            words["message"] = record.getMessage()
        elif record.args:
            words["message"] = str(record.msg)
        if record.exc_info:
            words["exc_info"] = record.exc_info
        level = max((known for known in _LEVELS if known <= record.levelno), default=logging.DEBUG)
        structlog.get_logger().log(level, "library.said", **words)
