"""The stories, each with its acts and with how it must end."""

from typing import Final

from gateway.demo.programme import Story
from gateway.demo.stories import defaced, fire, flood, fund, letter, levy, light, prank, road, toddler, visitor

STORIES: Final = tuple(
    Story(
        indonesian=told.TITLE[0],
        english=told.TITLE[1],
        ending=told.ENDING,
        play=told.play,
        later=getattr(told, "later", None),
        alone=getattr(told, "alone", None),
    )
    for told in (flood, fire, toddler, visitor, levy, road, light, fund, prank, defaced, letter)
)
"""In the order in which they are told."""
