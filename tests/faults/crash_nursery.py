"""Where gateways are born that are to be killed: one process that has read the program, and forks.

Reading the program takes longer than most of these gateways live. It is told on its standard input what to start, one
JSON object a line: `{"environ", "argv", "log", "point"?, "times"?, "told"?, "bug"?, "recording"?}`. It answers with a
line, the new process's number; to `{"wait": number}` with how that one ended. When its input ends, so do it and they.
"""

import asyncio
import contextlib
import ctypes
import os
import signal
import sys
import tempfile
from pathlib import Path
from typing import Any, Final, NoReturn

import msgspec
import structlog

from gateway.app import create_app
from gateway.cli import main as gateway_main
from tests.faults.crash_points import arm
from tests.faults.power_layer import Recording, layer
from tests.faults.power_load import house_at, planted

_PR_SET_PDEATHSIG: Final = 1


def main() -> None:
    """Do as told until the input ends."""
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    asyncio.run(_warm())
    for line in sys.stdin.buffer:
        order = msgspec.json.decode(line)
        if "wait" in order:
            _, status = os.waitpid(order["wait"], 0)
            answer = os.waitstatus_to_exitcode(status)
        else:
            answer = os.fork()
            if answer == 0:
                _live(order)
        sys.stdout.write(f"{answer}\n")
        sys.stdout.flush()


async def _warm() -> None:
    """Open a house once and close it, so that whoever is born here has read all that a house is made of."""
    with tempfile.TemporaryDirectory(prefix="gateway-nursery-") as folder:
        async with house_at(f"sqlite:///{folder}/gateway.db", Path(folder)) as house:
            create_app(house)


def _live(order: dict[str, Any]) -> NoReturn:
    """Become a gateway; never returns."""
    status = 1
    try:
        if sys.platform == "linux":
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        os.setsid()
        nothing = os.open(os.devnull, os.O_RDONLY)
        log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        for ours, theirs in ((nothing, 0), (log, 1), (log, 2)):
            os.dup2(ours, theirs)
        os.environ.clear()
        os.environ.update(order["environ"])
        if point := order.get("point"):
            arm(point, order["times"], Path(order["told"]))
        with contextlib.ExitStack() as mistakes:
            mistakes.enter_context(planted(order.get("bug")))
            if file := order.get("recording"):
                mistakes.enter_context(layer(Recording(Path(file))))
            gateway_main(order["argv"], standalone_mode=False)
        status = 0
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    main()
