"""Tests of `collab_server.listener`: who is let in, who is not, and what they are told."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect, unix_connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Subprotocol

from collab_protocol.errors import FaultCode
from collab_protocol.messages import Fault, Ping, Pong, Presence, Receipt
from collab_protocol.presence import Activity, Caret
from collab_protocol.versions import SUBPROTOCOL
from collab_server import app, handshakes
from collab_server.config import Caps, ServerConfig
from collab_server.lock import Endpoints, FolderLock
from collab_server.office.serving import ADMIN_PATH, ADMIN_SUBPROTOCOL

from .rooms import hello
from .wire import DEADLINE_S, Client, config, dial, joined, running, short_folder


@pytest.fixture
def folder() -> Iterator[Path]:
    with short_folder() as made:
        yield made


async def ask(endpoints: Endpoints, *headers: str, tcp: bool = False) -> int:
    """Ask the server to hand over; returns the status."""
    async with asyncio.timeout(DEADLINE_S):
        if tcp:
            assert endpoints.tcp is not None
            reader, writer = await asyncio.open_connection(*endpoints.tcp)
        else:
            reader, writer = await asyncio.open_unix_connection(endpoints.unix)
        writer.write("\r\n".join(["GET /hand-over HTTP/1.1", "Host: localhost", *headers, "", ""]).encode())
        answer = await reader.read()
        writer.close()
    return int(answer.split()[1])


@dataclass
class Private:
    """A private server of version 0.2.0 that nobody is in."""

    endpoints: Endpoints
    serving: asyncio.Task[None]
    settings: ServerConfig


@pytest.fixture
async def private(folder: Path) -> AsyncIterator[Private]:
    settings = config(folder, version="0.2.0", idle_exit_s=3600.0, port=0, insecure=True)
    stop = asyncio.Event()
    ready: asyncio.Future[Endpoints] = asyncio.get_running_loop().create_future()
    serving = asyncio.create_task(app.serve(settings, ready=ready.set_result, stop=stop))
    async with asyncio.timeout(DEADLINE_S):
        yield Private(await ready, serving, settings)
        stop.set()
        await serving


@pytest.mark.parametrize("version", ["0.2.1", "0.10", "1.0.0rc1"])
async def test_an_idle_private_server_ends_for_a_newer_collab(private: Private, version: str) -> None:
    assert await ask(private.endpoints, f"Collab-Version: {version}") == 200
    async with asyncio.timeout(DEADLINE_S):
        await private.serving
    assert not private.settings.unix_path.exists()
    assert not (private.settings.data_dir / "server.json").exists()
    FolderLock(private.settings.data_dir).close()


@pytest.mark.parametrize(
    "headers",
    [
        [],
        *([f"Collab-Version: {version}"] for version in ("0.2.0", "0.2", "0.1.9", "", "junk", "-1", "٣.0")),
        ["Collab-Version: 0.1", "Collab-Version: 9"],
    ],
)
async def test_it_goes_on_for_one_that_is_not_newer(private: Private, headers: list[str]) -> None:
    assert await ask(private.endpoints, *headers) == 409
    async with joined(private.endpoints):
        pass


async def test_it_goes_on_while_somebody_is_there(private: Private) -> None:
    async with joined(private.endpoints) as ana:
        assert await ask(private.endpoints, "Collab-Version: 9") == 409
        await ana.send(Ping(7))
        assert await ana.wait_for(Pong) == Pong(7)


async def test_it_is_asked_over_its_unix_socket_and_by_no_web_page(private: Private) -> None:
    assert await ask(private.endpoints, "Collab-Version: 9", tcp=True) == 404
    assert await ask(private.endpoints, "Collab-Version: 9", "Origin: http://localhost") == 403
    async with joined(private.endpoints):
        pass


async def test_a_server_that_somebody_runs_by_hand_never_ends_so(folder: Path) -> None:
    async with running(config(folder, version="0.2.0")) as endpoints:
        assert await ask(endpoints, "Collab-Version: 9") == 409
        async with joined(endpoints):
            pass


@contextlib.asynccontextmanager
async def open_port(folder: Path, **changes: Any) -> AsyncIterator[Endpoints]:
    async with running(config(folder, port=0, insecure=True, **changes)) as endpoints:
        yield endpoints


async def refused(endpoints: Endpoints, room: str = "notes", **options: Any) -> tuple[int, str | None, str]:
    """Ask to come in over TCP, which has to fail; returns the status, Retry-After and the text."""
    with pytest.raises(InvalidStatus) as caught:
        async with dial(endpoints, room, tcp=True, **options):
            pass
    response = caught.value.response
    return response.status_code, response.headers.get("Retry-After"), (response.body or b"").decode().strip()


@contextlib.asynccontextmanager
async def in_at_last(endpoints: Endpoints, name: str) -> AsyncIterator[Client]:
    """Come in over TCP as soon as there is a place: the server may not have noticed yet that one is free."""
    async with contextlib.AsyncExitStack() as stack:
        async with asyncio.timeout(DEADLINE_S):
            while True:
                with contextlib.suppress(InvalidStatus):
                    client = await stack.enter_async_context(joined(endpoints, name, tcp=True))
                    break
        yield client


def from_(address: str) -> dict[str, Any]:
    """Return options of a client for which a proxy says that it is at `address`."""
    return {"additional_headers": {"X-Forwarded-For": address}}


def as_(letter: str) -> dict[str, Any]:
    """Return options of a client that calls itself so."""
    return {"additional_headers": {"Collab-Client": letter * 16}}


class TestCaps:
    async def test_one_that_was_refused_and_then_let_in_gets_all(self, folder: Path) -> None:
        async with (
            open_port(folder, caps=Caps(connections_per_address=2)) as endpoints,
            joined(endpoints, "ana", tcp=True) as ana,
        ):
            await ana.type("hello")
            await ana.wait_for(Receipt)
            await ana.send(Presence(None, (Caret(2, 4),), 1, Activity.ACTIVE))
            async with joined(endpoints, "bo", tcp=True):
                status, retry_s, text = await refused(endpoints)
                assert (status, retry_s) == (503, "10")
                assert text == "2 connections from your address: close one, or try again later"
            async with in_at_last(endpoints, "cy") as cy:
                assert cy.replica.text() == "hello"
                assert cy.welcome is not None
                (seen,) = [p for p in cy.welcome.roster if p.activity is Activity.ACTIVE]
                assert seen.person is not None
                assert seen.person.name == "ana"
                assert seen.carets == (Caret(2, 4),)
                await ana.send(Presence(None, (Caret(5, 5),), 1, Activity.ACTIVE))
                while (moved := await cy.wait_for(Presence)).carets != (Caret(5, 5),):
                    pass
                assert moved.person == seen.person

    async def test_the_rate(self, folder: Path) -> None:
        async with open_port(folder, caps=Caps(accepts_per_s=1.0)) as endpoints, joined(endpoints, tcp=True):
            status, retry_s, text = await refused(endpoints)
            assert status == 503
            assert retry_s == "1"
            assert text == "no more than 1 connections a second are taken: come back in 1 s"

    async def test_in_all_and_the_unix_socket_stays_open(self, folder: Path) -> None:
        async with open_port(folder, caps=Caps(connections=1)) as endpoints, joined(endpoints, tcp=True):
            status, _, text = await refused(endpoints, "other")
            assert status == 503
            assert text.startswith("1 connections, which is all that this server takes")
            async with joined(endpoints, "bo"):
                pass

    async def test_of_one_room(self, folder: Path) -> None:
        async with open_port(folder, caps=Caps(connections_per_room=1)) as endpoints:
            async with joined(endpoints, "ana", tcp=True), dial(endpoints, tcp=True) as bo:
                await bo.send(hello("bo"))
                fault = await bo.wait_for(Fault)
                assert fault.code is FaultCode.BUSY
                assert fault.message == "notes is full: 1 connections may be in a room"
                assert fault.retry_ms
                assert (await bo.closed())[0] == 1013
            async with joined(endpoints, "eve", "other", tcp=True):
                pass

    async def test_one_that_never_says_hello_is_refused_and_others_are_not(self, folder: Path) -> None:
        async with open_port(folder) as endpoints:
            for _ in range(5):
                async with dial(endpoints, tcp=True, **as_("a")) as silent:
                    await silent.websocket.close()
            status, retry_s, text = await refused(endpoints, **as_("a"))
            assert (status, retry_s) == (503, "1")
            assert "5 tries" in text
            async with joined(endpoints, tcp=True, **as_("b")):
                pass

    async def test_one_that_comes_and_goes_is_not_refused(self, folder: Path) -> None:
        async with open_port(folder) as endpoints:
            for _ in range(12):
                async with joined(endpoints, tcp=True, **as_("a")):
                    pass


class TestProxies:
    async def test_those_behind_one_are_counted_each_for_themselves(self, folder: Path) -> None:
        caps = Caps(connections_per_address=1)
        async with (
            open_port(folder, caps=caps, trusted_proxies=("127.0.0.1",)) as endpoints,
            joined(endpoints, "ana", tcp=True, **from_("198.51.100.7")),
            joined(endpoints, "bo", tcp=True, **from_("203.0.113.9, 198.51.100.8")),
        ):
            assert (await refused(endpoints, **from_("198.51.100.7")))[0] == 503
            assert (await refused(endpoints, **from_("9.9.9.9, 198.51.100.8, 127.0.0.1")))[0] == 503

    @pytest.mark.parametrize("trusted", [(), ("127.0.0.1",)])
    async def test_nobody_else_is_believed(self, folder: Path, trusted: tuple[str, ...]) -> None:
        elsewhere = {"local_addr": ("127.0.0.2", 0)}
        async with (
            open_port(folder, caps=Caps(connections_per_address=1), trusted_proxies=trusted) as endpoints,
            joined(endpoints, tcp=True, **elsewhere, **from_("198.51.100.7")),
        ):
            assert (await refused(endpoints, **elsewhere, **from_("198.51.100.8")))[0] == 503

    async def test_past_the_proxy_nobody_comes_in(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # Of addresses of this machine only 127.0.0.1 stands for it here.
        monkeypatch.setattr(handshakes, "is_loopback", lambda address: address == "127.0.0.1")
        elsewhere = {"local_addr": ("127.0.0.2", 0)}
        async with open_port(folder, trusted_proxies=("127.0.0.3",)) as endpoints:
            status, _, text = await refused(endpoints, **elsewhere, **from_("127.0.0.3"))
            assert status == 403
            assert "through its proxy" in text
            async with joined(endpoints, tcp=True):
                pass
            async with joined(endpoints, tcp=True, local_addr=("127.0.0.3", 0), **from_("198.51.100.7")):
                pass


class TestOrigins:
    @pytest.mark.parametrize(
        ("sent", "is_let_in"),
        [
            (["https://notes.example.org"], True),
            (["https://notes.example.org:8443"], False),
            (["http://notes.example.org"], False),
            (["https://evil.example"], False),
            (["https://notes.example.org.evil.example"], False),
            (["HTTPS://NOTES.EXAMPLE.ORG"], False),
            (["null"], False),
            ([""], False),
            (["https://notes.example.org", "https://evil.example"], False),
        ],
    )
    async def test_only_those_listed_are_let_in(self, folder: Path, sent: list[str], is_let_in: bool) -> None:
        options: dict[str, Any] = {"additional_headers": [("Origin", origin) for origin in sent]}
        async with open_port(folder, origins=("https://notes.example.org",)) as endpoints:
            if is_let_in:
                async with joined(endpoints, tcp=True, **options):
                    pass
            else:
                assert (await refused(endpoints, **options))[0] == 403


class TestOffice:
    """The owner's way to ask for things."""

    async def test_it_is_asked_over_the_unix_socket(self, folder: Path) -> None:
        async with (
            running(config(folder)) as endpoints,
            joined(endpoints, "ana"),
            unix_connect(
                endpoints.unix, f"ws://localhost{ADMIN_PATH}", subprotocols=[Subprotocol(ADMIN_SUBPROTOCOL)]
            ) as office,
        ):
            await office.send(json.dumps({"do": "sessions"}))
            async with asyncio.timeout(DEADLINE_S):
                answer = json.loads(await office.recv())
        assert [each["name"] for each in answer["ok"]["sessions"]] == ["ana"]

    @pytest.mark.parametrize(
        ("path", "subprotocol"), [(ADMIN_PATH, SUBPROTOCOL), ("/rooms/notes", ADMIN_SUBPROTOCOL)]
    )
    async def test_each_path_has_its_own_language(self, folder: Path, path: str, subprotocol: str) -> None:
        async with running(config(folder)) as endpoints:
            with pytest.raises(InvalidStatus) as caught:
                await unix_connect(
                    endpoints.unix, f"ws://localhost{path}", subprotocols=[Subprotocol(subprotocol)]
                )
            assert caught.value.response.status_code == 400

    async def test_one_that_asks_for_nothing_does_not_hold_up_the_end(self, folder: Path) -> None:
        stop = asyncio.Event()
        ready: asyncio.Future[Endpoints] = asyncio.get_running_loop().create_future()
        serving = asyncio.create_task(app.serve(config(folder), ready=ready.set_result, stop=stop))
        async with unix_connect(
            (await ready).unix, f"ws://localhost{ADMIN_PATH}", subprotocols=[Subprotocol(ADMIN_SUBPROTOCOL)]
        ):
            stop.set()
            async with asyncio.timeout(DEADLINE_S):
                await serving

    async def test_nobody_else_may_ask(self, folder: Path) -> None:
        subprotocols = [Subprotocol(ADMIN_SUBPROTOCOL)]
        async with open_port(folder) as endpoints:
            assert endpoints.tcp is not None
            with pytest.raises(InvalidStatus) as caught:
                await connect(f"ws://127.0.0.1:{endpoints.tcp[1]}{ADMIN_PATH}", subprotocols=subprotocols)
            assert caught.value.response.status_code == 403
            with pytest.raises(InvalidStatus) as caught:
                await unix_connect(
                    endpoints.unix,
                    f"ws://localhost{ADMIN_PATH}",
                    subprotocols=subprotocols,
                    additional_headers={"Origin": "http://localhost"},
                )
            assert caught.value.response.status_code == 403
