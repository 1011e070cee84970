"""Lines of a server's log: text for people, or JSON, an object a line. They say nothing that people wrote.

Rooms are ids in them, people sessions. Whatever failed is told by its place in the code; its message is left
out where it may hold what it failed on, such as a text, a name or a token.
"""

from __future__ import annotations

import json
import logging
import re
import sqlite3
import time
import traceback
from collections.abc import Iterator
from typing import Any, Final

from collab_cli.exits import printable
from collab_cli.redaction import redact

FIELDS: Final = ("room", "session", "kind")
"""What `collab_server.log_fields` gives a line, in the order in which it is shown."""

_REPR: Final = re.compile(r"[<(].*")

# The interpreter's own words in these are about the program; OSError names files of ours, SQLite tables.
_SPEAKS: Final = (OSError, sqlite3.Error, MemoryError)
_SPEAKS_ITSELF: Final = (
    AttributeError,
    NameError,
    ImportError,
    ZeroDivisionError,
    IndexError,
    RecursionError,
)
_TRACES_MOST: Final = 16


class TextLines(logging.Formatter):
    """As in `2026-02-03T04:05:06.789Z 4711 INFO collab_server.connection: came [room=1a2b3c4d session=5]`."""

    def format(self, record: logging.LogRecord) -> str:
        fields = " ".join(f"{name}={value}" for name, value in _fields(record).items())
        line = (
            f"{_time(record)} {record.process} {record.levelname} {record.name}: {_event(record)}"
            f"{f' [{fields}]' if fields else ''}"
        )
        error = _error(record)
        return redact(line if error is None else f"{line}\n{_traceback(error)}")


class JsonLines(logging.Formatter):
    """An object a line: time, level, logger, event, pid; if known room, session, kind, error, traceback."""

    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, Any] = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": redact(_event(record)),
            "pid": record.process,
            **_fields(record),
        }
        error = _error(record)
        if error is not None:
            entry["error"] = redact(_told(error))
            entry["traceback"] = redact(_traceback(error))
        return json.dumps(entry)


def _time(record: logging.LogRecord) -> str:
    whole = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
    return f"{whole}.{int(record.msecs):03}Z"


def _event(record: logging.LogRecord) -> str:
    """Return the message in one line, whatever somebody else has put into it."""
    message = record.getMessage()
    if record.name == "asyncio":
        # It goes on with the repr of whatever failed, and that with whatever it holds; a callback, with
        # what it was called with.
        message = _REPR.sub("…", message.partition("\n")[0])
    return printable(message)


def _fields(record: logging.LogRecord) -> dict[str, object]:
    found = {name: getattr(record, name, None) for name in FIELDS}
    return {name: value for name, value in found.items() if value is not None}


def _error(record: logging.LogRecord) -> BaseException | None:
    return record.exc_info[1] if record.exc_info else None


def _told(error: BaseException) -> str:
    """Return what kind of error it is, and what it says where that can hold nothing of anybody's."""
    kind = type(error).__qualname__
    if type(error).__module__ not in ("builtins", "__main__"):
        kind = f"{type(error).__module__}.{kind}"
    if not isinstance(error, _SPEAKS) and type(error) not in _SPEAKS_ITSELF:
        return kind
    return f"{kind}: {printable(str(error))}"


def _traceback(error: BaseException) -> str:
    return "\n".join(part.rstrip("\n") for part in _traces(error, []))


def _traces(error: BaseException, seen: list[BaseException]) -> Iterator[str]:
    """Yield what traceback.format_exception does, without messages that may hold anything."""
    if len(seen) == _TRACES_MOST:
        return
    seen.append(error)
    before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if before is not None and before not in seen:
        yield from _traces(before, seen)
        yield "which led to:"
    if error.__traceback__ is not None:
        yield "Traceback (most recent call last):"
        yield from traceback.format_tb(error.__traceback__)
    yield _told(error)
    if isinstance(error, BaseExceptionGroup):
        for part in error.exceptions:
            if part not in seen:
                yield "one of them:"
                yield from _traces(part, seen)
