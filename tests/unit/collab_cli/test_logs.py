"""Tests of `collab_cli.logs`: a log is for us alone, and holds no token, however it came there."""

from __future__ import annotations

import logging
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from collab_cli.exits import UsageError
from collab_cli.logs import log_to_file

TOKEN = "cc1.k1.cGF5bG9hZA.c2lnbmF0dXJl"


@pytest.fixture(autouse=True)
def _handlers_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    for handler in set(root.handlers) - set(handlers):
        handler.close()
    root.handlers[:] = handlers
    root.setLevel(level)


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
