"""Who may come by which key: `authorized_keys` in the server's folder, read again when it has changed.

Each line is one that `collab invite ROOM --ssh-key` prints. A key without a room lets nobody in.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Final

from collab_cli.exits import UsageError
from collab_cli.ssh.authorized_keys import GuestKey, parse_line
from collab_protocol.errors import CollabError

_log = logging.getLogger(__name__)

_FILE_BYTES: Final = 1024 * 1024
_COMPLAINTS: Final = 5
"""Lines that are told of one reading."""


class KeyFile:
    """The keys of one file, and what each of them is held to."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._seen: tuple[int, int, int] | None = None
        self._keys: dict[tuple[bytes, str], GuestKey] = {}

    def __len__(self) -> int:
        return len(self._keys)

    def refresh(self) -> bool:
        """Read the file again if it has changed; returns whether it had. One that is gone lets nobody in."""
        try:
            found = self._file.stat()
            seen = found.st_mtime_ns, found.st_size, found.st_ino
        except FileNotFoundError:
            seen = None
        except OSError as error:
            seen = -1, error.errno or 0, 0  # as reading it says then, once
        if seen == self._seen:
            return False
        self._seen = seen
        self._keys = {} if seen is None else self._read()
        _log.info("keys that let a guest in: %d", len(self._keys))
        return True

    def find(self, key: bytes, room: str) -> GuestKey | None:
        """Return the first line of the key with that blob (RFC 4253, section 6.6) that is for `room`."""
        return self._keys.get((key, room))

    def _read(self) -> dict[tuple[bytes, str], GuestKey]:
        try:
            with self._file.open("rb") as stream:
                data = stream.read(_FILE_BYTES + 1)
            if len(data) > _FILE_BYTES:
                raise OSError(f"it is larger than {_FILE_BYTES} bytes")
        except OSError as error:
            _log.error("the keys of guests cannot be read, nobody comes by one: %s", error)
            return {}
        keys: dict[tuple[bytes, str], GuestKey] = {}
        complaints: list[str] = []
        for number, line in enumerate(data.decode("utf-8", "replace").splitlines(), 1):
            try:
                found = parse_line(line)
                if found is not None:
                    keys.setdefault((found.key.blob, found.restriction.room), found)
            except CollabError as error:
                complaints.append(f"{self._file}:{number}: {error}")
        for complaint in complaints[:_COMPLAINTS]:
            _log.warning("a key lets nobody in: %s", complaint)
        if len(complaints) > _COMPLAINTS:
            _log.warning("… and so do %d lines more", len(complaints) - _COMPLAINTS)
        return keys


def make_keys_folder(folder: Path) -> None:
    """Make the folder for what belongs to guests, for us alone. Raises: UsageError."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if folder.stat().st_mode & 0o077:
            folder.chmod(0o700)  # else somebody else might add a key
    except OSError as error:
        raise UsageError(f"cannot keep anything in {folder}: {error.strerror or error}") from error
