"""The store: whether SQLite finds it whole, and which collab wrote it; and the keys of tokens."""

from __future__ import annotations

import contextlib
import sqlite3
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from collab_cli.doctor.case import Case
from collab_cli.doctor.findings import Findings, fine, wrong
from collab_cli.humane import counted
from collab_cli.settings import serve_table
from collab_protocol.errors import StoreError
from collab_server.keys import count_keys
from collab_server.store.schema import VERSION

_LOOKED_S: Final = 3.5
"""So long the file is looked through at most: a large one takes longer than anybody waits."""

_STEPS: Final = 10_000
"""SQLite's instructions between two looks at the clock."""

_SHOWN: Final = 3
_HEADER: Final = b"SQLite format 3\x00"
"""sqlite.org/fileformat.html section 1.3."""

_RESTORE: Final = "stop the server; collab verify says which rooms are whole; collab restore brings a backup"


def look_at_store(case: Case) -> Findings:
    if case.store_file.exists():
        yield from _file(case.store_file)
    else:
        yield fine("no rooms are kept yet")
    yield from _keys(case)


@contextlib.contextmanager
def reading(file: Path, for_s: float) -> Iterator[sqlite3.Connection]:
    """Open the file for reading, for so long; nothing is made beside it.

    With no log beside it nobody has it open, and SQLite is told to make none: that would belong to us, who
    may be another account than the server's.
    """
    is_open = file.with_name(f"{file.name}-wal").exists()
    uri = f"{file.absolute().as_uri()}?{'mode=ro' if is_open else 'immutable=1'}"
    ends_at = time.monotonic() + for_s
    with contextlib.closing(sqlite3.connect(uri, uri=True, timeout=1.0)) as db:
        db.set_progress_handler(lambda: time.monotonic() > ends_at, _STEPS)
        yield db


def _file(file: Path) -> Findings:
    try:
        with file.open("rb") as stream:
            header = stream.read(len(_HEADER))
    except OSError as error:
        yield wrong(f"{file} cannot be read: {error.strerror}", "run it as the account that serves")
        return
    if header and header != _HEADER:
        yield wrong(f"{file} is no store of collab, or is damaged at its start", _RESTORE)
        return
    try:
        with reading(file, _LOOKED_S) as db:
            version = db.execute("PRAGMA user_version").fetchone()[0]
            if version > VERSION:
                yield wrong(
                    f"{file} was written by a newer collab (format {version}, this one knows {VERSION})",
                    "upgrade collab, or bring back the backup of before with: collab restore",
                )
                return
            damage = _damage(db)
            has_tables = version == 0 or db.execute("SELECT count(*) FROM store").fetchone()[0] == 1
    except sqlite3.Error as error:
        yield wrong(f"{file} is damaged: {error}", _RESTORE)
        return
    if damage is None:
        yield fine(f"{file} is large: looked at for {_LOOKED_S:.0f} s and found whole so far (collab verify)")
    elif damage or not has_tables:
        yield wrong(f"{file} is damaged: {'; '.join(damage[:_SHOWN]) or 'it has no epoch'}", _RESTORE)
    elif 0 < version < VERSION:
        yield fine(f"{file} is whole; the next start brings it from format {version} to {VERSION}")
    else:
        yield fine(f"{file} is whole (format {version})")


def _damage(db: sqlite3.Connection) -> list[str] | None:
    """Return what SQLite finds wrong; None where it did not come to an end."""
    try:
        said = [str(line) for (line,) in db.execute(f"PRAGMA quick_check({_SHOWN})")]
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode == sqlite3.SQLITE_INTERRUPT:
            return None
        raise
    return [] if said == ["ok"] else said


def _keys(case: Case) -> Findings:
    file = case.keys_file
    try:
        found = file.lstat()
    except FileNotFoundError:
        if case.value(serve_table.AUTH):
            yield fine("there are no keys of tokens yet: the first start draws one")
        return
    except OSError:
        return  # told with the folders
    if not stat.S_ISREG(found.st_mode):
        return  # so is this
    try:
        count = count_keys(file)
    except StoreError as error:
        yield wrong(str(error), "or bring a backup back with: collab restore")
    else:
        yield fine(f"{file} has {counted(count, 'key')} that tokens are signed with")
