"""Tests of `collab_server.doorway` at the socket: slow, silent and hostile ends, healthy ones beside them."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, cast

import pytest
import uvloop
from websockets.exceptions import InvalidMessage

from collab_protocol import limits
from collab_protocol.messages import Receipt
from collab_protocol.versions import SUBPROTOCOL
from collab_server.admission import PENDING_OF_ADDRESS
from collab_server.config import Caps
from collab_server.doorway import GOODBYES, Doorway, Knock
from collab_server.lock import Endpoints

from .certificates import Authority
from .wire import DEADLINE_S, config, dial, joined, running, short_folder

HEALTHY_S = 2.5
"""A healthy client is in within this, whatever others do; far below what a stalled one may take."""


@pytest.fixture
def folder() -> Iterator[Path]:
    with short_folder() as made:
        yield made


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give half-open connections longer than any test takes: what ends them is not their deadline."""
    monkeypatch.setattr(limits, "HELLO_TIMEOUT_S", 60.0)


def on_each_loop(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run a test on asyncio's own loop and on uvloop, which the server runs on."""

    @pytest.mark.parametrize(
        "loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"]
    )
    def on_loop(loop: Callable[[], asyncio.AbstractEventLoop], folder: Path, authority: Authority) -> None:
        with asyncio.Runner(loop_factory=loop) as runner:
            runner.run(test(folder, authority))

    on_loop.__name__ = test.__name__
    return on_loop


def request(room: str = "notes", *headers: str) -> bytes:
    lines = [
        f"GET /rooms/{room} HTTP/1.1",
        "Host: localhost",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
        "Sec-WebSocket-Version: 13",
        f"Sec-WebSocket-Protocol: {SUBPROTOCOL}",
        *headers,
    ]
    return "\r\n".join([*lines, "", ""]).encode()


@contextlib.asynccontextmanager
async def open_port(folder: Path, **changes: Any) -> AsyncIterator[Endpoints]:
    async with running(config(folder, port=0, insecure=True, **changes)) as endpoints:
        yield endpoints


async def connect_raw(endpoints: Endpoints) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    assert endpoints.tcp is not None
    async with asyncio.timeout(DEADLINE_S):
        return await asyncio.open_connection(*endpoints.tcp)


async def wait_closed(reader: asyncio.StreamReader) -> bytes:
    """Read until the server closes; returns what it said."""
    said = b""
    async with asyncio.timeout(DEADLINE_S):
        with contextlib.suppress(ConnectionError):
            while piece := await reader.read(4096):
                said += piece
    return said


def open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


async def until(claim: Callable[[], bool]) -> None:
    """Wait until `claim` holds: a look each turn of the loop."""
    async with asyncio.timeout(DEADLINE_S):
        while not claim():
            await asyncio.sleep(0.01)


