"""Tests of joining with a token on a real server: a link works once and for good, and leaves no trace."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from tests.e2e.home import Home, collab_command
from tests.e2e.terminal import Terminal

CTRL_Q = "\x11"
TRIES = 50


@pytest.fixture
def server() -> Iterator[Home]:
    """A machine on which a server runs that asks for tokens."""
    with Home() as home, serving(home, "--port", "0", "--auth"):
        yield home


@contextlib.contextmanager
def serving(home: Home, *arguments: str) -> Iterator[None]:
    with subprocess.Popen(
        [*collab_command(), "serve", *arguments], env=home.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as program:
        assert program.stdout is not None
        try:
            assert program.stdout.readline().startswith(b"serving")
            yield
        finally:
            program.terminate()
            program.communicate(timeout=20)


@pytest.fixture
def ana() -> Iterator[Home]:
    with Home() as home:
        yield home


@pytest.fixture
def bo() -> Iterator[Home]:
    with Home() as home:
        yield home


def invite(server: Home, *flags: str) -> tuple[str, str]:
    """Return a link, and the address of its room."""
    done = server.run("invite", "notes", *flags)
    assert done.returncode == 0, done.stderr
    link = done.stdout.strip()
    assert re.fullmatch(r"ws://127\.0\.0\.1:\d+/notes#ci1\.[\w.-]+", link)
    return link, link.partition("#")[0]


def key_of(link: str) -> str:
    """Return which key signed the token of a link."""
    return link.partition("#")[2].split(".")[1]


def in_the_room(home: Home, *arguments: str, env: dict[str, str] | None = None) -> Terminal:
    terminal = home.open("join", *arguments, env=env or {})
    terminal.wait_for("saved")
    return terminal


def quit_(terminal: Terminal) -> None:
    terminal.send(CTRL_Q)
    assert terminal.wait_exit() == 0


def refused(home: Home, *arguments: str) -> str:
    """Return what is said behind the screen to somebody who may not come in."""
    terminal = home.open("join", *arguments)
    assert terminal.wait_exit() == 3, terminal.text
    return terminal.raw.rpartition(b"\x1b[?1049l")[2].decode()


def traces(home: Home) -> list[str]:
    """Return the files on a machine that hold a token."""
    files = [path for path in home.path.rglob("*") if path.is_file()]
    return [path.name for path in files if re.search(rb"c[ic]1\.[\w-]+\.[\w-]+\.", path.read_bytes())]


def test_a_link_works_once_and_after_it_the_address_alone(server: Home, ana: Home, bo: Home) -> None:
    link, address = invite(server, "--name", "anastasia")
    terminal = in_the_room(ana, link)
    terminal.send("by ana")
    terminal.wait_for("saved")
    quit_(terminal)
    assert b"ci1." not in terminal.raw
    assert traces(ana) == ["credentials.json"]
    terminal = in_the_room(ana, address)
    assert "by ana" in terminal.text
    assert "anastasia" in server.run("admin", "sessions", "notes").stdout
    quit_(terminal)
    quit_(in_the_room(ana))  # the room joined last
    quit_(in_the_room(ana, link))  # by the one that it is spent for
    assert "used already" in refused(bo, link)
    assert traces(bo) == []
    assert "token is needed" in refused(bo, address)


def test_a_token_from_the_environment_a_file_or_a_prompt_is_seen_by_nobody(
    server: Home, ana: Home, bo: Home
) -> None:
    link, address = invite(server, "--reusable")
    token = link.partition("#")[2]
    terminal = in_the_room(ana, address, env={"COLLAB_TOKEN": token})
    children = Path(f"/proc/{terminal.pid}/task/{terminal.pid}/children")
    if children.exists():
        for child in children.read_text().split():
            assert token.encode() not in Path(f"/proc/{child}/environ").read_bytes()
    quit_(terminal)
    (bo.path / "token").write_text(token)
    (bo.path / "token").chmod(0o600)
    quit_(in_the_room(bo, address, "--token-file", str(bo.path / "token")))
    (bo.path / "config" / "credentials.json").unlink()
    terminal = bo.open("join", address, "--token-file", "-")
    terminal.wait_for("token for")
    terminal.send(f"{token}\r")
    terminal.wait_for("saved")
    assert token.encode() not in terminal.raw
    quit_(terminal)


def test_over_tls_the_link_says_so(ana: Home) -> None:
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    pem, trusted = ana.path / "server.pem", ana.path / "authority.pem"
    certificate.private_key_and_cert_chain_pem.write_to_path(str(pem))
    authority.cert_pem.write_to_path(str(trusted))
    with Home() as server, serving(server, "--port", "0", "--auth", "--tls-cert", str(pem)):
        link = server.run("invite", "notes").stdout.strip()
        assert link.startswith("wss://127.0.0.1:")
        assert "not trusted" in refused(ana, link)
        quit_(in_the_room(ana, link, env={"SSL_CERT_FILE": str(trusted)}))
        assert traces(ana) == ["credentials.json"]


def test_access_that_is_taken_back_is_over_at_once_and_for_good(server: Home, ana: Home) -> None:
    link, address = invite(server)
    terminal = in_the_room(ana, link)
    listed = server.run("invites", "notes").stdout
    invite_id = listed.splitlines()[1].split()[0]
    assert "used" in listed
    revoked = server.run("revoke", invite_id)
    assert revoked.stdout == f"revoked {invite_id}; 1 session was ended\n"
    terminal.wait_for("taken back")
    terminal.send(CTRL_Q)
    terminal.wait_exit()
    assert "taken back" in refused(ana, address)


def test_keys_that_were_changed_by_hand_are_read_again(server: Home, ana: Home, bo: Home) -> None:
    link, _ = invite(server)
    assert server.run("admin", "rotate-keys").returncode == 0
    quit_(in_the_room(ana, link))
    other, _ = invite(server)
    assert key_of(other) != key_of(link), "the newest key signs"
    (server.data / "keys").write_text(f"99999999 {'ab' * 32}\n")
    pid = server.server_pid()
    assert pid is not None
    os.kill(pid, signal.SIGHUP)
    for _ in range(TRIES):  # it reads in its own time
        third, _ = invite(server)
        if key_of(third) == "99999999":
            break
    assert key_of(third) == "99999999"
    assert "not valid" in refused(bo, other)
    quit_(in_the_room(bo, third))


def test_who_is_sent_away_is_told(server: Home, ana: Home) -> None:
    link, _ = invite(server, "--name", "ana")
    terminal = in_the_room(ana, link)
    assert server.run("admin", "ban", "notes", "ana", "--for", "2h").returncode == 0
    terminal.wait_for("sent away")
    assert "ana" in server.run("admin", "bans").stdout
    terminal.send(CTRL_Q)
    terminal.wait_exit()


def test_what_was_pasted_by_mistake_is_gone_from_the_servers_files(server: Home, ana: Home) -> None:
    link, _ = invite(server)
    terminal = in_the_room(ana, link)
    terminal.paste("hunter2-is-my-password")
    terminal.wait_for("saved")
    terminal.send("\x01kept")  # Ctrl-A: in its place
    terminal.wait_for(lambda terminal: "kept" in terminal.text and "saved" in terminal.status)
    done = server.run("forget", "notes", "--yes")
    assert done.stdout == "forgot the history of notes; its text stays (4 bytes)\n"
    terminal.wait_for(lambda _: "notes" in server.run("admin", "sessions").stdout)  # it comes back
    assert "kept" in terminal.text
    for file in server.data.iterdir():
        assert b"hunter2" not in file.read_bytes()
    assert server.run("delete", "notes", "--yes").stdout == "deleted notes\n"
    terminal.wait_for("deleted")
    terminal.send(CTRL_Q)
    terminal.wait_exit()
    assert all(b"kept" not in file.read_bytes() for file in server.data.iterdir())
