"""How a guest's process ends: what is thrown away behind it has to be in the room."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from signal import Signals
from types import SimpleNamespace
from typing import Any

import pytest

from collab_cli.exits import ExitCode
from collab_cli.ssh_door.guest import _ending
from collab_cli.ssh_door.orders import SAVED
from collab_client.journal_file import JournalFile, Origin, Own, Receipted
from collab_tui.app_config import Outcome
from tests.unit.collab_cli.ssh_door.test_orders import order

_ORIGIN = Origin("/data", "notes", b"d" * 32)


def ended(journals: Path, outcome: Outcome, by: Signals | None = None) -> int:
    window: Any = SimpleNamespace(outcome=outcome, ended_by=by, has_crashed=False)
    return _ending(window, order(), journals)[0]


@pytest.fixture
def unsent(tmp_path: Path) -> Path:
    """Return a folder with a journal that has what no server has."""
    with closing(JournalFile(tmp_path / "notes.sqlite3", _ORIGIN)) as file:
        file.write([Own(7, 1, b"a row", 0.0, None)])
    return tmp_path


@pytest.mark.parametrize("by", [None, Signals.SIGHUP, Signals.SIGTERM])
def test_who_leaves_before_the_text_is_there_leaves_the_journal(unsent: Path, by: Signals | None) -> None:
    nothing_seen = Outcome()
    assert ended(unsent, nothing_seen, by) == (ExitCode.OK if by is None else 128 + by)
    with closing(JournalFile(unsent / "notes.sqlite3", _ORIGIN)) as file:
        file.write([Receipted(7, 1, 0.0)])
    assert ended(unsent, nothing_seen, by) == SAVED + (0 if by is None else by)


def test_a_journal_that_cannot_be_read_stays(tmp_path: Path) -> None:
    assert ended(tmp_path, Outcome()) == SAVED
    (tmp_path / "notes.sqlite3").write_bytes(b"no journal at all" * 100)
    assert ended(tmp_path, Outcome()) == ExitCode.OK
    (tmp_path / "notes.sqlite3").rename(tmp_path / "notes.sqlite3.damaged-20260101T000000Z-1")
    assert ended(tmp_path, Outcome()) == ExitCode.OK


def test_what_is_unsaved_is_told_by_the_code() -> None:
    nowhere = Path("/nowhere")
    assert ended(nowhere, Outcome(unsaved=2, kept=2)) == ExitCode.UNSAVED
    assert ended(nowhere, Outcome(unsaved=2), Signals.SIGTERM) == 128 + Signals.SIGTERM
