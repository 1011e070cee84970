"""The key by which guests know the server again."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from collab_cli.exits import UsageError
from collab_cli.ssh_door.host_key import load_host_key


def test_it_is_made_once_for_us_alone(tmp_path: Path) -> None:
    file = tmp_path / "ssh" / "host_key"
    first = load_host_key(file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert load_host_key(file).get_fingerprint() == first.get_fingerprint()
    assert first.get_algorithm() == "ssh-ed25519"
    assert [each.name for each in file.parent.iterdir()] == ["host_key"]


def test_one_that_others_may_read_is_closed_again(tmp_path: Path) -> None:
    file = tmp_path / "host_key"
    load_host_key(file)
    file.chmod(0o644)
    load_host_key(file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.parametrize("content", [b"", b"no key", b"-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n"])
def test_what_is_no_key_is_left_alone(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "host_key"
    file.write_bytes(content)
    with pytest.raises(UsageError, match="is no SSH key"):
        load_host_key(file)
    assert file.read_bytes() == content


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="cannot keep"):
        load_host_key(tmp_path / "file" / "host_key")
