"""Who this machine and this person are: the device secret on disk, and the name that others see."""

from __future__ import annotations

import contextlib
import os
import pwd
from pathlib import Path
from typing import Final

from collab_cli.exits import UsageError
from collab_cli.paths import make_folder

DEVICE_BYTES: Final = 32


def load_device(file: Path) -> bytes:
    """Return the secret in `file`; draws it, for us alone (0600), when there is none yet.

    Two processes that draw at the same instant end with the same one: the first link wins.

    Raises:
        UsageError: the file cannot be read, made, or is no such secret.
    """
    make_folder(file.parent)
    try:
        if not file.exists():
            _draw(file)
        secret = file.read_bytes()
        if file.stat().st_mode & 0o077:
            file.chmod(0o600)
    except OSError as error:
        raise UsageError(f"cannot keep this machine's secret in {file}: {error.strerror or error}") from error
    if len(secret) != DEVICE_BYTES:
        raise UsageError(f"{file} is damaged ({len(secret)} bytes): remove it, and a new one is drawn")
    return secret


def account_name() -> str:
    """Return the name of the account that runs this process; "guest" if it has none."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return "guest"


def _draw(file: Path) -> None:
    draft = file.with_name(f".{file.name}-{os.getpid()}-{os.urandom(4).hex()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(os.urandom(DEVICE_BYTES))
            stream.flush()
            os.fsync(stream.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(draft, file)
    finally:
        draft.unlink()
