"""Putting a backup in the place of a store, under a new epoch, by which clients know that it is one.

    draft ← backup, read through          the store is as it was
    aside/ ← links to store and keys      … and is still
    rename draft over the store           from here on it is the restored one

Whatever ends the process, the folder has the one or the other, and what it had before.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from collab_protocol.errors import StoreError
from collab_server.keys import copy_keys, put_keys
from collab_server.lock import FolderLock
from collab_server.store.backup import (
    KEYS,
    Note,
    drop_tables,
    failures,
    read_keys,
    read_note,
    sync_file,
    writing,
)
from collab_server.store.migrations import list_backups
from collab_server.store.verifying import (
    STORE,
    FileFound,
    RoomFound,
    at_one_moment,
    reading,
    store_in,
    verify,
)

_ASIDE: Final = "before-restore-"
_DRAFT: Final = ".restore-"
_BESIDE: Final = (f"{STORE}-wal", f"{STORE}-shm", f"{STORE}-journal")
"""What SQLite keeps beside a file, and would take for the restored one's."""

_NOT_TAKEN: Final = "{} cannot take the backup, and is as it was"

_DAMAGED: Final = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


@dataclass(frozen=True, slots=True)
class Restored:
    """What was put in place: what was read of it, when it was made, and where what was there before is now.

    `note` is None for a file that was not made by a backup; `keys` is how many keys came with it.
    """

    found: FileFound
    note: Note | None
    keys: int
    aside: Path | None


def check_may_restore(source: Path, data_dir: Path) -> Note | None:
    """Check what can be checked without changing anything; returns what `source` says of itself.

    Raises:
        StoreError: it cannot be restored, or not by this account.
    """
    with failures(f"{source} cannot be read"):
        if source.is_dir() and not store_in(source).exists():
            raise StoreError(f"{source} is a folder without a store: name a backup in it")
    with reading(store_in(source)) as db:
        note = read_note(db)
    with failures(f"{data_dir} cannot be used"):
        if data_dir.exists() and data_dir.stat().st_uid != os.geteuid():
            raise StoreError(
                f"{data_dir} belongs to another account, whose server could not open what you put there:"
                " restore as that account"
            )
    return note


def restore(
    source: Path,
    data_dir: Path,
    *,
    now: float,
    may_be_damaged: bool = False,
    on_room: Callable[[RoomFound], None] = lambda _: None,
) -> Restored:
    """Put `source`, a backup, or a folder of a store, in the place of the store in `data_dir`.

    `may_be_damaged` takes one in which something is wrong with some rooms.

    Raises:
        FolderTaken: a server runs on the folder.
        StoreError: it cannot be restored; the folder is as it was.
    """
    data_dir = data_dir.absolute()
    check_may_restore(source, data_dir)
    with FolderLock(data_dir):
        _remove_traces(data_dir)
        draft = data_dir / f"{_DRAFT}{secrets.token_hex(8)}.part"
        try:
            note, keys = _copy(source, draft)
            found = verify(draft, on_room=on_room)
            _check(source, found, may_be_damaged)
            with failures(_NOT_TAKEN.format(data_dir)):
                _make_ours(draft)
                aside = _set_aside(data_dir, now)
                _swap(data_dir, draft, keys, aside)
        finally:
            for left in (draft, draft.with_name(f"{draft.name}-journal")):
                with contextlib.suppress(OSError):
                    left.unlink(missing_ok=True)
    return Restored(found, note, len(keys), aside)


def stores_set_aside(data_dir: Path) -> list[Path]:
    """Return the files of what was set aside, the oldest first: what is erased since is still in them."""
    try:
        asides = sorted(data_dir.glob(f"{_ASIDE}*"))
        return [file for aside in asides for file in sorted(aside.glob(f"{STORE}*"))]
    except OSError:
        return []


def _copy(source: Path, draft: Path) -> tuple[Note | None, list[tuple[str, bytes]]]:
    with reading(store_in(source)) as db, at_one_moment(db):
        note, keys = read_note(db), read_keys(db)
        with failures(_NOT_TAKEN.format(draft.parent)):
            os.close(os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600))
            with contextlib.closing(writing(draft)) as copy:
                db.backup(copy, pages=-1)
                copy.execute("PRAGMA journal_mode = DELETE")
    if source.is_dir() and not keys:
        keys = copy_keys(source / KEYS)
    return note, keys


def _check(source: Path, found: FileFound, may_be_damaged: bool) -> None:
    """Raises: StoreError."""
    if found.wrong:
        raise StoreError(f"{source} is damaged, and nothing was restored: {found.wrong[0]}")
    wrong = [room for room in found.rooms if room.wrong]
    if wrong and not may_be_damaged:
        raise StoreError(
            f"nothing was restored: in {source}, room {wrong[0].room} is wrong: {wrong[0].wrong[0]}"
            f"{f' (and {len(wrong) - 1} more rooms)' if len(wrong) > 1 else ''};"
            " take another backup, or add --damaged to restore what can be read"
        )
    if found.altered and not may_be_damaged:
        raise StoreError(
            f"nothing was restored: {source} is not as it was made: {found.altered[0]}; take another backup,"
            " or add --damaged to restore it as it is now"
        )


