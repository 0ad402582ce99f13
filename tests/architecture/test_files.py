"""The repository is portable: no index or registry, no place on one machine, no key, nothing unfinished."""

import re

import pytest

from tests.architecture.source import ROOT, tracked

FORBIDDEN: dict[str, re.Pattern[str]] = {
    "the address of a package index": re.compile(
        r"(?<![\w-])--(?:extra-|default-)?index(?:-url)?[ =]|(?<![\w-])--find-link[s]|(?:PIP|UV)_\w*INDEX|"
        r"(?<![\w-])registry\s*=\s*[\"']?https?:|(?:https?|file)://[^\s\"']*/simple\b",
        re.IGNORECASE,
    ),
    "the host of a registry": re.compile(
        r"\bpypi\.org|pythonhosted\.org|registry\.npmjs|registry\.yarnpkg|proxy\.golang\.org|"
        r"\bindex\.crates|\bjfrog\.io|devp[i]",
        re.IGNORECASE,
    ),
    "a path of one machine": re.compile(
        r"(?<![\w.}/-])/(?:home|Users)/[a-z][\w-]*/|(?<![\w.}/-])/(?:roo[t]|wor[k])(?:/|\b(?!/))|/opt/(?:wheels|pypi)"
    ),
    "a private key": re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY"),
    "something unfinished": re.compile(r"\b(?:TO[D]O|FIX[M]E|HA[C]K)\b"),
    "a conflict of two versions": re.compile(r"^(?:<{7} |>{7} )", re.MULTILINE),
}


def offences(text: str) -> list[str]:
    """What a text holds that it must not, with the line it is on."""
    return [
        f"{text.count(chr(10), 0, found.start()) + 1}: {what}: {found.group()!r}"
        for what, pattern in FORBIDDEN.items()
        for found in pattern.finditer(text)
    ]


def test_files_are_portable() -> None:
    files = tracked()
    assert len(files) > 30
    found = []
    for path in files:
        raw = path.read_bytes()
        if b"\0" not in raw[:8192]:
            text = raw.decode("utf-8")
            found += [f"{path.relative_to(ROOT)}:{offence}" for offence in offences(text)]
    assert found == []


def test_locks_are_hashed() -> None:
    for name in ("requirements.txt", "requirements-dev.txt", "requirements-uv.txt"):
        text = (ROOT / name).read_text(encoding="utf-8").replace("\\\n", " ")
        lines = [line for line in text.splitlines() if line.strip()]
        assert lines
        for line in lines:
            assert re.match(r"[a-z0-9][a-z0-9.\[\]-]*==\S+ .*--hash=sha256:[0-9a-f]{64}", line), line[:80]


def test_both_locks_agree() -> None:
    def pins(name: str) -> set[str]:
        text = (ROOT / name).read_text(encoding="utf-8")
        return {line.split(" ")[0] for line in text.splitlines() if "==" in line and line[0].isalnum()}

    assert pins("requirements.txt") <= pins("requirements-dev.txt")
    assert pins("requirements-uv.txt") <= pins("requirements-dev.txt")


@pytest.mark.parametrize(
    "text",
    [
        "--index" + "-url https://packages.example/x",
        "-r x --extra-" + "index-url=x",
        "url = https://mirror.example/pypi/" + "simple",
        "see https://py" + "pi.org/project/x",
        "cd /ho" + "me/siti/gateway",
        "open('/ro" + "ot/x')",
        "cd /wo" + "rk/x",
        "-----BEGIN EC PRIVATE" + " KEY-----",
        "# TO" + "DO: later",
        "x\n<<<<<<" + "< main\n",
    ],
)
def test_a_planted_line_is_caught(text: str) -> None:
    assert len(offences("first\n" + text)) >= 1


@pytest.mark.parametrize(
    "text",
    [
        "--no-emit-index-url",
        "GET /v1/root-causes",
        "a/home/x/y",
        "{base}/root/x",
        "https://host.example/root/x",
    ],
)
def test_what_is_allowed_passes(text: str) -> None:
    assert offences(text) == []
