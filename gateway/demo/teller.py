"""What a visitor reads: Indonesian first, English second. Everything on a terminal, results only in a pipe."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from rich.console import Console, RenderableType
from rich.markup import escape
from rich.rule import Rule
from rich.status import Status
from rich.table import Table
from rich.text import Text

_WIDEST: Final = 140
_IN_A_PIPE: Final = 120
NAMES: Final = 11
"""Columns for the name of who speaks."""
_WHO: Final = {
    "warga": "bold green",
    "112": "bold red",
    "desa": "bold yellow",
    "gateway": "bold cyan",
    "Si-GAPDes": "bold magenta",
    "Singgah": "bold magenta",
    "Si-PeNDTING": "bold magenta",
    "PPID": "bold magenta",
    "OPD": "bold yellow",
    "auditor": "bold blue",
}
"""Who speaks, with the colour it has; anybody else is plain."""


class Teller:
    """Tells the show. `loud` is a terminal that follows every step; `silent` prints no result either (JSON)."""

    def __init__(self, *, silent: bool, out: Console | None = None, err: Console | None = None) -> None:
        self.out = out or Console(highlight=False, width=None if sys.stdout.isatty() else _IN_A_PIPE)
        self._err = err or Console(stderr=True, highlight=False)
        self.silent = silent
        self.loud = self.out.is_terminal and not silent
        self._status: Status | None = None

    @property
    def width(self) -> int:
        """How many columns there are to fill."""
        return min(self.out.width, _WIDEST)

    def title(self, indonesian: str, english: str, *more: tuple[str, str]) -> None:
        """Open the show; `more` are lines in both languages below the title."""
        if self.loud:
            self.out.print()
            self.out.print(Text(indonesian, "bold"), Text(english, "dim"), sep="\n")
            for first, second in more:
                self.out.print(Text(first), Text(second, "dim"), sep="\n")

    def story(self, number: int, indonesian: str, english: str) -> None:
        """Open a story."""
        if self.loud:
            self.out.print()
            heading = Text.assemble((f"{number} · {indonesian}", "bold"), ("  " + english, "dim"))
            self.out.print(Rule(heading, align="left", style="cyan"), width=self.width)

    def pause(self, indonesian: str, english: str) -> None:
        """Tell what happens between two acts."""
        if self.loud:
            self.out.print()
            self.out.print(Text(indonesian, "bold yellow"), Text(english, "dim"), sep="\n")

    def heading(self, indonesian: str, english: str) -> None:
        """Open a part that is a result."""
        if not self.silent:
            self.out.print()
            heading = Text.assemble((indonesian, "bold"), (f"  {english}", "dim"))
            if self.out.is_terminal:
                self.out.print(Rule(heading, align="left", style="green"), width=self.width)
            else:
                self.out.print(heading)

    def say(self, who: str, indonesian: str, english: str) -> None:
        """Tell one step; names in [square brackets] of rich's markup are allowed, what others wrote must be safe()."""
        if self.loud:
            self.out.print(self._line(Text(who, _WHO.get(who, "bold")), indonesian, english), width=self.width)

    def result(self, good: bool, indonesian: str, english: str) -> None:
        """Tell how a story ended; a pipe reads this too."""
        if self.silent:
            return
        sign = Text("✓", "bold green") if good else Text("✗", "bold red")
        if self.loud:
            self.out.print(self._line(sign, indonesian, english), width=self.width)
        else:
            self.out.print(Text.from_markup(f"{sign.plain} {indonesian} · {english}"), soft_wrap=True)

    def show(self, what: RenderableType) -> None:
        """Print a result as it is."""
        if not self.silent:
            self.out.print(what)

    def blank(self) -> None:
        """Leave a line free."""
        if not self.silent:
            self.out.print()

    def line(self, text: str) -> None:
        """Print a line to be copied: never broken, never padded."""
        if not self.silent:
            self.out.print(Text(text), soft_wrap=True)

    def trouble(self, indonesian: str, english: str) -> None:
        """Tell on the error stream what went wrong."""
        self._hush()
        self._err.print(Text(indonesian, "bold red"), Text(english, "red"), sep="\n", soft_wrap=True)

    def detail(self, text: str) -> None:
        """Print evidence on the error stream, as it is."""
        self._hush()
        self._err.print(Text(text, "dim"), soft_wrap=True)

    @contextmanager
    def waiting(self, indonesian: str, english: str) -> Iterator[None]:
        """Show, on a terminal, what is being waited for."""
        if not self.loud or self._status is not None:
            yield
            return
        told = Text.assemble(indonesian, ("  " + english, "dim"), no_wrap=True, overflow="ellipsis")
        self._status = self.out.status(told, spinner="dots")
        with self._status:
            try:
                yield
            finally:
                self._hush()

    def _hush(self) -> None:
        if self._status is not None:
            self._status.stop()
            self._status = None

    def _line(self, who: Text, indonesian: str, english: str) -> Table:
        line = Table.grid(padding=(0, 2))
        line.add_column(width=NAMES, justify="right", no_wrap=True)
        line.add_column(overflow="fold")
        line.add_row(who, Text.from_markup(indonesian))
        line.add_row("", Text.from_markup(english, style="dim"))
        return line


class Tale:
    """The voice of one story. Stories are played at the same time and told one after the other: until it is its turn a
    story's lines are kept."""

    def __init__(self, teller: Teller, number: int, indonesian: str, english: str) -> None:
        self._teller, self._title = teller, (number, indonesian, english)
        self._kept: list[tuple[str, str, str]] = []
        self._turn = False

    def speak(self) -> None:
        """Give it its turn: tell what it kept, and from now on everything at once."""
        self._turn = True
        self._teller.story(*self._title)
        for line in self._kept:
            self._teller.say(*line)
        self._kept.clear()

    def say(self, who: str, indonesian: str, english: str) -> None:
        """Tell one step, as `Teller.say`."""
        if self._turn:
            self._teller.say(who, indonesian, english)
        else:
            self._kept.append((who, indonesian, english))

    @contextmanager
    def waiting(self, indonesian: str, english: str) -> Iterator[None]:
        """Show what is being waited for, if it is its turn."""
        if not self._turn:
            yield
            return
        with self._teller.waiting(indonesian, english):
            yield


def safe(text: str) -> str:
    """Return text that says exactly itself: no markup, nothing unprintable."""
    return escape("".join(char if char.isprintable() else "�" for char in text))
