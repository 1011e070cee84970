"""What the app calls once it has painted: loads the CRDT and the network, and makes Buffer and Session."""

from __future__ import annotations

import asyncio
import importlib
import os
import random
import time
from typing import TYPE_CHECKING, Final

from collab_cli.config import JoinSettings
from collab_cli.recent import remember_room
from collab_cli.targets import Target

if TYPE_CHECKING:
    from collab_cli.local_server import LocalServer
    from collab_client.buffer import Buffer
    from collab_client.link import WebSocketLink
    from collab_client.session import Session

SERVER_OUTPUT: Final = "server.out"

_CLIENT_ID_BYTES: Final = 4
"""What Yjs itself draws; larger ids were mis-merged by some versions of its Rust port (y-crdt #221)."""

_NONCE_BYTES: Final = 16
_LOADED_LATE: Final = (
    "collab_client.buffer",
    "collab_client.session",
    "collab_client.link",
    "collab_cli.local_server",
)


async def start_session(target: Target, settings: JoinSettings, device: bytes) -> tuple[Buffer, Session]:
    """Return a buffer and the session that will keep it in step with `target`; nothing is connected yet.

    What is slow to load is loaded in a thread, so that keys typed meanwhile are taken.
    """
    await asyncio.to_thread(_load)
    from collab_client.buffer import Buffer
    from collab_client.session import Session
    from collab_protocol.sync import Identity
    from collab_protocol.text import Replica

    buffer = Buffer(Replica(int.from_bytes(os.urandom(_CLIENT_ID_BYTES), "big"), undo_clock=time.monotonic))
    buffer.read_only = settings.is_read_only
    session = Session(
        buffer,
        Identity(nonce=os.urandom(_NONCE_BYTES), device=device, name=settings.name, colour=settings.colour),
        connect=Connector(target, settings).connect,
        dice=random.random,
    )
    return buffer, session


def _load() -> None:
    for module in _LOADED_LATE:
        importlib.import_module(module)


class Connector:
    """Opens one link after another to one room, and remembers the room when the first has opened."""

    def __init__(self, target: Target, settings: JoinSettings) -> None:
        from collab_cli.local_server import LocalServer

        self._target = target
        self._recent_file = settings.folders.recent_file
        self._is_remembered = False
        self._local: LocalServer | None = None
        if target.server is None:
            folders = settings.folders
            self._local = LocalServer(
                folders.data,
                private_socket=folders.socket(folders.data, is_private=True),
                output_file=folders.logs / SERVER_OUTPUT,
            )

    async def connect(self) -> WebSocketLink:
        """Open a link. Raises: LinkError."""
        link = await self._open()
        if not self._is_remembered:
            self._is_remembered = True
            await asyncio.to_thread(remember_room, self._recent_file, str(self._target))
        return link

    async def _open(self) -> WebSocketLink:
        from collab_client.link import Address, open_link

        room, server = self._target.room, self._target.server
        if self._local is not None:
            return await self._local.reach(lambda path: open_link(Address(room, unix_path=path)))
        if server is not None and server.url is not None:
            return await open_link(Address(room, url=server.url))
        return await open_link(Address(room, unix_path=server.unix_path if server else None))
