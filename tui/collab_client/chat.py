"""What people in the room say to each other beside the text, as far as this window has heard it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from collab_protocol import limits
from collab_protocol.messages import Said
from collab_protocol.presence import Author

READERS_CHAT: Final = "readers_chat"
"""The room's setting that lets those chat who may only read, when it is `on`."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line, number `n` of the room's, said `at` UTC seconds; `is_mine`: by the person of this window."""

    n: int
    at: float
    author: Author
    text: str
    is_mine: bool


class Chat:
    """The newest lines. `read_n` is the last one that the person has read, in whichever run of the program.

    `on_read(read_n)` is called when that moves on, `on_change(is_new)` when a line came or was read: with
    True for one that somebody else has just said.
    """

    def __init__(self, read_n: int, on_read: Callable[[int], None]) -> None:
        self.on_change: Callable[[bool], None] = lambda is_new: None
        self.read_n = read_n
        self._on_read = on_read
        self._lines: list[Line] = []
        self._unread = 0
        self._room: tuple[bytes, bytes] | None = None

    @property
    def lines(self) -> Sequence[Line]:
        """The lines, oldest first, at most `limits.CHAT_KEPT`."""
        return self._lines

    @property
    def unread(self) -> int:
        """How many of them are another's and not read."""
        return self._unread

    def read(self) -> None:
        """Note that all has been read."""
        if self._lines and self._lines[-1].n > self.read_n:
            self.read_n = self._lines[-1].n
            self._unread = 0
            self._on_read(self.read_n)
            self.on_change(False)

    def entered(self, lineage: bytes, epoch: bytes) -> None:
        """Take which room and store it is: in another one than before, lines are counted anew."""
        room = (lineage, epoch)
        if self._room not in (None, room):
            self.read_n = 0
            self._lines.clear()
            self._unread = 0
            self.on_change(False)
        self._room = room

    def said(self, said: Said, *, is_mine: bool) -> None:
        """Take a line; one that is here already is passed over."""
        is_counted_anew = said.is_new
        if self._lines and said.n <= self._lines[-1].n:
            if not said.is_new and not self._is_another(said):
                return
            # The server came back from a backup, and has lost the lines from here on.
            is_counted_anew = True
            self._lines[:] = [line for line in self._lines if line.n < said.n]
        if is_counted_anew and said.n <= self.read_n:
            self.read_n = said.n - 1  # it was read in a room that has been made anew since
        self._lines.append(Line(said.n, said.at_ms / 1000, said.author, said.text, is_mine))
        if len(self._lines) > limits.CHAT_KEPT:
            del self._lines[0]
        self._unread = sum([line.n > self.read_n and not line.is_mine for line in self._lines])
        self.on_change(said.is_new and not is_mine)

    def _is_another(self, said: Said) -> bool:
        """Return whether the line of that number which is here is not the one that was said."""
        here = [line for line in self._lines if line.n == said.n]
        return any((line.at, line.text) != (said.at_ms / 1000, said.text) for line in here)
