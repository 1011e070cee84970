"""Tests of `collab invite ROOM --ssh-key KEY`: lines of authorized_keys, alone on stdout."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from collab_cli.commands import invite_key
from collab_cli.identity import account_name
from collab_cli.main import run
from collab_cli.paths import find_folders
from collab_cli.ssh.authorized_keys import parse_line
from collab_protocol.presence import Role
from collab_protocol.restriction import Restriction
from tests.unit.collab_server.wire import short_folder

from .ssh.keys import ED25519, ED25519_ID, rsa

Output = pytest.CaptureFixture[str]


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with short_folder() as home:
        monkeypatch.setenv("COLLAB_HOME", str(home))
        monkeypatch.setattr(invite_key, "_program", lambda: "/usr/bin/collab")
        yield home


def held_to(line: str) -> Restriction:
    found = parse_line(line)
    assert found is not None
    return found.restriction


def test_the_line_is_alone_on_stdout_and_needs_no_server(home: Path, capsys: Output) -> None:
    assert run(["invite", "notes", "--ssh-key", f"{ED25519} bob", "--name", "bob", "--role", "read"]) == 0
    shown = capsys.readouterr()
    assert shown.out == (
        'restrict,command="/usr/bin/collab relay --room notes --role read --name bob '
        f'--key {ED25519_ID} --data-dir {home}/data" {ED25519} bob\n'
    )
    assert shown.err == (
        "collab: whoever has this key may read in notes, as bob, as long as the line stands in the file\n"
        "collab: add it to ~/.ssh/authorized_keys; they type: "
        f"collab join ssh://{account_name()}@HOST/notes\n"
        f"collab: or, for a server with --ssh, to {home}/data/ssh/authorized_keys; "
        "they type: ssh -p 2222 notes@HOST\n"
    )
    assert not (home / "data").exists()


@pytest.mark.parametrize("typed", ["{}", "-"])
def test_keys_come_from_a_file_or_stdin(
    home: Path, capsys: Output, monkeypatch: pytest.MonkeyPatch, typed: str
) -> None:
    keys = f"# bob's\n{ED25519} laptop\n{rsa(2048)} desk\n{ED25519} once more\n"
    (home / "bob's keys.pub").write_text(keys)
    monkeypatch.setattr(sys, "stdin", io.StringIO(keys))
    assert run(["invite", "notes", "--ssh-key", typed.format(home / "bob's keys.pub")]) == 0
    shown = capsys.readouterr()
    lines = shown.out.splitlines()
    assert [line.rpartition(" ")[2] for line in lines] == ["laptop", "desk"]
    assert [held_to(line).role for line in lines] == [Role.WRITE, Role.WRITE]
    assert "one of these 2 keys" in shown.err


def test_it_may_end(home: Path, capsys: Output, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(invite_key.time, "time", lambda: 1_000.0)
    assert run(["invite", "notes", "--ssh-key", ED25519, "--expires", "2h", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert held_to(said["lines"][0]).until == 1_000 + 7_200
    assert (said["keys"], said["expires"]) == ([ED25519_ID], "1970-01-01T02:16:40+00:00")
    assert (said["room"], said["role"], said["name"]) == ("notes", "write", None)


def test_the_servers_folder_stands_in_it_where_sshd_would_not_find_it(
    home: Path, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COLLAB_HOME")
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.setenv("HOME", str(home))
    assert run(["invite", "notes", "--ssh-key", ED25519]) == 0
    assert "--data-dir" not in capsys.readouterr().out
    assert run(["invite", "notes", "--ssh-key", ED25519, "--data-dir", "/srv/my rooms"]) == 0
    assert "--data-dir '/srv/my rooms'" in capsys.readouterr().out
    with monkeypatch.context() as here:
        here.setenv("XDG_DATA_HOME", "/srv")  # which the shell of sshd need not have
        assert run(["invite", "notes", "--ssh-key", ED25519]) == 0
        folder = find_folders({}).data
    assert f"--data-dir {folder}" in capsys.readouterr().out
    monkeypatch.setenv("COLLAB_DATA_DIR", "/srv/rooms")
    assert run(["invite", "notes", "--ssh-key", ED25519]) == 0
    assert "--data-dir /srv/rooms" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--ssh-key", "ssh-ed25519 AAAA"], "--ssh-key: that ssh-ed25519 key is broken"),
        (["--ssh-key", f"restrict {ED25519}"], "--ssh-key: there are options before the key"),
        (["--ssh-key", "/no/such/key.pub"], "'/no/such/key.pub' cannot be read: No such file"),
        (["--ssh-key", "~no-such-account/key.pub"], "cannot be read: it is no text"),
        (["--ssh-key", f"no-pty {ED25519}{'A' * 300}"], "--ssh-key: there are options before the key"),
        (["--ssh-key", ED25519.split()[1]], "--ssh-key: the key's type is missing"),
        (["--ssh-key", "ssh-ed25519"], "--ssh-key: that ssh-ed25519 key is broken"),
        (["--ssh-key", ""], "--ssh-key: there is no key"),
        (["--ssh-key", "/"], "cannot be read: Is a directory"),
        (["--ssh-key", "a\x00b"], "cannot be read"),
        (["--ssh-key", ED25519, "--role", "boss"], "--role: 'boss' is not one of"),
        (["--ssh-key", ED25519, "--expires", "soon"], "--expires: "),
        (["--ssh-key", ED25519, "--reusable"], "--reusable is for links, and --ssh-key makes none"),
        (["--ssh-key", ED25519, "--url", "wss://x.org"], "--url is for links"),
        (["--ssh-key", ED25519, "--server", "wss://x.org"], "--server is for links"),
        (["--ssh-key", ED25519, "--insecure"], "--insecure is for links"),
    ],
)
def test_what_makes_no_line_says_why(home: Path, capsys: Output, arguments: list[str], why: str) -> None:
    assert run(["invite", "notes", *arguments]) == 2
    shown = capsys.readouterr()
    assert (shown.out, shown.err.count("\n")) == ("", 1)
    assert why in shown.err


def test_a_private_key_is_never_repeated(home: Path, capsys: Output) -> None:
    (home / "id").write_text(
        "-----BEGIN OPENSSH PRIVATE KEY-----\nc2VjcmV0\n-----END OPENSSH PRIVATE KEY-----\n"
    )
    for typed in (str(home / "id"), (home / "id").read_text()):
        assert run(["invite", "notes", "--ssh-key", typed]) == 2
        shown = capsys.readouterr()
        assert "that is a private key" in shown.err
        assert "c2VjcmV0" not in shown.err


def test_sshd_gets_the_whole_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/opt/x/bin/collab"])
    assert invite_key._program() == "/opt/x/bin/collab"
    monkeypatch.setattr(sys, "argv", ["collab_cli/__main__.py"])
    monkeypatch.setattr(invite_key.shutil, "which", lambda _: "/home/ana/.local/bin/collab")
    assert invite_key._program() == "/home/ana/.local/bin/collab"
    monkeypatch.setattr(invite_key.shutil, "which", lambda _: None)
    assert invite_key._program() == "collab"
