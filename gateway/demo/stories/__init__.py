"""The stories that these two apps can carry, each with how it must end."""

from collections.abc import Awaitable, Callable
from typing import Final

import msgspec

from gateway.demo.stage import Stage
from gateway.demo.stories import fire, flood, letter, prank
from gateway.demo.verdict import Ending


class Story(msgspec.Struct, frozen=True, kw_only=True):
    """One story: its titles, how it is played, and how it must end."""

    indonesian: str
    english: str
    play: Callable[[Stage], Awaitable[None]]
    ending: Ending


STORIES: Final = tuple(
    Story(indonesian=told.TITLE[0], english=told.TITLE[1], play=told.play, ending=told.ENDING)
    for told in (flood, fire, prank, letter)
)
"""In the order in which they are played."""
