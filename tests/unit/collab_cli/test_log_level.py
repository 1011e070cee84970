"""Tests of `collab admin log-level`: what a running server logs is asked for and changed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from collab_cli.main import run
from tests.unit.collab_cli.fake_office import FakeOffice, fake_office


@pytest.fixture
def office(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeOffice]:
    monkeypatch.setenv("COLLAB_HOME", str(tmp_path))
    with fake_office(tmp_path / "data", tmp_path / "s.sock") as office:
        office.answer = lambda request: {"ok": {"level": request.get("level", "info"), "before": "info"}}
        yield office


def test_it_is_printed(office: FakeOffice, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["admin", "log-level"]) == 0
    assert office.asked == [{"do": "log-level"}]
    shown = capsys.readouterr()
    assert (shown.out, shown.err) == ("info\n", "")


def test_it_is_changed_and_for_how_long_is_said(
    office: FakeOffice, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["admin", "log-level", "DEBUG"]) == 0
    assert office.asked == [{"do": "log-level", "level": "debug"}]
    shown = capsys.readouterr()
    assert shown.out == "the log tells debug and graver from now on (before: info)\n"
    assert "until the server ends" in shown.err
    assert "--log-level debug" in shown.err


def test_a_program_reads_json(office: FakeOffice, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["admin", "log-level", "error", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"level": "error", "before": "info"}
    assert len(office.asked) == 1


def test_what_is_no_level_is_said_and_nobody_asked(
    office: FakeOffice, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["admin", "log-level", "loud"]) == 2
    assert office.asked == []
    assert "'loud' is no level of the log: use debug, info, warning, error" in capsys.readouterr().err


def test_without_a_server_there_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLLAB_HOME", str(tmp_path))
    assert run(["admin", "log-level"]) == 3
    assert capsys.readouterr().out == ""
