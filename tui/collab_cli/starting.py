"""What the app calls once it has painted: loads the CRDT and the network, and makes Buffer and Session."""

from __future__ import annotations

import asyncio
import importlib
import logging
import os
import random
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from collab_cli.copies import keep_copy
from collab_cli.read_lines import ReadLines, last_read
from collab_cli.recent import remember_room
from collab_cli.settings.joining import JoinSettings
from collab_cli.targets import Target
from collab_protocol.errors import LinkError, StoreError

if TYPE_CHECKING:
    from collab_cli.local_server import LocalServer
    from collab_cli.ssh.dialling import SshDialler
    from collab_client.buffer import Buffer
    from collab_client.journal import Contents, Journal
    from collab_client.link import WebSocketLink
    from collab_client.replay import Replayed
    from collab_client.session import Session
    from collab_protocol.text import Replica

_log = logging.getLogger(__name__)

SERVER_OUTPUT: Final = "server.out"

_CALLER_BYTES: Final = 8
_CLIENT_ID_BYTES: Final = 4
"""What Yjs itself draws; larger ids were mis-merged by some versions of its Rust port (y-crdt #221)."""

_NONCE_BYTES: Final = 16
_M_MMAP_THRESHOLD: Final = -3  # malloc.h
_MMAP_BYTES: Final = 128 * 1024
"""glibc's own starting value (mallopt(3)); setting it keeps it from growing."""

Connect = Callable[[], Awaitable["WebSocketLink"]]
"""Opens a link. Raises: LinkError."""

_LOADED_LATE: Final = (
    "collab_client.document",
    "collab_client.journal",
    "collab_client.session",
    "collab_client.link",
    "collab_cli.local_server",
)


async def start_session(
    target: Target,
    settings: JoinSettings,
    device: bytes,
    dialler: SshDialler | None = None,
    connect: Connect | None = None,
) -> tuple[Buffer, Session]:
    """Return the text as the journal has it, and the session that will keep it in step; nothing is connected.

    `dialler` reaches a server that is reached by ssh; `connect` opens a link some way of its own. What is
    slow to load is loaded in a thread, so that keys typed meanwhile are taken.

    Raises:
        StoreError: a newer collab wrote the journal.
    """
    await asyncio.to_thread(_load)
    from collab_client.document import Document
    from collab_client.session import Session
    from collab_protocol.sync import Identity

    last_here = await asyncio.to_thread(_last_here, target, settings)
    journal, contents, told, replayed = await _replayed_journal(target, settings, device)
    document = Document(
        replayed,
        contents,
        Identity(
            nonce=os.urandom(_NONCE_BYTES),
            # A journal that was copied from another machine goes on as that one's: its rows are bound to it.
            device=contents.origin.device,
            name=settings.name,
            colour=settings.colour,
            token=target.token,
        ),
        journal=journal,
        make_replica=_draw_replica,
        keep_copy=lambda text: keep_copy(settings.folders.copies, target.room, text),
        now=time.time,
    )
    document.buffer.read_only = settings.is_read_only
    session = Session(
        document,
        journal=journal,
        connect=None if settings.is_offline else connect or Connector(target, settings, dialler).connect,
        dice=random.random,
        greeting=told,
        read_n=await asyncio.to_thread(last_read, settings.folders.read_file, str(target)),
        on_read=ReadLines(settings.folders.read_file, str(target), run=_in_a_thread).read,
        last_here=last_here,
    )
    _keep_credentials(target, settings, session)
    if journal is not None:
        journal.begin(asyncio.get_running_loop())
    return document.buffer, session


def _keep_credentials(target: Target, settings: JoinSettings, session: Session) -> None:
    """Have what the server gives in exchange for an invite stored, for the next join."""
    if target.server is None or not target.server.takes_token:
        return
    from collab_cli.credential_keeper import CredentialKeeper
    from collab_cli.credentials import Credentials

    stored = Credentials(settings.folders.credentials_file)
    keeper = CredentialKeeper(stored, str(target.server), target.room)
    keeper.on_trouble = lambda text: session.on_notice(text)  # noqa: PLW0108  # the screen sets it later
    session.on_granted = keeper.granted


def _open_journal(
    target: Target, settings: JoinSettings, device: bytes, *, is_no_text: bool = False
) -> tuple[Journal | None, Contents, str]:
    """Return the journal of `target`; None with an empty one where there cannot be one."""
    from collab_client.journal import Contents, Origin, open_journal
    from collab_client.journal_steps import JournalNewer

    server, path = _place(target, settings)
    origin = Origin(server, target.room, device)
    try:
        return open_journal(path, origin, is_no_text=is_no_text)
    except JournalNewer:
        raise
    except StoreError as error:
        _log.error("no journal: %s", error)
        return None, Contents(origin), f"no journal, changes are only in this window: {error}"


