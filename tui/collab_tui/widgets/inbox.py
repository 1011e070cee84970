"""What is typed before it can be done: kept in order, done later, or taken as an answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from textual import events

Typed = events.Key | events.Paste

_TYPED_THOUGH_NOT_PRINTABLE: Final = frozenset("\u00a0\u3000\u200c\u200d\u202f")
"""Spaces of some scripts, and the joiners without which an emoji typed or composed falls apart."""


def text_of(event: events.Key) -> str | None:
    """Return what a key types; None for keys that type nothing."""
    character = event.character
    *modifiers, _ = event.key.split("+")
    if character is None or any(modifier != "shift" for modifier in modifiers):
        return None
    if character.isprintable() or character in _TYPED_THOUGH_NOT_PRINTABLE:
        return character
    return None


class Inbox:
    """Hands what is typed to `deliver`, in order; while it is closed, keeps it. It begins closed.

    `asks_to_quit(event)` says which key asks to leave, which cannot wait: `on_quit()` is called for it
    at once. Only before the first opening it waits for what was typed before it, once.
    """

    def __init__(
        self,
        deliver: Callable[[Typed], None],
        *,
        asks_to_quit: Callable[[Typed], bool],
        on_quit: Callable[[], object],
    ) -> None:
        self._deliver = deliver
        self._asks_to_quit = asks_to_quit
        self._on_quit = on_quit
        self._held: list[Typed] = []
        self._answer: Callable[[events.Key], None] | None = None
        self._has_opened = False
        self._is_opened = False
        self._waits = 0

    @property
    def is_open(self) -> bool:
        """Whether what comes is delivered at once."""
        return self._is_opened and not self._waits

    @property
    def holds_any(self) -> bool:
        """Whether something is kept for later."""
        return bool(self._held)

    def put(self, event: Typed) -> None:
        """Take what was typed."""
        if self.is_open:
            self._deliver(event)
        elif self._waits:
            self._held.append(event)
        elif self._answer is not None and isinstance(event, events.Key):
            self._answer(event)
        elif not self._asks_to_quit(event):
            self._held.append(event)
        elif self._has_opened or not self._held or any(map(self._asks_to_quit, self._held)):
            self._on_quit()
        else:
            self._held.append(event)

    def open(self) -> None:
        """Deliver what was kept, as far as nothing closes this again, and then all that comes."""
        self._is_opened = self._has_opened = True
        self._answer = None
        self._deliver_held()

    def wait(self) -> None:
        """Keep what comes, a wish to quit too, until `go_on`: something that comes before it is under way."""
        self._waits += 1

    def go_on(self) -> None:
        """Deliver what was kept since `wait`, if nothing else keeps it."""
        self._waits -= 1
        self._deliver_held()

    def _deliver_held(self) -> None:
        while self._held and self.is_open:
            self._deliver(self._held.pop(0))

    def close(self) -> None:
        """Keep what comes."""
        self._is_opened = False

    def divert(self, answer: Callable[[events.Key], None]) -> None:
        """Give keys to `answer`, a question on the screen, until `open`.

        What is kept is an answer only if it is one single key: nobody who goes on typing answers a
        question that they have not seen. Else it stays for the text.
        """
        self.close()
        self._answer = answer
        if len(self._held) == 1 and isinstance(first := self._held[0], events.Key):
            self._held.clear()
            answer(first)
