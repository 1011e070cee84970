"""Tests of `collab_cli.identity`: one secret per machine, for us alone."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from collab_cli.exits import UsageError
from collab_cli.identity import DEVICE_BYTES, account_name, load_device


def test_the_secret_is_drawn_once_and_kept(tmp_path: Path) -> None:
    file = tmp_path / "state" / "device"
    secret = load_device(file)
    assert len(secret) == DEVICE_BYTES
    assert load_device(file) == secret
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert list(file.parent.iterdir()) == [file]


def test_two_machines_differ(tmp_path: Path) -> None:
    assert load_device(tmp_path / "a") != load_device(tmp_path / "b")


def test_many_that_draw_at_once_end_with_one(tmp_path: Path) -> None:
    with ThreadPoolExecutor(16) as threads:
        secrets = set(threads.map(lambda _: load_device(tmp_path / "device"), range(64)))
    assert len(secrets) == 1
    assert len(list(tmp_path.iterdir())) == 1


def test_a_secret_that_others_can_read_is_closed(tmp_path: Path) -> None:
    file = tmp_path / "device"
    secret = load_device(file)
    file.chmod(0o644)
    assert load_device(file) == secret
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_damaged_secret_is_reported_not_replaced(tmp_path: Path) -> None:
    file = tmp_path / "device"
    file.write_bytes(b"short")
    with pytest.raises(UsageError, match="damaged"):
        load_device(file)
    assert file.read_bytes() == b"short"


def test_the_account_has_a_name() -> None:
    assert account_name()
