"""Tests of `collab_cli.token_sources`: which token is said, and that none is shown or passed on."""

from __future__ import annotations

import getpass
from pathlib import Path

import pytest

from collab_cli.credentials import Credentials, Stored
from collab_cli.exits import UsageError
from collab_cli.ssh.address import SshServer
from collab_cli.targets import Server, Target
from collab_cli.token_sources import take_token, with_token

Output = pytest.CaptureFixture[str]

URL = "wss://example.org"
NOTES = Target("notes", Server(url=URL))
LINK, VARIABLE, FILE, TYPED, STORED = (f"ci1.k1.{each}.c2lnbmF0dXJl" for each in "abcde")


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    file = tmp_path / "config" / "credentials.json"
    Credentials(file).save(URL, "notes", Stored(STORED, None))
    return file


@pytest.fixture
def token_file(tmp_path: Path) -> str:
    file = tmp_path / "token"
    file.write_text(f"{FILE}\n")
    file.chmod(0o600)
    return str(file)


def test_the_first_that_is_there(
    stored: Path, token_file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = Target("notes", NOTES.server, LINK)
    assert with_token(link, VARIABLE, token_file, stored).token == LINK
    assert with_token(NOTES, VARIABLE, token_file, stored).token == VARIABLE
    assert with_token(NOTES, None, token_file, stored).token == FILE
    asked: list[str] = []
    monkeypatch.setattr(getpass, "getpass", lambda prompt: asked.append(prompt) or f" {TYPED} ")
    assert with_token(NOTES, None, "-", stored).token == TYPED
    assert asked == ["token for wss://example.org/notes: "]
    assert with_token(NOTES, None, None, stored).token == STORED
    assert with_token(NOTES, None, None, tmp_path / "none").token is None


def test_a_whole_link_will_do_where_a_token_is_asked_for(stored: Path) -> None:
    assert with_token(NOTES, f"{URL}/notes#{VARIABLE}", None, stored).token == VARIABLE


@pytest.mark.parametrize(
    "server", [None, Server(unix_path=Path("/run/x.sock")), Server(ssh=SshServer("pair"))]
)
def test_a_server_on_this_machine_is_shown_none(server: Server | None, stored: Path) -> None:
    assert with_token(Target("notes", server), VARIABLE, None, stored).token is None
    with pytest.raises(UsageError, match="leave it out"):
        with_token(Target("notes", server), None, "-", stored)


def test_what_is_no_token_is_refused_unseen(
    stored: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "token").write_bytes(b"hunter2 \xff")
    monkeypatch.setattr(getpass, "getpass", lambda prompt: "hunter2")
    for variable, token_file, source in (
        ("hunter2", None, "COLLAB_TOKEN"),
        (None, str(tmp_path / "token"), "what is in "),
        (None, "-", "what was typed"),
    ):
        with pytest.raises(UsageError, match=f"^{source}.*no token") as refusal:
            with_token(NOTES, variable, token_file, stored)
        assert "hunter2" not in str(refusal.value)


@pytest.mark.parametrize("path", ["/nonexistent/token", "/", "/a\0b"])
def test_a_file_that_cannot_be_read_is_named(stored: Path, path: str) -> None:
    with pytest.raises(UsageError, match="--token-file: "):
        with_token(NOTES, None, path, stored)


def test_a_file_that_others_can_read_is_told(stored: Path, token_file: str, capsys: Output) -> None:
    assert with_token(NOTES, None, token_file, stored).token == FILE
    assert capsys.readouterr().err == ""
    Path(token_file).chmod(0o644)
    assert with_token(NOTES, None, token_file, stored).token == FILE
    assert "chmod 600" in capsys.readouterr().err


def test_nobody_at_the_prompt_is_an_error(stored: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(prompt: str) -> str:
        raise EOFError

    monkeypatch.setattr(getpass, "getpass", gone)
    with pytest.raises(UsageError, match="no token was typed"):
        with_token(NOTES, None, "-", stored)


@pytest.mark.parametrize("text", ["{", '{"format": 2, "servers": {}}'])
def test_trouble_with_what_is_stored_is_told_and_keeps_nobody_out(
    stored: Path, capsys: Output, text: str
) -> None:
    stored.write_text(text)
    assert with_token(NOTES, None, None, stored) == NOTES
    assert "credentials.json" in capsys.readouterr().err


def test_the_variable_is_taken_so_that_nothing_inherits_it() -> None:
    environ = {"COLLAB_TOKEN": VARIABLE, "PATH": "/bin"}
    assert take_token(environ) == VARIABLE
    assert environ == {"PATH": "/bin"}
    assert take_token(environ) is None
    assert take_token({"COLLAB_TOKEN": ""}) is None


def test_a_port_behind_ssh_is_a_server_of_its_own(stored: Path) -> None:
    notes = Target("notes", Server(ssh=SshServer("pair", via_tcp=8765)))
    assert with_token(notes, VARIABLE, None, stored).token == VARIABLE
    assert with_token(notes, None, None, stored).token is None
    Credentials(stored).save(str(notes.server), "notes", Stored(FILE, None))
    assert with_token(notes, None, None, stored).token == FILE
    assert with_token(NOTES, None, None, stored).token == STORED
