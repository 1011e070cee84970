"""Tests of `collab_server.passed_sockets`: what is taken, what is refused, and who outlives whom."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import uvloop

from collab_protocol.messages import Receipt
from collab_server import passed_sockets
from collab_server.lock import Endpoints
from collab_server.passed_sockets import PassedSockets, take_passed_sockets, with_passed
from collab_server.ways_in import NotAllowed

from .rooms import hello
from .wire import DEADLINE_S, config, dial, joined, running, short_folder

FIRST = 200
"""Where the tests put what is passed: 3 is in use in a process that runs tests."""


@pytest.fixture
def folder() -> Iterator[Path]:
    with short_folder() as made:
        yield made


class Passing:
    """Opens sockets as a service manager does, and holds them."""

    def __init__(self, folder: Path) -> None:
        self.held: list[socket.socket] = []
        self.path = folder / "passed.sock"

    def unix(self, mode: int = 0o600, name: str | None = None) -> socket.socket:
        sock = self.held_socket(socket.AF_UNIX)
        sock.bind(str(self.path) if name is None else name)
        if name is None:
            self.path.chmod(mode)
        sock.listen()
        return sock

    def tcp(self, host: str = "127.0.0.1") -> socket.socket:
        sock = self.held_socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        sock.bind((host, 0))
        sock.listen()
        return sock

    def held_socket(self, family: int, kind: int = socket.SOCK_STREAM) -> socket.socket:
        self.held.append(socket.socket(family, kind))
        return self.held[-1]

    def passed(self) -> PassedSockets:
        """Return what one server gets of them: ends of its own, that it may close."""
        by_family: dict[bool, list[socket.socket]] = {True: [], False: []}
        for each in self.held:
            copy = each.dup()
            copy.setblocking(False)
            by_family[each.family == socket.AF_UNIX].append(copy)
        return PassedSockets(by_family[True][0], tuple(by_family[False]))


@pytest.fixture
def passing(folder: Path) -> Iterator[Passing]:
    made = Passing(folder)
    yield made
    for each in made.held:
        each.close()


@pytest.fixture
def take(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., PassedSockets]]:
    """Pass files under names to this process, and take them."""
    monkeypatch.setattr(passed_sockets, "_FIRST", FIRST)
    taken: list[PassedSockets] = []
    numbers: list[int] = []

    def take_these(*files: Any, names: str = "", pid: int | None = None) -> PassedSockets:
        for number, file in enumerate(files, FIRST):
            os.dup2(file.fileno(), number)
            numbers.append(number)
        environ = {"LISTEN_FDS": str(len(files)), "LISTEN_PID": str(pid or os.getpid()), "HOME": "/"}
        if names:
            environ["LISTEN_FDNAMES"] = names
        try:
            taken.append(take_passed_sockets(environ))
        finally:
            assert environ == {"HOME": "/"}, "they are for us alone"
        return taken[-1]

    yield take_these
    for each in taken:
        each.close()
    for number in numbers:
        with contextlib.suppress(OSError):  # most were closed by whoever took them
            os.close(number)


def test_nothing_is_taken_where_nothing_was_passed(
    passing: Passing, take: Callable[..., PassedSockets]
) -> None:
    assert not take_passed_sockets({})
    assert not take(passing.tcp(), pid=1), "they are for another process"


@pytest.mark.parametrize("names", ["unix:tcp:monitor", "collab.socket:unknown:monitor", "::monitor"])
def test_sockets_are_known_by_name_or_family(
    passing: Passing, take: Callable[..., PassedSockets], names: str
) -> None:
    unix, tcp, monitor = passing.unix(), passing.tcp(), passing.tcp()
    passed = take(unix, tcp, monitor, names=names)
    assert passed.unix is not None
    assert passed.monitor is not None
    assert passed.unix.getsockname() == str(passing.path)
    assert [each.getsockname() for each in passed.tcp] == [tcp.getsockname()]
    assert passed.monitor.getsockname() == monitor.getsockname()
    assert not any(os.get_inheritable(each.fileno()) for each in (passed.unix, *passed.tcp, passed.monitor))


def test_several_addresses_of_tcp_are_taken(passing: Passing, take: Callable[..., PassedSockets]) -> None:
    passed = take(passing.tcp(), passing.tcp("::1"))
    assert [each.family for each in passed.tcp] == [socket.AF_INET, socket.AF_INET6]


def test_what_cannot_be_listened_on_is_refused(
    passing: Passing, take: Callable[..., PassedSockets], tmp_path: Path
) -> None:
    with (tmp_path / "file").open("wb") as file, pytest.raises(NotAllowed, match="and is none"):
        take(file)
    with pytest.raises(NotAllowed, match="does not listen"):
        take(passing.held_socket(socket.AF_INET))
    with pytest.raises(NotAllowed, match="does not listen"):
        take(passing.held_socket(socket.AF_INET, socket.SOCK_DGRAM))
    with pytest.raises(NotAllowed, match="Bad file descriptor"):
        take_passed_sockets({"LISTEN_FDS": "60", "LISTEN_PID": str(os.getpid())})
    with pytest.raises(NotAllowed, match="no number"):
        take_passed_sockets({"LISTEN_FDS": "-1", "LISTEN_PID": str(os.getpid())})


@pytest.mark.parametrize(
    ("names", "says"),
    [
        ("tcp:tcp", "'tcp' is a Unix socket"),
        ("unix:unix", "'unix' is TCP"),
        ("unix:monitr", "unix, tcp, monitor"),
        ("monitor:tcp", "'monitor' is a Unix socket"),
    ],
)
def test_a_name_that_does_not_fit_is_refused(
    passing: Passing, take: Callable[..., PassedSockets], names: str, says: str
) -> None:
    with pytest.raises(NotAllowed, match=says):
        take(passing.unix(), passing.tcp(), names=names)


def test_two_for_what_there_is_one_of_are_refused(
    passing: Passing, take: Callable[..., PassedSockets]
) -> None:
    with pytest.raises(NotAllowed, match="2 sockets for monitor"):
        take(passing.tcp(), passing.tcp(), names="monitor:monitor")


def test_the_settings_are_those_of_the_sockets(folder: Path, passing: Passing) -> None:
    unix, tcp, monitor = passing.unix(), passing.tcp(), passing.tcp()
    settings = with_passed(
        config(folder, host="0.0.0.0", port=1, insecure=True, tls_cert=folder / "none"),
        PassedSockets(unix, (tcp,), monitor),
    )
    assert settings.unix_path == passing.path
    assert (settings.host, settings.port) == tcp.getsockname()
    assert settings.monitor == monitor.getsockname()


def test_a_port_that_is_not_listened_on_is_said(
    folder: Path, passing: Passing, caplog: pytest.LogCaptureFixture
) -> None:
    passed = PassedSockets(tcp=(passing.tcp(),))
    with_passed(config(folder, insecure=True, port=passed.tcp[0].getsockname()[1]), passed)
    assert not caplog.text
    with_passed(config(folder, insecure=True, port=1), passed)
    assert "port 1 is set, and not listened on" in caplog.text


async def test_one_socket_for_both_families_takes_both(folder: Path, passing: Passing) -> None:
    both = passing.held_socket(socket.AF_INET6)
    both.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    both.bind(("::", 0))
    both.listen()
    passing.unix()
    # Whoever comes by IPv4 looks like ::ffff:127.0.0.1, and is the proxy that is trusted.
    settings = config(folder, auth=False, insecure=True, trusted_proxies=("127.0.0.1", "::1"))
    with contextlib.closing(passing.passed()) as passed:
        async with running(settings, passed=passed) as endpoints:
            assert endpoints.tcp is not None
            for host in ("127.0.0.1", "::1"):
                address = f"[{host}]" if ":" in host else host
                where = replace(endpoints, tcp=(address, endpoints.tcp[1]))
                async with joined(where, tcp=True):
                    pass


def test_no_socket_lets_in_strangers_unsaid(folder: Path, passing: Passing) -> None:
    everywhere = PassedSockets(tcp=(passing.tcp(), passing.tcp("0.0.0.0")))
    with pytest.raises(NotAllowed, match="--auth"):
        with_passed(config(folder), everywhere)
    with pytest.raises(NotAllowed, match=r"0\.0\.0\.0 is not loopback"):
        with_passed(config(folder, auth=True), everywhere)
    assert with_passed(config(folder, auth=True, trusted_proxies=("10.0.0.1",)), everywhere).port


@pytest.mark.parametrize("mode", [0o666, 0o660, 0o602])
def test_a_unix_socket_that_others_may_open_is_refused(folder: Path, passing: Passing, mode: int) -> None:
    unix = passing.unix(mode)
    with pytest.raises(NotAllowed, match="SocketMode=0600"):
        with_passed(config(folder), PassedSockets(unix))


def test_a_unix_socket_of_a_group_is_taken_where_that_group_was_said(folder: Path, passing: Passing) -> None:
    group = os.getegid()
    unix = PassedSockets(passing.unix(0o660))
    assert with_passed(config(folder, unix_group=group), unix).unix_path == passing.path
    for other in (config(folder, unix_group=group + 1), config(folder)):
        with pytest.raises(NotAllowed, match="SocketMode=0"):
            with_passed(other, unix)


@pytest.mark.parametrize("mode", [0o600, 0o666, 0o662])
def test_a_unix_socket_that_is_not_its_groups_is_refused(folder: Path, passing: Passing, mode: int) -> None:
    with pytest.raises(NotAllowed, match="SocketMode=0660, and SocketGroup= that group"):
        with_passed(config(folder, unix_group=os.getegid()), PassedSockets(passing.unix(mode)))


def test_a_unix_socket_that_is_nowhere_is_refused(folder: Path, passing: Passing) -> None:
    abstract = PassedSockets(passing.unix(name=f"\0{folder.name}"))
    with pytest.raises(NotAllowed, match="without a path"):
        with_passed(config(folder), abstract)
    named = PassedSockets(passing.unix())
    passing.path.unlink()
    with pytest.raises(NotAllowed, match="is not there"):
        with_passed(config(folder), named)
    passing.path.touch()
    with pytest.raises(NotAllowed, match="something else"):
        with_passed(config(folder), named)


@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def test_sockets_outlive_the_server_with_those_who_wait(
    folder: Path, passing: Passing, loop: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    passing.unix()
    port = passing.tcp().getsockname()[1]

    async def serve_twice() -> None:
        settings = config(folder, insecure=True, port=0)
        for text in ("one", "two"):
            with contextlib.closing(passing.passed()) as passed:
                async with running(settings, passed=passed) as endpoints:
                    assert endpoints.unix == str(passing.path)
                    assert endpoints.tcp == ("127.0.0.1", port)
                    for tcp in (False, True):
                        async with joined(endpoints, tcp=tcp) as client:
                            await client.type(text)
                            await client.wait_for(Receipt)
        assert passing.path.is_socket(), "it is not ours to remove"
        waiting = [asyncio.create_task(come(tcp)) for tcp in (False, True)]
        with contextlib.closing(passing.passed()) as passed:
            async with running(settings, passed=passed):
                async with asyncio.timeout(DEADLINE_S):
                    assert await asyncio.gather(*waiting) == ["oneonetwotwo"] * 2

        # Nobody serves now; who comes is not refused, and waits in the backlog.
        async with asyncio.timeout(DEADLINE_S):
            for opening in (
                asyncio.open_unix_connection(passing.path),
                asyncio.open_connection("127.0.0.1", port),
            ):
                _, writer = await opening
                writer.close()
                await writer.wait_closed()

    async def come(tcp: bool) -> str:
        where = endpoints_of(passing.path, port)
        async with dial(where, tcp=tcp) as client:
            await client.enter(hello("bo"))
            return client.replica.text()

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(serve_twice())


def endpoints_of(path: Path, port: int) -> Endpoints:
    return Endpoints("test", (), 0, str(path), ("127.0.0.1", port), 0.0)