def has_journal(target: Target, settings: JoinSettings) -> bool:
    """Tell whether something of `target` is kept on this machine already."""
    from collab_client.journal_file import may_hold_text

    return may_hold_text(_place(target, settings)[1])


def _place(target: Target, settings: JoinSettings) -> tuple[str, Path]:
    """Return the name of the server in journals, and where the journal of `target` is."""
    from collab_client.journal import journal_path

    server = str(settings.folders.data if target.server is None else target.server)
    return server, journal_path(settings.folders.journals, server, target.room)


def _last_here(target: Target, settings: JoinSettings) -> float | None:
    """Return when the journal was written last, in seconds (UTC); None when there is none yet."""
    _, path = _place(target, settings)
    try:
        return max(file.stat().st_mtime for file in (path, Path(f"{path}-wal")) if file.exists())
    except (OSError, ValueError):
        return None


def _in_a_thread(call: Callable[[], None]) -> None:
    asyncio.get_running_loop().run_in_executor(None, call)


async def _replayed_journal(
    target: Target, settings: JoinSettings, device: bytes
) -> tuple[Journal | None, Contents, str, Replayed]:
    """Return the journal, what is in it, what is to be told of it, and the text that it makes."""
    from collab_client.journal_steps import JournalDamaged

    journal, contents, told = await asyncio.to_thread(_open_journal, target, settings, device)
    try:
        return journal, contents, told, await _replayed(contents)
    except JournalDamaged as error:
        _log.error("%s", error)
        if journal is not None:
            journal.abandon()
    journal, contents, told = await asyncio.to_thread(
        _open_journal, target, settings, device, is_no_text=True
    )
    return journal, contents, told, await _replayed(contents)


async def _replayed(contents: Contents) -> Replayed:
    from collab_client.replay import replay

    replaying = replay(contents, _draw_replica())
    while True:
        try:
            next(replaying)
        except StopIteration as done:
            replayed: Replayed = done.value
            return replayed
        await asyncio.sleep(0)


def _draw_replica() -> Replica:
    from collab_protocol.text import Replica

    return Replica(int.from_bytes(os.urandom(_CLIENT_ID_BYTES), "big"), has_undo=True)


def _load() -> None:
    _give_memory_back()
    for module in _LOADED_LATE:
        importlib.import_module(module)


def _give_memory_back() -> None:
    """Have glibc take large blocks from the system, and give them back when they are free.

    Left to itself it keeps what loading took: 172 MB with a text of 10 MB in the editor, 78 so.
    """
    import ctypes

    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # glibc's alone
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _MMAP_BYTES)


class Connector:
    """Opens one link after another to one room, and remembers the room when the first has opened."""

    def __init__(self, target: Target, settings: JoinSettings, dialler: SshDialler | None = None) -> None:
        from collab_cli.local_server import LocalServer

        self._target = target
        self._dialler = dialler
        self._recent_file = settings.folders.recent_file
        self._is_remembered = False
        self._caller = os.urandom(_CALLER_BYTES).hex()
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
        if self._dialler is not None:
            try:
                return await self._open_by_ssh(self._dialler)
            except LinkError as error:
                if not (isinstance(error.__cause__, TimeoutError) and self._dialler.led_nowhere()):
                    raise
            return await self._open_by_ssh(self._dialler)
        if server is not None and server.url is not None:
            return await open_link(Address(room, url=server.url), caller=self._caller)
        return await open_link(Address(room, unix_path=server.unix_path if server else None))

    async def _open_by_ssh(self, dialler: SshDialler) -> WebSocketLink:
        from collab_cli.local_server import is_nobody_there
        from collab_client.link import Address, open_link

        server = self._target.server
        is_tcp = server is not None and server.takes_token
        pipe = await dialler.open()
        link = None
        try:
            link = await open_link(
                Address(self._target.room, name=str(self._target)),
                caller=self._caller if is_tcp else "",
                pipe=pipe.socket,
                on_closed=pipe.end_soon,
            )
            return link
        except LinkError as error:
            if is_tcp and is_nobody_there(error):  # ssh knows why; of a relay we would have heard
                raise await asyncio.to_thread(dialler.told, pipe) from error
            raise
        finally:
            if link is None:
                pipe.end_soon()
