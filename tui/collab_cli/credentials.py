"""Credentials for rooms of other servers: what an invite was exchanged for, kept on this machine.

One file of JSON, for us alone (0600, in a folder of 0700), replaced as a whole. A credential is found by
the server's address and the room, so it is never shown to another server, nor to the same one unencrypted
if it was got over TLS. It is good only together with this machine's secret.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import os
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from collab_cli.exits import UsageError
from collab_cli.paths import make_folder, sync_folder
from collab_protocol.names import is_token

_log = logging.getLogger(__name__)

_FORMAT: Final = 1
_PRIVATE_FILE: Final = 0o600
_PRIVATE_FOLDER: Final = 0o700
_OTHERS: Final = 0o077
_MOST_BYTES: Final = 4 * 1024 * 1024
"""What is read of it; ten thousand credentials take less."""

_KEPT_AFTER_END_S: Final = 30 * 86_400.0
"""How long one that has ended is kept, so that people are told when it ended and not that they need one."""

_PORTS: Final = {"ws": 80, "wss": 443}


@dataclass(frozen=True, slots=True)
class Stored:
    """A credential; `expires` in UTC seconds, None for never."""

    token: str = field(repr=False)
    expires: float | None


class _Broken(Exception):
    """The file holds something else than credentials as we write them."""


_Rooms = dict[str, dict[str, Stored]]
"""By server and room."""


class Credentials:
    """The credentials in one file. Every call reads it anew: other windows write it too.

    A file that is broken is set aside, and `complaints` says so; one that others can read is made ours alone.
    """

    def __init__(self, file: Path) -> None:
        self.complaints: list[str] = []
        self._file = file

    def find(self, server: str, room: str) -> Stored | None:
        """Return what is stored for `room` of `server`, whether or not it has ended.

        Raises:
            UsageError: the file cannot be used; the text says what to do.
        """
        with self._complaining():
            try:
                rooms = self._read()
            except _Broken:
                with self._locked():
                    rooms = self._read_or_set_aside()
            return rooms.get(_server_key(server), {}).get(room)

    def save(self, server: str, room: str, credential: Stored) -> None:
        """Store a credential in place of the one before; it is on disk on return.

        Raises:
            UsageError: it cannot be stored; what was stored before still is.
        """
        make_folder(self._file.parent)
        with self._complaining(), self._locked():
            rooms = self._read_or_set_aside()
            rooms.setdefault(_server_key(server), {})[room] = credential
            self._write(_without_ended(rooms, time.time()))

    @contextlib.contextmanager
    def _complaining(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise UsageError(f"cannot use {self._file}: {error.strerror or error}") from error

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Keep other windows from writing between our reading and our writing. Raises: OSError."""
        folder = self._file.parent
        if folder.stat().st_mode & _OTHERS:
            folder.chmod(_PRIVATE_FOLDER)
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        lock = os.open(folder / f".{self._file.name}.lock", flags, _PRIVATE_FILE)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)  # held for some milliseconds
            yield
        finally:
            os.close(lock)

    def _read_or_set_aside(self) -> _Rooms:
        """Return what the file holds; a broken one is set aside. Raises: OSError."""
        try:
            return self._read()
        except _Broken:
            aside = self._file.with_name(f"{self._file.name}.broken-{time.strftime('%Y%m%d-%H%M%S')}")
            self._file.replace(aside)
            self.complaints.append(
                f"{self._file} was damaged, and set aside as {aside}: "
                "where a server asks for a token, ask for a new invite link"
            )
            return {}

    def _read(self) -> _Rooms:
        """Raises: OSError; _Broken; UsageError: it is not ours to touch."""
        try:
            descriptor = os.open(self._file, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        except FileNotFoundError:
            return {}
        with os.fdopen(descriptor, "rb") as stream:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode) or found.st_uid != os.getuid():
                raise UsageError(f"{self._file} is no file of yours: move it away")
            if found.st_mode & _OTHERS:
                _log.warning("%s could be read by others: it is yours alone again", self._file)
                os.fchmod(descriptor, _PRIVATE_FILE)
            return _parse(self._file, stream.read(_MOST_BYTES))

    def _write(self, rooms: _Rooms) -> None:
        """Raises: OSError: what was there still is."""
        draft = self._file.with_name(f".{self._file.name}-{os.getpid()}-{os.urandom(4).hex()}")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _PRIVATE_FILE)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
                json.dump(_as_json(rooms), stream, indent=1)
                stream.flush()
                os.fsync(descriptor)
            draft.replace(self._file)
        except BaseException:
            draft.unlink(missing_ok=True)
            raise
        sync_folder(self._file.parent)


def _parse(file: Path, data: bytes) -> _Rooms:
    """Raises: _Broken; UsageError: a newer collab wrote it."""
    try:
        note = json.loads(data)
        if note["format"] > _FORMAT:
            raise UsageError(f"a newer collab wrote {file}: upgrade this one")
        return {
            server: {
                room: Stored(_token(entry["token"]), _expires(entry["expires"]))
                for room, entry in rooms.items()
            }
            for server, rooms in note["servers"].items()
        }
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        pass  # the error's text may hold a part of a token
    raise _Broken


def _token(value: object) -> str:
    if isinstance(value, str) and is_token(value):
        return value
    raise ValueError


def _expires(value: object) -> float | None:
    if value is None:
        return None
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    raise ValueError


def _as_json(rooms: _Rooms) -> dict[str, object]:
    servers = {
        server: {room: {"token": each.token, "expires": each.expires} for room, each in stored.items()}
        for server, stored in rooms.items()
        if stored
    }
    return {"format": _FORMAT, "servers": servers}


def _without_ended(rooms: _Rooms, now: float) -> _Rooms:
    return {
        server: {
            room: each
            for room, each in stored.items()
            if each.expires is None or each.expires > now - _KEPT_AFTER_END_S
        }
        for server, stored in rooms.items()
    }


def _server_key(server: str) -> str:
    """Return one spelling for all that name the same server: in small letters, with its port."""
    parts = urlsplit(server)
    host = parts.hostname or ""
    shown = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{shown}:{parts.port or _PORTS.get(parts.scheme, 0)}"
