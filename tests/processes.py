"""Child processes that end with the process that started them, however it ends.

A server is started in a session of its own (Ctrl-C reaches the tests, not the servers under them). When its
parent ends, even by ``kill -9``, the kernel ends the server too (``PR_SET_PDEATHSIG``, Linux), and the next run
sweeps the folders that were left.
"""

import contextlib
import ctypes
import fcntl
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

HOST = "127.0.0.1"
PREFIX = "gateway-test-"
START_SECONDS = 30.0
STOP_SECONDS = 10.0
PR_SET_PDEATHSIG = 1


class ServerError(RuntimeError):
    """A server of the tests did not start; the message holds the end of its log."""


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on at this moment."""
    with socket.socket() as sock:
        sock.bind((HOST, 0))
        port: int = sock.getsockname()[1]
        return port


def sweep() -> None:
    """Removes the folders of runs that were killed: those whose lock nobody holds any more."""
    for folder in Path(tempfile.gettempdir()).glob(PREFIX + "*"):
        try:
            with (folder / "lock").open() as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
        except OSError:
            continue  # in use, or another's, or just being made


@contextlib.contextmanager
def folder_of_ours() -> Iterator[Path]:
    """A temporary folder that is ours while its lock is held, and is gone afterwards."""
    sweep()
    folder = Path(tempfile.mkdtemp(prefix=PREFIX))
    folder.chmod(0o711)
    try:
        # Locked under another name first: sweep() must never see an unlocked "lock" of a live run.
        with (folder / "lock.new").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            (folder / "lock.new").rename(folder / "lock")
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def start(command: list[str], log: IO[bytes], folder: Path, user: str | None, on_death: int) -> subprocess.Popen[bytes]:
    """Starts a server that ends, by the signal ``on_death``, when this process ends in whatever way."""
    parent = os.getpid()

    def tie() -> None:
        if sys.platform == "linux":
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, on_death, 0, 0, 0)
            if os.getppid() != parent:  # it died before the tie was made
                os._exit(1)

    account = pwd.getpwnam(user) if user else None
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        cwd=folder,
        env={"PATH": os.environ.get("PATH", os.defpath), "TZ": "UTC", "LC_ALL": "C"},
        user=account.pw_uid if account else None,
        group=account.pw_gid if account else None,
        extra_groups=[] if account else None,
        start_new_session=True,
        preexec_fn=tie,
    )


def stop(process: subprocess.Popen[bytes], sign: int) -> None:
    """Ends a server by a signal, and harder if it does not end in ten seconds."""
    if process.poll() is None:
        process.send_signal(sign)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def await_port(process: subprocess.Popen[bytes], port: int, log: Path, answers: Callable[[int], bool]) -> None:
    """Waits until the server answers. Raises ServerError with its log if it ends or takes over 30 s."""
    deadline = time.monotonic() + START_SECONDS
    while not answers(port):
        if process.poll() is not None or time.monotonic() > deadline:
            stop(process, signal.SIGKILL)
            raise ServerError(f"the server did not start:\n{log.read_text(errors='replace')[-3000:]}")
        time.sleep(0.02)


def first_answer(port: int, question: bytes) -> bytes:
    """What a server on this port says to the first bytes; empty if nobody listens or it hangs up."""
    try:
        with socket.create_connection((HOST, port), timeout=1) as sock:
            sock.sendall(question)
            return sock.recv(64)
    except OSError:
        return b""
