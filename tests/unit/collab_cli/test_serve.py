"""Tests of `collab serve`: what it says, and how it ends."""

from __future__ import annotations

import grp
import os
import re
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from collab_cli.local_server import read_endpoints

SERVE = [sys.executable, "-m", "collab_cli", "serve"]
DEADLINE_S = 30.0


@contextmanager
def serving(home: Path, *arguments: str, lines: int = 0) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    """Yield a server and the lines in which it said how to come in."""
    with subprocess.Popen(
        [*SERVE, *arguments],
        env={**os.environ, "COLLAB_HOME": str(home)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as program:
        assert program.stdout is not None
        count = lines or (3 if "--port" in arguments else 2)
        try:
            yield program, [program.stdout.readline() for _ in range(count)]
        finally:
            program.kill()


def refused(home: Path, *arguments: str) -> str:
    """Return the line with which a server refuses to start, which takes exit code 3."""
    done = subprocess.run(
        [*SERVE, *arguments],
        env={**os.environ, "COLLAB_HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
        timeout=DEADLINE_S,
    )
    assert done.returncode == 3
    [line] = [line for line in done.stderr.splitlines() if line.startswith("collab: ")]
    return line


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_says_how_to_join_and_ends_by_signal(tmp_path: Path, number: signal.Signals) -> None:
    with serving(tmp_path) as (program, lines):
        assert lines == [f"serving {tmp_path / 'data'}\n", "  collab join ROOM\n"]
        running = read_endpoints(tmp_path / "data")
        assert running is not None
        assert running.pid == program.pid
        program.send_signal(number)
        assert program.wait(DEADLINE_S) == 128 + number
    assert read_endpoints(tmp_path / "data") is None


def test_another_folder_is_joined_by_its_socket(tmp_path: Path) -> None:
    with serving(tmp_path, str(tmp_path / "rooms"), "--port", "0", "--insecure") as (_, lines):
        assert re.fullmatch(r"  collab join 'unix:///.*/run/serve-\w+\.sock\?room=ROOM'\n", lines[1])
        found = re.fullmatch(r"  collab join ws://127\.0\.0\.1:(\d+)/ROOM\n", lines[2])
        assert found is not None
        with socket.create_connection(("127.0.0.1", int(found[1])), DEADLINE_S):
            pass


def test_a_group_is_told_what_to_type_and_where_it_cannot_come(tmp_path: Path) -> None:
    group = grp.getgrgid(os.getegid()).gr_name
    folder = tmp_path / "a b"
    folder.mkdir(mode=0o700)
    flags = ("--unix", str(folder / "s"), "--group", group)
    with serving(tmp_path, *flags, lines=4) as (program, lines):
        path = str(folder / "s").replace(" ", "%20")
        assert lines[1:] == [
            "  collab join ROOM\n",
            f"  in the group {group}: collab join 'unix://{path}?room=ROOM'\n",
            f"  in the group {group}, from elsewhere: collab join 'ssh://HOST/ROOM?unix={path}'\n",
        ]
        assert stat.S_IMODE((folder / "s").stat().st_mode) == 0o660
        program.terminate()
        _, errors = program.communicate(timeout=DEADLINE_S)
        assert f"collab: accounts of the group {group} cannot enter " in errors


def test_with_tokens_it_says_how_to_invite(tmp_path: Path) -> None:
    with serving(tmp_path, "--port", "0", "--auth") as (_, lines):
        assert lines[1:] == ["  collab join ROOM\n", "  collab invite ROOM\n"]
        assert stat.S_IMODE((tmp_path / "data" / "keys").stat().st_mode) == 0o600
    with serving(tmp_path, str(tmp_path / "my rooms"), "--port", "0", "--auth", "--trusted-proxy", "::1") as (
        _,
        lines,
    ):
        assert lines[2] == f"  collab invite ROOM --data-dir '{tmp_path / 'my rooms'}' --url wss://HOST\n"


def test_tokens_without_tcp_are_told_to_be_for_nobody(tmp_path: Path) -> None:
    with serving(tmp_path, "--auth") as (program, lines):
        assert lines[1] == "  collab join ROOM\n"
        program.terminate()
        _, errors = program.communicate(timeout=DEADLINE_S)
        assert "collab: --auth is for TCP, which --port PORT adds" in errors


def test_guests_over_ssh_have_use_for_tokens_without_tcp(tmp_path: Path) -> None:
    pytest.importorskip("asyncssh")
    with serving(tmp_path, "--auth", "--ssh", "127.0.0.1:0", lines=5) as (program, lines):
        assert lines[4] == "    by an invite, which they paste: collab invite ROOM\n"
        program.terminate()
        _, errors = program.communicate(timeout=DEADLINE_S)
        assert "--auth is for TCP" not in errors


def test_a_certificate_that_cannot_be_used_is_said(tmp_path: Path) -> None:
    missing = tmp_path / "cert.pem"
    assert str(missing) in refused(tmp_path, "--port", "0", "--auth", "--tls-cert", str(missing))


def test_a_folder_has_one_server(tmp_path: Path) -> None:
    with serving(tmp_path) as (program, _):
        assert f"pid {program.pid}" in refused(tmp_path)


def test_a_port_that_is_taken_is_said(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert str(port) in refused(tmp_path, "--port", str(port), "--insecure")


def test_a_file_of_a_newer_collab_is_left_alone(tmp_path: Path) -> None:
    import sqlite3

    file = tmp_path / "data" / "rooms.sqlite3"
    file.parent.mkdir()
    database = sqlite3.connect(file)
    database.execute("PRAGMA user_version = 99")
    database.close()
    before = file.read_bytes()
    assert "newer collab" in refused(tmp_path)
    assert file.read_bytes() == before


def test_a_private_server_says_nothing_logs_to_a_file_and_ends_when_alone(tmp_path: Path) -> None:
    done = subprocess.run(
        [*SERVE, "--private", "--idle-exit", "0.1"],
        env={**os.environ, "COLLAB_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=DEADLINE_S,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert "serving" in (tmp_path / "state" / "logs" / "server.log").read_text()


def test_what_is_wrong_in_the_file_is_all_said_and_nothing_served(tmp_path: Path) -> None:
    (tmp_path / "config").mkdir()
    file = tmp_path / "config" / "config.toml"
    file.write_text("nmae = 1\n[serve]\nprot = 1\n")
    done = subprocess.run(
        SERVE,
        env={**os.environ, "COLLAB_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=DEADLINE_S,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines() == [
        f"collab: {file}:1: nobody knows the key 'nmae' (did you mean 'name'?)",
        f"collab: {file}:3: nobody knows the key 'serve.prot' (did you mean 'serve.port'?)",
    ]
    assert not (tmp_path / "data").exists()


def test_a_fault_of_ours_is_told_by_the_log_and_says_nothing_that_people_wrote(tmp_path: Path) -> None:
    code = """
import sys
from collab_cli.main import run
from collab_server import app

async def serve(*_, **__):
    raise ExceptionGroup("dear " + "diary", [ValueError("dear " + "diary")])

app.serve = serve
sys.exit(run(["serve"]))
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "COLLAB_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=DEADLINE_S,
    )
    assert done.returncode == 1
    assert "CRITICAL collab_cli.commands.serve: the server failed" in done.stderr
    assert "in serve\n" in done.stderr
    assert "ValueError" in done.stderr
    assert "dear diary" not in done.stderr
