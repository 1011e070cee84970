"""Tests of `collab_cli.ssh.asking`: whether there is anything to edit, once ssh has been dialled."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import termios
from pathlib import Path

import pytest

from collab_cli.exits import CommandError, ExitCode
from collab_cli.settings.flags import JoinFlags
from collab_cli.settings.joining import JoinSettings, join_settings
from collab_cli.ssh import asking
from collab_cli.ssh.asking import dialled
from collab_cli.starting import _place
from collab_cli.targets import parse_target
from collab_protocol.errors import LinkError
from tests.unit.collab_cli.ssh.test_dialling import DENIED, READY, FakeSsh

PAIR = parse_target("ssh://pair/notes")


@pytest.fixture
def ssh(tmp_path: Path) -> FakeSsh:
    return FakeSsh(tmp_path)


def settings_in(home: Path, ssh: FakeSsh, *, offline: bool = False) -> JoinSettings:
    environ = {"COLLAB_HOME": str(home), "COLLAB_SSH": shlex.join(ssh.program)}
    return join_settings(JoinFlags(offline=offline), environ)


def test_a_server_that_is_reached_otherwise_is_not_dialled(tmp_path: Path, ssh: FakeSsh) -> None:
    for target in (parse_target("notes"), parse_target("wss://example.org/notes")):
        with dialled(target, settings_in(tmp_path, ssh)) as dialler:
            assert dialler is None
    with dialled(PAIR, settings_in(tmp_path, ssh, offline=True)) as dialler:
        assert dialler is None


def test_what_was_brought_goes_with_the_block(tmp_path: Path, ssh: FakeSsh) -> None:
    ssh.does(READY)
    with dialled(PAIR, settings_in(tmp_path, ssh)) as dialler:
        assert dialler is not None
        assert dialler.trouble == ""
        assert dialler._brought is not None
    assert dialler._brought is None


@pytest.mark.parametrize(("script", "code"), [(DENIED, ExitCode.UNREACHABLE), ("exit 127", ExitCode.REFUSED)])
def test_nothing_here_and_nothing_there_is_the_end(
    tmp_path: Path, ssh: FakeSsh, script: str, code: ExitCode
) -> None:
    ssh.does(script)
    with pytest.raises(CommandError) as end, dialled(PAIR, settings_in(tmp_path, ssh)):
        pass
    assert end.value.code == code


def test_what_is_kept_here_is_edited_all_the_same(tmp_path: Path, ssh: FakeSsh) -> None:
    settings = settings_in(tmp_path, ssh)
    journal = _place(PAIR, settings)[1]
    journal.parent.mkdir(parents=True)
    journal.touch()
    ssh.does(DENIED)
    with dialled(PAIR, settings) as dialler:
        assert dialler is not None
        assert "pair does not let you in" in dialler.trouble


@pytest.mark.parametrize("has_text", [False, True])
def test_who_does_not_want_to_wait_edits_what_is_kept_here(
    tmp_path: Path,
    ssh: FakeSsh,
    has_text: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Ctrl-C is pressed once the hint would stand there."""
    settings = settings_in(tmp_path, ssh)
    journal = _place(PAIR, settings)[1]
    journal.parent.mkdir(parents=True)
    if has_text:
        journal.touch()
    monkeypatch.setattr(asking, "_HINT_S", 0.0)
    ssh.does("kill -INT $PPID; exec sleep 60")
    expected = contextlib.nullcontext() if has_text else pytest.raises(KeyboardInterrupt)
    with expected, dialled(PAIR, settings) as dialler:
        assert dialler is not None
        assert isinstance(dialler._brought, LinkError)
        assert dialler._brought.asks_person
        assert dialler.trouble == "ssh to pair was ended"
    assert ("Ctrl-C opens what is kept of notes" in capsys.readouterr().err) is has_text


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_ssh_too_before_there_is_a_screen(
    tmp_path: Path, ssh: FakeSsh, number: signal.Signals
) -> None:
    """It is sent twice: the second time ssh is being ended, which takes as long as it takes."""
    pid = tmp_path / "pid"
    again = f"trap 'kill -{number} $PPID; exit 0' TERM"
    ssh.does(f"{again}; echo $$ > {pid}; kill -{number} $PPID; while :; do sleep 0.1; done")
    handler = signal.getsignal(number)
    with pytest.raises(SystemExit) as end, dialled(PAIR, settings_in(tmp_path, ssh)):
        pass
    assert end.value.code == 128 + number
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)
    assert signal.getsignal(number) is handler


def test_nohup_stays_without_a_hangup(tmp_path: Path, ssh: FakeSsh) -> None:
    ssh.does(f"kill -HUP $PPID; {READY}")
    kept = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with dialled(PAIR, settings_in(tmp_path, ssh)) as dialler:
            assert dialler is not None
            assert dialler.trouble == ""
    finally:
        signal.signal(signal.SIGHUP, kept)


@pytest.mark.parametrize("echoes", [True, False])
def test_nothing_is_said_behind_the_prompt_for_a_password(
    tmp_path: Path,
    ssh: FakeSsh,
    echoes: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    settings = settings_in(tmp_path, ssh)
    journal = _place(PAIR, settings)[1]
    journal.parent.mkdir(parents=True)
    journal.touch()
    modes = termios.ECHO if echoes else 0
    monkeypatch.setattr(termios, "tcgetattr", lambda _: [0, 0, 0, modes, 0, 0, []])
    asking._hint(PAIR, settings)
    assert bool(capsys.readouterr().err) is echoes
