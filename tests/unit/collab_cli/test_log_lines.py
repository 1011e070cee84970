"""Tests of `collab_cli.log_lines`: what a server logs says where and when, and nothing that people wrote."""

from __future__ import annotations

import json
import logging
import re
import sqlite3
import sys
from collections.abc import Callable
from typing import Any

import pytest

from collab_cli.log_lines import JsonLines, TextLines
from collab_protocol.errors import StoreError

TOKEN = "cc1.k1.cGF5bG9hZA.c2lnbmF0dXJl"
SECRET = "dear diary"

FORMATTERS = pytest.mark.parametrize("formatter", [TextLines(), JsonLines()], ids=["text", "json"])


def _record(
    message: str = "came", *arguments: object, error: BaseException | None = None, **fields: Any
) -> logging.LogRecord:
    if error is not None:
        try:
            raise error
        except BaseException:  # as whatever catches it
            exc_info = sys.exc_info()
    else:
        exc_info = (None, None, None)
    record = logging.LogRecord(
        "collab_server.room", logging.INFO, __file__, 1, message, arguments, exc_info if error else None
    )
    record.__dict__.update(fields)
    return record


def test_a_line_of_text_ends_with_what_it_is_about() -> None:
    line = TextLines().format(_record("sent %d", 5, room="1a2b3c4d", session=123))
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z \d+ INFO collab_server\.room: sent 5"
        r" \[room=1a2b3c4d session=123\]",
        line,
    )
    assert TextLines().format(_record("sent %d", 5)).endswith("collab_server.room: sent 5")


def test_a_line_of_json_has_its_fields() -> None:
    entry = json.loads(
        JsonLines().format(_record("sent %d", 5, room="1a2b3c4d", session=123, kind="hostile"))
    )
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", entry.pop("time"))
    assert entry.pop("pid") > 0
    assert entry == {
        "level": "info",
        "logger": "collab_server.room",
        "event": "sent 5",
        "room": "1a2b3c4d",
        "session": 123,
        "kind": "hostile",
    }


@FORMATTERS
def test_each_entry_is_one_line_whatever_others_put_into_it(formatter: logging.Formatter) -> None:
    line = formatter.format(_record("from %s", "1.2.3.4\n2026-01-01 INFO: \x1b[2Jforged\r\x85"))
    assert len(line.splitlines()) == 1
    assert "\x1b" not in line


@FORMATTERS
@pytest.mark.parametrize(
    "fail",
    [
        lambda: {}[SECRET],
        lambda: int(SECRET),
        lambda: SECRET.encode().decode("utf-16-be").encode("ascii") and None,
        lambda: (_ for _ in ()).throw(StoreError(f"room {SECRET} is gone")),
        lambda: (_ for _ in ()).throw(RuntimeError(SECRET)),
        lambda: (_ for _ in ()).throw(BaseExceptionGroup(SECRET, [ValueError(SECRET), KeyError(SECRET)])),
    ],
)
def test_a_traceback_says_where_and_not_what(formatter: logging.Formatter, fail: Callable[[], Any]) -> None:
    try:
        try:
            fail()
        except BaseException as error:
            error.add_note(SECRET)
            raise LookupError(SECRET) from error
    except LookupError as error:
        failed = error
    line = formatter.format(_record("failed", error=failed))
    assert SECRET not in line
    assert SECRET.split()[0] not in line
    assert "test_log_lines.py" in line
    assert "LookupError" in line
    assert "which led to:" in line
    assert "fail()" in line, "the code is shown"


@FORMATTERS
@pytest.mark.parametrize(
    "error",
    [
        FileNotFoundError(2, "No such file or directory", "/var/lib/collab/keys"),
        sqlite3.OperationalError("database or disk is full"),
        AttributeError("'Room' object has no attribute 'x'"),
    ],
)
def test_what_the_machine_says_is_told(formatter: logging.Formatter, error: Exception) -> None:
    assert str(error) in formatter.format(_record("failed", error=error))


def test_json_names_the_error_beside_its_traceback() -> None:
    entry = json.loads(JsonLines().format(_record("failed", error=KeyError(SECRET))))
    assert entry["error"] == "KeyError"
    assert entry["traceback"].splitlines()[0] == "Traceback (most recent call last):"
    assert entry["traceback"].splitlines()[-1] == "KeyError"


@FORMATTERS
def test_errors_in_a_ring_end(formatter: logging.Formatter) -> None:
    one, two = ValueError(), KeyError()
    one.__cause__, two.__cause__ = two, one
    assert "KeyError" in formatter.format(_record("failed", error=one))


@FORMATTERS
def test_no_token_gets_through(formatter: logging.Formatter) -> None:
    line = formatter.format(_record(f"said {TOKEN} %s", TOKEN, error=OSError(TOKEN)))
    assert "k1" not in line
    assert line.count("cc1.") >= 3


@FORMATTERS
def test_what_asyncio_says_is_told_without_what_it_is_about(formatter: logging.Formatter) -> None:
    record = _record(f"Task exception was never retrieved\nfuture: <Task exception=KeyError('{SECRET}')>")
    record.name = "asyncio"
    assert "never retrieved" in formatter.format(record)
    assert SECRET not in formatter.format(record)
    record.msg = f"Exception in callback tell('{SECRET}', b'{SECRET}') at room.py:5"
    assert "Exception in callback tell" in formatter.format(record)
    assert SECRET not in formatter.format(record)
    record.msg = f"Executing <Task name='snapshot {SECRET}'> took 0.2 seconds"
    assert SECRET not in formatter.format(record)
