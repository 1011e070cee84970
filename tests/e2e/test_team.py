"""A server for a team, as README has it: people come by a link over TLS, are sent away, and come back."""

from __future__ import annotations

import contextlib
import re
import subprocess
from collections.abc import Iterator

import pytest

from tests.e2e.home import Home, collab_command
from tests.e2e.terminal import Terminal
from tests.e2e.test_two_people import all_hold, both_saved, leave
from tests.unit.collab_server.certificates import Authority

F5, F8, DELETE, ENTER, CTRL_Q = "\x1b[15~", "\x1b[19~", "\x1b[3~", "\r", "\x11"
TOKEN = re.compile(rb"c[ic]1\.[\w-]+\.[\w-]+")


@pytest.fixture
def homes() -> Iterator[list[Home]]:
    with Home() as ana, Home() as bo:
        yield [ana, bo]


@contextlib.contextmanager
def serving(home: Home, authority: Authority) -> Iterator[None]:
    """Serve with TLS and tokens until the end."""
    pair = authority.issue()
    arguments = ["serve", "--port", "0", "--auth", "--tls-cert", str(pair.cert), "--tls-key", str(pair.key)]
    with (home.path / "serve.log").open("wb") as log:
        process = subprocess.Popen(
            [*collab_command(), *arguments], env=home.env, stdout=subprocess.PIPE, stderr=log
        )
    with process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline().startswith(b"serving")
            yield
        finally:
            process.terminate()
            process.communicate(timeout=20)


def printed(home: Home, *arguments: str) -> str:
    """Run a command of whoever runs the server; returns what it printed."""
    done = home.run(*arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def last_words(terminal: Terminal) -> str:
    return " ".join(terminal.raw.rpartition(b"\x1b[?1049l")[2].decode().split())


def files_with_tokens(home: Home) -> list[str]:
    files = (path for path in home.path.rglob("*") if path.is_file())
    return [path.name for path in files if TOKEN.search(path.read_bytes())]


def test_people_come_by_a_link_are_sent_away_and_out(home: Home, homes: list[Home]) -> None:
    ana_home, bo_home = homes
    authority = Authority(home.path)
    trust = {"SSL_CERT_FILE": str(authority.write_root())}
    with serving(home, authority):
        ana_link = printed(home, "invite", "notes", "--name", "ana", "--role", "admin")
        bo_link = printed(home, "invite", "notes", "--name", "Bo 🙂 B.")
        ana = ana_home.open("join", ana_link, env=trust)
        ana.wait_for("new room")
        ana.send(F8)
        ana.wait_for("Others need a link of: collab invite notes")
        ana.send(F8)
        bo = bo_home.open("join", bo_link, env=trust)
        both_saved(ana, bo)
        ana.send("by ana\r")
        bo.wait_for("by ana")
        bo.send("\x1b[1;5Fby bo")
        all_hold("by ana\nby bo", ana, bo)

        # Once, from the list of people: they may come back at once.
        ana.send(F8)
        ana.wait_for("Delete sends away")
        ana.send(DELETE)
        ana.wait_for("Send Bo")
        ana.send(ENTER)
        bo.wait_for("✗ ana sent you away")
        assert "F5 Try again" in bo.text
        assert "joined" not in bo.status
        bo.send(F5)
        bo.wait_for("✓ saved")

        # By whoever runs the server, for a time.
        said = printed(home, "admin", "ban", "notes", "Bo 🙂 B.", "--for", "10m")
        assert said == "Bo 🙂 B. was sent away from notes, and may not come back for 10m"
        bo.wait_for("you were sent away from notes for 10 minutes")
        bo.send(F5)
        bo.wait_for("you are kept out of notes until")
        printed(home, "admin", "unban", "notes", "Bo 🙂 B.")
        bo.send(F5)
        bo.wait_for("✓ saved")

        # Taken back: what is typed then is kept, and why it goes nowhere is said to the end.
        listed = printed(home, "invites", "notes").splitlines()
        invite_id = next(row for row in listed if "Bo" in row).split()[0]
        assert printed(home, "revoke", invite_id) == f"revoked {invite_id}; 1 session was ended"
        bo.wait_for("✗ access was taken back")
        bo.send("!")
        bo.wait_for("access was taken back – 1 change kept on this machine")
        bo.send(F5)
        bo.wait_for("access was taken back – 1 change kept on this machine")
        bo.send(CTRL_Q)
        bo.wait_for("Quit with 1 unsaved change?")
        bo.send("y")
        assert bo.wait_exit() == 5
        assert "not taken by the server: access was taken back; to see it: collab join wss://" in last_words(
            bo
        )
        again = bo_home.open("join", bo_link, env=trust)
        again.wait_for("access was taken back – 1 change kept on this machine")

        # By a new link it goes up.
        again.send(CTRL_Q)
        again.wait_for("Quit with")
        again.send("y")
        again.wait_exit()
        once_more = bo_home.open("join", printed(home, "invite", "notes", "--name", "bo"), env=trust)
        all_hold("by ana\nby bo!", ana, once_more)
        both_saved(ana, once_more)
        leave(once_more)
        leave(ana)
    assert files_with_tokens(home) == []
    assert files_with_tokens(ana_home) == files_with_tokens(bo_home) == ["credentials.json"]
    for terminal in (ana, bo, again, once_more):
        assert not TOKEN.search(terminal.raw)


def test_a_reader_of_late_keeps_what_was_typed_before(home: Home, homes: list[Home]) -> None:
    _, bo_home = homes
    authority = Authority(home.path)
    trust = {"SSL_CERT_FILE": str(authority.write_root())}
    with serving(home, authority):
        link = printed(home, "invite", "notes")
        bo = bo_home.open("join", link, env=trust)
        bo.wait_for("✓ saved")
        leave(bo)
        bo = bo_home.open("join", link.partition("#")[0], "--offline", env=trust)
        bo.wait_for("offline")
        bo.send("abc")
        bo.wait_for("3 changes kept on this machine")
        bo.send(CTRL_Q)
        bo.wait_for("Quit with")
        bo.send("y")
        assert bo.wait_exit() == 5
        bo = bo_home.open("join", printed(home, "invite", "notes", "--role", "read"), env=trust)
        bo.wait_for("you may only read here – 3 changes kept on this machine")
        bo.send(CTRL_Q)
        bo.wait_for("Quit with")
        bo.send("y")
        assert bo.wait_exit() == 5
        assert "3 changes in notes are kept in " in last_words(bo)
        assert "not taken by the server: you may only read here; to see them: collab join" in last_words(bo)
