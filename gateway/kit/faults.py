"""What can happen to a request on the wire. Each fault says whether the app gets the request or not."""

import asyncio
import zlib
from collections.abc import Callable, Mapping
from typing import Final

from gateway.kit.wire import Fault, Gone, Passage, answer_of, body_of

PAGE: Final = b"<!DOCTYPE html><html><body>Situs dalam perbaikan</body></html>"


async def never_arrives(passage: Passage) -> None:
    """The app never sees the request, and the caller waits in vain."""
    await passage.until_gone()
    raise Gone


async def hangs_up_unread(passage: Passage) -> None:
    """The request is taken and the connection reset; the app never sees it. The caller cannot know."""
    passage.cut()
    raise Gone


async def hangs(passage: Passage) -> None:
    """The app takes it and answers; the answer never comes."""
    await passage.forward()
    await passage.until_gone()
    raise Gone


async def cuts_before_headers(passage: Passage) -> None:
    """The app takes it; the connection is reset before the first byte of the answer."""
    await passage.forward()
    passage.cut()
    raise Gone


async def cuts_in_headers(passage: Passage) -> None:
    """The app takes it; the answer ends in its headers."""
    given = await passage.forward()
    await passage.answer(given[: given.index(b"\r\n") + 10])
    raise Gone


async def cuts_in_body(passage: Passage) -> None:
    """The app takes it; the answer ends three bytes too early."""
    given = await passage.forward()
    await passage.answer(given[:-3])
    raise Gone


async def says_500(passage: Passage) -> None:
    """The app takes it; a gateway in front of it says 500."""
    await passage.forward()
    await passage.answer(answer_of(500, b'{"message": "Server Error"}'))


async def says_html(passage: Passage) -> None:
    """The app takes it; what comes back is a web page with 200."""
    await passage.forward()
    await passage.answer(answer_of(200, PAGE, "text/html"))


async def truncates_json(passage: Passage) -> None:
    """The app takes it; the answer is half a JSON document, with the right length of the half."""
    given = await passage.forward()
    await passage.answer(answer_of(201, body_of(given)[:-5]))


def arrives_late(after_s: float) -> Fault:
    """The request is on its way for so long after the caller gave up; then the app takes it."""

    async def late(passage: Passage) -> None:
        task = asyncio.current_task()
        assert task is not None
        await passage.until_gone()
        passage.proxy.late.add(task)
        await asyncio.sleep(after_s)
        await passage.forward()
        raise Gone

    return late


def answers_when(ready: asyncio.Event) -> Fault:
    """The app takes it; its answer comes when `ready` is set."""

    async def waits(passage: Passage) -> None:
        given = await passage.forward()
        await ready.wait()
        await passage.answer(given)

    return waits


def says(content: bytes) -> Fault:
    """Answers by itself; the app never sees the request."""

    async def said(passage: Passage) -> None:
        await passage.answer(content)

    return said


def changes(change: Callable[[bytes], bytes]) -> Fault:
    """The app takes it; its whole answer is changed on the way back."""

    async def changed(passage: Passage) -> None:
        await passage.answer(change(await passage.forward()))

    return changed


def drips(pause: Callable[[], None], piece: int = 1) -> Fault:
    """The app takes it; its answer comes in pieces, with `pause` called before each."""

    async def dripped(passage: Passage) -> None:
        given = await passage.forward()
        for start in range(0, len(given), piece):
            pause()
            await asyncio.sleep(0)
            await passage.answer(given[start : start + piece])

    return dripped


def giant(size: int) -> Fault:
    """The app never sees it; the answer is JSON of so many bytes, told in its header."""
    return _poured(f"Content-Length: {size}", size)


def endless(size: int) -> Fault:
    """The app never sees it; the answer tells no length and does not end before so many bytes."""
    return _poured("Connection: close", size)


def _poured(header: str, size: int) -> Fault:
    """Answer with a string of so many bytes, never holding more than a piece of it."""

    async def poured(passage: Passage) -> None:
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n{header}\r\n\r\n"
        passage.writer.write(head.encode() + b'"')
        left = size - 2
        while left > 0:
            passage.writer.write(b"x" * min(left, 1 << 16))
            left -= 1 << 16
            await passage.writer.drain()
        passage.writer.write(b'"')
        await passage.writer.drain()
        raise Gone

    return poured


def bomb(size: int) -> Fault:
    """The app never sees it; the answer is small, and so many bytes once it is unpacked."""
    engine = zlib.compressobj(9, zlib.DEFLATED, 31)
    packed = b"".join([engine.compress(b"[" + b"0," * (1 << 15)) for _ in range(size >> 16)]) + engine.flush()
    return says(answer_of(200, packed, content_encoding="gzip"))


def deep(levels: int) -> Fault:
    """The app never sees it; the answer is JSON that many levels deep."""
    return says(answer_of(200, b"[" * levels + b"]" * levels))


def moved(status: int, location: str) -> Fault:
    """The app never sees it; the answer sends the caller elsewhere."""
    return says(answer_of(status, b"", location=location))


LOST: Final[Mapping[str, Fault]] = {
    "hangs": hangs,
    "cuts_before_headers": cuts_before_headers,
    "cuts_in_headers": cuts_in_headers,
    "cuts_in_body": cuts_in_body,
    "says_500": says_500,
    "says_html": says_html,
    "truncates_json": truncates_json,
    "arrives_late": arrives_late(0.8),
}
"""Every way to lose the answer to a request that the app has carried out (the last: after the caller gave up)."""

UNREAD: Final[Mapping[str, Fault]] = {"never_arrives": never_arrives, "hangs_up_unread": hangs_up_unread}
"""Every way to lose a request so that nobody can know that the app never saw it."""
