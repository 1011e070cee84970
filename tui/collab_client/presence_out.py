"""What is told to the others of the person here: carets, what they do, whom they follow, what they see.

All of it goes as one Presence, within the rate of `PresencePacer`, the newest wins.
"""

from __future__ import annotations

from collections.abc import Callable

from collab_client.activity import Attention
from collab_client.buffer import Buffer
from collab_client.lines import Position
from collab_protocol.presence import PresencePacer, View
from collab_protocol.sync import ClientSync


class PresenceOut:
    """Says it to `ClientSync` when it is due. `on_due()` is called when that may be earlier than it was."""

    def __init__(
        self, buffer: Buffer, sync: ClientSync, attention: Attention, clock: Callable[[], float]
    ) -> None:
        self.on_due: Callable[[], None] = lambda: None
        self.following = 0
        """The session whose view the person follows; 0 for none."""
        self._buffer = buffer
        self._sync = sync
        self._attention = attention
        self._clock = clock
        self._pacer = PresencePacer()
        self._view: tuple[Position, Position] | None = None

    def moved(self) -> None:
        """Note that something else is to be told, at once within the rate."""
        self._pacer.moved()
        self.on_due()

    def passed(self) -> None:
        """Note that what came from elsewhere has changed the text."""
        self._pacer.passed(self._clock())

    def follow(self, session: int) -> None:
        """Tell whom the person follows from now on."""
        if session != self.following:
            self.following = session
            self.moved()

    def show_view(self, top: Position, bottom: Position) -> None:
        """Take what is seen of the text, from the begin of its first row to the end of its last.

        Typing in the last row moves the end of it; that alone is told with the next that there is to tell.
        """
        was, self._view = self._view, (top, bottom)
        if was is None or was[0] != top or was[1].row != bottom.row:
            self.moved()

    def due_at(self) -> float | None:
        """Return when there is something to say; None while there is not."""
        return self._pacer.due_at()

    def say_if_due(self) -> None:
        """Say it if it is time. The text must be what the position in the log says."""
        due_at, now = self._pacer.due_at(), self._clock()
        if due_at is None or due_at > now:
            return
        carets = self._buffer.carets_to_send()
        self._sync.present(carets, self._attention.activity, self.following, self._view_to_send())
        self._pacer.sent(now)

    def _view_to_send(self) -> View | None:
        if self._view is None:
            return None
        lines = self._buffer.lines
        top, bottom = (lines.offset(lines.clamp(place)) for place in self._view)
        return View(top, bottom)
