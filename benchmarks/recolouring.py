"""Keys that change the colours of their line, typed and taken back in a coloured editor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from tests.e2e.terminal import Terminal

from benchmarks.screen_colours import ColouredScreen, Drawn
from collab_syntax.kinds import Kind

_TRIALS: Final = 12
_QUIET_S: Final = 0.15
_END, _DELETE_TO_START, _LEFT, _BACKSPACE = "\x1b[F", "\x15", "\x1b[D", "\x7f"


@dataclass
class Recolouring:
    """A line, the key that changes its colours, and what came of that."""

    name: str
    before: str
    """The line; the key is typed at the |."""
    key: str
    wanted: Mapping[str, Kind]
    """What pieces of the line are then; the caret is drawn over the cell behind the key."""
    text_s: list[float] = field(default_factory=list)
    colours_s: list[float] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    wrong: int = 0
    """How often the line did not get these colours."""
    at_once: int = 0
    """How often it had them already when the key was drawn."""

    def note(self, drawn: Drawn) -> None:
        """Take what one key did."""
        if not drawn.last.shows(self.wanted):
            self.wrong += 1
            return
        self.at_once += drawn.first.shows(self.wanted)
        self.text_s.append(drawn.text_at - drawn.sent_at)
        self.colours_s.append(drawn.colours_at - drawn.sent_at)


def recolourings() -> list[Recolouring]:
    """Return what is tried."""
    return [
        Recolouring(
            "the f of def",
            "    de| settle(fare): return fare",
            "f",
            {"def": Kind.KEYWORD, "settle": Kind.FUNCTION},
        ),
        Recolouring(
            "the # of a comment",
            "        |total = LIMIT + 1",
            "#",
            {"#": Kind.COMMENT, "otal = LIMIT + 1": Kind.COMMENT},
        ),
        Recolouring("the last quote", '        total = "fare and|', '"', {'"fare and"': Kind.STRING}),
        Recolouring("a quote that turns all below", '        ""|fare of 12', '"', {"are of 12": Kind.STRING}),
    ]


def recolour(terminal: Terminal, screen: ColouredScreen, change: Recolouring) -> None:
    """Put the line there, and type and take back its key some times."""
    before, behind = change.before.split("|")
    terminal.send(_END + _DELETE_TO_START)
    terminal.drain(_QUIET_S, 5)
    terminal.paste(before + behind)
    terminal.send(_LEFT * len(behind))
    terminal.drain(2 * _QUIET_S, 5)
    row, _ = terminal.find((before + behind).strip())
    for _ in range(_TRIALS):
        mark = len(terminal.raw)
        change.note(screen.press(change.key, row))
        change.sizes.append(len(terminal.raw) - mark)
        terminal.send(_BACKSPACE)
        terminal.drain(_QUIET_S, 5)
