"""One server for one data folder: the lock, and the note that tells others where it listens."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Self

from collab_protocol.errors import CollabError, StoreError

_LOCK: Final = "server.lock"
_NOTE: Final = "server.json"

HAND_OVER_PATH: Final = "/hand-over"
"""A plain GET of it over the Unix socket asks a private server to end, for a newer one to take its place."""

VERSION_HEADER: Final = "Collab-Version"
"""Who asks says its version in it."""


class FolderTaken(CollabError):
    """Another server holds the data folder; `pid` is its process where that is known."""

    def __init__(self, folder: Path, pid: int | None) -> None:
        who = "another server" if pid is None else f"the server with pid {pid}"
        super().__init__(f"{folder} is in use by {who}: stop it first, or give `collab serve` another folder")
        self.pid = pid


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Where a running server is, as server.json tells it; `started` in UTC seconds.

    `monitor` is not told there: older collabs take a note with more in it for none.
    """

    version: str
    protocol: tuple[int, ...]
    pid: int
    unix: str
    tcp: tuple[str, int] | None
    started: float
    monitor: tuple[str, int] | None = None


class FolderLock:
    """Holds `folder` until closed, or until the process ends however it ends."""

    def __init__(self, folder: Path) -> None:
        """Take the lock.

        Raises:
            FolderTaken: somebody holds it.
            StoreError: the folder cannot be made, or cannot be written to.
        """
        self._folder = folder
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._file = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise StoreError(f"{folder} cannot be used: {error.strerror or error}") from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            pid = _read_pid(self._file)
            os.close(self._file)
            raise FolderTaken(folder, pid) from error
        except OSError as error:
            os.close(self._file)
            raise StoreError(f"{folder} cannot be locked: {error.strerror or error}") from error
        try:
            os.ftruncate(self._file, 0)
            os.write(self._file, str(os.getpid()).encode())
        except OSError as error:  # a full disk
            os.close(self._file)
            raise StoreError(f"{folder} cannot be written to: {error.strerror or error}") from error

    def tell(self, endpoints: Endpoints) -> None:
        """Write server.json, whole or not at all.

        Raises:
            StoreError: it cannot be written.
        """
        draft = self._folder / f".{_NOTE}.{os.getpid()}"
        try:
            draft.unlink(missing_ok=True)
            draft.touch(mode=0o600)
            with draft.open("w", encoding="utf-8") as file:
                note = asdict(endpoints)
                del note["monitor"]
                json.dump(note, file)
            draft.replace(self._folder / _NOTE)
        except OSError as error:
            raise StoreError(f"{_NOTE} cannot be written: {error.strerror or error}") from error

    def close(self) -> None:
        """Remove server.json and let the folder go; the lock file stays, for the next one to lock."""
        (self._folder / _NOTE).unlink(missing_ok=True)
        os.close(self._file)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def is_older(version: str, than: str) -> bool:
    """Tell whether one version of collab comes before another, by their numbers alone.

    What follows the numbers ("rc1", "+local") is not looked at; what begins with none is the oldest.
    """
    return _numbers(version) < _numbers(than)


def _numbers(version: str) -> tuple[int, ...]:
    """Return the numbers of a version, without zeros at the end: 1.2 is 1.2.0."""
    found = re.match(r"[0-9]{1,9}(\.[0-9]{1,9})*", version)
    numbers = [] if found is None else [int(number) for number in found[0].split(".")]
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)


def _read_pid(file: int) -> int | None:
    with contextlib.suppress(OSError, ValueError):
        return int(os.pread(file, 32, 0))
    return None
