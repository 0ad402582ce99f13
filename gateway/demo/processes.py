"""Our own processes: started tied to this one, ended in order, and found again after this one was killed.

Each process holds an advisory lock on `NAME.pid` for as long as it lives (the kernel lets go of it however it
ends), so "is it still there?" has one honest answer and a recycled process number is never mistaken for ours. On
Linux the kernel also ends the process when this one ends, even by `kill -9`.
"""

import asyncio
import contextlib
import ctypes
import fcntl
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from gateway.sdk.clock import Clock
from gateway.sdk.entropy import Entropy

HOST: Final = "127.0.0.1"
_PR_SET_PDEATHSIG: Final = 1
_GRACE_S: Final = 10.0
_LOOK_S: Final = 0.02
_PORTS: Final = range(20_000, 32_000)
"""Below the ports that systems hand out to outgoing connections, so that ours are free again after a kill."""


class NotStarted(Exception):
    """A process cannot be started, or an old one cannot be ended; the message says which and why."""


class Ended(Exception):
    """A process has ended that should not have: `how` (a signal or an exit status), `killed` if by a signal. The
    message ends with its last words."""

    def __init__(self, child: "Child") -> None:
        super().__init__(f"{child.name} has ended ({child.how}):\n{child.last_words()}")
        self.name, self.how, self.killed = child.name, child.how, child.how.startswith("SIG")


class Child:
    """One process of ours, with `NAME.pid` (locked while it lives) in `run` and `NAME.log` in `logs`."""

    def __init__(self, name: str, process: asyncio.subprocess.Process, log: Path) -> None:
        self.name, self.log = name, log
        self._process = process

    @property
    def pid(self) -> int:
        """The process number."""
        return self._process.pid

    @property
    def ended(self) -> bool:
        """Tell whether it has ended."""
        return self._process.returncode is not None

    @property
    def how(self) -> str:
        """Tell how it has ended."""
        status = self._process.returncode
        if status is None:
            return "alive"
        return signal.Signals(-status).name if status < 0 else f"exit status {status}"

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Hold it still, as if it got no turn of the processor."""
        if self.ended:
            yield
            return
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            if not self.ended:
                self._process.send_signal(signal.SIGCONT)

    async def stop(self) -> None:
        """Ask it to end, and make it after ten seconds. Returns when it is gone."""
        for sign in (signal.SIGTERM, signal.SIGKILL):
            if self.ended:
                return
            self._process.send_signal(sign)
            try:
                async with asyncio.timeout(_GRACE_S):
                    await self._process.wait()
            except TimeoutError:
                continue

    def last_words(self, lines: int = 12) -> str:
        """Return the end of its log."""
        try:
            return "\n".join(self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])
        except OSError:
            return ""


async def start(name: str, command: Sequence[str], environ: Mapping[str, str], folder: Path, cwd: Path) -> Child:
    """Start a process tied to this one; its output goes to `folder/logs/NAME.log`.

    It is in a session of its own, so that Ctrl-C reaches us alone and we end it in order. Raises NotStarted if
    a process of that name still lives.
    """
    (folder / "run").mkdir(parents=True, exist_ok=True)
    (folder / "logs").mkdir(exist_ok=True)
    log = folder / "logs" / f"{name}.log"
    lock = os.open(folder / "run" / f"{name}.pid", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        if not _taken(lock):
            raise NotStarted(f"{name} is running already (see {folder / 'run'})")
        os.ftruncate(lock, 0)
        with log.open("ab") as output:
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=asyncio.subprocess.STDOUT,
                env=dict(environ),
                cwd=cwd,
                start_new_session=True,
                pass_fds=(lock,),
                preexec_fn=_tie(os.getpid()),
            )
        os.pwrite(lock, f"{process.pid}\n".encode(), 0)
    finally:
        os.close(lock)  # the lock stays with the process, which holds the same open file
    return Child(name, process, log)


def _tie(parent: int) -> Callable[[], None]:
    """Return what a new process does first: ask the kernel to be ended with its parent (Linux)."""
    if sys.platform != "linux":
        return lambda: None
    library = ctypes.CDLL(None)

    def tie() -> None:
        library.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
        if os.getppid() != parent:  # it ended before the tie was made
            os._exit(1)

    return tie


def _taken(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


async def stop_leftovers(folder: Path, clock: Clock) -> list[str]:
    """End what a killed run left behind; return the names. Raises NotStarted if one cannot be ended."""
    found = []
    for file in sorted((folder / "run").glob("*.pid")):
        lock = os.open(file, os.O_RDWR)
        try:
            if not _taken(lock):
                found.append(file.stem)
                await _end(file, lock, clock)
        finally:
            os.close(lock)
    return found


async def _end(file: Path, lock: int, clock: Clock) -> None:
    for sign in (signal.SIGTERM, signal.SIGKILL):
        deadline = clock.monotonic() + _GRACE_S
        pid = _number(file)
        if pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, sign)
        while clock.monotonic() < deadline:
            if _taken(lock):
                return
            await asyncio.sleep(_LOOK_S)
    raise NotStarted(f"{file.stem} of an earlier run does not end; its process number is in {file}")


def _number(file: Path) -> int | None:
    """Return the process number in a pid file; None before it was written."""
    text = file.read_text(encoding="ascii", errors="replace").strip()
    return int(text) if text.isdecimal() else None


def claim(file: Path) -> int | None:
    """Lock a file for as long as this process lives; None if another process has it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    lock = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
    if _taken(lock):
        return lock
    os.close(lock)
    return None


def is_free(port: int) -> bool:
    """Tell whether nobody listens on a port of this machine."""
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind((HOST, port))
        except OSError:
            return False
    return True


def free_ports(count: int, entropy: Entropy) -> list[int]:
    """Return ports of this machine that nobody listens on at this moment."""
    found: list[int] = []
    while len(found) < count:
        port = _PORTS[entropy.below(len(_PORTS))]
        if port not in found and is_free(port):
            found.append(port)
    return found
