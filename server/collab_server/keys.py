"""The file with the secrets that tokens are signed with: `kid hexsecret` a line, the newest first."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from collab_protocol.errors import StoreError
from collab_server.tokens import KeyRing

_log = logging.getLogger(__name__)

_SECRET_BYTES: Final = 32
"""As many as SHA-256 gives (RFC 2104 section 3: fewer are weaker, more do not help)."""

_LINE: Final = re.compile(r"([0-9a-f]{8}) ([0-9a-f]{64})", re.ASCII)

_KEPT: Final = 2
"""Keys after a rotation: the new one, and the one before it, whose tokens are out there."""

_FILE_BYTES: Final = 65_536


def load_keys(path: Path, *, may_draw: bool = True) -> KeyRing:
    """Return the keys in `path`; may draw the first one, for us alone (0600), when there is no such file.

    Two processes that draw at the same instant end with the same one: the first link wins.

    Raises:
        StoreError: they cannot be read or made; the text says what to do.
    """
    return KeyRing(dict(_load(path, may_draw)))


def count_keys(path: Path) -> int:
    """Return how many keys are in `path`; nothing is changed, and whose file it is does not matter.

    Raises:
        StoreError: it cannot be read, or is no file of keys.
    """
    with _failures(path):
        opened = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(opened, "rb") as file:
            text = file.read(_FILE_BYTES).decode("ascii", "replace")
    return len(_parse(path, text))


def rotate_keys(path: Path) -> str:
    """Let a new key sign from now on; returns its id. The one before is kept, and older ones are dropped.

    The file is replaced whole or not at all. A server that runs takes it up when it reads its keys again.

    Raises:
        StoreError: that cannot be done; the keys are as they were.
    """
    kept = _load(path)[: _KEPT - 1]
    new = _draw_key()
    with _failures(path):
        draft = _write_draft(path, [new, *kept])
        try:
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)
        _sync_folder(path.parent)
    _log.info("key %s signs from now on", new[0])
    return new[0]


def copy_keys(path: Path) -> list[tuple[str, bytes]]:
    """Return the keys in `path` for a backup, whoever owns it; none when there is no such file.

    Raises:
        StoreError: they cannot be read.
    """
    with _failures(path):
        try:
            opened = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        except FileNotFoundError:
            return []
        with os.fdopen(opened, "rb") as file:
            if not stat.S_ISREG(os.fstat(opened).st_mode):
                raise StoreError(f"{path} is no file")
            return _parse(path, file.read(_FILE_BYTES).decode("ascii", "replace"))


def are_keys(found: list[tuple[object, object]]) -> bool:
    """Return whether what was read somewhere is keys: what is put in a file has to be read again."""
    return len(dict(found)) == len(found) and all(
        isinstance(kid, str) and isinstance(secret, bytes) and _LINE.fullmatch(f"{kid} {secret.hex()}")
        for kid, secret in found
    )


def put_keys(path: Path, keys: list[tuple[str, bytes]]) -> None:
    """Let these keys, the newest first, take the place of what is in `path`: whole or not at all.

    Raises:
        StoreError: that cannot be done; the keys are as they were.
    """
    with _failures(path):
        draft = _write_draft(path, keys)
        try:
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)
        _sync_folder(path.parent)


def _load(path: Path, may_draw: bool = True) -> list[tuple[str, bytes]]:
    with _failures(path):
        try:
            text = _read(path)
        except FileNotFoundError:
            if not may_draw:
                raise
            _make(path)
            text = _read(path)
    return _parse(path, text)


def _read(path: Path) -> str:
    """Return the content of a file that nobody else can have written, and that nobody else can read."""
    # Not waiting: a pipe in its place would hold us for ever.
    opened = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(opened, "rb") as file:
        found = os.fstat(opened)
        if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid():
            raise StoreError(f"{path} is no file of ours: remove it, and new keys are drawn")
        if found.st_mode & 0o022:
            raise StoreError(
                f"others may write to {path}, and may have put keys of theirs into it:"
                " remove it, and new keys are drawn"
            )
        if found.st_mode & 0o077:
            os.fchmod(opened, 0o600)
            _log.warning(
                "others could read %s: it is private again; if they may have, run"
                " `collab admin rotate-keys` twice, after which all old tokens are void",
                path,
            )
        return file.read(_FILE_BYTES).decode("ascii", "replace")


def _parse(path: Path, text: str) -> list[tuple[str, bytes]]:
    """Return keys by their ids. What is wrong is told by its line's number: the line may hold a secret."""
    keys: dict[str, bytes] = {}
    for number, line in enumerate(text.splitlines(), 1):
        found = _LINE.fullmatch(line.strip())
        if found is None or found[1] in keys:
            raise StoreError(
                f"line {number} of {path} is no key: put the file back as it was, or remove it,"
                " and new keys are drawn (all tokens are void then)"
            )
        keys[found[1]] = bytes.fromhex(found[2])
    if not keys:
        raise StoreError(f"{path} has no keys: remove it, and new ones are drawn (all tokens are void then)")
    return list(keys.items())


def _make(path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = _write_draft(path, [_draw_key()])
    try:
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
    finally:
        draft.unlink()
    _sync_folder(path.parent)


def _draw_key() -> tuple[str, bytes]:
    return secrets.token_hex(4), secrets.token_bytes(_SECRET_BYTES)


def _write_draft(path: Path, keys: list[tuple[str, bytes]]) -> Path:
    """Write keys, durably, to a new file beside `path`."""
    draft = path.with_name(f".{path.name}-{os.getpid()}-{secrets.token_hex(4)}")
    opened = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(opened, "w", encoding="ascii") as file:
            file.writelines(f"{kid} {secret.hex()}\n" for kid, secret in keys)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    return draft


def _sync_folder(folder: Path) -> None:
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


@contextlib.contextmanager
def _failures(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreError(f"the keys of tokens cannot be kept in {path}: {error.strerror or error}") from error
