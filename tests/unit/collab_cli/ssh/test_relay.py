"""Tests of `collab_cli.ssh.relay`, as sshd runs it: stdin and stdout, and a socket behind it."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import select
import socket
import struct
import subprocess
import sys
import termios
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from collab_cli import __version__
from collab_cli.exits import UsageError
from collab_cli.ssh import relay
from collab_cli.ssh.relay import RelayFlags, parse
from collab_protocol.presence import Role
from collab_protocol.restriction import Restriction
from tests.unit.collab_server.wire import short_folder

DEADLINE_S = 30.0
SENTINEL = f"collab-relay/1 {__version__}\n".encode()
KEY = "0123456789abcdef"


@pytest.fixture
def home() -> Iterator[Path]:
    with short_folder() as home:
        yield home


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-P", "-m", "collab_cli", "relay", *arguments]


def environment(home: Path) -> dict[str, str]:
    return {**os.environ, "COLLAB_HOME": str(home)}


def said(home: Path, *arguments: str) -> tuple[bytes, int, bytes]:
    """Return what it says when nothing comes, how it ends, and what it says on stderr."""
    done = subprocess.run(
        command(*arguments),
        env=environment(home),
        input=b"",
        capture_output=True,
        check=False,
        timeout=DEADLINE_S,
    )
    return done.stdout, done.returncode, done.stderr


@dataclass
class Relay:
    """A relay that has come to its server."""

    process: subprocess.Popen[bytes]
    server: socket.socket
    """The server's end of its connection."""

    def end(self) -> int:
        return self.process.wait(DEADLINE_S)


@contextlib.contextmanager
def relaying(home: Path, *arguments: str) -> Iterator[Relay]:
    path = home / "s.sock"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()
        listening.settimeout(DEADLINE_S)
        (home / "data").mkdir()
        (home / "data" / "server.json").write_text(json.dumps({"unix": str(path), "version": __version__}))
        with subprocess.Popen(
            command(*arguments),
            env=environment(home),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as process:
            try:
                server, _ = listening.accept()
                server.settimeout(DEADLINE_S)
                with server:
                    yield Relay(process, server)
            finally:
                process.kill()


def received(relay: Relay, count: int) -> bytes:
    """Return what the server has got, once there is so much of it, or no more comes."""
    got = b""
    while len(got) < count and (more := relay.server.recv(count - len(got))):
        got += more
    return got


def read(relay: Relay, count: int) -> bytes:
    assert relay.process.stdout is not None
    return relay.process.stdout.read(count)


@pytest.mark.parametrize("places", [(), ("--unix", "{}/s.sock"), ("--data-dir", "{}/data")])
def test_it_passes_bytes_on_both_ways(home: Path, places: tuple[str, ...]) -> None:
    with relaying(home, *(each.format(home) for each in places)) as relay:
        assert read(relay, len(SENTINEL) + 6) == SENTINEL + b"ready\n"
        assert relay.process.stdin is not None
        every = bytes(range(256)) * 4096
        relay.process.stdin.write(every[:100_000])
        relay.process.stdin.flush()
        relay.server.sendall(every[:50_000])
        assert read(relay, 50_000) == every[:50_000]
        assert received(relay, 100_000) == every[:100_000]


def test_the_end_of_stdin_ends_it(home: Path) -> None:
    with relaying(home) as relay:
        assert relay.process.stdin is not None
        relay.process.stdin.write(b"last words")
        relay.process.stdin.close()
        assert received(relay, 100) == b"last words"
        assert relay.end() == 0


def test_the_end_of_the_server_ends_it_behind_all_that_it_said(home: Path) -> None:
    with relaying(home) as relay:
        threading.Thread(target=_say_and_close, args=(relay.server, b"x" * 300_000)).start()
        assert read(relay, -1) == SENTINEL + b"ready\n" + b"x" * 300_000
        assert relay.end() == 0
        assert relay.process.stderr is not None
        assert relay.process.stderr.read() == b""


def _say_and_close(server: socket.socket, words: bytes) -> None:
    server.sendall(words)
    server.close()


def test_what_the_server_says_last_arrives_though_the_client_goes_on_sending(home: Path) -> None:
    """Why somebody has to go is behind all that the server has still to say."""
    words = b"x" * 150_000  # more than stdout takes while nobody reads
    with relaying(home) as relay:
        relay.server.sendall(words)
        relay.server.close()
        assert relay.process.stdin is not None
        for _ in range(2):  # once it takes the second, the first has met a server that has gone
            relay.process.stdin.write(b"y")
            relay.process.stdin.flush()
            while _waiting_in(relay.process.stdin.fileno()) and relay.process.poll() is None:
                select.select([], [], [], 0.005)
        assert read(relay, -1) == SENTINEL + b"ready\n" + words
        assert relay.end() == 0


def _waiting_in(pipe: int) -> int:
    """Return how many bytes nobody has read yet."""
    (count,) = struct.unpack("i", fcntl.ioctl(pipe, termios.FIONREAD, b"\0" * 4))
    return int(count)


def test_many_may_come_while_the_server_is_busy() -> None:
    with short_folder() as folder, socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(folder / "s.sock"))
        listening.listen(0)
        listening.settimeout(DEADLINE_S)
        with ThreadPoolExecutor(20) as threads:
            coming = [threads.submit(relay._connect, folder / "s.sock") for _ in range(20)]
            come = [listening.accept()[0] for _ in coming]
            for each in (*(future.result() for future in coming), *come):
                each.close()


