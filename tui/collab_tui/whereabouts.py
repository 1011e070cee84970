"""Where the text is saved, told when somebody asks, and taken back when it is so no more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from collab_client.status import Status, where_saved

if TYPE_CHECKING:
    from collab_tui.app_config import Session
    from collab_tui.toasts import Toasts

_SETTLE_S: Final = 1.0
"""How long the receipt of what was just typed is waited for, before it is said how things stand."""


class Whereabouts:
    """Tells them; `server` is what people call it."""

    def __init__(self, toasts: Toasts, server: str) -> None:
        self._toasts = toasts
        self._server = server
        self._told: tuple[str, tuple[object, ...]] | None = None  # the words, and what they were of

    async def tell(self, session: Session) -> None:
        """Tell where the text is, once what was just typed has had time to get there."""
        if session.unsaved:
            await session.settle(_SETTLE_S)
        status = session.status
        text = where_saved(status, session.kept, self._server)
        self._told = text, _deciding(status, session.kept)
        self._toasts.tell(text)

    def status_changed(self, status: Status, kept: int) -> None:
        """Take back what was told and is so no more; `kept` is how many changes the journal has."""
        if self._told is not None and self._told[1] != _deciding(status, kept):
            self._toasts.clear(self._told[0])
            self._told = None


def _deciding(status: Status, kept: int) -> tuple[object, ...]:
    """Return what decides on where the text is, and not when it is tried again."""
    return status.kind, status.unsaved, kept, status.reason
