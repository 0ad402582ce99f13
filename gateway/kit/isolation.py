"""What a connector's code may touch, read from the code; and whether it holds the loop, seen while it runs."""

import ast
import re
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Final

_DOORS: Final = (
    *("sqlite3", "dbm", "socket", "ssl", "urllib.request", "http.client", "http.server", "subprocess"),
    *(
        "multiprocessing",
        "threading",
        "concurrent",
        "importlib",
        "ctypes",
        "sched",
        "signal",
        "os",
        "shutil",
        "pathlib",
    ),
    *("random", "secrets", "tempfile", "logging"),
)
"""Modules of the standard library by which code reaches outside, or hides what it does."""
_SQL: Final = re.compile(
    r"\s*(SELECT\s.+\sFROM|INSERT\s+INTO|UPDATE\s+\S+\s+SET|DELETE\s+FROM"
    r"|select\s.+\sfrom|insert\s+into|update\s+\S+\s+set|delete\s+from)\s",
    re.DOTALL,
)
_AGAIN: Final = re.compile(r"(^|_)(retry|retries|retrying|backoff|max_attempts|tries)($|_)", re.IGNORECASE)
_AFTER: Final = re.compile(r"retry_?after", re.IGNORECASE)
_WAITS: Final = frozenset({"sleep", "call_later", "call_at", "run_in_executor", "to_thread", "create_task"})
_CLOCKS: Final = frozenset({"now", "utcnow", "today"})
_EVERY_S: Final = 0.02
_HELD: Final = 10
"""A line of the folder that is on top so often in a row, `_EVERY_S` apart, holds the loop."""


def offences(folder: Path) -> list[str]:
    """Return what the code of a connector does that is not its business, `file:line: what`."""
    found = []
    for file in sorted(folder.glob("*.py")):
        if file.name.startswith(("test_", "sandbox", "conftest")):
            continue
        try:
            tree = ast.parse(file.read_text(encoding="utf-8"), file.name)
        except (SyntaxError, UnicodeDecodeError) as error:
            found.append(f"{file.name}: cannot be read ({type(error).__name__})")
            continue
        for node in ast.walk(tree):
            found += [f"{file.name}:{getattr(node, 'lineno', 1)}: {what}" for what in _wrong(node, folder.name)]
    return found


def _wrong(node: ast.AST, app: str) -> Iterator[str]:
    yield from _imports(node, app)
    yield from _names(node)
    yield from _loops(node)
    if isinstance(node, ast.Constant) and isinstance(node.value, str) and _SQL.match(node.value):
        yield "SQL: what must be remembered is in the cursor"
    if isinstance(node, ast.ExceptHandler):
        broad = {"Exception", "BaseException"} & _caught(node.type)
        if node.type is None or broad:
            yield "catches everything: name what you expect"


def _imports(node: ast.AST, app: str) -> Iterator[str]:
    names = []
    if isinstance(node, ast.Import):
        names = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom) and not node.level:
        names = [f"{node.module}.{alias.name}" for alias in node.names]
    for name in names:
        root = name.partition(".")[0]
        ours = any(_is_within(name, allowed) for allowed in ("gateway.sdk", "msgspec", f"connectors.{app}"))
        if not (ours or root in sys.stdlib_module_names):
            yield f"imports {name}: a connector stands on gateway.sdk alone"
        elif any(_is_within(name, door) for door in _DOORS):
            yield f"imports {name}: the way out is app.http"
        elif name.rpartition(".")[2] in _WAITS:
            yield f"imports {name}: the gateway decides when"


def _names(node: ast.AST) -> Iterator[str]:
    name = node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        name = node.name
    elif isinstance(node, ast.arg):
        name = node.arg
    if name in _WAITS:
        yield f"{name}: the gateway decides when"
    if name and _AGAIN.search(name) and not _AFTER.search(name):
        yield f"'{name}': the gateway tries again"
    called = node.func if isinstance(node, ast.Call) else None
    if isinstance(called, ast.Name) and called.id in {"open", "eval", "exec", "__import__", "input"}:
        yield f"{called.id}(): not a connector's business"
    if isinstance(called, ast.Attribute) and called.attr in _CLOCKS:
        owner = called.value.id if isinstance(called.value, ast.Name) else ""
        if owner in {"datetime", "date"}:
            yield f"{owner}.{called.attr}(): take app.clock or http.app_now()"


def _loops(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.While) and isinstance(node.test, ast.Constant) and node.test.value:
        yield "an endless loop: say when it ends"
    if isinstance(node, ast.While | ast.For | ast.AsyncFor):
        for inner in ast.walk(node):
            if isinstance(inner, ast.Try | ast.TryStar) and any(_awaits(part) for part in inner.body):
                yield "a call in a loop that catches its failure: the gateway tries again"
    if isinstance(node, ast.For) and _is_count(node.iter) and any(_awaits(part) for part in node.body):
        yield "a fixed number of calls in a loop: the gateway tries again"


def _is_count(node: ast.expr) -> bool:
    named = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "range"
    return isinstance(node, ast.Call) and named and all(isinstance(arg, ast.Constant) for arg in node.args)


def _awaits(node: ast.AST) -> bool:
    return any(isinstance(inner, ast.Await | ast.AsyncFor | ast.AsyncWith) for inner in ast.walk(node))


def _caught(node: ast.expr | None) -> set[str]:
    if isinstance(node, ast.Tuple):
        return set().union(*(_caught(one) for one in node.elts))
    if isinstance(node, ast.Attribute):
        return {node.attr}
    return {node.id} if isinstance(node, ast.Name) else set()


def _is_within(name: str, root: str) -> bool:
    return name == root or name.startswith(root + ".")


@contextmanager
def watched(folder: Path) -> Iterator[set[str]]:
    """Watch the running thread from another one; yields the lines of the folder that were seen to hold it.

    A line counts when it was found below everything again and again without the loop going round in between: that is
    not what a slow machine looks like, for the watcher is then as slow.
    """
    watching, end, held = threading.get_ident(), threading.Event(), set[str]()
    place = str(folder.resolve())

    def watch() -> None:
        streak: Counter[str] = Counter()
        while not end.wait(_EVERY_S):
            here = _line(sys._current_frames().get(watching), place)
            streak = Counter({here: streak[here] + 1}) if here else Counter()
            held.update(line for line, times in streak.items() if times >= _HELD)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield held
    finally:
        end.set()
        thread.join()


def _line(frame: FrameType | None, place: str) -> str | None:
    """Return the innermost line of the folder that a thread is in, None if it is in none."""
    while frame is not None:
        if frame.f_code.co_filename.startswith(place):
            return f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno}"
        frame = frame.f_back
    return None
