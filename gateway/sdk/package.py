"""A connector's folder as a package, wherever it lies: `connectors.<app>`, with `connectors.<app>.wire` beside it."""

import importlib
import sys
from importlib.machinery import ModuleSpec
from importlib.util import module_from_spec
from pathlib import Path
from types import ModuleType
from typing import Final

ROOM: Final = "connectors"
"""Package under which the folders are loaded."""


def package_of(name: str, folder: Path) -> str:
    """Make `connectors.<name>` stand for the folder and return that name.

    Another folder that had the name before gives way; its modules are loaded anew.
    """
    full, place = f"{ROOM}.{name}", str(folder.resolve())
    room = sys.modules.get(ROOM)
    if room is None:
        room = ModuleType(ROOM, "Connectors by the names of their folders.")
        room.__path__ = [str(folder.resolve().parent)]
        sys.modules[ROOM] = room
    known = sys.modules.get(full)
    if known is not None and place in [str(Path(path).resolve()) for path in known.__path__]:
        return full
    for module in [module for module in sys.modules if module == full or module.startswith(f"{full}.")]:
        del sys.modules[module]
    spec = ModuleSpec(full, None, is_package=True)
    spec.submodule_search_locations = [place]
    made = module_from_spec(spec)
    sys.modules[full] = made
    setattr(room, name, made)
    importlib.invalidate_caches()
    return full
