"""Connectors with one mistake each: small changes of the specimen that does everything right, and the rule for each."""

from pathlib import Path
from shutil import copytree, ignore_patterns

import msgspec

SPECIMENS = Path(__file__).parent / "specimens"
MODEL = SPECIMENS / "teladan"


class Change(msgspec.Struct, frozen=True):
    """One replacement in one file; what is replaced stands there exactly once."""

    file: str
    old: str
    new: str


class Mistake(msgspec.Struct, frozen=True):
    """What is wrong, which rule must catch it, and how it is made."""

    name: str
    rule: str
    changes: tuple[Change, ...]


def mistake(name: str, rule: str, *changes: tuple[str, str, str]) -> Mistake:
    """Make a mistake of (file, old, new)."""
    return Mistake(name, rule, tuple(Change(*change) for change in changes))


SUBMIT = '        opened = await self._write("/aduan", wire.new_complaint(submission))\n'
DECODED = "            return wire.news(msgspec.json.decode(body, type=wire.Row))\n"
ROWS = '        news = rows(page["aduan"], decode, lambda row: f"aduan {row[\'nomor\']}")\n'

HOSTILE = (
    mistake(
        "retries a lost answer",
        "K11",
        ("connector.py", "from gateway.sdk import (\n", "from gateway.sdk import (\n    Ambiguous,\n"),
        (
            "connector.py",
            SUBMIT,
            "        body = wire.new_complaint(submission)\n"
            "        try:\n"
            '            opened = await self._write("/aduan", body)\n'
            "        except Ambiguous:\n"
            '            opened = await self._write("/aduan", body)\n',
        ),
    ),
    mistake("skips a page", "K19", ("connector.py", "(stand.since, stand.page + 1)", "(stand.since, stand.page + 2)")),
    mistake(
        "drops a status word",
        "K04",
        ("wire.py", "        word=row.status,\n", '        word=None if row.status == "ditolak" else row.status,\n'),
    ),
    mistake(
        "leaks an unshared field",
        "K16",
        (
            "wire.py",
            '    text = "\\n".join(lines)\n',
            '    text = "\\n".join([*lines, *filter(None, [submission.reporter.email])])\n',
        ),
    ),
    mistake(
        "reads an unverified webhook",
        "K17",
        (
            "connector.py",
            DECODED,
            "            row = msgspec.json.decode(body, type=wire.Row)\n"
            '            row.status = hook.headers.get("x-teladan-status", row.status)\n'
            "            return wire.news(row)\n",
        ),
    ),
    mistake(
        "trusts the app's clock",
        "K19",
        ("connector.py", "reached = min(latest, self._http.app_now())", "reached = self._app.clock.now()"),
    ),
    mistake(
        "blocks the loop",
        "K08",
        ("connector.py", "import json\n", "import json\nfrom hashlib import pbkdf2_hmac\n"),
        (
            "connector.py",
            '        answer = await self._http.call("GET", "/kamus"',
            '        pbkdf2_hmac("sha256", b"kunci", b"garam", 3_000_000)\n'
            '        answer = await self._http.call("GET", "/kamus"',
        ),
    ),
    mistake(
        "cuts long text silently",
        "K22",
        (
            "wire.py",
            '        raise Rejected(f"Teladan takes at most {MOST} characters", "description")\n',
            "        text = text[:MOST]\n",
        ),
    ),
    mistake(
        "takes another's reference",
        "K10",
        ("connector.py", "len(found) > 1 or key not in wire.keys(row)", "len(found) > 1"),
    ),
    mistake(
        "swallows a poison batch",
        "K20",
        (
            "connector.py",
            ROWS,
            "        news: list[News] = []\n"
            "        try:\n"
            '            news = [one for one in map(decode, page["aduan"]) if one is not None]\n'
            "        except (ValueError, TypeError):\n"
            "            pass\n",
        ),
    ),
)
"""The ten of the plan."""


def make(wrong: Mistake, folder: Path) -> Path:
    """Put a connector with one mistake into `folder`; return where it is."""
    made = folder / MODEL.name
    copytree(MODEL, made, ignore=ignore_patterns("__pycache__", "tier.json"))
    for change in wrong.changes:
        file = made / change.file
        text = file.read_text(encoding="utf-8")
        assert text.count(change.old) == 1, f"{change.file} holds {text.count(change.old)} times: {change.old!r}"
        file.write_text(text.replace(change.old, change.new), encoding="utf-8")
    return made
