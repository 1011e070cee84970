"""Who may come by which key."""

from __future__ import annotations

import base64
import logging
import os
import stat
from pathlib import Path

import pytest

from collab_cli.exits import UsageError
from collab_cli.ssh.authorized_keys import authorized_line
from collab_cli.ssh.public_key import PublicKey, parse_public_key
from collab_cli.ssh_door.keys import KeyFile, make_keys_folder
from collab_protocol.presence import Role
from collab_protocol.restriction import Restriction

_KEY = parse_public_key(
    "ssh-ed25519 "
    + base64.b64encode(b"\0\0\0\x0bssh-ed25519\0\0\0 " + bytes(range(32))).decode()
    + " bo@away"
)


def line(room: str, role: Role = Role.WRITE, key: PublicKey = _KEY) -> str:
    return authorized_line(key, Restriction(room, role), program="collab", data_dir=None) + "\n"


def test_a_key_is_for_the_rooms_of_its_lines(tmp_path: Path) -> None:
    file = tmp_path / "authorized_keys"
    file.write_text("# friends\n\n" + line("notes") + line("plans", Role.READ) + line("notes", Role.ADMIN))
    keys = KeyFile(file)
    assert keys.refresh()
    assert len(keys) == 2
    notes, plans = keys.find(_KEY.blob, "notes"), keys.find(_KEY.blob, "plans")
    assert notes is not None
    assert plans is not None
    assert notes.restriction == Restriction("notes", Role.WRITE, key=_KEY.id), (
        "the first line counts, as in sshd"
    )
    assert notes.key.comment == "bo@away"
    assert plans.restriction.role is Role.READ
    assert keys.find(_KEY.blob, "other") is None
    assert keys.find(b"other", "notes") is None


def test_a_change_is_read_and_a_file_that_is_gone_lets_nobody_in(tmp_path: Path) -> None:
    file = tmp_path / "authorized_keys"
    keys = KeyFile(file)
    assert not keys.refresh()
    file.write_text(line("notes"))
    assert keys.refresh()
    assert not keys.refresh()
    file.write_text(line("plans"))
    os.utime(file, ns=(1, 1))
    assert keys.refresh()
    assert keys.find(_KEY.blob, "notes") is None
    file.unlink()
    assert keys.refresh()
    assert len(keys) == 0


def test_lines_that_let_nobody_in_are_told_and_keep_nobody_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "authorized_keys"
    wrong = [str(_KEY), 'command="sh" ' + str(_KEY), "ssh-ed25519 AAAA", "\udcff", "garbage"]
    file.write_text("\n".join(wrong) + "\n" + line("notes"), errors="surrogateescape")
    keys = KeyFile(file)
    with caplog.at_level(logging.WARNING):
        keys.refresh()
    assert len(keys) == 1
    assert keys.find(_KEY.blob, "notes") is not None
    assert f"{file}:1: " in caplog.text
    assert "collab invite ROOM --ssh-key" in caplog.text


def test_a_file_that_is_too_large_lets_nobody_in(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / "authorized_keys"
    file.write_text(line("notes") + "#" * 1024 * 1024)
    keys = KeyFile(file)
    keys.refresh()
    assert len(keys) == 0
    assert "larger" in caplog.text


def test_a_file_that_cannot_be_looked_at_lets_nobody_in_and_is_told_of_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "ssh"
    folder.mkdir()
    (folder / "authorized_keys").write_text(line("notes"))
    keys = KeyFile(folder / "authorized_keys")
    keys.refresh()
    folder.rename(tmp_path / "elsewhere")
    folder.write_text("no folder")
    assert [keys.refresh() for _ in range(3)] == [True, False, False]
    assert len(keys) == 0
    assert caplog.text.count("cannot be read") == 1


def test_the_folder_is_ours_alone(tmp_path: Path) -> None:
    folder = tmp_path / "ssh"
    folder.mkdir(mode=0o777)
    folder.chmod(0o777)
    make_keys_folder(folder)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="cannot keep"):
        make_keys_folder(tmp_path / "file")


def test_what_openssh_makes_is_found_by_its_blob(tmp_path: Path) -> None:
    asyncssh = pytest.importorskip("asyncssh")
    private = asyncssh.generate_private_key("ecdsa-sha2-nistp256", comment="x")
    public = parse_public_key(private.export_public_key().decode().strip())
    file = tmp_path / "authorized_keys"
    file.write_text(line("notes", key=public))
    keys = KeyFile(file)
    keys.refresh()
    assert keys.find(private.convert_to_public().public_data, "notes") is not None
