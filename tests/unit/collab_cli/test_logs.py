"""Tests of `collab_cli.logs`: a log is for us alone, and holds no token, however it came there."""

from __future__ import annotations

import atexit
import json
import logging
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from collab_cli.exits import UsageError
from collab_cli.log_floods import LINES_A_SECOND
from collab_cli.logs import log_server, log_to_file
from collab_cli.settings.flags import LogFormat, LogLevel
from collab_server.log_fields import Kind, about, room_id

TOKEN = "cc1.k1.cGF5bG9hZA.c2lnbmF0dXJl"


@pytest.fixture(autouse=True)
def _handlers_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers = root.handlers[:]
    loggers = [
        root,
        *map(logging.getLogger, ("collab_server", "collab_cli", "websockets", "collab_server.websockets")),
    ]
    levels = [each.level for each in loggers]
    yield
    for handler in set(root.handlers) - set(handlers):
        handler.close()
    root.handlers[:] = handlers
    for each, level in zip(loggers, levels, strict=True):
        each.setLevel(level)


def test_tokens_are_left_out_of_messages_arguments_and_tracebacks(tmp_path: Path) -> None:
    file = tmp_path / "logs" / "client.log"
    log_to_file(file)
    log = logging.getLogger("collab_cli.test")
    log.info("said " + TOKEN)  # noqa: G003  # as somebody might
    log.warning("for %s: %r", TOKEN, {"token": TOKEN})
    try:
        raise ValueError(f"what is {TOKEN}?")
    except ValueError:
        log.exception("failed")
    log.error("stack", stack_info=True)
    written = file.read_text()
    assert "k1" not in written
    assert written.count("cc1.…") == 4
    assert "ValueError: what is cc1.…?" in written
    assert "Stack (most recent call last)" in written


def test_the_file_is_for_us_alone(tmp_path: Path) -> None:
    file = tmp_path / "logs" / "client.log"
    log_to_file(file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


def test_a_log_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "client.log").mkdir()
    with pytest.raises(UsageError, match="cannot write the log"):
        log_to_file(tmp_path / "client.log")


def test_a_server_writes_json_about_rooms_without_their_names(tmp_path: Path) -> None:
    file = tmp_path / "server.log"
    log_server(file, LogLevel.DEBUG, LogFormat.JSON)
    logging.getLogger("collab_server.room").debug("came", extra=about(room="diary", session=7))
    entry = json.loads(file.read_text())
    assert (entry["event"], entry["level"]) == ("came", "debug")
    assert (entry["room"], entry["session"]) == (room_id("diary"), 7)
    assert "diary" not in file.read_text()


def test_a_server_tells_its_level_and_graver_alone(tmp_path: Path) -> None:
    file = tmp_path / "server.log"
    log_server(file, LogLevel.WARNING, LogFormat.TEXT)
    logging.getLogger("collab_server.room").info("came")
    logging.getLogger("collab_server.room").warning("slow")
    assert [line.rpartition(": ")[2] for line in file.read_text().splitlines()] == ["slow"]


def test_frames_are_not_told_at_any_level(tmp_path: Path) -> None:
    file = tmp_path / "server.log"
    log_server(file, LogLevel.DEBUG, LogFormat.TEXT)
    for name in ("websockets.server", "websockets.client", "collab_server.websockets"):
        logging.getLogger(name).debug("< BINARY 'dear diary'")
        logging.getLogger(name).info("< BINARY 'dear diary'")
    assert file.read_text() == ""


def test_a_flood_does_not_fill_the_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ends = []
    monkeypatch.setattr(atexit, "register", ends.append)
    file = tmp_path / "server.log"
    log_server(file)
    for _ in range(1000):
        logging.getLogger("collab_server.listener").info("refused", extra=about(kind=Kind.REFUSED))
    (end,) = ends
    end()
    lines = file.read_text().splitlines()
    # The clock may have come to another second in between.
    assert LINES_A_SECOND < len(lines) <= 5 * LINES_A_SECOND
    assert f"and {1000 - len(lines) + 1} more in the last" in lines[-1]
    assert lines[-1].endswith("[kind=refused]")
