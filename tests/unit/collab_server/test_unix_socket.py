"""Tests of `collab_server.unix_socket`: who may open it, and what else may lie where it is to be."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from collab_protocol.errors import StoreError
from collab_server.unix_socket import PortTaken, bind, clear_the_way

from .wire import short_folder


@pytest.fixture
def folder() -> Iterator[Path]:
    with short_folder() as made:
        yield made


@pytest.mark.parametrize(("group", "mode"), [(None, 0o600), (os.getegid(), 0o660)])
def test_it_is_nobody_elses_from_its_first_moment(folder: Path, group: int | None, mode: int) -> None:
    path = folder / "s.sock"
    before = os.umask(0)
    try:
        with bind(path, group), socket.socket(socket.AF_UNIX) as early:
            assert stat.S_IMODE(path.stat().st_mode) == mode
            with pytest.raises(ConnectionRefusedError):
                early.connect(str(path))
        assert os.umask(0) == 0
    finally:
        os.umask(before)


def test_what_is_put_in_its_place_stays_as_it_was(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As somebody may who may write in the folder, too."""
    path, secret = folder / "s.sock", folder / "secret"
    secret.write_text("")
    secret.chmod(0o600)
    chown = os.chown

    def chown_of_another(at: Path, *arguments: int, follow_symlinks: bool) -> None:
        path.unlink()
        path.symlink_to(secret)
        chown(at, *arguments, follow_symlinks=follow_symlinks)

    monkeypatch.setattr(os, "chown", chown_of_another)
    with bind(path, os.getegid()):
        assert stat.S_IMODE(secret.stat().st_mode) == 0o600


def test_what_is_no_dead_socket_is_left_alone(folder: Path) -> None:
    path = folder / "s.sock"
    path.symlink_to(folder / "elsewhere")
    with pytest.raises(StoreError, match="is no socket"):
        clear_the_way(path)
    path.unlink()
    with bind(path, None) as living:
        living.listen()
        with pytest.raises(PortTaken):
            clear_the_way(path)
    clear_the_way(path)
    assert not path.exists()
    with pytest.raises(StoreError, match="cannot listen on"):
        bind(folder / "none" / "s.sock", None)
