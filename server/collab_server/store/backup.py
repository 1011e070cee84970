"""A copy of a store and its keys in one file, taken while a server writes, and read back before it counts.

SQLite's online backup, in one step, from a connection that only reads: in WAL mode that holds up no commit,
and no commit makes it begin again, as one of many steps would have to. What it copies is the store at one
moment. It is made in a draft beside its place, which the finished one takes at once.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import secrets
import sqlite3
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from collab_protocol.errors import StoreError
from collab_server.keys import are_keys, copy_keys
from collab_server.store.digests import DIGESTS, digests
from collab_server.store.verifying import (
    STORE,
    FileFound,
    RoomFound,
    at_one_moment,
    last_seq,
    reading,
    room_names,
    verify,
)

KEYS: Final = "keys"

_TABLES: Final = {
    "backup": "(made_at REAL NOT NULL, collab TEXT NOT NULL, data_dir TEXT NOT NULL)",
    "backup_key": "(place INTEGER PRIMARY KEY, kid TEXT NOT NULL, secret BLOB NOT NULL)",
    "backup_seq": "(room TEXT PRIMARY KEY, seq INTEGER NOT NULL) WITHOUT ROWID",
    DIGESTS: "(name TEXT PRIMARY KEY, sha256 BLOB NOT NULL) WITHOUT ROWID",
}
"""What a backup has beside the tables of its store: a note, the keys, where each room stood, and hashes."""

_BESIDE: Final = ("-journal", "-wal", "-shm")
"""What SQLite may leave beside a file."""

_LAST_S: Final = 253_402_300_800.0
"""The end of the year 9999: later is no date."""

_NAME: Final = re.compile(r"collab-(\d{4}-\d\d-\d\dT\d{6}Z)(?:-(\d+))?\.sqlite3", re.ASCII)
_DRAFT: Final = re.compile(r"\.collab-backup-[0-9a-f]{16}\.part", re.ASCII)


@dataclass(frozen=True, slots=True)
class Note:
    """What a backup says of itself: when it was made (UTC seconds), by which collab, of which folder."""

    made_at: float
    collab: str
    data_dir: str


@dataclass(frozen=True, slots=True)
class Backup:
    """A backup that was made: its file, what was read back from it, and older ones that it replaced.

    `keys` is how many keys of tokens are in it.
    """

    path: Path
    size_bytes: int
    note: Note
    keys: int
    found: FileFound
    removed: tuple[Path, ...] = ()


def back_up(
    data_dir: Path,
    target: Path,
    *,
    now: float,
    version: str,
    keep: int | None = None,
    on_room: Callable[[RoomFound], None] = lambda _: None,
) -> Backup:
    """Copy the store in `data_dir` to `target`, a file, or a folder that is there, in which it gets a name.

    `keep` is how many are to be left of those that were made so in that folder, this one included. None is
    removed when something is wrong in the new one: `Backup.found` says what, and the store itself has it.

    Raises:
        StoreError: there is no backup; nothing is left of it, and all is as it was.
    """
    data_dir = data_dir.absolute()
    with failures(f"{data_dir} cannot be backed up to {target}"):
        if not (data_dir / STORE).is_file():
            raise StoreError(f"no server has kept anything in {data_dir} yet")
        is_folder = target.is_dir()
        folder = target if is_folder else target.parent
        if keep is not None and not is_folder:
            raise StoreError(f"{target} is no folder: name one whose older backups are to go")
        _check_place(target, folder, data_dir)
        _remove_drafts(folder)
    note = Note(now, version, str(data_dir))
    with _draft_in(folder) as draft:
        keys = _copy(data_dir, draft, note)
        found = verify(draft, on_room=on_room)
        _check_agrees(found, draft)
        size = draft.stat().st_size
        path = _put(draft, folder, now) if is_folder else _replace(draft, target)
        _sync(folder)
    removed = remove_older(folder, keep, path) if keep is not None and found.is_right else ()
    return Backup(path, size, note, keys, found, removed)


def read_note(db: sqlite3.Connection) -> Note | None:
    """Return what a file says of itself as a backup; None when it is none.

    Raises:
        StoreError: that is damaged.
    """
    is_backup = db.execute("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'backup'").fetchone()
    found = db.execute("SELECT made_at, collab, data_dir FROM backup").fetchone() if is_backup else None
    match found:
        case (float(made_at), str(collab), str(data_dir)) if 0 <= made_at < _LAST_S:
            return Note(made_at, collab, data_dir)
        case None:
            return None
        case _:
            raise StoreError("what the backup says of itself is damaged: take another one")


def read_keys(db: sqlite3.Connection) -> list[tuple[str, bytes]]:
    """Return the keys in a backup, the newest first.

    Raises:
        StoreError: they are damaged.
    """
    if read_note(db) is None:
        return []
    keys = db.execute("SELECT kid, secret FROM backup_key ORDER BY place").fetchall()
    if not are_keys(keys):
        raise StoreError("the keys in the backup are damaged: take another one")
    return keys


def drop_tables(db: sqlite3.Connection) -> None:
    """Make a store of a backup again."""
    for table in _TABLES:
        db.execute(f"DROP TABLE IF EXISTS {table}")


def remove_older(folder: Path, keep: int, newest: Path) -> tuple[Path, ...]:
    """Remove all but `keep` of the backups in `folder` of the same store as `newest`, which stays.

    What has another name than they get there, or does not say that it is one, is left alone. So is one of
    later: another backup makes it just now, or it is of a clock that was ahead, and may not count as new.
    One of before a restore is of another store: it may be what has to be gone back to.
    """
    ours, limit = _origin_of(newest), _order_of(newest)
    older = [
        (order, file)
        for file in folder.iterdir()
        if (order := _order_of(file)) is not None and limit is not None and order < limit
    ]
    same = [
        file
        for _, file in sorted(older, reverse=True)
        if not file.is_symlink() and ours is not None and _origin_of(file) == ours
    ]
    removed = []
    for file in same[max(0, keep - 1) :]:
        with contextlib.suppress(OSError):
            file.unlink()
            removed.append(file)
    return tuple(removed)


def writing(path: Path) -> sqlite3.Connection:
    """Open a file that is there to write to it, durably. Raises: sqlite3.Error."""
    # rw: one that is gone is not made anew, with rights for others.
    db = sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, isolation_level=None)
    try:
        db.execute("PRAGMA synchronous = FULL")
    except BaseException:
        db.close()
        raise
    return db


@contextlib.contextmanager
def failures(what: str) -> Iterator[None]:
    """Say what could not be done when the disk does not let it be done. Raises: StoreError."""
    try:
        yield
    except (OSError, sqlite3.Error) as error:
        raise StoreError(f"{what}: {getattr(error, 'strerror', None) or error}") from error


def _copy(data_dir: Path, draft: Path, note: Note) -> int:
    """Copy store and keys into `draft`, and note in it what has to come out again; returns how many keys."""
    with reading(data_dir / STORE) as db, at_one_moment(db):
        seqs = [(room, last_seq(db, room)) for room in room_names(db)]
        hashes = digests(db, without=_TABLES)
        with (
            failures(f"no backup was made in {draft.parent}, and nothing is left of it"),
            contextlib.closing(writing(draft)) as copy,
        ):
            # All of it in one step, and within the moment in which the positions were read.
            db.backup(copy, pages=-1)
            # Not in WAL mode: a backup is one file, with nothing beside it that could be forgotten.
            copy.execute("PRAGMA journal_mode = DELETE")
            copy.execute("PRAGMA secure_delete = ON")
            keys = copy_keys(data_dir / KEYS)
            copy.execute("BEGIN")
            # A store may be a backup that somebody put in place by hand.
            drop_tables(copy)
            for table, columns in _TABLES.items():
                copy.execute(f"CREATE TABLE {table} {columns}")
            copy.execute("INSERT INTO backup VALUES (?, ?, ?)", (note.made_at, note.collab, note.data_dir))
            copy.executemany("INSERT INTO backup_key (kid, secret) VALUES (?, ?)", keys)
            copy.executemany("INSERT INTO backup_seq VALUES (?, ?)", seqs)
            own = {name: digest for name, digest in digests(copy).items() if name in _TABLES}
            copy.executemany(f"INSERT INTO {DIGESTS} VALUES (?, ?)", (hashes | own).items())  # noqa: S608
            copy.execute("COMMIT")
    return len(keys)


def _check_agrees(found: FileFound, draft: Path) -> None:
    """Check that what was read back is what the store had when it was copied.

    Raises:
        StoreError: it is not. What is wrong in a room alone came from the store, and is no matter here.
    """
    if wrong := found.wrong or found.altered:
        raise StoreError(
            f"the copy does not read back: {wrong[0]}; try another disk, and look at the store with"
            " `collab verify`"
        )
    with reading(draft) as db:
        seqs = dict(db.execute("SELECT room, seq FROM backup_seq").fetchall())
        again = {room: last_seq(db, room) for room in room_names(db)}
    # A room that cannot be read at all has no position; it is told as wrong.
    read = {room.room: room.seq for room in found.rooms if room.seq or not room.wrong}
    if (
        again != seqs
        or any(seqs.get(room) != seq for room, seq in read.items())
        or len(found.rooms) != len(seqs)
    ):
        raise StoreError(
            "the copy has other rooms than the store had, or other changes in them: try another disk"
        )


def _check_place(target: Path, folder: Path, data_dir: Path) -> None:
    """Check that a backup may be put there: over nothing but another backup.

    Raises:
        StoreError: it may not.
        OSError: that cannot be seen.
    """
    if not folder.is_dir():
        raise StoreError(f"there is no folder {folder}")
    if folder.samefile(data_dir):
        raise StoreError(f"a backup in {data_dir} would be lost with it: name another folder")
    if target.is_dir() or not os.path.lexists(target):
        return
    if not stat.S_ISREG(target.lstat().st_mode) or not _is_backup(target):
        raise StoreError(f"{target} is there and is no backup: it was left as it is, name another file")


def _is_backup(path: Path) -> bool:
    return _origin_of(path) is not None


def _origin_of(path: Path) -> tuple[str, bytes] | None:
    """Return what a backup is of: the folder, and the epoch of the store; None for what is no backup."""
    try:
        with reading(path) as db:
            note, epoch = read_note(db), db.execute("SELECT epoch FROM store").fetchone()
    except StoreError:
        return None
    return None if note is None or epoch is None else (note.data_dir, epoch[0])


def _order_of(path: Path) -> tuple[str, int] | None:
    """Return what a backup is sorted by, from its name; None for another name."""
    named = _NAME.fullmatch(path.name)
    return None if named is None else (named[1], int(named[2] or 1))


@contextlib.contextmanager
def _draft_in(folder: Path) -> Iterator[Path]:
    """Make an empty file for us alone, that is gone at the end unless it was moved to its place.

    It is locked meanwhile: one without a lock was left by a process that died.
    """
    draft = folder / f".collab-backup-{secrets.token_hex(8)}.part"
    with failures(f"{folder} cannot take a backup"):
        opened = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        with contextlib.suppress(OSError):  # no locks there: then none is found to be left over either
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield draft
    finally:
        _remove(draft)
        os.close(opened)


def _remove_drafts(folder: Path) -> None:
    """Remove what processes left that were killed."""
    for file in folder.iterdir():
        if not _DRAFT.fullmatch(file.name):
            continue
        with contextlib.suppress(OSError):
            opened = os.open(file, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
            try:
                fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
                _remove(file)
            finally:
                os.close(opened)


def _remove(draft: Path) -> None:
    for name in (draft.name, *(f"{draft.name}{ending}" for ending in _BESIDE)):
        with contextlib.suppress(OSError):
            draft.with_name(name).unlink(missing_ok=True)


def _put(draft: Path, folder: Path, now: float) -> Path:
    """Give a draft a name of its own in `folder`."""
    at = datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H%M%SZ")
    for number in range(1, 1000):
        path = folder / f"collab-{at}{f'-{number}' if number > 1 else ''}.sqlite3"
        with failures(f"{path} cannot be made, and nothing is left of it"):
            try:
                sync_file(draft)
                # Only where there is nothing: `link` never replaces, as a rename does.
                os.link(draft, path)
            except FileExistsError:
                continue
            except OSError:  # a file system without hard links
                if os.path.lexists(path):
                    continue
                draft.rename(path)
            return path
    raise StoreError(f"{folder} has too many backups of this second: try again")


def _replace(draft: Path, path: Path) -> Path:
    with failures(f"{path} cannot be made, and nothing is left of it"):
        sync_file(draft)
        draft.replace(path)
    return path


def sync_file(path: Path) -> None:
    """Make what is in a file, or the names in a folder, last."""
    opened = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def _sync(folder: Path) -> None:
    """Make what was renamed in a folder last."""
    with failures(f"{folder} cannot be written to"):
        sync_file(folder)
