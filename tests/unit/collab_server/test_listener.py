"""Tests of `collab_server.listener`: a private server hands over to a newer collab, and only then."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from collab_protocol.messages import Ping, Pong
from collab_server import app
from collab_server.config import ServerConfig
from collab_server.lock import Endpoints, FolderLock

from .wire import DEADLINE_S, config, joined, running, short_folder


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