def test_the_end_of_stdout_ends_it(home: Path) -> None:
    with relaying(home) as relay:
        assert relay.process.stdout is not None
        relay.process.stdout.close()
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            while True:
                relay.server.sendall(b"x" * 65536)
        assert relay.end() == 0


def test_a_restriction_goes_before_the_first_byte_of_the_client(home: Path) -> None:
    held = ["--room", "notes", "--role=read", "--name", "Bo b", "--key", KEY, "--until", "17"]
    with relaying(home, *held) as relay:
        assert relay.process.stdin is not None
        relay.process.stdin.write(b"collab-relay/1 {}\nGET /")
        relay.process.stdin.flush()
        line = Restriction("notes", Role.READ, "Bo b", KEY, 17.0).encode()
        sent = line + b"collab-relay/1 {}\nGET /"
        assert received(relay, len(sent)) == sent


def test_nothing_of_the_clients_goes_where_the_restriction_did_not(monkeypatch: pytest.MonkeyPatch) -> None:
    class Full(socket.socket):
        def sendall(self, *_: object) -> None:
            raise OSError(errno.ENOBUFS, "No buffer space available")

    written: list[bytes] = []
    monkeypatch.setattr(relay, "_write", lambda text: written.append(bytes(text)))
    with Full(socket.AF_UNIX) as server:
        monkeypatch.setattr(threading, "Thread", None)  # would send
        relay._pass_on(server, Restriction("notes", Role.READ).encode())
    assert written == []


