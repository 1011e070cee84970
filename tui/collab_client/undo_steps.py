"""Which edits are one step of undo: a word and the blanks behind it, or what is deleted in a row."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto
from typing import Final

_PAUSE_S: Final = 2.0
"""Typing after a longer pause begins a step of undo; within it, each word does."""


class Kind(Enum):
    """What an edit is to undo; another kind begins another step."""

    TYPING = auto()
    DELETING = auto()
    OTHER = auto()


class UndoSteps:
    """Tells of each edit whether it goes on with the step of the one before."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """`clock` gives seconds."""
        self._clock = clock
        self._edited_at = float("-inf")
        self._kind: Kind | None = None  # of the step that the next edit may go on with
        self._has_typed_blank = False

    def end(self) -> None:
        """Let the next edit begin a step."""
        self._kind = None

    def go_on(self) -> Kind:
        """Let an edit of the kind that is returned go on with the step of the one just before."""
        self._has_typed_blank = False
        return self._kind or Kind.OTHER

    def begins(self, kind: Kind, first: str, last: str) -> bool:
        """Note an edit that puts in `first`, and `last` at its last place; whether it begins a step.

        That is so for another kind, after a pause, or where a word begins.
        """
        now = self._clock()
        begins = (
            kind is not self._kind
            or now - self._edited_at >= _PAUSE_S
            or (kind is Kind.TYPING and self._has_typed_blank and not first[:1].isspace())
        )
        self._kind, self._edited_at, self._has_typed_blank = kind, now, last[-1:].isspace()
        return begins
