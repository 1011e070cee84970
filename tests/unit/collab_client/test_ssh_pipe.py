"""Tests of `collab_client.ssh_pipe`: what the relay says, what the server does, and what is left."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from collab_client.ssh_pipe import Ending, PipeFailed, SshPipe, ask

SOON_S = 5.0


@contextlib.contextmanager
def piped(script: str, *, is_apart: bool = True, is_greeted: bool = True) -> Iterator[SshPipe]:
    """Give a pipe to what a shell runs in the place of ssh; it is ended with the block."""
    pipe = SshPipe(["sh", "-c", script], environ=os.environ, is_apart=is_apart, is_greeted=is_greeted)
    try:
        pipe.start()
        yield pipe
    finally:
        pipe.end()


def failed(script: str, *, greeting_s: float = SOON_S, ready_s: float = SOON_S) -> Ending:
    with piped(script) as pipe, pytest.raises(PipeFailed) as failure:
        pipe.wait_ready(greeting_s=greeting_s, ready_s=ready_s)
    return failure.value.ending


def is_alive(pid: int) -> bool:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, 0)
        return True
    return False


def wait_gone(pid: int, within_s: float = SOON_S) -> None:
    ends_at = time.monotonic() + within_s
    while is_alive(pid):
        assert time.monotonic() < ends_at, f"process {pid} is left"
        threading.Event().wait(0.01)


@pytest.mark.parametrize(
    "noise", ["", "Welcome\\nto pair\\n", "no end of line", "HTTP/1.1 200 OK\\r\\n\\r\\n"]
)
def test_behind_what_the_relay_says_all_bytes_are_the_servers(noise: str) -> None:
    with piped(f"printf '{noise}collab-relay/1 9.9\\nready\\nHTTP\\nready\\n'; exec cat") as pipe:
        pipe.wait_ready(greeting_s=SOON_S, ready_s=SOON_S)
        got = b""
        while len(got) < 11:
            got += pipe.socket.recv(100)
        assert got == b"HTTP\nready\n"
        pipe.socket.sendall(b"\x00up\n")
        assert pipe.socket.recv(100) == b"\x00up\n"


def test_a_relay_that_says_why_not_is_heard() -> None:
    ending = failed("echo motd; echo collab-relay/1 9.9; echo no-server nobody serves here; exit 4")
    assert ending == Ending(4, True, "no-server", "nobody serves here", (), "motd")


def test_what_ssh_says_is_passed_on_and_kept() -> None:
    said: list[bytes] = []
    script = "echo 'ssh: no such host' >&2; exit 255"
    pipe = SshPipe(
        ["sh", "-c", script], environ={"PATH": os.environ["PATH"]}, is_apart=True, on_said=said.append
    )
    pipe.start()
    with pytest.raises(PipeFailed) as failure:
        pipe.wait_ready(greeting_s=SOON_S, ready_s=SOON_S)
    assert failure.value.ending == Ending(255, said=("ssh: no such host",))
    assert b"".join(said) == b"ssh: no such host\n"


def test_a_relay_that_dies_is_told_from_one_that_never_spoke() -> None:
    assert failed("exit 127") == Ending(127)
    assert failed("echo 'collab-relay/1 9'; exit 1") == Ending(1, has_greeted=True)


def test_one_that_never_speaks_is_given_up_and_gone(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    assert failed(f"echo $$ > {pid}; exec sleep 60", greeting_s=0.3).code is None
    wait_gone(int(pid.read_text()))
    ending = failed(f"echo $$ > {pid}; echo 'collab-relay/1 9'; exec sleep 60", ready_s=0.3)
    assert (ending.code, ending.has_greeted) == (None, True)
    wait_gone(int(pid.read_text()))


@pytest.mark.parametrize("is_apart", [True, False])
def test_one_that_does_not_take_a_hint_is_killed_with_what_it_started(tmp_path: Path, is_apart: bool) -> None:
    pid, child = tmp_path / "pid", tmp_path / "child"
    stays = f"trap : TERM; echo $$ > {child}; while :; do sleep 0.1; done"
    script = f"trap '' TERM; echo $$ > {pid}; sh -c '{stays}'"
    with piped(script, is_apart=is_apart):
        ends_at = time.monotonic() + SOON_S
        while not (child.exists() and child.read_text()):
            assert time.monotonic() < ends_at
            threading.Event().wait(0.01)
    wait_gone(int(pid.read_text()))
    wait_gone(int(child.read_text()))


@pytest.mark.parametrize("script", ["exec yes", "exec tr '\\0' x < /dev/zero", "exec cat /dev/urandom"])
def test_noise_without_an_end_is_no_relay(script: str) -> None:
    ending = failed(script)
    assert (ending.has_greeted, ending.is_noise_endless) == (False, True)


@pytest.mark.parametrize("stays", ["sleep 8", "yes"])
def test_nobody_listens_to_what_ssh_left_behind(stays: str) -> None:
    with piped(f"{stays} >&2 & exit 255") as pipe:
        assert pipe._listener is not None
        assert pipe._process is not None
        pipe._process.wait(SOON_S)
        pipe.end()
        pipe._listener.join(SOON_S)
        assert not pipe._listener.is_alive()


def test_what_ssh_would_do_is_asked_within_bounds() -> None:
    assert ask(["sh", "-c", "cat; echo yes"], os.environ, SOON_S) == "yes\n", "there is nothing to read"
    assert ask(["sh", "-c", "echo no; exit 1"], os.environ, SOON_S) is None
    assert ask(["head", "-c", "200000", "/dev/zero"], os.environ, SOON_S) is None
    assert ask(["sleep", "60"], os.environ, 0.1) is None
    assert ask(["/no/such/ssh"], os.environ, SOON_S) is None


def test_whoever_chats_on_stderr_blocks_nobody() -> None:
    with piped("head -c 1000000 /dev/zero >&2; echo collab-relay/1 9; echo ready; exec cat") as pipe:
        pipe.wait_ready(greeting_s=SOON_S, ready_s=SOON_S)


def test_an_end_is_seen_though_a_child_keeps_the_pipe_open() -> None:
    assert failed("sleep 8 & exit 3").code == 3


def test_another_thread_may_give_it_up() -> None:
    with piped("exec sleep 60") as pipe:
        threading.Timer(0.1, pipe.give_up).start()
        with pytest.raises(PipeFailed):
            pipe.wait_ready(greeting_s=None, ready_s=SOON_S)


def test_one_that_was_given_up_or_cannot_run_starts_nothing() -> None:
    pipe = SshPipe(["sh", "-c", "exit 0"], environ={}, is_apart=True)
    pipe.end()
    with pytest.raises(PipeFailed):
        pipe.start()
    missing = SshPipe(["/no/such/ssh"], environ={}, is_apart=True)
    with pytest.raises(FileNotFoundError):
        missing.start()
    missing.end()


def test_without_a_relay_it_is_ready_at_once() -> None:
    with piped("exec cat", is_greeted=False) as pipe:
        pipe.wait_ready(greeting_s=0.0, ready_s=0.0)
        pipe.socket.sendall(b"x")
        assert pipe.socket.recv(1) == b"x"


def test_it_stays_with_the_terminal_or_apart_from_it(tmp_path: Path) -> None:
    for is_apart in (False, True):
        with piped(
            'echo "collab-relay/1 $(ps -o sid= -p $$)"; echo ready; exec cat', is_apart=is_apart
        ) as pipe:
            pipe.wait_ready(greeting_s=SOON_S, ready_s=SOON_S)
            assert pipe._process is not None
            assert (os.getsid(pipe._process.pid) == os.getsid(0)) is not is_apart
