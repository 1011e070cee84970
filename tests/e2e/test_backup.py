"""Backups of a server that people write on, and what comes of them: nothing that had a receipt is missing."""

from __future__ import annotations

import contextlib
import json
import os
import random
import resource
import shutil
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

from collab_server.store.backup import back_up
from collab_server.store.sqlite import SqliteStore
from collab_server.store.verifying import verify
from tests.e2e.home import Home, collab_command
from tests.e2e.kills import WriterProcess, check_lines, final_text
from tests.e2e.server import Server
from tests.unit.collab_server.stores import text_in, write_room

ROOM: Final = "kills"
_KILLS: Final = 4
_DISK_BYTES: Final = 3_000_000


def succeed(home: Home, *arguments: str) -> str:
    """Run `collab`, which has to succeed; returns what it printed."""
    done = home.run(*arguments)
    assert done.returncode == 0, done
    return done.stdout


def test_under_load_nothing_with_a_receipt_is_missing_and_the_rest_comes_back_once(home: Home) -> None:
    backups = home.path / "backups"
    backups.mkdir()
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(Server(home))
        people = [
            stack.enter_context(WriterProcess(name, server.url(ROOM), "--rate", "150"))
            for name in ("ana", "bo")
        ]
        for person in people:
            person.wait_saved()
        saved = {f"{person.name}:{n}" for person in people for n in range(1, person.run.saved + 1)}
        made = json.loads(succeed(home, "backup", str(backups), "--json"))
        first = Path(made["file"])
        assert made["wrong"] == {}
        copied = set(text_in(copy_of(first, home), ROOM).splitlines())
        assert saved <= copied
        for person in people:
            person.wait_typed(20)
        succeed(home, "backup", str(backups), "--keep", "2")
        assert first.exists()
        assert verify(home.data / "rooms.sqlite3").is_right
        people[0].wait_saved()  # receipts that the first backup knows nothing of
        # A second server, from the first backup, where the first one was.
        server.stop()
        people[1].wait_typed(5)
        told = succeed(home, "restore", str(first), "--yes")
        (aside,) = home.data.glob("before-restore-*")
        assert str(aside) in told
        assert set(text_in(home.data / "rooms.sqlite3", ROOM).splitlines()) == copied
        assert f"ana:{people[0].run.saved}" not in copied
        server.start()
        for person in people:
            person.finish()
        text = final_text(home, server)
        check_lines(text, people, must={line for person in people for line in person.all_typed()})
        succeed(home, "verify", ROOM)
        assert verify(aside / "rooms.sqlite3").is_right
        # And without its history it is the same, for one who comes then.
        succeed(home, "admin", "compact", "--larger", "1K", "--yes")
        assert json.loads(succeed(home, "verify", "--json"))["rooms"][0]["rows"] < 100
        assert final_text(home, server) == text


def copy_of(backup: Path, home: Home) -> Path:
    """Return a copy to open as a server would."""
    return Path(shutil.copy(backup, home.path / "copy.sqlite3"))


@contextlib.contextmanager
def small_disk(folder: Path, server_pid: Callable[[], int]) -> Iterator[Callable[[bool], None]]:
    """Put `folder` on a disk that can be filled (True) and freed (False); without the rights to mount one,
    the server may not write larger files instead."""
    folder.mkdir(mode=0o700)
    options = f"size={_DISK_BYTES},mode=700,uid={os.geteuid()}"
    mount = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "none", str(folder)], capture_output=True, check=False
    )
    filler = folder / "filler"

    def fill(is_full: bool) -> None:
        if mount.returncode:
            largest = max(file.stat().st_size for file in folder.glob("rooms.sqlite3*"))
            limit = largest if is_full else resource.RLIM_INFINITY
            resource.prlimit(server_pid(), resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
        elif is_full:
            with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
                while file.write(b"x" * 4096):
                    pass
        else:
            filler.unlink()

    try:
        yield fill
    finally:
        if not mount.returncode:
            subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_disk_that_is_full_is_said_and_all_goes_on_once_it_has_space(home: Home) -> None:
    def server_pid() -> int:
        pid = home.server_pid()
        assert pid is not None
        return pid

    with contextlib.ExitStack() as stack:
        fill = stack.enter_context(small_disk(home.data, server_pid))
        server = stack.enter_context(Server(home))
        ana = stack.enter_context(WriterProcess("ana", server.url(ROOM), "--rate", "200", "--burst", "20"))
        ana.wait_saved()
        fill(True)
        ana.wait_for(
            lambda run: any("the server's disk" in each for each in run.statuses[-5:]), "it to be said"
        )
        if (home.data / "filler").exists():
            (home.data / "b").mkdir()
            failed = home.run("backup", str(home.data / "b"))
            assert failed.returncode == 3
            assert "nothing is left of it" in failed.stderr
            assert list((home.data / "b").iterdir()) == []
        # What was receipted is there, and can be copied to another disk.
        succeed(home, "backup", str(home.path))
        fill(False)
        ana.wait_saved()
        ana.finish()
        check_lines(final_text(home, server), [ana], must=ana.all_typed())
        succeed(home, "backup", str(home.path))
        succeed(home, "verify")


def kill_amid(home: Home, after_s: float, *arguments: str) -> None:
    """Run `collab`, and end it with kill -9 unless it has ended by then."""
    process = subprocess.Popen(
        [*collab_command(), *arguments],
        env=home.env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    with process:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(after_s)
        process.kill()


@pytest.mark.campaign
def test_kill_9_during_backup_and_restore_leaves_all_as_it_was_or_done(home: Home) -> None:
    rng = random.Random(9)
    store = SqliteStore(home.data / "rooms.sqlite3")
    new = write_room(store, rows=9)
    store.close()
    backups = home.path / "backups"
    backups.mkdir()
    backup = back_up(home.data, backups, now=time.time(), version="1").path
    store = SqliteStore(home.data / "rooms.sqlite3")
    old = write_room(store, "more", rows=12)
    store.close()
    with contextlib.closing(sqlite3.connect(home.data / "rooms.sqlite3", isolation_level=None)) as db:
        db.execute("INSERT INTO probe VALUES (zeroblob(30000000))")  # so that copying takes its time
    began = time.monotonic()
    succeed(home, "backup", str(backups))
    whole_s = time.monotonic() - began

    def some_time() -> float:
        return whole_s * rng.uniform(0.3, 1.2)

    for _ in range(_KILLS):
        kill_amid(home, some_time(), "backup", str(backups))
        assert all(verify(file).is_right for file in backups.glob("*.sqlite3"))
    succeed(home, "backup", str(backups))
    assert not list(backups.glob(".*")), "what was left by those that were killed"
    kept = max(backups.glob("*.sqlite3"))
    for number in range(2 * _KILLS):
        kill_amid(home, some_time(), "restore", str(kept if number % 2 else backup), "--yes")
        found = verify(home.data / "rooms.sqlite3")
        assert found.is_right
        rooms = [room.room for room in found.rooms]
        assert rooms in (["notes"], ["more", "notes"])
        assert text_in(home.data / "rooms.sqlite3") == new
        if len(rooms) == 2:
            assert text_in(home.data / "rooms.sqlite3", "more") == old
    succeed(home, "restore", str(backup), "--yes")
    assert not list(home.data.glob(".restore-*")), "what was left by those that were killed"
