"""Logs: known keys only, cleaned of people, no messages of exceptions; also what libraries log."""

import ast
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import gateway
from gateway.kernel.edge.logging import KEYS, keep_known, places

ROOT = Path(gateway.__file__).parent
SAYS = {"debug", "info", "warning", "error", "critical", "exception", "bind", "bind_contextvars"}


def said(production: bool, program: str) -> list[str]:
    """What a process with our logging writes to stderr when it runs a program."""
    setup = f"from gateway.kernel.edge.logging import configure_logging\nconfigure_logging({production})\n"
    imports = "import logging, structlog, sys\nlog = structlog.get_logger()\n"
    done = subprocess.run(
        [sys.executable, "-c", imports + setup + program],
        cwd=ROOT.parent,
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    assert done.stdout == ""
    return done.stderr.splitlines()


@pytest.mark.parametrize("production", [True, False])
def test_lines_are_json_where_nobody_watches_a_terminal(production: bool) -> None:
    (line,) = said(production, "log.info('report.accepted', report='BRU-0000-0000', cases=2)")
    found = json.loads(line)
    assert found["event"] == "report.accepted"
    assert found["report"] == "BRU-0000-0000"
    assert found["level"] == "info"
    assert found["cases"] == 2
    assert found["time"].endswith("Z")


@pytest.mark.parametrize("production", [True, False])
def test_no_canary_reaches_the_log(production: bool) -> None:
    program = """
canary = '081234567890'
nik, mail = '7311014107850001', 'andi@example.id'
log.info('report.accepted', phone=canary, reason=f'call +62 812-3456-7890 or {canary}', cause=f'NIK {nik}, {mail}')
log.info(f'somebody wrote {canary}')
log.info('odd.value', report={'phone': canary}, cases=[canary], word=object())
log.info('half', reason='\\ud800')
try:
    try:
        int(canary + 'x')
    except ValueError as error:
        raise KeyError(canary) from error
except KeyError:
    log.exception('loop.fell')
try:
    raise ExceptionGroup(canary, [ValueError(canary), TypeError(canary)])
except ExceptionGroup as error:
    log.error('request.fell', exc_info=error)
    logging.getLogger('uvicorn.error').error('Exception in ASGI application', exc_info=error)
logging.getLogger('asyncio').error(f'Task exception was never retrieved {canary}')
logging.getLogger('aiohttp').warning('called %s', canary)
logging.getLogger('some.package').warning('constant', extra={'phone': canary})
logging.getLogger('uvicorn.error').info('Started server process [%d]', 42)
logging.getLogger('uvicorn.access').info('%s - GET %s', '10.0.0.1', '/v1/track/' + canary)
"""
    lines = said(production, program)
    text = "\n".join(lines)
    for canary in ("081234567890", "812-3456", "7311014107850001", "andi@example.id", "10.0.0.1"):
        assert canary not in text
    assert "report.accepted" in text
    assert "Started server process [42]" in text
    assert "called %s" in text
    assert "KeyError" in text
    assert "led to" in text
    assert "ExceptionGroup" in text
    assert "phone" in text  # the dropped key is named
    assert "constant" not in text


def test_keys_that_the_sources_log_are_known() -> None:
    unknown = [
        (path.relative_to(ROOT).as_posix(), node.lineno, keyword.arg)
        for path in ROOT.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in SAYS
        if is_log(node.func.value)
        for keyword in node.keywords
        if keyword.arg is not None and keyword.arg not in KEYS | {"exc_info"}
    ]
    assert unknown == []


def is_log(node: ast.expr) -> bool:
    name = node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""
    return name in {"_log", "log", "logger", "contextvars"}


def kept(**event: Any) -> dict[str, Any]:
    return dict(keep_known(None, "info", event))


def test_what_is_not_on_the_list_is_dropped_and_named() -> None:
    assert kept(event="a.b", phone="0812", name="x") == {"event": "a.b", "dropped": ["name", "phone"]}


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("ref 081234567890", "ref …"),
        ("+62 812 3456 7890 rang", "… rang"),
        ("(0812) 3456-7890", "(…"),
        ("nik 7311014107850001.", "nik …."),
        ("mail a.b@c.id now", "mail … now"),
        ("HTTP 503 after 1234567 bytes", "HTTP 503 after 1234567 bytes"),
        ("connector.py:123 in submit", "connector.py:123 in submit"),
    ],
)
def test_words_are_cleaned(text: str, clean: str) -> None:
    assert kept(event="a", reason=text)["reason"] == clean


def test_our_own_numbers_are_left_alone() -> None:
    number = "0123456789012345" * 2
    event = {
        "event": "request.answered",
        "request": number,
        "delivery": "BRU-0123-4567-89",
        "ms": 1.5,
        "emergency": True,
    }
    assert kept(**event) == event


def test_places_hold_our_source_and_no_path_of_the_machine() -> None:
    with pytest.raises(AttributeError) as caught:
        places(None)  # type: ignore[arg-type]
    found = places(caught.value)
    assert "gateway/kernel/edge/logging.py" in found
    assert str(ROOT.parent) not in found
    assert found.splitlines()[-1] == "AttributeError"
