"""Tests of `collab_cli.office.link`: one question after the other, over a link that may break between."""

from __future__ import annotations

import asyncio
import http
import json
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, unix_serve
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from collab_cli.exits import CommandError, ExitCode
from collab_cli.office import link
from collab_cli.office.link import OfficeLink, local_link
from collab_protocol.versions import VERSIONS
from collab_server.office.serving import ADMIN_PATH, ADMIN_SUBPROTOCOL
from tests.unit.collab_server.wire import short_folder

FIGURES = {"do": "figures"}


class PlayedOffice:
    """Answers by number; `hangs` it does not, and `status` refuses the handshake."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.links = 0
        self.hangs = self.hangs_up = False
        self.answer: str | None = None
        self.status: http.HTTPStatus | None = None
        self.connections: set[ServerConnection] = set()

    async def serve(self, websocket: ServerConnection) -> None:
        self.links += 1
        self.connections.add(websocket)
        async for frame in websocket:
            self.asked.append(json.loads(frame))
            if self.hangs_up:
                return
            if not self.hangs:
                await websocket.send(self.answer or json.dumps({"ok": {"number": len(self.asked)}}))

    def check(self, connection: ServerConnection, request: Request) -> Response | None:
        if self.status is None and request.path == ADMIN_PATH:
            return None
        return connection.respond(self.status or http.HTTPStatus.NOT_FOUND, "only the owner may\n")

    async def break_links(self) -> None:
        """Break all links, as when the server is killed."""
        for connection in self.connections:
            connection.transport.abort()
            await connection.wait_closed()
        self.connections.clear()


@pytest.fixture
def data_dir() -> Iterator[Path]:
    with short_folder() as home:
        yield home


@asynccontextmanager
async def playing(data_dir: Path) -> AsyncIterator[PlayedOffice]:
    office, socket = PlayedOffice(), str(data_dir / "x.sock")
    note = {"version": "0.0.1", "protocol": VERSIONS, "pid": os.getpid(), "started": 0.0}
    note |= {"unix": socket, "tcp": None}
    (data_dir / "server.json").write_text(json.dumps(note))
    protocols = [Subprotocol(ADMIN_SUBPROTOCOL)]
    async with unix_serve(office.serve, socket, subprotocols=protocols, process_request=office.check):
        yield office
        await office.break_links()


def test_both_ends_mean_the_same_place() -> None:
    assert f"ws://localhost{ADMIN_PATH}" == link.ADMIN_URL
    assert link.SUBPROTOCOL == ADMIN_SUBPROTOCOL


async def test_questions_share_a_link(data_dir: Path) -> None:
    async with playing(data_dir) as office, local_link(data_dir) as link:
        assert await link.ask(FIGURES) == {"number": 1}
        assert await link.ask({"do": "who", "room": "notes"}) == {"number": 2}
        assert office.asked == [FIGURES, {"do": "who", "room": "notes"}]
        assert office.links == 1


async def test_questions_at_once_wait_for_each_other(data_dir: Path) -> None:
    async with playing(data_dir) as office, local_link(data_dir) as link:
        answers = await asyncio.gather(*(link.ask({"do": str(n)}) for n in range(1, 6)))
        assert [answer["number"] for answer in answers] == [1, 2, 3, 4, 5]
        assert office.links == 1


async def test_a_link_that_broke_is_opened_again(data_dir: Path) -> None:
    async with playing(data_dir) as office, local_link(data_dir) as link:
        await link.ask(FIGURES)
        await office.break_links()
        assert await link.ask(FIGURES) == {"number": 2}
        assert office.links == 2


async def test_a_server_that_comes_back_elsewhere_is_found(data_dir: Path) -> None:
    async with local_link(data_dir) as link:
        with pytest.raises(CommandError, match=r"no server runs on .*: start `collab serve`") as nobody:
            await link.ask(FIGURES)
        assert nobody.value.code is ExitCode.UNREACHABLE
        async with playing(data_dir):
            assert await link.ask(FIGURES) == {"number": 1}
        with pytest.raises(CommandError, match="is gone: start `collab serve`"):
            await link.ask(FIGURES)
        async with playing(data_dir):
            assert await link.ask(FIGURES) == {"number": 1}


async def test_a_server_that_hangs_up_is_not_asked_for_ever(data_dir: Path) -> None:
    async with playing(data_dir) as office, local_link(data_dir) as link:
        office.hangs_up = True
        with pytest.raises(CommandError, match="ended before it answered"):
            await link.ask(FIGURES)
        assert len(office.asked) == 1


async def test_an_answer_that_comes_too_late_is_not_taken_for_the_next(data_dir: Path) -> None:
    async with playing(data_dir) as office:
        patient = local_link(data_dir)
        async with OfficeLink(patient._connect, answer_s=0.01) as link:
            office.hangs = True
            with pytest.raises(CommandError, match="does not answer") as late:
                await link.ask(FIGURES)
            assert late.value.code is ExitCode.UNREACHABLE
        async with patient as link:
            office.hangs = False
            assert await link.ask(FIGURES) == {"number": 2}
            assert office.links == 2


async def test_who_stops_waiting_gives_the_link_up(data_dir: Path) -> None:
    async with playing(data_dir) as office, local_link(data_dir) as link:
        office.hangs = True
        asking = asyncio.create_task(link.ask(FIGURES))
        async with asyncio.timeout(5):
            while not office.asked:
                await asyncio.sleep(0)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        office.hangs = False
        assert await link.ask(FIGURES) == {"number": 2}
        assert office.links == 2


async def test_what_it_does_not_do_is_said_in_its_words_and_the_link_stays(data_dir: Path) -> None:
    async with playing(data_dir) as office, local_link(data_dir) as link:
        office.answer = '{"error": "this server knows no \'figures\'"}'
        for _ in range(2):
            with pytest.raises(CommandError, match=r"^this server knows no 'figures'$") as refusal:
                await link.ask(FIGURES)
            assert refusal.value.code is ExitCode.REFUSED
        assert office.links == 1


@pytest.mark.parametrize("answer", ["{", "[]", "3", '{"ok": 3}'])
async def test_an_answer_that_makes_no_sense(data_dir: Path, answer: str) -> None:
    async with playing(data_dir) as office, local_link(data_dir) as link:
        office.answer = answer
        with pytest.raises(CommandError, match="makes no sense: upgrade collab"):
            await link.ask(FIGURES)


async def test_what_an_answer_lacks_is_said(data_dir: Path) -> None:
    async with playing(data_dir) as office, local_link(data_dir) as link:
        office.answer = "{}"
        with pytest.raises(CommandError, match="lacks 'ok': upgrade collab"):
            await link.ask(FIGURES)
        office.answer = '{"ok": {"rooms": [{"name": "notes"}]}}'
        answer = await link.ask(FIGURES)
        assert answer["rooms"][0]["name"] == "notes"
        for lookup in (lambda: answer["people"], lambda: answer["rooms"][0]["seq"]):
            with pytest.raises(CommandError, match=r"answer lacks '(people|seq)'"):
                lookup()


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (http.HTTPStatus.NOT_FOUND, "is collab 0.0.1, which knows nothing of this: restart it"),
        (http.HTTPStatus.FORBIDDEN, "does not take this from you: only the owner may"),
    ],
)
async def test_a_server_that_refuses(data_dir: Path, status: http.HTTPStatus, words: str) -> None:
    async with playing(data_dir) as office, local_link(data_dir) as link:
        office.status = status
        with pytest.raises(CommandError, match=words) as refusal:
            await link.ask(FIGURES)
        assert refusal.value.code is ExitCode.REFUSED
