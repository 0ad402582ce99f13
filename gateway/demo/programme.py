"""The stories of a run: played at the same time, told one after the other; between the acts the clock goes on.

Weeks go by once for all stories, after the first act of the last of them; what needs a quiet stage comes alone.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import msgspec

from gateway.demo.callers import Unexpected
from gateway.demo.ending import Ending
from gateway.demo.stage import Props, Stage
from gateway.demo.teller import Tale, Teller, safe
from gateway.demo.travel import WEEKS
from gateway.demo.waiting import Late, NotYet

TROUBLE: Final = (Late, NotYet, Unexpected)
"""What one story may suffer without the others being given up."""

Act = Callable[[Stage], Awaitable[None]]


class Story(msgspec.Struct, frozen=True, kw_only=True):
    """One story: its titles, its acts, and how it must end.

    `play` is played at once, `later` weeks after it, `alone` at last, when nobody else is on the stage.
    """

    indonesian: str
    english: str
    ending: Ending
    play: Act
    later: Act | None = None
    alone: Act | None = None


class Programme:
    """Plays stories."""

    def __init__(self, stories: Sequence[Story], props: Props, teller: Teller) -> None:
        self._stories, self._props, self._teller = stories, props, teller
        self.troubles: dict[str, str] = {}

    async def perform(self) -> None:
        """Play all stories, as far as each of them comes; what stops one is in `troubles`, by its name."""
        numbered = list(enumerate(self._stories, start=1))
        await self._together([(number, story, story.play, "", "") for number, story in numbered])
        later = [
            (number, story, story.later, ", beberapa minggu kemudian", ", weeks later")
            for number, story in numbered
            if story.later is not None
        ]
        if later:
            await self._travel()
            await self._together(later)
        for number, story in numbered:
            if story.alone is not None:
                await self._together([(number, story, story.alone, "", "")])

    async def _together(self, acts: Sequence[tuple[int, Story, Act, str, str]]) -> None:
        """Play acts at the same time, and tell them one after the other."""
        tales = [
            Tale(self._teller, number, story.indonesian + indonesian, story.english + english)
            for number, story, _, indonesian, english in acts
        ]
        playing = [
            asyncio.create_task(self._play(story, act, tale))
            for (_, story, act, _, _), tale in zip(acts, tales, strict=True)
        ]
        try:
            for tale, task in zip(tales, playing, strict=True):
                tale.speak()
                await task
        finally:
            for task in playing:
                task.cancel()
            await asyncio.gather(*playing, return_exceptions=True)

    async def _play(self, story: Story, act: Act, tale: Tale) -> None:
        name = story.ending.name
        if name in self.troubles:
            return
        try:
            await act(Stage(self._props, tale))
        except TROUBLE as trouble:
            self.troubles[name] = str(trouble)
            tale.say("", f"[red]berhenti di sini[/red]: {safe(str(trouble))}", "stuck here; the others go on")

    async def _travel(self) -> None:
        await self._props.travel.weeks()
        self._teller.pause(
            f"{WEEKS.days} hari berlalu: jam dimajukan untuk gateway dan semua aplikasi sekaligus",
            f"{WEEKS.days} days go by: the clock is put ahead for gateway and apps alike",
        )
