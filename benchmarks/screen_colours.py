"""When one row of a terminal's window got the colours that it kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

from tests.e2e.screen import Screen
from tests.e2e.terminal import Terminal

from benchmarks.editors import COLUMNS, ROWS
from collab_syntax.kinds import Kind
from collab_tui.palette import Theme
from collab_tui.syntax_inks import SYNTAX_INKS

_SETTLED_S: Final = 0.12
"""A row that has not changed for so long is as it will be."""

_MOST_S: Final = 3.0


def ink(kind: Kind) -> str:
    """Return six hexadecimal digits: the colour of `kind` where the terminal is dark, as the bench's is."""
    return (SYNTAX_INKS[Theme.DARK][kind].fg or "").removeprefix("#")


def ink_bytes(kind: Kind) -> bytes:
    """Return how that colour is asked for (ECMA-48's SGR, with ISO 8613-6's 24 bits)."""
    red, green, blue = bytes.fromhex(ink(kind))
    return b"38;2;%d;%d;%d" % (red, green, blue)


class Row(NamedTuple):
    """A row of the window, without the scrollbar's cell: a colour for each cell."""

    text: str
    colours: tuple[str, ...]

    def shows(self, kinds: Mapping[str, Kind]) -> bool:
        """Whether each of these pieces of text is there in the colour of its kind."""
        for piece, kind in kinds.items():
            at = self.text.find(piece)
            cells = zip(piece, self.colours[at : at + len(piece)], strict=True)
            if at < 0 or any(colour != ink(kind) for sign, colour in cells if sign != " "):
                return False
        return True


class Drawn(NamedTuple):
    """What a key did to a row: the times are perf_counter's."""

    sent_at: float
    text_at: float
    """When the row's text was what it then stayed."""
    colours_at: float
    first: Row
    """As it was with the new text for the first time."""
    last: Row


class ColouredScreen(Screen):
    """The window of one terminal, read a chunk at a time."""

    def __init__(self, terminal: Terminal) -> None:
        super().__init__(COLUMNS, ROWS)
        self._terminal = terminal
        self._fed = 0

    def catch_up(self) -> None:
        """Take all that was read."""
        self._take(len(self._terminal.raw))

    def row(self, row: int) -> Row:
        """Return what a row looks like."""
        cells = [self._canvas.buffer[row][column] for column in range(COLUMNS - 1)]
        return Row("".join(cell.data for cell in cells), tuple(cell.fg for cell in cells))

    def press(self, key: str, row: int) -> Drawn:
        """Type `key`, read until the terminal rests, and find out when `row` was right."""
        terminal = self._terminal
        self.catch_up()
        sent_at = terminal.send(key)
        ends: list[int] = []
        while terminal.pump(_SETTLED_S) and terminal.stamp(len(terminal.raw)) - sent_at < _MOST_S:
            ends.append(len(terminal.raw))
        seen: list[tuple[float, Row]] = [(sent_at, self.row(row))]
        for end in ends:
            self._take(end)
            seen.append((terminal.stamp(end), self.row(row)))
        last = seen[-1][1]
        text_at, first = _since(seen, lambda look: look.text == last.text)
        colours_at, _ = _since(seen, lambda look: look == last)
        return Drawn(sent_at, text_at, colours_at, first, last)

    def _take(self, end: int) -> None:
        self.feed(bytes(self._terminal.raw[self._fed : end]))
        self._fed = end


def _since(seen: Sequence[tuple[float, Row]], is_so: Callable[[Row], bool]) -> tuple[float, Row]:
    """Return since when, without a break until the end, `is_so`, which it is at the end."""
    at = len(seen) - 1
    while at > 0 and is_so(seen[at - 1][1]):
        at -= 1
    return seen[at]
