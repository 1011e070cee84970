"""Stores what a server gives in exchange for an invite, without the editor waiting for the disk."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from collab_cli.credentials import Credentials, Stored
from collab_cli.exits import UsageError

if TYPE_CHECKING:
    from collab_protocol.messages import Credential

_log = logging.getLogger(__name__)

_MS: Final = 1000.0


class CredentialKeeper:
    """Keeps the newest credential for one room; made and used on the event loop."""

    def __init__(self, stored: Credentials, server: str, room: str) -> None:
        self.on_trouble: Callable[[str], None] = lambda text: None
        """Told what went wrong: the next join will want the link again."""
        self._stored = stored
        self._server = server
        self._room = room
        self._newest: Stored | None = None
        self._writing: asyncio.Task[None] | None = None

    def granted(self, credential: Credential) -> None:
        """Store `credential` soon, in place of the one before."""
        expires_ms = credential.expires_ms
        self._newest = Stored(credential.token, None if expires_ms is None else expires_ms / _MS)
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write(), name="credential")

    async def _write(self) -> None:
        while self._newest is not None:
            newest, self._newest = self._newest, None
            try:
                await asyncio.to_thread(self._stored.save, self._server, self._room, newest)
            except UsageError as error:
                _log.error("the access to %s cannot be kept: %s", self._room, error)
                self.on_trouble(f"your access to this room is not kept on this machine: {error}")
        while self._stored.complaints:
            self.on_trouble(self._stored.complaints.pop(0))
