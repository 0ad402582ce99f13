"""Python sources as values: a module's path, text and tree, and what its names stand for."""

import ast
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parents[2]
UNTRACKED = frozenset({".git", ".venv", "build", "var", "__pycache__"})


@dataclass(frozen=True)
class Module:
    """One Python file; ``path`` is relative to the repository's root."""

    path: PurePosixPath
    text: str
    tree: ast.Module

    @property
    def package(self) -> tuple[str, ...]:
        """The folders it is in, from the root: ``("gateway", "kernel", "ledger")``."""
        return self.path.parts[:-1]


@dataclass(frozen=True)
class Offence:
    """A line of a module that breaks a rule, and what is wrong with it."""

    line: int
    what: str


def parse(path: str, text: str) -> Module:
    """A module from its path (relative to the root) and text. Raises SyntaxError."""
    return Module(PurePosixPath(path), text, ast.parse(text, path))


def tracked() -> list[Path]:
    """The files that are, or would be, in the repository, as absolute paths; in an unpacked archive every
    file but what running and installing leave behind."""
    if (ROOT / ".git").exists():
        listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        names = subprocess.run(listing, cwd=ROOT, capture_output=True, check=True).stdout.decode().split("\0")
        files = [ROOT / name for name in names if name]
    else:
        files = [path for path in ROOT.rglob("*") if not UNTRACKED & set(path.relative_to(ROOT).parts)]
    return sorted(path for path in files if path.is_file())


def modules(folder: str) -> list[Module]:
    """Every tracked Python file under a folder of the root; none if the folder is not there."""
    return [
        parse(path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8"))
        for path in tracked()
        if path.suffix == ".py" and path.is_relative_to(ROOT / folder)
    ]


def imported(module: Module) -> Iterator[tuple[int, str]]:
    """Line and full dotted name of everything imported anywhere in a module, relative imports resolved;
    ``from a import b`` gives ``a.b``."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            start = ".".join(module.package[: len(module.package) + 1 - node.level]) if node.level else ""
            origin = ".".join(part for part in (start, node.module) if part)
            for alias in node.names:
                yield node.lineno, f"{origin}.{alias.name}"


def meanings(module: Module) -> dict[str, str]:
    """What each imported local name stands for: ``{"dt": "datetime", "now": "datetime.datetime.now"}``."""
    names: dict[str, str] = {}
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                names[alias.asname or alias.name.partition(".")[0]] = (
                    alias.name if alias.asname else alias.name.partition(".")[0]
                )
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                names[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    return names


def dotted(node: ast.expr, names: dict[str, str]) -> str | None:
    """The full dotted name an expression stands for, if it begins with an imported name."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name) or node.id not in names:
        return None
    return ".".join([names[node.id], *reversed(parts)])


def is_within(name: str, root: str) -> bool:
    """True if a dotted name is ``root`` or something in it."""
    return name == root or name.startswith(root + ".")
