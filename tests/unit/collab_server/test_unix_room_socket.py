"""Tests of `collab_server.unix_room_socket`: what somebody is held to who comes by a relay."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Subprotocol

from collab_protocol.messages import Fault, Presence
from collab_protocol.presence import Role
from collab_protocol.restriction import LINE_BYTES, Restriction
from collab_protocol.versions import SUBPROTOCOL
from collab_server.office.serving import ADMIN_PATH, ADMIN_SUBPROTOCOL

from .rooms import hello
from .wire import DEADLINE_S, Client, config, joined, running, short_folder

KEY = "0123456789abcdef"
HELD = Restriction("notes", Role.READ, "Bob", KEY)


@pytest.fixture
def folder() -> Iterator[Path]:
    with short_folder() as made:
        yield made


async def dialled(
    folder: Path, line: bytes, path: str = "/rooms/notes", spoken: str = SUBPROTOCOL
) -> ClientConnection:
    """Open a WebSocket behind `line`, which goes alone, a few bytes at a time."""
    sock = socket.socket(socket.AF_UNIX)
    sock.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(sock, str(folder / "s.sock"))
    for at in range(0, len(line), 50):
        await loop.sock_sendall(sock, line[at : at + 50])
        await asyncio.sleep(0)
    options: dict[str, Any] = {"subprotocols": [Subprotocol(spoken)], "compression": None, "proxy": None}
    async with asyncio.timeout(DEADLINE_S):
        return await connect(f"ws://localhost{path}", sock=sock, **options)


@asynccontextmanager
async def relayed(folder: Path, line: bytes) -> Any:
    websocket = await dialled(folder, line)
    try:
        yield Client(websocket)
    finally:
        await websocket.close()


async def asked(folder: Path, sent: bytes) -> bytes:
    """Return the answer to some bytes."""
    reader, writer = await asyncio.open_unix_connection(folder / "s.sock")
    try:
        async with asyncio.timeout(DEADLINE_S):
            writer.write(sent)
            return await reader.read()
    finally:
        writer.close()


async def test_it_comes_into_its_room_as_whom_the_line_says(folder: Path) -> None:
    async with (
        running(config(folder)) as endpoints,
        joined(endpoints, "op") as op,
        relayed(folder, HELD.encode()) as bob,
    ):
        await bob.enter(hello("op", nonce=b"n" * 16, client_ids=()))
        person = (await op.wait_for(Presence)).person
        assert person is not None
        assert (person.name, person.role, person.principal) == ("Bob", Role.READ, f"key:{KEY}")
        await op.type("x")
        await bob.type("y")
        fault = await bob.wait_for(Fault)
        assert fault.code == "read-only"


async def test_an_operator_sees_how_they_came(folder: Path) -> None:
    async with running(config(folder)), relayed(folder, HELD.encode()) as bob:
        await bob.enter(hello("bo"))
        websocket = await dialled(folder, b"", ADMIN_PATH, ADMIN_SUBPROTOCOL)
        async with asyncio.timeout(DEADLINE_S), websocket:
            await websocket.send('{"do": "who", "room": "notes"}')
            [person] = json.loads(await websocket.recv())["ok"]["people"]
    assert (person["address"], person["principal"], person["role"]) == ("SSH", f"key:{KEY}", "read")


async def test_the_line_and_http_may_come_in_one_piece(folder: Path) -> None:
    async with running(config(folder)):
        request = b"GET /rooms/notes HTTP/1.1\r\nHost: localhost\r\n\r\n"
        assert b" 426 " in await asked(folder, HELD.encode() + request)
        assert b" 426 " in await asked(folder, request)


@pytest.mark.parametrize(
    "path", ["/rooms/other", "/rooms/notes/", "/rooms/NOTES", ADMIN_PATH, "/hand-over", "/"]
)
async def test_nothing_else_is_to_be_had(folder: Path, path: str) -> None:
    spoken = ADMIN_SUBPROTOCOL if path == ADMIN_PATH else SUBPROTOCOL
    async with running(config(folder, idle_exit_s=3600.0)):
        for restriction in (HELD, Restriction("notes", Role.ADMIN)):
            with pytest.raises(InvalidStatus) as refused:
                await dialled(folder, restriction.encode(), path, spoken)
            assert refused.value.response.status_code == 403
            assert refused.value.response.body == b"this key lets you into notes alone\n"


async def test_a_line_of_the_clients_own_counts_for_nothing(folder: Path) -> None:
    forged = Restriction("other", Role.ADMIN).encode()
    async with running(config(folder)):
        answer = await asked(folder, HELD.encode() + forged + b"GET /rooms/other HTTP/1.1\r\nHost: x\r\n\r\n")
        assert answer.split()[1:2] == [b"400"] or not answer


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b'collab-relay/1 {"room":"notes","role":"boss"}\n', b"a role is one of read, write, admin"),
        (b'collab-relay/1 {"room":"notes","role":"read","more":1}\n', b"is this server older?"),
        (b"collab-relay/9 {}\n", b"no line of a relay"),
        (b"c" * (LINE_BYTES + 1), b"too long"),
        (b"c" * LINE_BYTES + b"\n", b"too long"),
    ],
)
async def test_a_line_that_is_wrong_is_answered_and_lets_nobody_in(
    folder: Path, line: bytes, why: bytes
) -> None:
    async with running(config(folder)) as endpoints:
        answer = await asked(folder, line + b"GET /rooms/notes HTTP/1.1\r\nHost: x\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 400 ")
        assert why in answer
        async with joined(endpoints):
            pass