class TestDeadline:
    """One deadline spans all that comes before a Hello."""

    @pytest.fixture(autouse=True)
    def _soon(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(limits, "HELLO_TIMEOUT_S", 0.3)

    async def test_silence(self, folder: Path) -> None:
        async with open_port(folder) as endpoints:
            reader, writer = await connect_raw(endpoints)
            assert await wait_closed(reader) == b""
            writer.close()

    async def test_a_request_that_trickles_in(self, folder: Path) -> None:
        async with open_port(folder) as endpoints:
            reader, writer = await connect_raw(endpoints)

            async def trickle() -> None:
                for byte in request():
                    writer.write(bytes([byte]))
                    await asyncio.sleep(0.02)

            trickling = asyncio.create_task(trickle())
            assert await wait_closed(reader) == b""
            assert not trickling.done(), "it was closed in the middle of the request"
            trickling.cancel()
            writer.close()

    async def test_no_hello(self, folder: Path) -> None:
        async with open_port(folder) as endpoints, dial(endpoints, tcp=True) as silent:
            assert await silent.closed() == (1002, "no Hello")

    async def test_one_that_said_hello_stays(self, folder: Path) -> None:
        async with open_port(folder) as endpoints, joined(endpoints, tcp=True) as ana:
            reader, writer = await connect_raw(endpoints)
            await wait_closed(reader)
            writer.close()
            await ana.type("x")
            await ana.wait_for(Receipt)

    async def test_a_tls_handshake_that_stalls(self, folder: Path, authority: Authority) -> None:
        pair = authority.issue()
        async with open_port(folder, tls_cert=pair.cert, tls_key=pair.key) as endpoints:
            for begins in (b"", b"\x16\x03\x01\x02"):
                reader, writer = await connect_raw(endpoints)
                writer.write(begins)
                assert await wait_closed(reader) == b""
                writer.close()


class TestInTheTurnInWhichItsTimeRunsOut:
    """What is done to a connection then comes too late, and does no harm to whoever does it."""

    @pytest.mark.parametrize("act", ["drop", "said_hello"])
    async def test_it_ends_as_it_would_have(self, act: str) -> None:
        loop = asyncio.get_running_loop()
        done: list[bool] = []

        def do(knock: Knock) -> None:
            assert limit.expired()
            knock.drop("too many") if act == "drop" else knock.said_hello()
            done.append(True)

        with pytest.raises(TimeoutError):
            async with asyncio.timeout(None) as limit:
                knock = Knock(cast(Doorway, None), limit)
                limit.reschedule(loop.time())
                loop.call_soon(do, knock)
                await asyncio.sleep(DEADLINE_S)
        assert done


@pytest.mark.usefixtures("patient")
class TestFloods:
    """An address that opens connections over and over, while healthy people come from the same one."""

    @pytest.mark.parametrize(
        "says",
        [
            pytest.param(b"", id="nothing"),
            pytest.param(request()[:60], id="half a request"),
            pytest.param(b"\x00\xff" * 100 + b"\r\n\r\n", id="garbage"),
            pytest.param(request("notes", "Collab-Client: 00112233445566aa"), id="no Hello"),
            pytest.param(request("notes", "Collab-Client: NUMBER"), id="no Hello, each another"),
            pytest.param(request("notes", "Collab-Client: NUMBER") + b"\x82\x80junk", id="no frame"),
            pytest.param(b"GET /" + b"x" * 5000, id="a long line"),
        ],
    )
    async def test_a_healthy_client_of_the_same_address_comes_in_each_time(
        self, folder: Path, says: bytes
    ) -> None:
        async with open_port(folder) as endpoints:
            before = open_files()
            held: list[asyncio.StreamWriter] = []
            for number in range(300):
                _, writer = await connect_raw(endpoints)
                writer.write(says.replace(b"NUMBER", b"%016x" % number))
                held.append(writer)
                if number % 50 == 49:
                    async with (
                        asyncio.timeout(HEALTHY_S),
                        joined(endpoints, tcp=True, additional_headers=client("b")) as ana,
                    ):
                        await ana.type("x")
                        await ana.wait_for(Receipt)
            # Ours stay open; of the server's only those that may be finishing just now, and a few goodbyes.
            assert open_files() - before - len(held) <= Caps().connections_per_address + GOODBYES + 8
            for writer in held:
                writer.close()

    async def test_those_that_had_their_time_go_first(self, folder: Path) -> None:
        async with open_port(folder) as endpoints:
            readers = [await connect_raw(endpoints) for _ in range(PENDING_OF_ADDRESS)]
            await asyncio.sleep(1.1)  # the time that a round trip may take, of the server's clock
            newcomer, writer = await connect_raw(endpoints)
            await wait_closed(readers[0][0])
            assert not newcomer.at_eof()
            for _, each in [*readers, (newcomer, writer)]:
                each.close()

    async def test_tls_handshakes_that_stall_cost_few_files(self, folder: Path, authority: Authority) -> None:
        pair = authority.issue()
        async with open_port(folder, tls_cert=pair.cert, tls_key=pair.key) as endpoints:
            before = open_files()
            held = [await connect_raw(endpoints) for _ in range(300)]
            for _, writer in held[::2]:
                writer.write(b"\x16\x03\x01\x02\x00\x01")
            async with asyncio.timeout(HEALTHY_S):
                async with joined(endpoints, tcp=True, ssl=authority.client_context()):
                    pass
            most = Caps().connections_per_address + 8
            await until(lambda: open_files() - before - len(held) <= most)
            for _, writer in held:
                writer.close()
            await until(lambda: open_files() <= before)


@on_each_loop
async def test_all_files_are_given_back(folder: Path, authority: Authority) -> None:
    pair = authority.issue()
    async with open_port(folder, tls_cert=pair.cert, tls_key=pair.key) as endpoints:
        before = open_files()
        for round_ in range(5):
            held = [await connect_raw(endpoints) for _ in range(80)]
            for number, (_, writer) in enumerate(held):
                writer.write((b"", b"\x16\x03\x01\x02\x00\x01", b"GET / HTTP/1.1\r\n\r\n")[number % 3])
                if number % 2:
                    writer.transport.abort()
            async with joined(endpoints, tcp=True, ssl=authority.client_context(), name=f"ana{round_}"):
                pass
            for _, writer in held:
                writer.close()
        await until(lambda: open_files() <= before)


@on_each_loop
async def test_the_server_ends_while_many_are_half_open(folder: Path, authority: Authority) -> None:
    pair = authority.issue()
    held: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
    async with open_port(folder, tls_cert=pair.cert, tls_key=pair.key) as endpoints:
        held += [await connect_raw(endpoints) for _ in range(40)]
        for _, writer in held[::2]:
            writer.write(b"\x16\x03\x01\x02\x00\x01")
        ended = asyncio.get_running_loop().time()
    assert asyncio.get_running_loop().time() - ended < limits.HELLO_TIMEOUT_S - 1.0, (
        "it waited for none of them"
    )
    for _, writer in held:
        writer.close()


class TestTls:
    async def test_one_may_join(self, folder: Path, authority: Authority) -> None:
        pair = authority.issue()
        async with (
            open_port(folder, tls_cert=pair.cert, tls_key=pair.key) as endpoints,
            joined(endpoints, tcp=True, ssl=authority.client_context()) as ana,
        ):
            await ana.type("x" * 300_000)
            await ana.wait_for(Receipt)
            async with joined(endpoints, "bo", tcp=True, ssl=authority.client_context()) as bo:
                assert bo.replica.text() == "x" * 300_000

    async def test_plain_http_gets_nothing(self, folder: Path, authority: Authority) -> None:
        pair = authority.issue()
        async with open_port(folder, tls_cert=pair.cert, tls_key=pair.key) as endpoints:
            with pytest.raises((InvalidMessage, ConnectionError, EOFError)):
                async with asyncio.timeout(DEADLINE_S), joined(endpoints, tcp=True):
                    pass
            async with joined(endpoints, tcp=True, ssl=authority.client_context()):
                pass

    async def test_a_client_that_does_not_trust_it_leaves(self, folder: Path, authority: Authority) -> None:
        pair = authority.issue()
        async with open_port(folder, tls_cert=pair.cert, tls_key=pair.key) as endpoints:
            with pytest.raises(ssl.SSLCertVerificationError):
                async with joined(endpoints, tcp=True, ssl=ssl.create_default_context()):
                    pass

    async def test_a_new_certificate_is_taken_under_a_connection_that_goes_on(
        self, folder: Path, authority: Authority
    ) -> None:
        pair = authority.issue()
        reload = asyncio.Event()
        settings = config(folder, port=0, insecure=True, tls_cert=pair.cert, tls_key=pair.key)
        async with (
            running(settings, reload=reload) as endpoints,
            joined(endpoints, tcp=True, ssl=authority.client_context()) as ana,
        ):
            before = await certificate(endpoints, authority)
            renewed = Authority(pair.cert.parent)
            renewed.issue()
            reload.set()
            await until(lambda: not reload.is_set())
            after = await certificate(endpoints, renewed)
            assert after != before
            await ana.type("still here")
            await ana.wait_for(Receipt)
            pair.cert.write_text("junk")
            reload.set()
            await until(lambda: not reload.is_set())
            assert await certificate(endpoints, renewed) == after
            async with joined(endpoints, "bo", tcp=True, ssl=renewed.client_context()) as bo:
                assert bo.replica.text() == "still here"


async def certificate(endpoints: Endpoints, authority: Authority) -> bytes:
    """Return the certificate that a newcomer is shown."""
    async with dial(endpoints, tcp=True, ssl=authority.client_context()) as client_:
        shown: bytes = client_.websocket.transport.get_extra_info("ssl_object").getpeercert(True)
        return shown


def client(letter: str) -> dict[str, str]:
    """Return the header by which a client's process names itself."""
    return {"Collab-Client": letter * 16}


async def test_a_port_stays_with_whoever_has_it(folder: Path) -> None:
    async with open_port(folder) as endpoints:
        assert endpoints.tcp is not None
        with pytest.raises(OSError), socket.create_server(endpoints.tcp, reuse_port=False):
            pass


async def test_localhost_is_listened_on_with_one_port(folder: Path) -> None:
    async with open_port(folder, host="localhost") as endpoints:
        assert endpoints.tcp is not None
        async with joined(endpoints, tcp=True):
            pass
