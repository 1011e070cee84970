"""What people say to each other in a room: which lines come in, and which of them newcomers are shown."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from collab_protocol import limits
from collab_protocol.messages import Said
from collab_protocol.presence import Author, Person
from collab_server.store.base import ChatLine


class Chat:
    """The newest lines of one room, and the numbers of those to come."""

    def __init__(self, room: str, lines: Iterable[ChatLine]) -> None:
        """`lines` are the newest on disk, in order."""
        self._room = room
        self._shown: deque[Said] = deque(map(_as_said, lines), maxlen=limits.CHAT_SHOWN)
        self._last_n = self._shown[-1].n if self._shown else 0

    @property
    def shown(self) -> tuple[Said, ...]:
        """The lines that a newcomer gets, all of them on disk."""
        return tuple(self._shown)

    def next_line(self, person: Person, text: str, at: float) -> ChatLine:
        """Return `text` as the room's next line, to be brought to disk."""
        self._last_n += 1
        return ChatLine(self._room, self._last_n, at, person.principal, person.name, person.colour, text)

    def committed(self, line: ChatLine) -> Said:
        """Note that `line` is on disk; returns what everybody is told."""
        self._shown.append(_as_said(line))
        return _as_said(line, is_new=True)


def why_not(line: str) -> str:
    """Return why `line` cannot be said, for people; empty when it can."""
    if not line:
        return "there is nothing in that line"
    if len(line) > limits.CHAT_CHARACTERS:
        return f"a line may have {limits.CHAT_CHARACTERS} characters, that one has {len(line)}"
    return ""


def _as_said(line: ChatLine, *, is_new: bool = False) -> Said:
    author = Author(line.principal, line.name, line.colour)
    return Said(line.n, round(line.at * 1000), author, line.text, is_new)
