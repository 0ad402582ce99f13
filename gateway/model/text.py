"""What counts as text: anything people write, in any script, but no NUL and no half characters."""

from collections.abc import Iterator


def fault(text: str) -> str | None:
    """Return why `text` cannot be stored (`nul`, `surrogate`), or None if it can."""
    if "\x00" in text:
        return "nul"
    try:
        text.encode()
    except UnicodeEncodeError:
        return "surrogate"
    return None


def faults(value: object, path: str = "$") -> Iterator[tuple[str, str]]:
    """Yield (path, reason) for every string, key or value, in decoded JSON that cannot be stored."""
    if isinstance(value, str):
        if reason := fault(value):
            yield path, reason
    elif isinstance(value, dict):
        for key, item in value.items():
            if reason := fault(str(key)):
                yield path, reason
            else:
                yield from faults(item, f"{path}.{key}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from faults(item, f"{path}[{index}]")


def shortened(text: str, limit: int) -> str:
    """Return `text` cut to `limit` characters at a word, ending in an ellipsis where it was cut (titles only)."""
    flat = " ".join(text.split())
    if len(flat) <= limit:
        return flat
    cut = flat[: limit - 1]
    return (cut.rsplit(" ", 1)[0] if " " in cut[limit // 2 :] else cut).rstrip() + "…"
