from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from collab_protocol.errors import StoreError
from collab_server.lock import Endpoints, FolderLock, FolderTaken, is_older

ENDPOINTS = Endpoints("1.2", (1,), 77, "/tmp/x.sock", ("127.0.0.1", 8765), 1000.5)


def test_a_second_holder_is_refused_and_told_who_it_is(tmp_path: Path) -> None:
    with FolderLock(tmp_path), pytest.raises(FolderTaken) as refused:
        FolderLock(tmp_path)
    assert refused.value.pid == os.getpid()
    assert str(os.getpid()) in str(refused.value)


def test_being_refused_takes_nothing_from_the_holder(tmp_path: Path) -> None:
    with FolderLock(tmp_path) as lock:
        lock.tell(ENDPOINTS)
        for _ in range(2):
            with pytest.raises(FolderTaken):
                FolderLock(tmp_path)
        assert (tmp_path / "server.json").exists()


def test_it_can_be_taken_again_when_the_holder_is_done(tmp_path: Path) -> None:
    for _ in range(2):
        with FolderLock(tmp_path):
            pass


def test_a_process_that_dies_lets_go(tmp_path: Path) -> None:
    program = (
        "import sys, pathlib\n"
        "from collab_server.lock import FolderLock\n"
        "lock = FolderLock(pathlib.Path(sys.argv[1]))\n"
        "print('held', flush=True)\n"
        "sys.stdin.read()\n"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    with subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment,
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(FolderTaken) as refused:
            FolderLock(tmp_path)
        assert refused.value.pid == holder.pid
        holder.kill()
        holder.wait(10)
    FolderLock(tmp_path).close()


def test_server_json_says_where_and_is_for_us_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        with FolderLock(tmp_path / "data") as lock:
            lock.tell(ENDPOINTS)
            note = tmp_path / "data" / "server.json"
            assert json.loads(note.read_text()) == {
                "version": "1.2",
                "protocol": [1],
                "pid": 77,
                "unix": "/tmp/x.sock",
                "tcp": ["127.0.0.1", 8765],
                "started": 1000.5,
            }
            for file in (tmp_path / "data").iterdir():
                assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
            assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o700
        assert not note.exists()
    finally:
        os.umask(before)


def test_a_draft_that_a_crash_left_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / f".server.json.{os.getpid()}").write_text("half")
    with FolderLock(tmp_path) as lock:
        lock.tell(ENDPOINTS)
        assert json.loads((tmp_path / "server.json").read_text())["pid"] == 77


def test_a_folder_that_cannot_be_made_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="file"):
        FolderLock(tmp_path / "file" / "data")


def test_a_full_disk_is_told_in_one_line_and_lets_the_folder_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(file: int, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", refuse)
        with pytest.raises(StoreError, match="cannot be written to: No space left on device"):
            FolderLock(tmp_path)
    FolderLock(tmp_path).close()


def test_a_lock_that_is_a_link_elsewhere_is_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "server.lock").symlink_to(victim)
    with pytest.raises(StoreError):
        FolderLock(tmp_path / "data")
    assert victim.read_text() == "precious"


@pytest.mark.parametrize(
    ("version", "than", "expected"),
    [
        ("0.1.0", "0.2.0", True),
        ("0.9.0", "0.10.0", True),
        ("0.2.0", "0.2.0", False),
        ("0.2", "0.2.0", False),
        ("0.2.1", "0.2", False),
        ("0.2.0rc1", "0.2.0", False),
        ("0.1.0+local.7", "0.2.0.dev3", True),
        ("junk", "0.0.1", True),
        ("", "junk", False),
        ("9" * 5000, "1", False),
        ("1", "9" * 5000, True),
    ],
)
def test_versions_are_compared_by_their_numbers(version: str, than: str, expected: bool) -> None:
    assert is_older(version, than) is expected
