"""The public names of `gateway.sdk` as they are written in its sources: signature and docstring of each.

Read from the source text, so that every version of Python tells the same.
"""

import ast
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import msgspec

SDK: Final = "gateway.sdk"


class Public(msgspec.Struct, frozen=True):
    """One public name: `signature` is its declaration with everything one may call or read, `text` its docstring."""

    name: str
    module: str
    signature: str
    text: str


def public_names() -> list[Public]:
    """Return every name that `gateway.sdk` exports, in its order."""
    tree = _tree(SDK)
    origins = {
        alias.asname or alias.name: (node.module or "", alias.name)
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    exported = next(
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and _targets(node) == ["__all__"]
    )
    return [_public(name, *origins[name]) for name in exported]


def _public(name: str, module: str, original: str) -> Public:
    if _is_module(f"{module}.{original}"):
        whole = _tree(f"{module}.{original}")
        return Public(name, f"{module}.{original}", "\n".join(_members(whole.body)), ast.get_docstring(whole) or "")
    body = _tree(module).body
    for place, node in enumerate(body):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and node.name == original:
            return Public(name, module, "\n".join(_declared(node)), ast.get_docstring(node) or "")
        if isinstance(node, ast.Assign) and _targets(node) == [original]:
            return Public(name, module, ast.unparse(node), _text_behind(body, place))
    raise LookupError(f"{module} declares no {original}")


def _is_module(name: str) -> bool:
    package, _, last = name.rpartition(".")
    found = find_spec(package)
    places = [Path(place) for place in (found.submodule_search_locations or ())] if found else []
    return any((place / f"{last}.py").is_file() for place in places)


def _tree(module: str) -> ast.Module:
    found = find_spec(module)
    assert found is not None
    assert found.origin is not None
    return ast.parse(Path(found.origin).read_text(encoding="utf-8"))


def _targets(node: ast.Assign) -> list[str]:
    return [target.id for target in node.targets if isinstance(target, ast.Name)]


def _text_behind(body: list[ast.stmt], place: int) -> str:
    """Return the string that stands behind an assignment and explains it."""
    following = body[place + 1] if place + 1 < len(body) else None
    if isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant):
        return str(following.value.value)
    return ""


def _declared(node: ast.stmt) -> Iterator[str]:
    if isinstance(node, ast.ClassDef):
        inside = ", ".join([*map(ast.unparse, node.bases), *map(ast.unparse, node.keywords)])
        yield f"class {node.name}({inside})" if inside else f"class {node.name}"
        yield from (f"    {line}" for line in _members(node.body))
    elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        kind = "async def" if isinstance(node, ast.AsyncFunctionDef) else "def"
        returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
        for decorator in node.decorator_list:
            yield f"@{ast.unparse(decorator)}"
        yield f"{kind} {node.name}({ast.unparse(node.args)}){returns}"


def _members(body: list[ast.stmt]) -> Iterator[str]:
    for node in body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            if _is_public(node.target.id):
                yield ast.unparse(node)
        elif isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and _is_public(node.name):
            yield from _declared(node)


def _is_public(name: str) -> bool:
    return not name.startswith("_") or name in {"__init__", "__getitem__"}
