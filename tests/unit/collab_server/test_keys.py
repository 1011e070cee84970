"""Tests of `collab_server.keys`: a file that nobody else reads or writes."""

from __future__ import annotations

import logging
import os
import stat
import threading
from pathlib import Path

import pytest

from collab_protocol.errors import StoreError
from collab_protocol.presence import Role
from collab_server.keys import load_keys, rotate_keys
from collab_server.tokens import Token, TokenKind, TokenRefused

TOKEN = Token(TokenKind.INVITE, "id", "notes", Role.WRITE)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "keys"


def only(path: Path) -> bool:
    """Tell whether the file lies alone in its folder: no draft was left."""
    return [file.name for file in path.parent.iterdir()] == [path.name]


def test_the_first_run_draws_one_for_us_alone(path: Path) -> None:
    mask = os.umask(0)
    try:
        keys = load_keys(path)
    finally:
        os.umask(mask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert only(path)
    kid, secret = path.read_text(encoding="ascii").split()
    assert (len(kid), len(secret)) == (8, 64)
    assert keys.sign(TOKEN).split(".")[1] == kid


def test_none_are_drawn_where_there_should_be_some(path: Path) -> None:
    with pytest.raises(StoreError, match="No such file"):
        load_keys(path, may_draw=False)
    assert not path.exists()


def test_the_same_keys_are_there_the_next_time(path: Path) -> None:
    text = load_keys(path).sign(TOKEN)
    content = path.read_bytes()
    assert load_keys(path).read(text) == TOKEN
    assert path.read_bytes() == content


def test_two_servers_have_two_keys(path: Path) -> None:
    text = load_keys(path).sign(TOKEN)
    with pytest.raises(TokenRefused):
        load_keys(path.with_name("other")).read(text)


def test_many_that_draw_at_once_end_with_one(path: Path) -> None:
    start = threading.Barrier(8)
    signed: list[str] = []

    def draw() -> None:
        start.wait(10)
        signed.append(load_keys(path).sign(TOKEN))

    threads = [threading.Thread(target=draw) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(signed) == 8
    assert len(set(signed)) == 1
    assert only(path)


def test_rotation_keeps_the_one_before_and_drops_older_ones(path: Path) -> None:
    first = load_keys(path).sign(TOKEN)
    kid = rotate_keys(path)
    second = load_keys(path).sign(TOKEN)
    assert second.split(".")[1] == kid != first.split(".")[1]
    assert load_keys(path).read(first) == TOKEN
    rotate_keys(path)
    assert load_keys(path).read(second) == TOKEN
    with pytest.raises(TokenRefused):
        load_keys(path).read(first)
    assert len(path.read_text(encoding="ascii").splitlines()) == 2
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert only(path)


def test_rotation_without_a_file_makes_one(path: Path) -> None:
    kid = rotate_keys(path)
    assert load_keys(path).sign(TOKEN).split(".")[1] == kid


def test_a_rotation_that_fails_leaves_the_keys_as_they_were(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load_keys(path)
    content = path.read_bytes()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreError, match="No space left"):
        rotate_keys(path)
    assert path.read_bytes() == content
    assert only(path)


def test_a_file_that_others_could_read_is_made_private_and_told_of(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    load_keys(path)
    secret = path.read_text(encoding="ascii").split()[1]
    path.chmod(0o644)
    with caplog.at_level(logging.WARNING):
        load_keys(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "rotate-keys" in caplog.text
    assert secret not in caplog.text


@pytest.mark.parametrize("mode", [0o620, 0o602])
def test_a_file_that_others_may_write_is_refused(path: Path, mode: int) -> None:
    load_keys(path)
    path.chmod(mode)
    with pytest.raises(StoreError, match=r"others may write.*remove it"):
        load_keys(path)
    assert stat.S_IMODE(path.stat().st_mode) == mode


def test_a_link_in_its_place_is_refused_and_not_followed(path: Path) -> None:
    load_keys(path)
    real = path.with_name("real")
    path.rename(real)
    path.symlink_to(real)
    content = real.read_bytes()
    for call in (load_keys, rotate_keys):
        with pytest.raises(StoreError):
            call(path)
    assert real.read_bytes() == content
    assert path.is_symlink()


def test_a_link_to_nothing_is_refused_and_makes_nothing(path: Path) -> None:
    path.parent.mkdir()
    path.symlink_to(path.with_name("elsewhere"))
    with pytest.raises(StoreError):
        load_keys(path)
    assert not path.with_name("elsewhere").exists()


def test_a_pipe_in_its_place_is_refused_and_not_waited_for(path: Path) -> None:
    path.parent.mkdir()
    os.mkfifo(path, 0o600)
    with pytest.raises(StoreError, match="no file of ours"):
        load_keys(path)


def test_a_folder_in_its_place_is_refused(path: Path) -> None:
    path.mkdir(parents=True, mode=0o700)
    with pytest.raises(StoreError):
        load_keys(path)


def test_the_file_of_another_account_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load_keys(path)
    monkeypatch.setattr(os, "geteuid", lambda: path.stat().st_uid + 1)
    with pytest.raises(StoreError, match="no file of ours"):
        load_keys(path)


SECRET = "0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (f"0a1b2c3d {SECRET[:-1]}\n", 1),
        (f"0a1b2c3d {SECRET}\n0a1b2c3e {SECRET}00\n", 2),
        (f"0a1b2c3d {SECRET}\n\n", 2),
        (f"0a1b2c3d {SECRET}\n0a1b2c3d {SECRET[::-1]}\n", 2),
        (f"../../.. {SECRET}\n", 1),
        (f"0a1b2c3d {SECRET.upper()}\n", 1),
        (f"0a1b2c3d\u00a0{SECRET}\n", 1),
    ],
)
def test_a_broken_file_is_told_by_its_line_without_what_is_in_it(path: Path, content: str, line: int) -> None:
    path.parent.mkdir()
    path.write_text(content, encoding="utf-8")
    path.chmod(0o600)
    with pytest.raises(StoreError, match=f"line {line} of .*remove it") as error:
        load_keys(path)
    assert SECRET[:16] not in str(error.value).lower()
    assert path.read_text(encoding="utf-8") == content
    with pytest.raises(StoreError):
        rotate_keys(path)
    assert path.read_text(encoding="utf-8") == content


def test_an_empty_file_is_no_keys(path: Path) -> None:
    path.parent.mkdir()
    path.touch(mode=0o600)
    with pytest.raises(StoreError, match="has no keys"):
        load_keys(path)


def test_a_folder_that_cannot_be_made_is_a_store_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be kept"):
        load_keys(tmp_path / "file" / "keys")
