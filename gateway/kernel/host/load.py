"""Bringing a connector's code in, from wherever its folder lies, without the gateway importing it by name."""

import importlib
import inspect
from pathlib import Path
from typing import Final

from msgspec import MsgspecError

from gateway.model.delivery import Command, Level
from gateway.sdk import Amends, Finds, Manifest, Polls, Reads, Receives, Submits
from gateway.sdk.package import package_of

FOREIGN_FAULTS: Final = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    BufferError,
    EOFError,
    ImportError,
    LookupError,
    MemoryError,
    MsgspecError,
    NameError,
    OSError,
    RuntimeError,
    StopIteration,
    SyntaxError,
    TypeError,
    ValueError,
)
"""How code that others wrote fails when it is loaded, built or asked to translate: every built-in kind, so that
one broken connector takes nobody else down."""


_SYNC: Final = {"receive": "it only translates", "document_headers": "it only says what is known"}
_ASYNC: Final = ("submit", "find", "poll", "amend", "read", "sweep", "catalogue", "login")


class LoadFault(Exception):
    """A connector cannot be used; the message says why, for the person who wrote it."""


def load_connector(folder: Path, manifest: Manifest, package: str | None = None) -> type:
    """Return the class `Connector` of `folder/connector.py`, fit for its manifest. Raises LoadFault.

    `package` is the real package where the connector came installed; otherwise one is made for the folder.
    """
    if package is None:
        package = package_of(manifest.name, folder)
    try:
        module = importlib.import_module(f"{package}.connector")
    except FOREIGN_FAULTS as fault:
        raise LoadFault(f"connector.py cannot be imported: {type(fault).__name__}: {fault}") from fault
    found = getattr(module, "Connector", None)
    if not isinstance(found, type):
        raise LoadFault("connector.py holds no class named Connector")
    if misfits := misfits_of(found, manifest):
        raise LoadFault("; ".join(misfits))
    return found


def misfits_of(connector: type, manifest: Manifest) -> list[str]:
    """Say where a class cannot do what its manifest promises, or can do what the manifest does not tell."""
    level = manifest.level(Command.OPEN)
    amends = {Command.MESSAGE, Command.WITHDRAW} & set(manifest.levels)
    hints = manifest.webhook is not None and manifest.webhook.hints_only
    needed = (
        (level is not None, Submits, "submit", "[levels] has open"),
        (level in {Level.L1, Level.L2}, Finds, "find", "its level looks our key up"),
        (bool(amends), Amends, "amend", "[levels] has message or withdraw"),
        (manifest.webhook is not None, Receives, "receive", "there is a [webhook]"),
        (hints, Reads, "read", "a static token carries hints only, which are followed by reading"),
        (manifest.poll is not None, Polls, "poll", "there is a [poll]"),
    )
    untold = (
        (level is None, Submits, "submit", "[levels] has no open"),
        (not amends, Amends, "amend", "[levels] has neither message nor withdraw"),
        (manifest.webhook is None, Receives, "receive", "there is no [webhook]"),
        (manifest.poll is None, Polls, "poll", "there is no [poll]"),
    )
    return [
        *(
            f"{because}, but the class has no method {method}"
            for holds, ability, method, because in needed
            if holds and not issubclass(connector, ability)
        ),
        *(
            f"the class has a method {method}, but {because}"
            for holds, ability, method, because in untold
            if holds and issubclass(connector, ability)
        ),
        *(f"{method} must be async" for method in _ASYNC if _is_async(connector, method) is False),
        *(f"{method} must not be async: {why}" for method, why in _SYNC.items() if _is_async(connector, method)),
    ]


def _is_async(connector: type, method: str) -> bool | None:
    given = getattr(connector, method, None)
    return None if given is None else inspect.iscoroutinefunction(given)
