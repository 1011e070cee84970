"""Taking what a room holds off the disk: all of it, or all but its present text.

A room that is erased is held. Who comes waits; who is in it goes on writing in their journal, until all
that the room took before is on disk and the erasing is done. Then they are sent away. So what has a receipt
is in the text that stays, and what has none is still with those who wrote it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from typing import Any, Final, TypeVar

from collab_protocol.errors import FaultCode, StoreError
from collab_protocol.text import Replica
from collab_server.committer import Committer
from collab_server.log_fields import about, without_name
from collab_server.open_room import OpenRoom
from collab_server.store.base import LogInUse, Snapshot, Store, StoredRoom
from collab_server.store.replay import check_snapshot, read_document

_log = logging.getLogger(__name__)

_Result = TypeVar("_Result")

_LOG_TRIES: Final = 100
_LOG_PAUSE_S: Final = 0.2
"""For 20 s in all; those who asked wait no longer than an answer of the office may take."""

_FIRST_ROW: Final = 1
"""Where the log of a room begins that has a text already.

Not 0: a snapshot that cannot be read would then be missed by nobody, and the room be served empty.
"""


class Erasing:
    """Erases rooms of one store, one room at a time for each name."""

    def __init__(
        self,
        committer: Committer,
        *,
        take_out: Callable[[str, str], Awaitable[OpenRoom | None]],
        on_deleted: Callable[[str, bool], None],
    ) -> None:
        """`take_out(name, what)` takes a room out of use, since it is being "deleted" or the like.

        It returns once all that the room took is on disk and nothing more of it can go there; the object,
        if it is loaded, is ours from then on. `on_deleted(name, was_there)` is called before anybody can
        come again.
        """
        self._committer = committer
        self._take_out = take_out
        self._on_deleted = on_deleted
        self._held: dict[str, asyncio.Event] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._is_closing = False

    def held(self, name: str) -> asyncio.Event | None:
        """Return what to wait for before the room may be opened; None when it may be."""
        return self._held.get(name)

    async def delete(self, name: str) -> bool:
        """Delete a room and all that is stored of it; returns whether there was one.

        Who is in it is sent away for good (Fault DELETED).

        Raises:
            StoreError: it cannot be done, and all is as it was; or traces are left, as the text says then.
        """
        return await self._to_its_end(lambda: self._delete(name), "delete", name)

    async def forget(self, name: str) -> int:
        """Erase all of a room but its text and settings, under a new lineage; returns the text's UTF-8 bytes.

        Who is in it is sent away, to come back to another room with the same text.

        Raises:
            StoreError: it cannot be done, and all is as it was; or traces are left, as the text says then.
        """
        return await self._to_its_end(lambda: self._forget(name), "forget", name)

    async def close(self) -> None:
        """Begin nothing more, and wait for what is under way."""
        self._is_closing = True
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _delete(self, name: str) -> bool:
        async with self._holding(name, "deleted") as opened:
            is_there = await self._committer.run(lambda store: store.delete_room(name), reopens=name)
            self._on_deleted(name, is_there)
            if opened is not None:
                opened.room.end(FaultCode.DELETED, f"{name} was deleted")
            done = "was deleted" if is_there else "was to be deleted; there is none"
            _log.info("a room %s", done, extra=about(room=name))
        await self._scrub(name)
        return is_there

    async def _forget(self, name: str) -> int:
        async with self._holding(name, "rewritten without its history") as opened:
            size_bytes = await self._rewrite(name)
            if opened is not None:
                opened.room.fail(f"the history of {name} was erased")
            _log.info("its history was erased; %d bytes of text stay", size_bytes, extra=about(room=name))
        await self._scrub(name)
        return size_bytes

    async def _rewrite(self, name: str) -> int:
        """Replace what is stored of a room by its text. The disk has either the one or the other."""
        run = self._committer.run
        stored = await run(lambda store: _existing(store, name), reopens=name)
        # The text on disk, and not that of the object: it may have been given up, or never been loaded.
        replica, _ = await read_document(
            stored, lambda covered: run(lambda store: _existing(store, name, before=covered))
        )
        try:
            text = replica.text()
        finally:
            replica.close()
        # A large text takes its time, and the thread keeps its documents to itself.
        client_id = secrets.randbelow(2**31 - 2) + 2
        snapshot = await asyncio.to_thread(text_alone, text, client_id)
        lineage = secrets.token_bytes(16)
        await run(lambda store: store.rewrite_room(name, lineage, snapshot, (client_id,)))
        return len(text.encode())

    async def _scrub(self, name: str) -> None:
        """Overwrite what the store's files still hold of what was deleted. Others' commits wait for it."""
        try:
            try:
                await self._committer.run(lambda store: store.scrub())
            except LogInUse:
                await self._empty_log()
        except StoreError as error:
            then = "when it is done" if isinstance(error, LogInUse) else "make room on the disk and"
            raise StoreError(
                f"{name} was erased, but traces of it may be left in the server's files: {error};"
                f" {then} do it again"
            ) from error

    async def _empty_log(self) -> None:
        """Wait for a backup or the like that reads the store, while others' commits go on."""
        for _ in range(_LOG_TRIES):
            await asyncio.sleep(_LOG_PAUSE_S)
            with contextlib.suppress(LogInUse):
                await self._committer.run(lambda store: store.empty_log())
                return
            if self._is_closing:
                break
        await self._committer.run(lambda store: store.empty_log())

    @contextlib.asynccontextmanager
    async def _holding(self, name: str, what: str) -> AsyncIterator[OpenRoom | None]:
        """Have a room to oneself; whoever the block did not send away is sent away at its end."""
        while (held := self._held.get(name)) is not None:
            await held.wait()
        if self._is_closing:
            raise StoreError("the server is stopping")
        held = self._held[name] = asyncio.Event()
        try:
            opened = await self._take_out(name, what)
            try:
                yield opened
            finally:
                if opened is not None:
                    opened.room.fail(f"{name} is loaded again")
                    opened.close()
        finally:
            del self._held[name]
            held.set()

    async def _to_its_end(
        self, work: Callable[[], Coroutine[None, None, _Result]], what: str, room: str
    ) -> _Result:
        """Do `work` even when the one who asked for it goes away."""
        if self._is_closing:
            raise StoreError("the server is stopping")
        task = asyncio.create_task(work(), name=what)
        self._tasks.add(task)
        task.add_done_callback(lambda task: self._done(task, room))
        return await asyncio.shield(task)

    def _done(self, task: asyncio.Task[Any], room: str) -> None:
        self._tasks.discard(task)
        # Asked for, so that a failure which nobody waits for any more is not reported as forgotten.
        if not task.cancelled() and (error := task.exception()) is not None:
            why = without_name(error, room)
            _log.error("%s failed: %s", task.get_name(), why, extra=about(room=room))


def text_alone(text: str, client_id: int) -> Snapshot:
    """Return a document with `text`, made anew under a client id of its own: nothing of before is in it.

    Raises:
        StoreError: it does not read back as that text.
    """
    replica = Replica(client_id)
    try:
        if text:
            replica.edit(0, 0, text)
        snapshot = Snapshot(_FIRST_ROW, replica.update_since())
        check_snapshot(snapshot, text, replica.state_vector())
    finally:
        replica.close()
    return snapshot


def _existing(store: Store, name: str, *, before: int | None = None) -> StoredRoom:
    stored = store.load(name) if before is None else store.load(name, before=before)
    if stored is None:
        raise StoreError(f"there is no room {name}")
    return stored