def _make_ours(draft: Path) -> None:
    """Make a store of a backup: without the keys, and under an epoch that no client has seen."""
    with contextlib.closing(writing(draft)) as db:
        db.execute("PRAGMA secure_delete = ON")
        db.execute("BEGIN")
        drop_tables(db)
        db.execute("UPDATE store SET epoch = ?", (secrets.token_bytes(16),))
        db.execute("COMMIT")
    sync_file(draft)


def _set_aside(data_dir: Path, now: float) -> Path | None:
    """Keep what is in the folder under another name, too; returns the folder with it, None for nothing.

    Afterwards all of the store is in its one file, unless it is damaged.
    """
    store = data_dir / STORE
    there = [name for name in (STORE, *_BESIDE, KEYS) if os.path.lexists(data_dir / name)]
    if not there:
        return None
    if STORE in there:
        _empty_log(store)
    at = datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H%M%SZ")
    for number in range(1, 1000):
        aside = data_dir / f"{_ASIDE}{at}{f'-{number}' if number > 1 else ''}"
        with contextlib.suppress(FileExistsError):
            aside.mkdir(mode=0o700)
            break
    else:
        raise StoreError(f"{data_dir} has too many folders {_ASIDE}{at}: try again")
    for name in there:
        if os.path.lexists(data_dir / name):
            _link(data_dir / name, aside / name)
    sync_file(aside)
    sync_file(data_dir)
    return aside


def _swap(data_dir: Path, draft: Path, keys: list[tuple[str, bytes]], aside: Path | None) -> None:
    for name in _BESIDE:
        # What is in them is in the store by now, or aside with a store that is damaged without them, too.
        (data_dir / name).unlink(missing_ok=True)
    if keys:
        # Both, until it is decided which store is there: tokens are good for either.
        put_keys(data_dir / KEYS, list(dict([*_keys_there(data_dir), *keys]).items()))
    sync_file(data_dir)
    draft.replace(data_dir / STORE)
    sync_file(data_dir)
    if keys:
        put_keys(data_dir / KEYS, keys)
    if aside is not None:
        # The next migration of the same format would write over them.
        for copy in list_backups(data_dir / STORE):
            copy.replace(aside / copy.name)


def _keys_there(data_dir: Path) -> list[tuple[str, bytes]]:
    try:
        return copy_keys(data_dir / KEYS)
    except StoreError:  # they are no keys any more
        return []


def _empty_log(store: Path) -> None:
    """Bring all of a store into its one file.

    Raises:
        StoreError: another program has it open, or the disk does not let it be done.
    """
    if _is_damaged(store):
        return  # no server opens it either: it is kept as it is, and SQLite would remove its log
    try:
        with contextlib.closing(writing(store)) as db:
            is_busy, *_ = db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    except sqlite3.Error as error:
        if (getattr(error, "sqlite_errorcode", 0) & 0xFF) in _DAMAGED:
            return
        raise
    if is_busy:
        raise StoreError(f"another program reads {store}: try again when it is done")


def _is_damaged(store: Path) -> bool:
    """Return whether it is no database any more, by a connection that changes nothing."""
    if not store.stat().st_size:
        return True
    uri = f"{store.absolute().as_uri()}?mode=ro"
    try:
        with contextlib.closing(sqlite3.connect(uri, uri=True, isolation_level=None)) as db:
            db.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except UnicodeDecodeError:  # what SQLite says of a damaged schema
        return True
    except sqlite3.Error as error:
        return (getattr(error, "sqlite_errorcode", 0) & 0xFF) in _DAMAGED
    return False


def _link(file: Path, link: Path) -> None:
    try:
        os.link(file, link, follow_symlinks=False)
    except OSError:  # a file system without hard links
        shutil.copy2(file, link, follow_symlinks=False)
        if not link.is_symlink():
            sync_file(link)


def _remove_traces(data_dir: Path) -> None:
    """Remove what a restore left that was killed; the folder is ours alone."""
    with failures(f"{data_dir} cannot be looked at"):
        for file in data_dir.glob(f"{_DRAFT}*.part*"):
            file.unlink(missing_ok=True)
        for aside in data_dir.glob(f"{_ASIDE}*"):
            link = aside / STORE
            # A second name of the store itself, which was not replaced then: nobody may open it by that.
            if link.exists() and (data_dir / STORE).exists() and link.samefile(data_dir / STORE):
                if any((aside / name).exists() for name in _BESIDE):
                    continue
                link.unlink()
                (aside / KEYS).unlink(missing_ok=True)
                aside.rmdir()
