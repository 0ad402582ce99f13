"""A Redis-compatible server that a test may kill, freeze and start again on the same port."""

import contextlib
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import redis

from tests.processes import HOST, await_port, first_answer, folder_of_ours, free_port, start, stop
from tests.servers import valkey_binary


class MortalRedis:
    """Not running at first."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"redis://{HOST}:{self.port}/0"

    def start(self) -> None:
        log = self._folder / "log"
        command = [str(valkey_binary()), "--bind", HOST, "--port", str(self.port), "--save", ""]
        with log.open("ab") as out:
            self._process = start(command, out, self._folder, None, signal.SIGKILL)
        await_port(self._process, self.port, log, lambda port: first_answer(port, b"PING\r\n") == b"+PONG\r\n")

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()
        self._process = None

    def freeze(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def flush(self) -> None:
        with redis.Redis.from_url(self.url) as client:
            client.flushall()
            client.script_flush()

    def end(self) -> None:
        if self._process is not None:
            self.thaw()
            stop(self._process, signal.SIGTERM)


@contextlib.contextmanager
def mortal_redis() -> Iterator[MortalRedis]:
    """A server of this test alone, gone afterwards."""
    with folder_of_ours() as folder:
        server = MortalRedis(folder)
        try:
            yield server
        finally:
            server.end()
