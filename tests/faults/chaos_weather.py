"""The weather on the lines between gateway and apps: which write meets which fault, by chance and by a deck of cards.

The deck holds every kind of fault, so that none is left out; the chance says how many writes draw from it.
"""

import asyncio
import random
import re
import sys
from collections import Counter
from collections.abc import Mapping
from datetime import timedelta
from email.utils import format_datetime

from gateway.sdk.clock import Clock
from tests.faults import proxy
from tests.faults.checker import Crossing
from tests.faults.proxy import Fault, Gone, Passage, Proxy, Seen, answer_of

KEY = re.compile(rb"BRU-[0-9A-Z]{4}-[0-9A-Z]{4}-[1-9][0-9]{0,5}")
POSTED_READS = re.compile(r"/(carilaporan|getlaporan|getkategori|getdestinasi|login)$")
"""Requests that only read, or log in, although they are posted."""
SETTLE_S = 2.0
"""The apps' settle time in the manifests of a campaign."""
TIMEOUT_S = 1.2
_OVERTAKEN_S = 1.5
_RESTS_S = 4.0
"""An app is told at most so often to be left alone: it rests for a second each time."""


class Weather:
    """Faults for the writes on all lines: `share` of them draw a fault, `reads` of the look-ups and polls do.

    `crossings` tell of every write with a key in order, `faults` count by kind, `hit` names the deliveries that met
    one, `doubts` counts answers of which the gateway could not know what they hid. `overtaken` are the events of apps
    that arrive so late that what was said after them has been heard.
    """

    def __init__(self, chance: random.Random, clock: Clock, share: float, reads: float) -> None:
        self.crossings: list[Crossing] = []
        self.faults: Counter[str] = Counter()
        self.hit: set[str] = set()
        self.seen: set[str] = set()
        self.doubts = 0
        self.calm = False
        self.overtaken: set[str] = set()
        self._chance, self._clock, self._share, self._reads = chance, clock, share, reads
        self._deck: list[str] = []
        self._drawn: dict[int, str] = {}
        self._rested: dict[str, float] = {}
        self._era = 0
        self._writes: Mapping[str, tuple[Fault, bool, int]] = {
            # kind: what it does, whether it leaves the gateway in doubt, how many cards of it are in the deck
            "latency": (self._slow, False, 2),
            "slow_drip": (self._drips, False, 1),
            "never_arrives": (proxy.never_arrives, True, 1),
            "reset_unread": (proxy.hangs_up_unread, True, 3),
            "accept_then_hang": (proxy.hangs, True, 2),
            "accept_then_reset": (proxy.cuts_before_headers, True, 3),
            "half_headers": (proxy.cuts_in_headers, True, 2),
            "half_answer": (proxy.cuts_in_body, True, 2),
            "half_json": (proxy.truncates_json, True, 2),
            "accept_then_500": (proxy.says_500, True, 3),
            "accept_then_html": (proxy.says_html, True, 3),
            "late_accept": (self._late, True, 3),
            "429_seconds": (proxy.says(answer_of(429, b'{"error": "slow"}', retry_after="1")), False, 1),
            "429_date": (self._until_a_date, False, 1),
        }
        self._looks: Mapping[str, Fault] = {
            "read_500": proxy.says(answer_of(500)),
            "read_html": proxy.says_html,
            "read_reset": proxy.hangs_up_unread,
            "read_half": proxy.cuts_in_body,
        }

    def over(self, app: str, line: Proxy) -> None:
        """Let this weather be on an app's line."""
        line.when(lambda seen: self._befalls(app, seen), self._strike, times=sys.maxsize, name="weather")

    def over_back(self, line: Proxy) -> None:
        """Let the apps' own calls to the gateway meet faults too: lost before, or answered to nobody."""
        ways: Mapping[str, Fault] = {
            "hook_lost": proxy.hangs_up_unread,
            "hook_unanswered": proxy.cuts_before_headers,
            "hook_overtaken": self._overtaken,
        }

        def fits(seen: Seen) -> bool:
            if any(event.encode() in seen.body for event in self.overtaken):
                self._drawn[id(seen)] = "hook_overtaken"
                return True
            if self.calm or self._chance.random() >= self._share / 3:
                return False
            self._drawn[id(seen)] = self._chance.choice(["hook_lost", "hook_unanswered"])
            return True

        async def strike(passage: Passage) -> None:
            kind = self._drawn.pop(id(passage.seen))
            self.faults[kind] += 1
            await ways[kind](passage)

        line.when(fits, strike, times=sys.maxsize, name="weather")

    def travelled(self) -> None:
        """Time has jumped ahead: what was on its way to an app for so long is not taken any more."""
        self._era += 1

    def _befalls(self, app: str, seen: Seen) -> bool:
        found = KEY.search(seen.raw)
        if seen.method == "GET" or found is None or POSTED_READS.search(seen.path):
            return self._befalls_read(seen)
        key = found[0].decode()
        self.seen.add(key)
        kind = None if self.calm or self._chance.random() >= self._share else self._draw(app)
        doubt = kind is not None and self._writes[kind][1]
        self.crossings.append(Crossing(app=app, key=key, fault=kind, doubt=doubt))
        if kind is None:
            return False
        self.hit.add(key)
        self.faults[kind] += 1
        self.doubts += doubt
        self._drawn[id(seen)] = kind
        return True

    def _befalls_read(self, seen: Seen) -> bool:
        if self.calm or self._chance.random() >= self._reads:
            return False
        kind = self._chance.choice(list(self._looks))
        self.faults[kind] += 1
        self._drawn[id(seen)] = kind
        return True

    def _draw(self, app: str) -> str:
        if not self._deck:
            self._deck = [kind for kind, (_, _, cards) in self._writes.items() for _ in range(cards)]
            self._chance.shuffle(self._deck)
        kind = self._deck.pop()
        if kind.startswith("429"):
            moment = asyncio.get_running_loop().time()
            if moment < self._rested.get(app, float("-inf")) + _RESTS_S:
                return "accept_then_reset"
            self._rested[app] = moment
        return kind

    async def _strike(self, passage: Passage) -> None:
        kind = self._drawn.pop(id(passage.seen))
        fault = self._looks[kind] if kind in self._looks else self._writes[kind][0]
        await fault(passage)

    # Faults of the campaign's own.

    async def _slow(self, passage: Passage) -> None:
        await asyncio.sleep(self._chance.uniform(0.05, 0.5))
        await passage.answer(await passage.forward())

    async def _overtaken(self, passage: Passage) -> None:
        await asyncio.sleep(_OVERTAKEN_S)
        await passage.answer(await passage.forward())

    async def _drips(self, passage: Passage) -> None:
        given = await passage.forward()
        for start in range(0, len(given), 1 + len(given) // 8):
            await asyncio.sleep(0.06)
            await passage.answer(given[start : start + 1 + len(given) // 8])

    async def _late(self, passage: Passage) -> None:
        """The caller gives up, and the app takes it after all, unless it was on its way for longer than settle."""
        task, era = asyncio.current_task(), self._era
        assert task is not None
        await passage.until_gone()
        passage.proxy.late.add(task)
        gave_up = asyncio.get_running_loop().time()
        await asyncio.sleep(self._chance.uniform(0.0, SETTLE_S / 3))
        # An app drops what is not complete within its settle time, on its own clock, which travels with ours.
        if self._era == era and asyncio.get_running_loop().time() < gave_up + SETTLE_S / 2:
            await passage.forward()
        raise Gone

    async def _until_a_date(self, passage: Passage) -> None:
        now = self._clock.now()
        until, date = (format_datetime(now + timedelta(seconds=ahead), usegmt=True) for ahead in (2, 0))
        await passage.answer(answer_of(429, b'{"error": "slow"}', retry_after=until, date=date))
