"""What forks guests, where there can be none."""

from __future__ import annotations

import errno
import os
import pty
import signal
import socket
from collections.abc import Iterator

import pytest

from collab_cli.ssh_door.fork_server import _ForkServer
from collab_cli.ssh_door.orders import Ended, Reader
from tests.unit.collab_cli.ssh_door.test_orders import order

_DEADLINE_S = 10.0


class _Exited(Exception):
    """Takes the place of the end of a guest's process."""


@pytest.fixture
def link() -> Iterator[tuple[_ForkServer, socket.socket]]:
    """Give a fork server, and the door's end of its link; signals are as before behind."""
    handler = signal.getsignal(signal.SIGCHLD)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.settimeout(_DEADLINE_S)
        server = _ForkServer(theirs)
        yield server, ours
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, handler)
        for end in (server._wake, server._waker):
            end.close()


@pytest.fixture
def tty() -> Iterator[int]:
    ours, theirs = pty.openpty()
    yield theirs
    os.close(ours)


@pytest.fixture
def guest_here(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Let this process stand for a guest's; gives the codes that it would have ended with."""
    codes: list[int] = []

    def end(code: int) -> None:
        codes.append(code)
        raise _Exited

    monkeypatch.setattr(os, "_exit", end)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    yield codes
    for number, handler in handlers.items():
        signal.signal(number, handler)


def test_where_no_process_can_be_made_the_door_is_told(
    link: tuple[_ForkServer, socket.socket], tty: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fork() -> int:
        raise BlockingIOError(errno.EAGAIN, "too many processes")

    monkeypatch.setattr(os, "fork", fork)
    server, door = link
    server._open(1, order(), tty)
    assert list(Reader().feed(door.recv(4096))) == [Ended(1, os.EX_OSERR)]
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(tty)
    assert signal.SIGTERM not in signal.pthread_sigmask(signal.SIG_BLOCK, ())


def test_a_signal_that_comes_at_once_finds_a_process_that_heeds_it(
    link: tuple[_ForkServer, socket.socket], tty: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    fork = os.fork
    blocked: list[set[int]] = []

    def note() -> int:
        blocked.append(set(signal.pthread_sigmask(signal.SIG_BLOCK, ())))
        pid = fork()
        if pid == 0:
            signal.pause()  # as slow as may be; what it is sent is pending, or kills it
        return pid

    monkeypatch.setattr(os, "fork", note)
    server, _ = link
    server._open(1, order(), tty)
    server._signal(1, signal.SIGKILL)
    os.waitpid(server._pids[1], 0)
    assert blocked
    assert {signal.SIGTERM, signal.SIGHUP} <= blocked[0]
    assert signal.SIGTERM not in signal.pthread_sigmask(signal.SIG_BLOCK, ())


def test_a_signal_before_there_is_a_window_is_no_crash(
    link: tuple[_ForkServer, socket.socket],
    tty: int,
    guest_here: list[int],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def run_guest(_: object) -> int:
        raise SystemExit(128 + signal.SIGTERM)

    monkeypatch.setattr(os, "login_tty", lambda _: None)
    monkeypatch.setattr("collab_cli.ssh_door.guest.run_guest", run_guest)
    with pytest.raises(_Exited):
        link[0]._become_guest(order(), tty)
    os.close(tty)
    assert guest_here == [128 + signal.SIGTERM]
    assert not caplog.records


def test_who_has_hung_up_before_the_beginning_is_no_crash(
    link: tuple[_ForkServer, socket.socket],
    tty: int,
    guest_here: list[int],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def log_in(_: int) -> None:
        raise OSError(errno.EIO, "hung up")

    monkeypatch.setattr(os, "login_tty", log_in)
    with pytest.raises(_Exited):
        link[0]._become_guest(order(), tty)
    os.close(tty)
    assert guest_here == [128 + signal.SIGHUP]
    assert not caplog.records
