"""The fault proxy does what its names say; without that the tests through it would show nothing."""

from __future__ import annotations

import contextlib
import socket
import socketserver
import threading
import time
from collections.abc import Iterator
from typing import Final

import pytest

from tests.e2e.proxy import Direction, Proxy

pytestmark = pytest.mark.campaign

_SOON_S: Final = 5.0
_NEVER_S: Final = 0.2
"""Silence of this length is taken for silence for ever; a wrong proxy answers within a millisecond."""


class _Echo(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        with contextlib.suppress(ConnectionResetError, BrokenPipeError):
            while data := self.request.recv(4096):
                self.server.heard += data  # type: ignore[attr-defined]
                self.request.sendall(data)


class _EchoServer(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Echo)
        self.heard = bytearray()


@pytest.fixture
def echo() -> Iterator[_EchoServer]:
    with _EchoServer() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def proxy(echo: _EchoServer) -> Iterator[Proxy]:
    with Proxy(echo.server_address[1]) as made:
        yield made


@contextlib.contextmanager
def joined(proxy: Proxy) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=_SOON_S) as client:
        yield client


def read(client: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count and (piece := client.recv(count - len(data))):
        data += piece
    return data


def is_silent(client: socket.socket) -> bool:
    client.settimeout(_NEVER_S)
    try:
        client.recv(1)
    except TimeoutError:
        return True
    finally:
        client.settimeout(_SOON_S)
    return False


def test_without_faults_it_passes_everything_and_both_ends(proxy: Proxy) -> None:
    sent = bytes(range(256)) * 4096
    with joined(proxy) as client:
        sending = threading.Thread(target=client.sendall, args=(sent,))
        sending.start()
        assert read(client, len(sent)) == sent
        sending.join()
        client.shutdown(socket.SHUT_WR)
        assert client.recv(1) == b""
    assert proxy.passed(Direction.UP) == proxy.passed(Direction.DOWN) == sent
    assert len(proxy.accepted_at) == 1


def test_delay_is_added_and_does_not_add_up(proxy: Proxy) -> None:
    proxy.delay(0.2)
    with joined(proxy) as client:
        began = time.monotonic()
        for _ in range(20):
            client.sendall(b"x")
        assert read(client, 20) == b"x" * 20
        assert 0.4 <= time.monotonic() - began < _SOON_S


def test_a_stall_holds_one_direction_until_it_is_healed(proxy: Proxy, echo: _EchoServer) -> None:
    for direction, heard in ((Direction.UP, b""), (Direction.DOWN, b"held")):
        with joined(proxy) as client:
            echo.heard.clear()
            proxy.stall([direction])
            client.sendall(b"held")
            assert is_silent(client)
            assert echo.heard == heard
            proxy.heal()
            assert read(client, 4) == b"held"


def test_a_stall_that_takes_nothing_fills_the_window(proxy: Proxy) -> None:
    proxy.stall([Direction.UP], is_taking=False)
    with joined(proxy) as client:
        client.settimeout(_NEVER_S)
        with pytest.raises(TimeoutError):
            client.sendall(bytes(1 << 26))


def test_slices_arrive_whole_and_in_order(proxy: Proxy, echo: _EchoServer) -> None:
    proxy.slice(1)
    with joined(proxy) as client:
        client.sendall(b"one byte at a time")
        assert read(client, 18) == b"one byte at a time"
    assert echo.heard == b"one byte at a time"


def test_half_open_is_silence_on_old_connections_only(proxy: Proxy) -> None:
    with joined(proxy) as old, joined(proxy) as new:
        old.sendall(b"a")
        assert read(old, 1) == b"a"
        new.sendall(b"b")
        assert read(new, 1) == b"b"
        proxy.half_open()
        old.sendall(b"a")
        new.shutdown(socket.SHUT_WR)
        assert is_silent(old)
        assert is_silent(new)
        with joined(proxy) as third:
            third.sendall(b"c")
            assert read(third, 1) == b"c"
        proxy.heal()
        assert is_silent(old)


def test_half_open_keeps_the_end_of_one_side_from_the_other() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, Proxy(server.getsockname()[1]) as proxy:
        server.settimeout(_SOON_S)
        with joined(proxy) as client:
            client.sendall(b"a")
            far, _ = server.accept()
            with far:
                far.settimeout(_SOON_S)
                assert read(far, 1) == b"a"
                proxy.half_open()
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                client.close()
                assert is_silent(far)


def test_reset_reaches_both_ends() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, Proxy(server.getsockname()[1]) as proxy:
        server.settimeout(_SOON_S)
        with joined(proxy) as client:
            client.sendall(b"a")
            far, _ = server.accept()
            with far:
                far.settimeout(_SOON_S)
                assert read(far, 1) == b"a"
                proxy.reset()
                for end in (client, far):
                    with pytest.raises(ConnectionResetError):
                        end.recv(1)
                assert proxy.open_connections == 0


@pytest.mark.parametrize("count", [0, 1, 7, 9])
def test_a_cut_lets_exactly_so_many_bytes_through(proxy: Proxy, echo: _EchoServer, count: int) -> None:
    proxy.cut_after(count, Direction.UP)
    with joined(proxy) as client:
        client.sendall(b"0123456789")
        with contextlib.suppress(ConnectionResetError):
            while client.recv(1):
                pass
    assert proxy.passed(Direction.UP) == b"0123456789"[:count]
    with joined(proxy) as again:
        again.sendall(b"whole")
        assert read(again, 5) == b"whole"
    assert echo.heard in (b"0123456789"[:count] + b"whole", b"whole")


def test_a_cut_counts_from_when_it_is_asked_for(proxy: Proxy) -> None:
    with joined(proxy) as client:
        client.sendall(b"before")
        assert read(client, 6) == b"before"
        proxy.cut_after(3, Direction.DOWN)
        client.sendall(b"after")
        with contextlib.suppress(ConnectionResetError):
            assert read(client, 5) == b"aft"
    assert proxy.passed(Direction.DOWN) == b"beforeaft"


def test_refused_is_reset_at_once_and_recorded(proxy: Proxy) -> None:
    proxy.refuse()
    with pytest.raises(ConnectionResetError), joined(proxy) as client:
        client.recv(1)
    assert len(proxy.accepted_at) == 1
    proxy.heal()
    with joined(proxy) as client:
        client.sendall(b"a")
        assert read(client, 1) == b"a"


def test_a_server_that_is_not_there_is_a_reset() -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    with Proxy(port) as proxy, pytest.raises(ConnectionResetError), joined(proxy) as client:
        client.recv(1)
