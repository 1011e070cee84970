"""The journal: what happens in one room on this machine, brought to disk in order, behind the person's back.

    loop:    own(), came(), receipted(), …  ──queue──▶  thread: one transaction of all that has gathered
                          kept(client_id, n)  ◀──────── after the commit, and not before

Nothing on the loop waits for it. When the disk refuses, the steps stay in memory, in order, and are
tried again; `trouble` says why, and `kept` does not move.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import hashlib
import logging
import os
import queue
import re
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from collab_client.journal_file import JournalFile, read_unsent, salvage, set_aside
from collab_client.journal_steps import (
    Anew,
    Came,
    Contents,
    JournalDamaged,
    Origin,
    Own,
    PutAside,
    Receipted,
    Stands,
    Step,
    Unsent,
)
from collab_client.replay import fold, text_of
from collab_protocol.errors import StoreError, UpdateError

_log = logging.getLogger(__name__)

_RETRY_S: Final = 1.0
_GROUP: Final = 2000

_FOLD_ENTRIES: Final = 2000
"""So many entries are folded into the base; replaying them takes some 60 ms (DESIGN section 7)."""

_FOLD_BYTES: Final = 1024 * 1024


class Journal:
    """One room's journal and its thread. Make it with `open_journal`; `begin` before the first step."""

    def __init__(self, file: JournalFile, path: Path, *, entries: int = 0) -> None:
        """Take over `file`, which holds so many entries."""
        self.path = path
        self.on_kept: Callable[[int, int], None] = lambda client_id, n: None
        self.on_trouble: Callable[[str], None] = lambda message: None
        self.on_lost: Callable[[], None] = lambda: None
        self.on_left_behind: Callable[[str], None] = lambda text: None
        self._file = file
        self._queue: queue.SimpleQueue[Step | None] = queue.SimpleQueue()
        self._is_closing = threading.Event()
        self._thread = threading.Thread(target=self._work, name="journal", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lineage: bytes | None = None
        self._is_in_trouble = False
        self._is_all_written = False
        self._unfolded_entries = entries
        self._unfolded_bytes = 0

    def begin(self, loop: asyncio.AbstractEventLoop) -> None:
        """Start the thread; `on_kept` and `on_trouble` are called on `loop`."""
        self._loop = loop
        self._thread.start()

    def own(self, client_id: int, n: int, data: bytes, lineage: bytes | None) -> None:
        """Note an own row; `on_kept(client_id, n)` follows when it is on disk."""
        self._queue.put(Own(client_id, n, data, time.time(), lineage))

    def came(self, data: bytes, seq: int, lineage: bytes | None) -> None:
        """Note what the server sent, before any own row that is made on top of it."""
        self._queue.put(Came(data, seq, lineage))

    def stands(self, lineage: bytes, epoch: bytes) -> None:
        """Note which room it is."""
        self._queue.put(Stands(lineage, epoch))

    def receipted(self, client_id: int, n: int) -> None:
        """Note that own rows of `client_id` up to `n` are on the server's disk."""
        self._queue.put(Receipted(client_id, n, time.time()))

    def begin_anew(
        self, lineage: bytes, epoch: bytes, rows: tuple[tuple[int, int], ...], aside: str | None
    ) -> None:
        """Note that the text begins again with what the server sends; see `Anew`."""
        self._queue.put(Anew(time.time(), lineage, epoch, rows, aside))

    def put_aside(self, rows: tuple[tuple[int, int], ...], reason: str) -> None:
        """Note that these own rows will never find their place."""
        self._queue.put(PutAside(rows, time.time(), reason))

    def abandon(self) -> None:
        """Close a journal that was never begun."""
        with contextlib.suppress(StoreError):
            self._file.close()

    async def close(self, timeout_s: float) -> bool:
        """Bring everything to disk and close; returns whether that was done within `timeout_s`."""
        if not self._thread.is_alive():
            return False
        self._queue.put(None)
        self._is_closing.set()
        await asyncio.to_thread(self._thread.join, timeout_s)
        return not self._thread.is_alive() and self._is_all_written

    def _work(self) -> None:
        try:
            self._work_on()
        except BaseException as error:  # a panic of native code is one; nobody may go on believing in it
            _log.exception("the journal broke down")
            self._call(self.on_trouble, f"the journal broke down: {error}")
        finally:
            with contextlib.suppress(StoreError):
                self._file.close()

    def _work_on(self) -> None:
        is_last = False
        steps: list[Step] = []
        while not is_last or steps:
            is_last |= self._gather(steps, wait=not steps)
            if steps:
                is_closing = self._is_closing.is_set()
                if self._write(steps):
                    self._tell_kept(steps)
                    steps = []
                elif is_closing:
                    break
                else:
                    self._is_closing.wait(_RETRY_S)
                    continue
            if self._queue.empty():
                self._fold()
        else:
            self._check_is_ours()
            self._is_all_written = True

    def _gather(self, steps: list[Step], *, wait: bool) -> bool:
        """Add what has come to `steps`; returns whether it was told to end."""
        while wait or len(steps) < _GROUP:
            try:
                step = self._queue.get(block=wait)
            except queue.Empty:
                return False
            wait = False
            if step is None:
                return True
            steps.append(step)
        return False

    def _write(self, steps: list[Step]) -> bool:
        try:
            written = self._file.write(steps)
        except StoreError as error:
            if not self._is_in_trouble:
                _log.error("the journal cannot be written: %s", error)
                self._is_in_trouble = True
                self._call(self.on_trouble, str(error))
            return False
        if self._is_in_trouble:
            self._is_in_trouble = False
            self._call(self.on_trouble, "")
        if not written.is_all_queued:
            self._call(self.on_lost)
        if written.left_behind is not None:
            self._call(self.on_left_behind, text_of(*written.left_behind))
        for step in steps:
            if isinstance(step, Own):
                self._lineage = step.lineage
            if isinstance(step, Came | Own):
                self._unfolded_entries += 1
                self._unfolded_bytes += len(step.data)
        return True

    def _check_is_ours(self) -> None:
        """Notice at the end that another window has met another room, if nothing was written since."""
        with contextlib.suppress(StoreError):
            here = self._file.lineage()
            if None not in (here, self._lineage) and here != self._lineage:
                self._call(self.on_lost)

    def _tell_kept(self, steps: list[Step]) -> None:
        newest = {step.client_id: step.n for step in steps if isinstance(step, Own)}
        for client_id, n in newest.items():
            self._call(self.on_kept, client_id, n)

    def _fold(self) -> None:
        """Fold what has gathered into the base, when it is enough; a failure costs nothing but space."""
        if self._unfolded_entries < _FOLD_ENTRIES and self._unfolded_bytes < _FOLD_BYTES:
            return
        self._unfolded_entries = self._unfolded_bytes = 0
        try:
            if not self._file.compact(fold, time.time()):
                _log.warning("the journal was not folded: something in it has no place yet")
        except (StoreError, UpdateError) as error:
            _log.warning("the journal was not folded: %s", error)

    def _call(self, call: Callable[..., None], *arguments: object) -> None:
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended
                self._loop.call_soon_threadsafe(call, *arguments)


def journal_path(folder: Path, server: str, room: str) -> Path:
    """Return where the journal of `room` on `server` is."""
    digest = hashlib.sha256(f"{server}\n{room}".encode()).hexdigest()[:12]
    return folder / f"{re.sub('[^A-Za-z0-9._-]', '_', room)}-{digest}.sqlite3"


def open_journal(path: Path, origin: Origin, *, is_no_text: bool = False) -> tuple[Journal, Contents, str]:
    """Return the journal, what is in it, and what a person must be told of it, mostly nothing.

    A damaged file is set aside; own rows without a receipt that can still be read go over into the new
    one, unless `is_no_text` says that the rows themselves are what is damaged.

    Raises:
        JournalNewer: a newer collab wrote it.
        StoreError: it cannot be opened.
    """
    try:
        if not is_no_text:
            return *_open(path, origin), ""
    except JournalDamaged as error:
        _log.error("%s", error)
    with _alone(path):
        if not is_no_text:
            # Another window may have found the same damage, and made it good meanwhile.
            with contextlib.suppress(JournalDamaged):
                return *_open(path, origin), ""
        return _make_good(path, origin, is_no_text=is_no_text)


def _make_good(path: Path, origin: Origin, *, is_no_text: bool) -> tuple[Journal, Contents, str]:
    old_origin, lineage, rows = salvage(path)
    if is_no_text:
        rows = []
    steps: list[Step] = [Own(row.client_id or 0, row.n, row.data, time.time(), lineage) for row in rows]
    if lineage is not None:
        steps.insert(0, Stands(lineage, None))
    kept = _replace(path, origin if old_origin is None else old_origin, steps)
    told = f"the journal on this machine was damaged: it was set aside as {kept}"
    return *_open(path, origin), told


def unsent_journals(folder: Path) -> tuple[list[tuple[Path, Unsent]], list[str]]:
    """Return the journals in `folder` with rows that no server has, and complaints about unreadable ones."""
    found: list[tuple[Path, Unsent]] = []
    complaints: list[str] = []
    for path in sorted(folder.glob("*.sqlite3")):
        try:
            unsent = read_unsent(path)
        except StoreError as error:
            complaints.append(str(error))
            continue
        if unsent is not None and unsent.rows:
            found.append((path, unsent))
    return found, complaints


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Keep other processes of ours from making the same journal good at the same time."""
    try:
        lock = os.open(path.with_name(f"{path.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StoreError(f"{path} cannot be made anew: {error.strerror or error}") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _replace(path: Path, origin: Origin, steps: list[Step]) -> Path:
    """Set a damaged journal aside once the new one with `steps` is on disk; returns its new name."""
    fresh = path.with_name(f"{path.name}.new-{os.getpid()}")
    try:
        with contextlib.closing(JournalFile(fresh, origin)) as file:
            file.write(steps)
        kept = set_aside(path)
        fresh.rename(path)
    except OSError as error:
        raise StoreError(f"{path} cannot be made anew: {error.strerror or error}") from error
    finally:
        for suffix in ("", "-wal", "-shm"):
            fresh.with_name(fresh.name + suffix).unlink(missing_ok=True)
    return kept


def _open(path: Path, origin: Origin) -> tuple[Journal, Contents]:
    file = JournalFile(path, origin)
    try:
        contents = file.load()
    except BaseException:
        file.close()
        raise
    return Journal(file, path, entries=len(contents.entries)), contents


__all__ = ["Contents", "Journal", "Origin", "journal_path", "open_journal", "unsent_journals"]
