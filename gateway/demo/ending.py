"""How a story must end, as data: what the apps must hold, what the trace must tell, what nobody may have learned."""

from typing import Final

import msgspec

DESK: Final = "gateway"
"""The gateway's own desk, where an app could stand."""


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """One report that must be there at the end, and its one record in one app (or its case at the desk of `agency`).

    `step` made it: by filing it at the gateway or by a verb there (then the record must carry our key), or, `born`, by
    its birth in the app (then the record carries the step's mark and no key). `parked`: the delivery may have been left
    to a person, who found the record there, or typed it in (then it carries the mark), and resolved the delivery.
    `word` and `status` are the app's and our last word; `follows` is the step of the report it must be linked to, as a
    `kind` of it; `messages` how many words of ours the record has; `left_open`: a visitor may move it on.
    """

    step: str
    app: str
    status: str
    word: str | None = None
    agency: str | None = None
    born: bool = False
    parked: bool = False
    left_open: bool = False
    follows: str | None = None
    kind: str = "follow_up_to"
    messages: int = 0


class Hop(msgspec.Struct, frozen=True, kw_only=True):
    """What must stand in the trace: `times` entries of a `kind` in the report of a step (None: at least one)."""

    step: str
    kind: str
    times: int | None = 1
    app: str | None = None
    rule: str | None = None


class Unseen(msgspec.Struct, frozen=True, kw_only=True):
    """What must not be known: texts, and the codes of steps, to the records of apps and to the reporters of steps.

    `seen` are texts that each of these reporters must find, so that an empty page proves nothing.
    """

    texts: tuple[str, ...] = ()
    codes: tuple[str, ...] = ()
    apps: tuple[str, ...] = ()
    reporters: tuple[str, ...] = ()
    seen: tuple[str, ...] = ()


class Texted(msgspec.Struct, frozen=True, kw_only=True):
    """A text message that must have gone, once, to a number (E.164): it tells the code of a step's report, and says
    these words."""

    step: str
    number: str
    says: str


class Ending(msgspec.Struct, frozen=True, kw_only=True):
    """How a story must end; the first report is the one whose trace tells it.

    `ghosts`: calls without a ticket from `ghost_number`; `calm`: steps whose reports must be no emergencies; `late`:
    steps with a clock that must have run out; `documents`: steps whose reporter must have got a file.
    """

    name: str
    wanted: tuple[Wanted, ...]
    hops: tuple[Hop, ...] = ()
    unseen: tuple[Unseen, ...] = ()
    texted: tuple[Texted, ...] = ()
    calm: tuple[str, ...] = ()
    late: tuple[tuple[str, str], ...] = ()
    ghosts: int = 0
    ghost_number: str = ""
