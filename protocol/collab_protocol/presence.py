"""Values of presence: who is in a room, where their carets are, and what they are doing."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from collab_protocol import limits


class Role(StrEnum):
    """What a session may do in a room."""

    READ = "read"
    WRITE = "write"
    ADMIN = "admin"

    @property
    def may_write(self) -> bool:
        return self is not Role.READ


class Activity(StrEnum):
    """What a person is doing. LOST and GONE are said by the server alone, once, when a session ends.

    LOST says that its connection broke: whoever it is may be back in a moment (since version 3).
    """

    ACTIVE = "active"
    IDLE = "idle"
    AWAY = "away"
    LOST = "lost"
    GONE = "gone"

    @property
    def is_over(self) -> bool:
        """Whether the session has ended."""
        return self in (Activity.LOST, Activity.GONE)


UNIX: Final = "unix:"
"""What the principal of an account begins with: unix:ACCOUNT, or unix:ACCOUNT/NAME under another name."""


def account_of(principal: str) -> str:
    """Return the account that the server's kernel vouches for; "" for who has come another way."""
    return principal.removeprefix(UNIX).partition("/")[0] if principal.startswith(UNIX) else ""


@dataclass(frozen=True, slots=True)
class Person:
    """One session in a room, as the server vouches for it.

    `session` is unique on a server while it runs; `principal` is the same for one person in two
    terminals; `colour` is an index that no two principals of a room share while there are free ones.
    """

    session: int
    principal: str
    name: str
    role: Role
    colour: int


@dataclass(frozen=True, slots=True)
class Caret:
    """A caret and its selection, as UTF-8 offsets into the text; equal when nothing is selected."""

    head: int
    anchor: int


@dataclass(frozen=True, slots=True)
class View:
    """What of the text a person sees: from offset `top`, where a row begins, to `bottom`, in UTF-8."""

    top: int
    bottom: int


@dataclass(frozen=True, slots=True)
class Author:
    """One who has written in a room, be it long ago."""

    principal: str
    name: str
    colour: int


class PresencePacer:
    """Decides when this session's own caret is sent: newest wins, at most 20 times a second.

    Two things make it due: the person moved or edited (at once, within the rate), or a remote edit
    was applied since it was last sent, moved or not (once traffic has been quiet for
    `limits.CARET_SETTLE_S`). With the second rule every simulated room ended with every caret right;
    with "only if it was moved" four in ten did not (DESIGN section 9).
    """

    def __init__(self) -> None:
        self._moved = False
        self._passed_at: float | None = None
        self._sent_at = float("-inf")

    def moved(self) -> None:
        """Note that the person moved a caret, edited, or changed activity."""
        self._moved = True

    def passed(self, now: float) -> None:
        """Note that a remote edit was applied at `now`."""
        self._passed_at = now

    def due_at(self) -> float | None:
        """Return the time from which the caret should be sent; None while there is no need."""
        at: list[float] = []
        if self._moved:
            at.append(self._sent_at + limits.PRESENCE_INTERVAL_S)
        if self._passed_at is not None:
            at.append(self._passed_at + limits.CARET_SETTLE_S)
        return min(at, default=None)

    def sent(self, now: float) -> None:
        """Note that the caret as it is now was sent."""
        self._moved = False
        self._passed_at = None
        self._sent_at = now
