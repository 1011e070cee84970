"""What is true of a session's text and link just now, told as a `Status` when it is another."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from collab_client import status as say
from collab_client.calling import Caller
from collab_client.document import Document
from collab_client.listeners import Listeners
from collab_client.status import Status, StatusKind
from collab_protocol.events import Dismissed, Refused
from collab_protocol.sync import Phase

_SAVING_SHOWN_AFTER_S: Final = 1 / 60
"""A receipt within one frame of a screen shows no flicker; "saved" is never said longer than it is true."""


class Truth:
    """Looks at a document and at who calls for it, and tells `listeners` when `status` is another.

    What the server said on ending a link, and whether there was one, is the owner's to set.
    """

    def __init__(
        self, document: Document, caller: Caller, listeners: Listeners, clock: Callable[[], float]
    ) -> None:
        self.refusal: Refused | None = None
        self.dismissal: Dismissed | None = None
        self.asks_person = False
        """Whether nothing is tried again before a person has answered what is asked."""
        self.has_connected = False
        self.status = say.connecting()
        self._document = document
        self._caller = caller
        self._listeners = listeners
        self._clock = clock
        self._held_timer: asyncio.TimerHandle | None = None

    def publish(self) -> None:
        """Tell when something else is true now."""
        status = self._now()
        if status == self.status:
            return
        if self._may_wait(status):
            if self._held_timer is None:
                loop = asyncio.get_running_loop()
                self._held_timer = loop.call_later(_SAVING_SHOWN_AFTER_S, self._show)
            return
        self._show()

    def close(self) -> None:
        """Tell nothing more that waits."""
        if self._held_timer is not None:
            self._held_timer.cancel()

    @property
    def is_held_back(self) -> bool:
        """Whether there are changes that are not sent, because the person may only read here."""
        document = self._document
        may_write = document.welcome is None or document.welcome.role.may_write
        return document.sync.phase is Phase.LIVE and not may_write and document.unsaved > 0

    def _may_wait(self, status: Status) -> bool:
        """Return whether what is shown may stand one frame more: a receipt or the journal is on its way."""
        document = self._document
        if status.kind is StatusKind.SAVING:
            return self.status.kind in (StatusKind.SAVED, StatusKind.NOT_STORED)
        is_journalling = document.kept < document.unsaved and not document.journal_trouble
        return status.kind is self.status.kind is StatusKind.OFFLINE and is_journalling

    def _show(self) -> None:
        if self._held_timer is not None:
            self._held_timer.cancel()
            self._held_timer = None
        status = self._now()
        if status != self.status:
            self.status = status
            self._listeners.on_status(status)

    def _now(self) -> Status:
        document, caller = self._document, self._caller
        unsaved, kept = document.unsaved, document.kept
        if self.refusal is not None:
            return say.refused(unsaved, self.refusal.message, kept, is_over=True)
        match document.sync.phase:
            case Phase.LIVE if document.is_applying and not self.has_connected:
                return say.loading(unsaved)
            case Phase.LIVE if self.is_held_back:
                return say.refused(unsaved, "you may only read here", kept)
            case Phase.LIVE if document.trouble:
                return say.refused(unsaved, document.trouble, kept)
            case Phase.LIVE if document.unplaced:
                return say.refused(unsaved, "server lost text this depends on", kept)
            case Phase.LIVE if document.welcome is not None:
                is_durable = document.welcome.is_durable
                return say.saving(unsaved) if unsaved else say.saved(is_durable=is_durable)
            case Phase.LOADING:
                return say.loading(unsaved)
            case _ if not self.has_connected and caller.is_connecting:
                return say.connecting(unsaved)
            case Phase.HELLO if not self.has_connected:
                return say.connecting(unsaved)
            case _:
                retry_in_s = None if caller.retry_at is None else max(0.0, caller.retry_at - self._clock())
                if self.dismissal is not None and self.dismissal.is_busy:
                    return say.busy(unsaved, retry_in_s, kept)
                return say.offline(
                    unsaved,
                    retry_in_s,
                    kept,
                    is_connecting=caller.is_connecting,
                    asks_person=self.asks_person and not caller.is_connecting,
                )
