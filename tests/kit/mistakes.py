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
    mistake("takes another's reference", "K10", ("connector.py", "len(found) > 1 or row.ref != key", "len(found) > 1")),
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

PLANTED = (
    mistake("manifest with an unknown key", "K01", ("connector.toml", "settle_s = 4\n", "settle_s = 4\nretries = 3\n")),
    mistake("a secret nobody uses", "K01", ("connector.toml", 'TANDA = "', 'LAMA = "nothing"\nTANDA = "')),
    mistake(
        "the app answers otherwise than recorded",
        "K02",
        (
            "sandbox.py",
            'return Reply(status=404, body={"pesan": "tidak ada"})',
            'return Reply(status=404, body={"pesan": "?"})',
        ),
        ("contract/05-find-absent.json", '"lanjut": false', '"lanjut": null'),
    ),
    mistake(
        "a field that no sample has",
        "K02",
        ("wire.py", '        "rahasia": who.hidden,\n', '        "rahasia": who.hidden,\n        "asal": "gerbang",\n'),
    ),
    mistake(
        "a service that is refused",
        "K03",
        ("connector.toml", '"XX-OTHER" = "lain"\n', '"XX-OTHER" = "lainnya"\n'),
        ("connector.toml", '"lain" = "XX-OTHER"\n', '"lain" = "XX-OTHER"\n"lainnya" = "XX-OTHER"\n'),
    ),
    mistake(
        "a status that means something else",
        "K04",
        ("kit.toml", 'initial = ["baru"]\n', 'initial = ["baru"]\n\n[[moves]]\nto = "selesai"\nword = "dikerjakan"\n'),
    ),
    mistake("a category that leads nowhere", "K05", ("kit.toml", "page = 12\n", 'page = 12\ncategories = ["taman"]\n')),
    mistake(
        "times in the wrong zone",
        "K06",
        ("wire.py", "        at=row.diubah,\n", "        at=row.diubah + timedelta(hours=8),\n"),
    ),
    mistake("a refusal without its field", "K07", ("wire.py", 'FIELDS = {"desa": "place.village", ', "FIELDS = {")),
    mistake("sleeps", "K08", ("connector.py", "import json\n", "import json\nfrom asyncio import sleep\n")),
    mistake(
        "gives up what never left",
        "K12",
        ("connector.py", "from gateway.sdk import (\n", "from gateway.sdk import (\n    Retryable,\n"),
        (
            "connector.py",
            SUBMIT,
            "        try:\n"
            '            opened = await self._write("/aduan", wire.new_complaint(submission))\n'
            "        except Retryable as later:\n"
            "            if later.after is None:\n"
            '                raise Rejected("Teladan cannot be reached") from later\n'
            "            raise\n",
        ),
    ),
    mistake(
        "says absent when it does not know",
        "K13",
        ("connector.py", "from gateway.sdk import (\n", "from gateway.sdk import (\n    Retryable,\n"),
        (
            "connector.py",
            '        found = (await self._page(ref=key))["aduan"]\n',
            "        try:\n"
            '            found = (await self._page(ref=key))["aduan"]\n'
            "        except Retryable:\n"
            "            return None\n",
        ),
    ),
    mistake(
        "tells its secret",
        "K14",
        ("connector.py", "from gateway.sdk import (\n", "from gateway.sdk import (\n    Unauthorized,\n"),
        (
            "connector.py",
            SUBMIT,
            "        try:\n"
            '            opened = await self._write("/aduan", wire.new_complaint(submission))\n'
            "        except Unauthorized as refused:\n"
            '            shown = "-".join(self._app.secrets["KUNCI"])\n'
            '            raise Rejected(f"refused: {shown}", "description") from refused\n',
        ),
    ),
    mistake(
        "faster than the app bears",
        "K15",
        ("connector.toml", "rate_per_s = 10\n", "rate_per_s = 200\n"),
        ("connector.toml", "concurrency = 4\n", "concurrency = 50\n"),
    ),
    mistake(
        "a share that nothing uses",
        "K16",
        ("connector.toml", "[shares]\n", '[shares]\n"place.address" = "no reason"\n'),
    ),
    mistake("old webhooks are believed", "K01", ("connector.toml", "window_s = 300\n", "window_s = 86400\n")),
    mistake(
        "the order of webhooks matters",
        "K18",
        ("connector.py", "        self._http = app.http\n", "        self._http = app.http\n        self._heard = 0\n"),
        (
            "connector.py",
            DECODED,
            "            self._heard += 1\n"
            "            found = wire.news(msgspec.json.decode(body, type=wire.Row))\n"
            "            return msgspec.structs.replace(found, seq=self._heard) if found.key else found\n",
        ),
    ),
    mistake("a hidden reporter is shown", "K21", ("wire.py", "    known = not row.rahasia\n", "    known = True\n")),
)
"""More of them: at least one for every rule that the ten leave out."""


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
