"""Tests of `collab_cli.doctor.checks`: broken set-ups, each named rightly, with nothing else blamed."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import resource
import shutil
import socket
import sqlite3
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from collab_cli.doctor import places, running, store
from collab_cli.doctor.case import Case
from collab_cli.doctor.checks import look_at_all, within
from collab_cli.doctor.findings import Findings, State, fine
from collab_cli.doctor.settings import look_at_settings
from collab_cli.settings.file import Complaint, ConfigFile
from tests.unit.collab_cli.doctor.ward import NOW, Ward
from tests.unit.collab_cli.fake_office import fake_office

DAY_S = 86_400


def only(ward: Ward, words: str) -> None:
    """Make sure that one thing is found, and that it is told in those words."""
    ails = ward.ails()
    assert len(ails) == 1, ails
    assert re.search(words, ails[0]), ails[0]
    assert not ails[0].endswith("→ "), "it says not what to do"


def test_nothing_is_wrong_with_a_set_up_that_works(ward: Ward) -> None:
    assert ward.ails() == []


def test_nothing_is_wrong_with_a_machine_that_is_new_to_collab(tmp_path: Path, ward: Ward) -> None:
    ward.environ["COLLAB_HOME"] = str(tmp_path / "new")
    assert ward.ails() == []
    assert not (tmp_path / "new").exists()


def test_nothing_is_changed(ward: Ward) -> None:
    def seen() -> dict[Path, tuple[int, int, int, int]]:
        found = {path: path.lstat() for path in ward.home.rglob("*")}
        return {path: (s.st_mode, s.st_size, s.st_mtime_ns, s.st_ino) for path, s in found.items()}

    ward.keys.chmod(0o644)
    before = seen()
    assert ward.ails()
    assert seen() == before


def test_what_a_killed_server_left_is_looked_at_and_left(ward: Ward) -> None:
    """The newest commits are in the log beside the file, which SQLite would bring over and remove."""
    killed = ward.home / "killed"
    with contextlib.closing(sqlite3.connect(ward.store, isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("INSERT INTO room VALUES ('new', x'00', 1.0)")
        shutil.copytree(ward.data, killed)
    shutil.rmtree(ward.data)
    killed.rename(ward.data)
    log = ward.store.with_name(f"{ward.store.name}-wal")
    for file in ward.data.iterdir():
        file.chmod(0o600)
        os.utime(file, (NOW - 60, NOW - 60))
    before = log.read_bytes()
    assert before
    assert ward.ails() == []
    assert log.read_bytes() == before


def test_a_file_too_large_to_look_through_is_no_fault(ward: Ward, monkeypatch: pytest.MonkeyPatch) -> None:
    ward.change_store(
        "INSERT INTO author (id, room, session, device_hash, principal, name)"
        " VALUES (1, 'notes', 1, x'', '', '')",
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)"
        " INSERT INTO row SELECT 'notes', i, i, 1, 1.0, zeroblob(50) FROM n",
    )
    monkeypatch.setattr(store, "_LOOKED_S", 0.0)
    assert ward.ails() == []
    assert any("found whole so far" in finding.what for _, finding in look_at_all(ward.case()))


def _unknown_key(ward: Ward) -> None:
    ward.configure("prot = 1\n")


def _wrong_variable(ward: Ward) -> None:
    ward.environ["COLLAB_PORT"] = "http"


def _no_way_in(ward: Ward) -> None:
    ward.configure("port = 8765\n")


def _config_of_all(ward: Ward) -> None:
    ward.config.chmod(0o666)


def _folder_of_all(ward: Ward) -> None:
    ward.data.chmod(0o777)


def _folder_seen_by_all(ward: Ward) -> None:
    ward.data.chmod(0o755)


def _store_read_by_all(ward: Ward) -> None:
    ward.data.chmod(0o700)
    ward.store.chmod(0o644)


def _keys_read_by_all(ward: Ward) -> None:
    ward.keys.chmod(0o640)


def _keys_that_are_none(ward: Ward) -> None:
    ward.keys.write_text("a secret that must not be shown\n")
    os.utime(ward.keys, (NOW - 60, NOW - 60))


def _keys_elsewhere(ward: Ward) -> None:
    ward.keys.rename(ward.home / "elsewhere")
    ward.keys.symlink_to(ward.home / "elsewhere")


def _no_store(ward: Ward) -> None:
    ward.store.write_bytes(b"PK\x03\x04" + bytes(4096))
    os.utime(ward.store, (NOW - 60, NOW - 60))


def _damaged_page(ward: Ward) -> None:
    data = bytearray(ward.store.read_bytes())
    data[2 * 4096 : 5 * 4096] = b"\xa5" * 3 * 4096
    ward.store.write_bytes(data)
    os.utime(ward.store, (NOW - 60, NOW - 60))


def _cut_short(ward: Ward) -> None:
    os.truncate(ward.store, 3 * 4096 + 100)
    os.utime(ward.store, (NOW - 60, NOW - 60))


def _newer_store(ward: Ward) -> None:
    ward.change_store("PRAGMA user_version = 99")


def _disk_of_the_net(ward: Ward) -> None:
    with ward.mounts.open("a") as file:
        file.write(f"40 22 0:50 / {str(ward.home).replace(' ', chr(92) + '040')} rw - nfs4 nas:/home rw\n")


def _folder_that_is_a_file(ward: Ward) -> None:
    (ward.home / "file").write_text("")
    ward.configure(f'data_dir = "{ward.home}/file"\n')


def _killed_server(ward: Ward) -> None:
    with fake_office(ward.data, ward.home / "s"):
        pass


def _broken_note(ward: Ward) -> None:
    (ward.data / "server.json").write_text("{")


def _clock_of_1970(ward: Ward) -> None:
    ward.now = 86_400.0


def _row_of_tomorrow(ward: Ward) -> None:
    ward.change_store(
        "INSERT INTO author (id, room, session, device_hash, principal, name)"
        " VALUES (1, 'notes', 1, x'', '', '')",
        f"INSERT INTO row VALUES ('notes', 1, 1, 1, {NOW + DAY_S}, x'00')",
    )


def _certificate_that_is_not_there(ward: Ward) -> None:
    ward.configure(f'auth = true\nport = 1\ntls_cert = "{ward.home}/none.pem"\n')


def _name_that_is_no_server(ward: Ward) -> None:
    ward.server = "example.org"


SET_UPS: list[tuple[Callable[[Ward], None], str]] = [
    (_unknown_key, r"^settings: wrong: .*config\.toml:2: .*'serve\.prot' \(did you mean 'serve\.port'"),
    (_wrong_variable, "^settings: wrong: COLLAB_PORT: 'http' is not a whole number → .*COLLAB_PORT"),
    (_no_way_in, "^settings: wrong: .*every account of this machine could join.*--auth"),
    (_config_of_all, "^folders: wrong: others may write to .*config.toml.* → chmod go-w"),
    (_folder_of_all, "^folders: wrong: others on this machine may write to .*data .0777. → chmod 700"),
    (_folder_seen_by_all, "^folders: warning: others on this machine can look into .*0755"),
    (_store_read_by_all, "^folders: warning: others on this machine could read .*sqlite3 .* → chmod 600"),
    (_keys_read_by_all, "^folders: warning: others on this machine could read .*keys .* → chmod 600"),
    (_keys_that_are_none, "^rooms: wrong: line 1 of .*keys is no key"),
    (_keys_elsewhere, "^folders: wrong: .*keys is no plain file"),
    (_no_store, "^rooms: wrong: .*sqlite3 is no store of collab.*collab restore"),
    (_damaged_page, "^rooms: wrong: .*sqlite3 is damaged: .*collab restore"),
    (_cut_short, "^rooms: wrong: .*sqlite3 is damaged: .*collab restore"),
    (_newer_store, "^rooms: wrong: .*newer collab .format 99.* → upgrade collab"),
    (_disk_of_the_net, "^folders: warning: .*disk of the network .nfs4.*data_dir in"),
    (_folder_that_is_a_file, "^folders: wrong: .*/file is no folder"),
    (_killed_server, "^server: warning: .*server.json is of a server that ended without a word"),
    (_broken_note, "^server: warning: .*server.json makes no sense"),
    (_clock_of_1970, "^clock: wrong: this machine's clock says 1970"),
    (_row_of_tomorrow, "^clock: wrong: the newest change of a room is of 2026-01-02"),
    (_certificate_that_is_not_there, "^certificate: wrong: .*none.pem cannot be read"),
    (_name_that_is_no_server, "^reached from here: wrong: example.org is no server"),
]


@pytest.mark.parametrize(("break_it", "words"), SET_UPS, ids=[each.__name__[1:] for each, _ in SET_UPS])
def test_what_is_broken_is_named_and_nothing_else(
    ward: Ward, break_it: Callable[[Ward], None], words: str
) -> None:
    break_it(ward)
    only(ward, words)


def test_no_secret_is_shown(ward: Ward) -> None:
    _keys_that_are_none(ward)
    assert "secret that" not in "".join(ward.ails())


def test_files_that_others_reach_are_worse_in_a_folder_that_they_reach(ward: Ward) -> None:
    ward.data.chmod(0o711)
    ward.keys.chmod(0o622)
    assert [ail.partition(" →")[0] for ail in ward.ails()] == [
        f"folders: warning: others on this machine can look into {ward.data} (0711)",
        f"folders: wrong: others on this machine may write to {ward.keys} (0622)",
    ]


@pytest.mark.parametrize(
    ("free", "is_read_only", "files", "words"),
    [
        (10_000_000, False, 9, "wrong: the disk of .* is full: 10 MB free"),
        (500_000_000, False, 9, "warning: the disk of .* is nearly full: 500 MB free"),
        (10 * 1024**3, True, 9, "wrong: the disk of .* is mounted read-only"),
        (10 * 1024**3, False, 0, "wrong: the disk of .* can take no more files"),
    ],
)
def test_disks_with_little_left(
    ward: Ward, monkeypatch: pytest.MonkeyPatch, free: int, is_read_only: bool, files: int, words: str
) -> None:
    found = SimpleNamespace(
        f_bavail=free // 4096,
        f_frsize=4096,
        f_files=100,
        f_favail=files,
        f_flag=os.ST_RDONLY if is_read_only else 0,
    )
    monkeypatch.setattr(places.os, "statvfs", lambda path: found)
    only(ward, words)


def test_another_accounts_folder(ward: Ward) -> None:
    case = replace(ward.case(), user_id=os.geteuid() + 1)
    found = [finding.what for _, finding in look_at_all(case) if finding.state is not State.OK]
    assert any(re.search(f"{ward.data} belongs to .*, and you are ", what) for what in found)
    assert not any(re.search("rooms.sqlite3|keys", what) for what in found)


@pytest.mark.skipif(os.geteuid() != 0, reason="gives a file to another account")
def test_a_file_that_root_left_in_the_servers_folder(ward: Ward) -> None:
    os.chown(ward.keys, 65_534, -1)
    only(ward, "wrong: .*keys belongs to .*: the server, which is .*, cannot use it → sudo chown .*keys")


def test_fewer_files_than_connections(ward: Ward, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (1024, 4096))
    only(ward, "^server: warning: 4096 files may be open, and 10000 connections may come → allow 10512")


def test_no_folder_for_sockets(ward: Ward) -> None:
    case = replace(ward.case(), folders=replace(ward.case().folders, run_choices=(ward.home / ("x" * 90),)))
    (wrong,) = [finding for _, finding in look_at_all(case) if finding.state is not State.OK]
    assert "there is no folder for sockets" in wrong.what


@pytest.fixture
def held(ward: Ward) -> Iterator[None]:
    """Hold the folder as a server does."""
    with (ward.data / "server.lock").open("w") as lock:
        (ward.data / "server.lock").chmod(0o600)
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def test_a_server_that_runs(ward: Ward, held: None) -> None:
    with fake_office(ward.data, ward.home / "s") as office:
        office.answer = lambda request: {"ok": {"ready": True, "trouble": ""}}
        only(ward, "^server: warning: the server runs collab 0.0.1, older than this")
        assert office.asked == [{"do": "figures"}]
        office.answer = lambda request: {"ok": {"ready": False, "trouble": "the server's disk is full"}}
        assert "wrong: the server (pid" in ward.ails()[-1]
        assert "is in trouble: the server's disk is full" in ward.ails()[-1]
        office.answer = lambda request: {"error": "what?"}
        assert len(ward.ails()) == 1  # it answers


def test_a_server_whose_socket_was_removed(ward: Ward, held: None) -> None:
    _killed_server(ward)
    only(ward, "^server: wrong: the server .* has .*data, and nobody listens at")


def test_a_server_that_says_not_where_it_is(ward: Ward, held: None) -> None:
    only(ward, "^server: warning: a server has .*data and does not say where it listens")


def test_a_server_that_hangs(ward: Ward, held: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "_ANSWER_S", 0.1)
    _killed_server(ward)
    with socket.socket(socket.AF_UNIX) as deaf:
        (ward.home / "s").unlink(missing_ok=True)
        deaf.bind(str(ward.home / "s"))
        deaf.listen()
        only(ward, "^server: wrong: the server .* does not answer: nothing came within")


def test_what_hangs_keeps_nothing_else_waiting(ward: Ward) -> None:
    let_go = threading.Event()

    def look_at_the_net(case: Case) -> Findings:
        yield fine("early")
        let_go.wait(30)
        yield fine("late")

    begun = time.monotonic()
    try:
        first, found = within(look_at_the_net, ward.case(), 0.05)
    finally:
        let_go.set()
    assert time.monotonic() - begun < 25
    assert first == fine("early")
    assert found.state is State.WARNING
    assert found.what.endswith("(the net)")


def test_what_the_machine_refuses_is_told_and_our_own_fault_is_raised(ward: Ward) -> None:
    def look_at_nothing(case: Case) -> Findings:
        yield fine("first")
        raise PermissionError(13, "Permission denied", "/x")

    def look_wrongly(case: Case) -> Findings:
        yield fine(str(1 // 0))

    _, found = within(look_at_nothing, ward.case())
    assert (found.state, "/x" in found.what) == (State.WARNING, True)
    with pytest.raises(ZeroDivisionError):
        within(look_wrongly, ward.case())


def test_a_folder_that_may_not_be_looked_into_is_told_once(
    ward: Ward, monkeypatch: pytest.MonkeyPatch
) -> None:
    look = Path.stat

    def refuse(file: Path, *, follow_symlinks: bool = True) -> os.stat_result:
        if file == ward.data or ward.data in file.parents:
            raise PermissionError(13, "Permission denied", str(file))
        return look(file, follow_symlinks=follow_symlinks)

    monkeypatch.setattr(Path, "stat", refuse)
    monkeypatch.setattr(Path, "lstat", lambda file: refuse(file, follow_symlinks=False))
    only(ward, "^folders: wrong: .*data cannot be looked at: Permission denied")


def test_advice_can_be_typed_as_it_stands(
    tmp_path: Path, ward: Ward, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["/opt/collab/bin/collab", "doctor"])
    folder = tmp_path / "of others"
    folder.mkdir(mode=0o700)
    folder.chmod(0o755)
    case = replace(ward.case(), data_dir=folder, user_id=os.geteuid() + 1)
    todo = [finding.todo for _, finding in look_at_all(case)]
    assert any(each.endswith(f" /opt/collab/bin/collab doctor --data-dir '{folder}'") for each in todo)
    assert f"chmod 700 '{folder}'" in todo


def test_a_config_that_may_not_be_read(ward: Ward) -> None:
    case = ward.case()
    unread = ConfigFile(
        ward.config, found_wrong=(Complaint("", "cannot read it"),), is_broken=True, is_unread=True
    )
    (finding,) = look_at_settings(replace(case, file=unread))
    assert finding.todo.startswith("let ")
