"""Making a connector's folder from the small real project in `project/`.

The project is one connector in every variant. Lines between `#? WORD …` and the next `#?` are for variants that have
one of the words (`#? -WORD …`: none of them), a file that begins with `#?? WORD …` is for such variants alone; the app
is called `contoh`. Nothing else is done to the text, except that recorded signatures, `{proof}`, are made for the new
app's development secrets.
"""

import hashlib
import hmac
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, Literal

from gateway.kit.facts import with_facts
from gateway.sdk.manifest import NAME, read_manifest
from gateway.sdk.sandbox_setting import development_secret

Inbound = Literal["webhook", "poll"]
Auth = Literal["apikey", "bearer", "login", "hmac"]

PROJECT: Final = Path(__file__).parent / "project"
_MARK: Final = "#?"
_WHOLE: Final = "#??"
_MODEL: Final = "contoh"
_TITLE: Final = re.compile(r"[\w .()-]{1,40}")
_PROOF: Final = "{proof}"
_STAMP: Final = "1769566530"
"""The moment at which contract samples are recorded, in Unix seconds."""


class NotMade(Exception):
    """A folder cannot be made; the message says why."""


def make_connector(name: str, into: Path, *, inbound: Inbound, auth: Auth, title: str | None = None) -> list[Path]:
    """Make the folder `into/name` and return its files, in the order of their names.

    `title` is the app's name for people (default: made of `name`). Raises NotMade if the name is none, or if the
    folder is there already: nothing is ever overwritten.
    """
    if not NAME.fullmatch(name):
        raise NotMade(f"{name!r} is no name of an app: two to forty small letters, digits and _, a letter first")
    folder = into / name
    if folder.exists():
        raise NotMade(f"{folder} is there already")
    shown = title or name.replace("_", " ").title()
    if not _TITLE.fullmatch(shown):
        raise NotMade("the title may hold up to 40 letters, digits, spaces and - . ( )")
    made = []
    for source in sorted(file for file in PROJECT.rglob("*") if file.suffix in {".py", ".toml", ".json", ".md"}):
        text = _renamed(_chosen(source.read_text(encoding="utf-8"), {inbound, auth}), name, shown)
        if not text.strip():
            continue
        if source.suffix == ".json":
            text = _proven(text, name)
        target = folder / _renamed(source.relative_to(PROJECT).as_posix(), name, shown)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
        made.append(target)
    readme = folder / "README.md"
    readme.write_text(with_facts(readme.read_text(encoding="utf-8"), read_manifest(folder)), encoding="utf-8")
    return made


def _chosen(text: str, words: set[str]) -> str:
    """Return the lines that are for a variant."""
    return "".join(_lines(text, words))


def _lines(text: str, words: set[str]) -> Iterator[str]:
    wanted = True
    for line in text.splitlines(keepends=True):
        if line.startswith(_WHOLE):
            if not _wanted(line.removeprefix(_WHOLE), words):
                return
        elif line.startswith(_MARK):
            wanted = _wanted(line.removeprefix(_MARK), words)
        elif wanted:
            yield line


def _wanted(condition: str, words: set[str]) -> bool:
    asked = condition.split()
    without = {word.removeprefix("-") for word in asked if word.startswith("-")}
    return not words & without if without else not asked or bool(words & set(asked))


def _renamed(text: str, name: str, title: str) -> str:
    """Return a text about the new app; each form of the model's name is replaced by the same form of the new one."""
    forms = {_MODEL: name, _MODEL.title(): title, _MODEL.upper(): name.upper()}
    return re.sub("|".join(forms), lambda found: forms[found[0]], text)


def _proven(text: str, name: str) -> str:
    """Return a sample with its signature: of a webhook over its body, of a request over who asks and when."""
    sample: dict[str, Any] = json.loads(text)
    if sample.get("from") == "app":
        key, content = "WEBHOOK_SECRET", f"{_STAMP}.{sample['request']['body']}"
    else:
        key, content = "CLIENT_SECRET", f"{development_secret(name, 'CLIENT_ID')}&{_STAMP}"
    proof = hmac.new(development_secret(name, key).encode(), content.encode(), hashlib.sha256)
    return text.replace(_PROOF, proof.hexdigest())
