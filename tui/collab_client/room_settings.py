"""What a room shares beside its text: the language, how it is indented, how wide a tab is.

Everybody in the room sees the same. The server's word counts, the last one wins; what is set here while
the link is gone counts here until the next link has taken it there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

LANGUAGE: Final = "language"
INDENT: Final = "indent"
"""`tabs`, or a number of blanks."""

TAB_WIDTH: Final = "tab_width"


class RoomSettings:
    """The settings of one room, by key. Values come from anybody: who uses one checks it.

    `on_change(key)` is called when a value is another; `on_wish()` when there is something to send.
    """

    def __init__(self) -> None:
        self.on_change: Callable[[str], None] = lambda _: None
        self.on_wish: Callable[[], None] = lambda: None
        self._values: dict[str, str] = {}
        self._wishes: dict[str, str] = {}
        self._sent: set[str] = set()

    def get(self, key: str) -> str:
        """Return the value of `key`; empty when nobody has set it."""
        return self._wishes.get(key, self._values.get(key, ""))

    def set(self, key: str, value: str) -> None:
        """Set `key` for everybody. It counts here at once; empty has it found out from the text again."""
        before = self.get(key)
        self._wishes[key] = value
        self._sent.discard(key)
        self.on_wish()
        if value != before:
            self.on_change(key)

    def entered(self, settings: Iterable[tuple[str, str]]) -> None:
        """Take what the room has as a link begins."""
        before = {key: self.get(key) for key in (*self._values, *self._wishes)}
        self._values = dict(settings)
        self._sent.clear()
        for key in dict.fromkeys((*before, *self._values)):
            if self.get(key) != before.get(key, ""):
                self.on_change(key)

    def changed(self, key: str, value: str) -> None:
        """Take what the room has from now on."""
        before = self.get(key)
        self._values[key] = value
        if key in self._sent:  # ours, or that of somebody else, behind or in front of which ours comes
            self._sent.discard(key)
            del self._wishes[key]
        if self.get(key) != before:
            self.on_change(key)

    def to_send(self) -> list[tuple[str, str]]:
        """Return what this link has not been told yet."""
        due = [(key, value) for key, value in self._wishes.items() if key not in self._sent]
        self._sent.update(key for key, _ in due)
        return due
