"""Tests of `collab_cli.doctor.ssh_door`: the door for guests, and the keys that open it."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from collab_cli.doctor import ssh_door
from collab_cli.doctor.findings import Finding, State
from collab_cli.ssh.authorized_keys import authorized_line
from collab_cli.ssh.public_key import parse_public_key
from collab_protocol.presence import Role
from collab_protocol.restriction import Restriction
from tests.unit.collab_cli.doctor.ward import Ward
from tests.unit.collab_cli.ssh.keys import ED25519

LINE = authorized_line(
    parse_public_key(ED25519), Restriction("notes", Role.WRITE), program="/usr/bin/collab", data_dir=None
)


@pytest.fixture(autouse=True)
def is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: True)


def found(ward: Ward) -> list[Finding]:
    return list(ssh_door.look_at_ssh_door(ward.case()))


def keys(ward: Ward, text: str) -> Path:
    folder = ward.data / "ssh"
    folder.mkdir(mode=0o700)
    file = folder / "authorized_keys"
    file.write_text(text)
    file.chmod(0o600)
    return file


def test_nothing_is_said_where_there_are_no_guests(ward: Ward) -> None:
    assert found(ward) == []


def test_keys_that_let_somebody_in_are_counted(ward: Ward) -> None:
    file = keys(ward, f"# friends\n{LINE}\n")
    (finding,) = found(ward)
    assert (finding.state, finding.what) == (State.OK, f"{file} has 1 key that guests come by over SSH")


def test_lines_that_let_nobody_in_are_told_with_their_number(ward: Ward) -> None:
    file = keys(ward, f"{LINE}\n{ED25519}\nrubbish\n{ED25519}\n{ED25519}\n")
    plain, rubbish, third, more, good = found(ward)
    assert f"{file}:2: this key is for no room" in plain.what
    assert f"{file}:3: " in rubbish.what
    assert f"{file}:4: " in third.what
    assert more.what == "1 key more let nobody in"
    assert good.state is State.OK
    assert all(each.todo for each in (plain, rubbish, third, more))


def test_a_file_that_others_may_write_to(ward: Ward) -> None:
    file = keys(ward, f"{LINE}\n")
    file.chmod(0o620)
    assert (found(ward)[0].state, found(ward)[0].todo) == (State.WRONG, f"chmod 600 {file}")


def test_a_door_without_keys_or_without_what_speaks_ssh(ward: Ward, monkeypatch: pytest.MonkeyPatch) -> None:
    ward.configure('ssh = ":2222"\n')
    (finding,) = found(ward)
    assert finding.state is State.WARNING
    assert "collab invite ROOM --ssh-key" in finding.todo
    ward.configure('ssh = ":2222"\nauth = true\n')
    assert found(ward) == []
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    (finding,) = found(ward)
    assert (finding.state, finding.todo) == (State.WRONG, "pip install 'collab-editor[ssh]'")


def test_a_host_key_that_others_can_read(ward: Ward) -> None:
    key = keys(ward, "").with_name("host_key")
    key.write_text("secret")
    key.chmod(0o640)
    (line,) = ward.ails()
    assert f"could read {key}" in line
    assert f"chmod 600 {key}" in line
