"""Logs: of a client in files, rotating, three of 1 MiB, for us alone; of a server there or on stderr.

The screen is never logged to; tokens never are. What a server logs says nothing that people wrote.
"""

from __future__ import annotations

import atexit
import logging
import os
import sys
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Final

from collab_cli.exits import UsageError
from collab_cli.paths import make_folder
from collab_cli.redaction import redact
from collab_cli.settings.flags import LogFormat, LogLevel

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
    handler = _to_file(file)
    handler.setFormatter(_Redacting(_FORMAT))
    _use(handler)


def log_server(
    file: Path | None, level: LogLevel = LogLevel.INFO, log_format: LogFormat = LogFormat.TEXT
) -> None:
    """Send the log of this process, which is a server, to `file` or to stderr.

    Raises:
        UsageError: the file cannot be written.
    """
    from collab_cli.log_floods import FloodGate
    from collab_cli.log_lines import JsonLines, TextLines
    from collab_server.log_level import set_level

    handler = logging.StreamHandler(sys.stderr) if file is None else _to_file(file)
    handler.setFormatter(JsonLines() if log_format is LogFormat.JSON else TextLines())
    gate = FloodGate(handler.handle)
    handler.addFilter(gate)
    atexit.register(gate.end)
    _use(handler)
    set_level(level)


def _to_file(file: Path) -> logging.Handler:
    make_folder(file.parent)
    try:
        os.close(os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600))
        return RotatingFileHandler(
            file, maxBytes=_FILE_BYTES, backupCount=_OLDER_FILES, encoding="utf-8", errors="backslashreplace"
        )
    except OSError as error:
        raise UsageError(f"cannot write the log {file}: {error.strerror or error}") from error


def _use(handler: logging.Handler) -> None:
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    # Each connection that a browser or a port scanner opens and drops would be an ERROR with traceback.
    # They also tell every frame, text and all, at DEBUG: whatever the level of the rest, these stay.
    logging.getLogger("websockets").setLevel(logging.CRITICAL)
    logging.getLogger("collab_server.websockets").setLevel(logging.WARNING)
