"""The key by which guests know this server again: made once, for us alone."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Final

import asyncssh

from collab_cli.exits import UsageError
from collab_cli.paths import make_folder, sync_folder

_KIND: Final = "ssh-ed25519"
_OURS_ALONE: Final = 0o600


def load_host_key(file: Path) -> asyncssh.SSHKey:
    """Return the key in `file`; draws it when there is none yet.

    Of two processes that draw at the same instant the first link wins. One that cannot be read is never
    replaced: all who were here before would be warned of an attack.

    Raises:
        UsageError: the file cannot be read, made, or is no key.
    """
    make_folder(file.parent)
    try:
        if not file.exists():
            _draw(file)
        if file.stat().st_mode & 0o077:
            file.chmod(_OURS_ALONE)
        return asyncssh.import_private_key(file.read_bytes())
    except OSError as error:
        raise UsageError(f"cannot keep this server's SSH key in {file}: {error.strerror or error}") from error
    except asyncssh.KeyImportError as error:
        raise UsageError(
            f"{file} is no SSH key: put back the one that was there, or remove it; whoever was here before "
            "is warned then"
        ) from error


def _draw(file: Path) -> None:
    draft = file.with_name(f".{file.name}-{os.getpid()}-{os.urandom(4).hex()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _OURS_ALONE)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(asyncssh.generate_private_key(_KIND, comment="collab").export_private_key())
            stream.flush()
            os.fsync(stream.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(draft, file)
        sync_folder(file.parent)
    finally:
        draft.unlink()
