"""More connectors with one mistake each: at least one for every rule, also for those that the plan's ten leave out."""

from tests.kit.mistakes import DECODED, SUBMIT, mistake

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
    mistake(
        "a share of a profile that nothing uses",
        "K16",
        ("connector.toml", "[shares]\n", '[profiles.kecil.shares]\n"description" = "no reason"\n\n[shares]\n'),
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
    mistake("a photo is dropped", "K30", ("wire.py", "[one.content for one in photos],", "[],")),
    mistake(
        "documents of the app are forgotten",
        "K30",
        (
            "wire.py",
            "Document(name=one.nama, media_type=one.jenis, url=one.url) for one in row.berkas)",
            "one for one in ())",
        ),
    ),
    mistake(
        "a message goes nowhere",
        "K31",
        (
            "connector.py",
            '        await self._write("/aduan/{nomor}/pesan", wire.new_message(amendment), nomor=reference)\n',
            "",
        ),
    ),
    mistake(
        "everybody at once after an outage",
        "K32",
        ("connector.toml", "rate_per_s = 10\n", "rate_per_s = 500\n"),
        ("connector.toml", "concurrency = 4\n", "concurrency = 50\n"),
    ),
    mistake(
        "the app's labels are not read",
        "K33",
        ("connector.py", "value=value, label=label)", "value=value, label=value)"),
    ),
    mistake(
        "a defaced page is no news",
        "K34",
        (
            "connector.py",
            '            raise ContractBroken("the page is not in the agreed form")\n',
            '            return {"aduan": [], "lanjut": False}\n',
        ),
    ),
    mistake(
        "sweeps the day of Greenwich",
        "K35",
        ("connector.py", "day.month, day.day, tzinfo=wire.WITA)", "day.month, day.day, tzinfo=UTC)"),
    ),
    mistake(
        "writes without saying so",
        "K36",
        ("connector.py", "            write=True,\n", "            write=False,\n"),
    ),
    mistake(
        "keeps a secret",
        "K37",
        (
            "connector.py",
            "        self._http = app.http\n",
            '        self._http = app.http\n        self._key = app.secrets["KUNCI"]\n',
        ),
        ("connector.py", '{"X-Kunci": self._app.secrets["KUNCI"]}', '{"X-Kunci": self._key}'),
    ),
    mistake(
        "a quirk that nothing shows",
        "K38",
        ("README.md", "`test_a_repeated_ref_is_a_second_complaint`", "`test_that_was_renamed`"),
    ),
    mistake("a limit that is told otherwise", "K38", ("README.md", "| limit | 10 requests", "| limit | 20 requests")),
)
"""Bronze, silver and gold."""
