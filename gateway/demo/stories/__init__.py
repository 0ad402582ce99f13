"""The stories, each with its acts and with how it must end."""

from typing import Final

from gateway.demo.programme import Story
from gateway.demo.stories import fire, flood, letter, light, prank, road, toddler

STORIES: Final = tuple(
    Story(
        indonesian=told.TITLE[0],
        english=told.TITLE[1],
        ending=told.ENDING,
        play=told.play,
        later=getattr(told, "later", None),
        alone=getattr(told, "alone", None),
    )
    for told in (flood, fire, toddler, road, light, prank, letter)
)
"""In the order in which they are told."""