def test_what_the_client_asks_for_does_not_matter(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSH_ORIGINAL_COMMAND", "collab relay --room other --role admin")
    with relaying(home, "--room", "notes", "--role", "read") as relay:
        line = Restriction("notes", Role.READ).encode()
        assert received(relay, len(line)) == line


def test_a_name_is_utf8_whatever_the_locale_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """The locale is the client's to send, and would let them change their name."""
    typed = ["--room", "notes", "--role", "read", "--name", "é漢".encode().decode("latin-1")]
    monkeypatch.setattr(os, "fsencode", lambda text: text.encode("latin-1"))
    assert parse(typed).restriction == Restriction("notes", Role.READ, "é漢")


class TestReasons:
    """Why it comes to no server, which its client tells the person."""

    def test_nobody_listens(self, home: Path) -> None:
        path = home / "s.sock"
        told = f"no-server no server listens on {path}: is it running?\n".encode()
        assert said(home, "--unix", str(path)) == (SENTINEL + told, 4, b"")
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(str(path))
        assert said(home, "--unix", str(path)) == (SENTINEL + told, 4, b"")

    def test_another_folder_has_no_server_and_gets_none(self, home: Path) -> None:
        folder = home / "other"
        told = f"no-server no server runs for {folder}: start it with collab serve\n".encode()
        assert said(home, "--data-dir", str(folder)) == (SENTINEL + told, 4, b"")
        assert not folder.exists()

    def test_the_private_server_cannot_be_started(self, home: Path) -> None:
        (home / "state").write_text("in the way")
        out, code, errors = said(home)
        assert out.startswith(SENTINEL + b"no-server cannot start a private server: ")
        assert out.count(b"\n") == 2
        assert (code, errors) == (4, b"")

    @pytest.mark.parametrize(
        ("arguments", "why"),
        [
            (["--bogus"], "collab relay does not know '--bogus'"),
            (["notes"], "collab relay does not know 'notes'"),
            (["--unix"], "--unix needs a value"),
            (["--unix", ""], "--unix needs a value"),
            (["--unix", "/a", "--unix", "/b"], "--unix is given twice"),
            (["--unix", "/a", "--data-dir", "/b"], "leave one of them out"),
            (["--unix", "~no-such-account/x"], "--unix: '~no-such-account/x' is not a path"),
            (["--room", "notes"], "--room and --role go together"),
            (["--role", "read"], "--room and --role go together"),
            (["--name", "bo"], "--room and --role go together"),
            (["--room", "../x", "--role", "read"], "cannot name a room"),
            (["--room", "notes", "--role", "boss"], "a role is one of read, write, admin"),
            (["--room", "notes", "--role", "read", "--key", "x"], "the id of a key is 16 digits"),
            (["--room", "notes", "--role", "read", "--until", "x"], "--until: that is no number"),
            (["--room", "notes", "--role", "read", "--until", "nan"], "an end is a number"),
        ],
    )
    def test_what_authorized_keys_says_cannot_be_done(
        self, monkeypatch: pytest.MonkeyPatch, arguments: list[str], why: str
    ) -> None:
        with pytest.raises(UsageError, match=why):
            parse(arguments)
        written: list[bytes] = []
        monkeypatch.setattr(relay, "_write", lambda text: written.append(bytes(text)))
        assert relay.run(arguments) == 2
        assert written[0].startswith(b"usage ")
        assert written[0].count(b"\n") == 1

    def test_the_account_may_not(self, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(_: Path) -> socket.socket:
            raise PermissionError(13, "Permission denied")

        written: list[bytes] = []
        monkeypatch.setattr(relay, "_write", lambda text: written.append(bytes(text)))
        monkeypatch.setattr(relay, "_connect", refuse)
        path = home / "s.sock"
        assert relay.run(["--unix", str(path)]) == 3
        account = f"the account {relay._account()} may not open {path}: ask whoever runs the server\n"
        assert written == [f"not-allowed {account}".encode()]
        monkeypatch.setattr(relay, "_noted", refuse)
        assert relay.run(["--data-dir", str(home)]) == 3

    def test_what_it_says_is_one_line_that_no_terminal_obeys(self, home: Path) -> None:
        out, code, _ = said(home, "--unix", f"{home}/a\x1b[31m\nb")
        assert out.count(b"\n") == 2
        assert b"\x1b" not in out
        assert code == 4


def test_an_older_private_server_is_left_to_the_slow_way(home: Path) -> None:
    (home / "server.json").write_text('{"unix": "/run/private-1.sock", "version": "0.0.1"}')
    assert relay._noted(home) is None
    (home / "server.json").write_text(f'{{"unix": "/run/private-1.sock", "version": "{__version__}"}}')
    assert relay._noted(home) == Path("/run/private-1.sock")
    (home / "server.json").write_text('{"unix": "/run/serve-1.sock", "version": "0.0.1"}')
    assert relay._noted(home) == Path("/run/serve-1.sock")
    for broken in ("", "[]", "{}", '{"unix": 3, "version": "1"}'):
        (home / "server.json").write_text(broken)
        assert relay._noted(home) is None


def test_what_may_be_typed() -> None:
    assert parse([]) == RelayFlags()
    assert parse(["--unix=/a b"]) == RelayFlags(unix=Path("/a b"))
    assert parse(["--room=notes", "--role", "admin", "--name", "--role"]).restriction == Restriction(
        "notes", Role.ADMIN, "--role"
    )


def test_it_loads_nothing_that_is_slow() -> None:
    """What stands between sshd and the first byte, and what the usual way takes on top."""
    heavy = ("asyncio", "textual", "typer", "websockets", "pycrdt", "ssl", "subprocess", "logging", "sqlite3")
    script = (
        "import sys; import collab_cli.__main__, collab_protocol.versions; first = set(sys.modules);"
        "import collab_cli.ssh.relay, collab_protocol.restriction, json;"
        f"print([m for m in {heavy} if m in sys.modules], len(first))"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", script], capture_output=True, text=True, check=True, timeout=DEADLINE_S
    )
    assert done.stdout.startswith("[] ")


def test_help_and_man_know_it(capfd: pytest.CaptureFixture[str]) -> None:
    from collab_cli.main import run

    assert run(["relay", "--help"]) == 0
    assert "--role read|write|admin" in capfd.readouterr().out
    assert run(["relay", "--unix", "/no/such.sock"]) == 4
    assert "no-server no server listens on /no/such.sock" in capfd.readouterr().out
