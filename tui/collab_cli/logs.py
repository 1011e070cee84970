"""Log files: rotating, three of 1 MiB, for us alone. The screen is never logged to; tokens never are."""

from __future__ import annotations

import logging
import os
import sys
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Final

from collab_cli.exits import UsageError
from collab_cli.paths import make_folder
from collab_cli.redaction import redact

_FILE_BYTES: Final = 1024 * 1024
_OLDER_FILES: Final = 2
_FORMAT: Final = "%(asctime)s %(process)d %(levelname)s %(name)s: %(message)s"


class _Redacting(logging.Formatter):
    """Takes tokens out of the whole entry: its message, whatever went into it, and its traceback."""

    def format(self, record: logging.LogRecord) -> str:
        return redact(super().format(record))


def log_to_file(file: Path) -> None:
    """Send the log of this process to `file`, which is made at once.

    Raises:
        UsageError: it cannot be written.
    """
    make_folder(file.parent)
    try:
        os.close(os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600))
        handler = RotatingFileHandler(
            file, maxBytes=_FILE_BYTES, backupCount=_OLDER_FILES, encoding="utf-8", errors="backslashreplace"
        )
    except OSError as error:
        raise UsageError(f"cannot write the log {file}: {error.strerror or error}") from error
    _use(handler)


def log_to_stderr() -> None:
    """Send the log of this process to stderr."""
    _use(logging.StreamHandler(sys.stderr))


def _use(handler: logging.Handler) -> None:
    handler.setFormatter(_Redacting(_FORMAT))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    # Each connection that a browser or a port scanner opens and drops would be an ERROR with traceback.
    logging.getLogger("websockets").setLevel(logging.CRITICAL)
    logging.getLogger("collab_server.websockets").setLevel(logging.WARNING)
