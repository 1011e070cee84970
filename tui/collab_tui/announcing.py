"""What happens in the room as plain lines, for people who do not see the screen: who came, what is saved, …

Nothing is said for each key: that somebody types at a line now and then, that all is saved when typing has
paused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Final

from collab_client.people import Doing
from collab_client.status import Status, StatusKind
from collab_tui.safe_text import safe_name, safe_text

if TYPE_CHECKING:
    from collab_client.chat import Line
    from collab_client.people import News, Someone
    from collab_tui.following import Leader

_TYPING_S: Final = 5.0
_TYPING_ELSEWHERE_S: Final = 2.0
"""How often it is said that somebody types: in the same line, and in another one."""

_SETTLE_S: Final = 0.3
"""A row comes a moment before its author's caret does, and the line to be told is the caret's."""

_LOOK_S: Final = 1.0
_PAUSE_S: Final = 1.5
"""How long the status stands still until it is said."""


class Announcing:
    """Says it to each of `outlets`. It is told of everything, and chooses."""

    def __init__(
        self,
        outlets: Sequence[Callable[[str], object]],
        *,
        everybody: Callable[[], Iterable[Someone]],
        later: Callable[[float, Callable[[], None]], object],
        clock: Callable[[], float],
    ) -> None:
        """`everybody()` are the people in the room as they are now; `later(seconds, call)` is a timer."""
        self._outlets = outlets
        self._everybody = everybody
        self._later = later
        self._clock = clock
        self._typing: dict[str, tuple[float, int]] = {}  # when, and in which row, it was said of whom
        self._is_looking = False
        self._leader: Leader | None = None
        self._state: tuple[StatusKind, int, int] | None = None  # with changes unsaved, and kept here
        self._words = ""
        self._changed_at = 0.0
        self._is_pausing = False
        self._said = ""
        self._has_typed = False

    def say(self, text: str) -> None:
        """Say `text` as one line."""
        line = safe_text(" ".join(text.split()))
        for outlet in self._outlets:
            outlet(line)

    def came_or_went(self, news: News) -> None:
        """Say who joined and who left."""
        for names, word in ((news.joined, "joined"), (news.left, "left")):
            for name in names:
                self.say(f"{safe_name(name)} {word}")

    def asked_to_look(self, name: str, row: int | None) -> None:
        """Say that somebody asks to look where they are."""
        where = "where they are" if row is None else f"at line {row + 1}"
        self.say(f"{safe_name(name)} asks you to look {where}")

    def chatted(self, line: Line) -> None:
        """Say what somebody has said."""
        self.say(f"chat from {safe_name(line.author.name)}: {line.text}")

    def following(self, leader: Leader | None) -> None:
        """Say who is followed, once they are there."""
        if leader is None:
            words = "" if self._leader is None else f"no longer following {safe_name(self._leader.name)}"
        elif leader.is_here:
            words = f"following {safe_name(leader.name)}"
        else:
            words = f"waiting for {safe_name(leader.name)}"
        before, self._leader = self._leader, leader
        if words and (before is None or leader is None or before.is_here != leader.is_here):
            self.say(words)

    def people_changed(self) -> None:
        """Say in a moment who types where, and look again while somebody does."""
        if not self._is_looking and self._who_types():
            self._is_looking = True
            self._later(_SETTLE_S, self._look)

    def _who_types(self) -> list[Someone]:
        return [each for each in self._everybody() if each.doing is Doing.TYPING and not each.is_me]

    def _look(self) -> None:
        typing = self._who_types()
        now = self._clock()
        for someone in typing:
            row = -1 if someone.head is None else someone.head.row
            said_at, said_row = self._typing.get(someone.principal, (float("-inf"), -1))
            if now - said_at >= (_TYPING_S if row == said_row else _TYPING_ELSEWHERE_S):
                self._typing[someone.principal] = (now, row)
                where = "" if row < 0 else f" at line {row + 1}"
                self.say(f"{safe_name(someone.name)} typing{where}")
        self._typing = {who: said for who, said in self._typing.items() if now - said[0] < _TYPING_S}
        self._is_looking = bool(typing)
        if typing:
            self._later(_LOOK_S, self._look)

    def typed(self) -> None:
        """Note that the person has changed the text: where that is, is said when they pause."""
        self._has_typed = True
        self._wait_for_pause()

    def status_changed(self, status: Status, kept: int) -> None:
        """Say what is true of one's text, once it has stood for a moment; `kept` changes are on this disk."""
        state = status.kind, status.unsaved, kept
        if state == self._state:
            return  # only the seconds until the next try are others
        self._state = state
        self._words = _words(status, kept)
        self._has_typed |= status.unsaved > 0
        self._wait_for_pause()

    def _wait_for_pause(self) -> None:
        self._changed_at = self._clock()
        if not self._is_pausing:
            self._is_pausing = True
            self._later(_PAUSE_S, self._paused)

    def _paused(self) -> None:
        rest_s = self._changed_at + _PAUSE_S - self._clock()
        if rest_s > 0:
            self._later(rest_s, self._paused)
            return
        self._is_pausing = False
        if self._words and (self._words != self._said or self._has_typed):
            self._said, self._has_typed = self._words, False
            self.say(self._words)


def _words(status: Status, kept: int) -> str:
    """Return what to say of `status`; nothing while it is about to be another."""
    match status.kind:
        case StatusKind.SAVED:
            return "saved"
        case StatusKind.NOT_STORED:
            return "shared, not stored"
        case StatusKind.OFFLINE:
            return "offline" + _where(status.unsaved, kept)
        case StatusKind.BUSY:
            return "server busy" + _where(status.unsaved, kept)
        case StatusKind.REFUSED:
            return status.text.removeprefix("✗ ")
        case StatusKind.CONNECTING | StatusKind.LOADING | StatusKind.SAVING:
            return ""


def _where(unsaved: int, kept: int) -> str:
    """Say where changes are that no server has."""
    if not unsaved:
        return ""
    count = f", {unsaved} {'change' if unsaved == 1 else 'changes'}"
    if kept == unsaved:
        return f"{count} kept on this machine"
    where = "only in this window"
    return f"{count}, {unsaved - kept} of them {where}" if kept else f"{count} {where}"
