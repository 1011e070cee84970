"""Who may ask the office for what: every request by everyone who may try; and where tokens are shown."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Subprotocol

from collab_protocol import limits
from collab_protocol.errors import CloseCode, CollabError, StoreError
from collab_protocol.presence import Role
from collab_server import app
from collab_server.admission import TRIES
from collab_server.asked import Asked
from collab_server.grants import EVERY_ROOM, Grant
from collab_server.lock import Endpoints
from collab_server.log_fields import Kind
from collab_server.office import inviting, serving
from collab_server.office.office import Office
from collab_server.office.roles import OWNER, SCOPES, Asker, NotYours, check
from collab_server.office.serving import ADMIN_PATH, ADMIN_SUBPROTOCOL
from collab_server.room_socket import RoomSocket
from collab_server.store.sqlite import SqliteStore

from .doors import device
from .rooms import hello
from .test_office import Desk, ask, asking, desk, folder
from .wire import config, dial, joined, running

__all__ = ["desk", "folder"]

HERE: Final = "notes"
ELSEWHERE: Final = "agenda"
INVITE_HERE: Final = "a1"
INVITE_ELSEWHERE: Final = "b2"
_INVITES: Final = {INVITE_HERE: HERE, INVITE_ELSEWHERE: ELSEWHERE}


def grant(room: str, role: Role) -> Grant:
    return Grant(room, "token:bo", role, "bo", b"", "c3", None)


ASKERS: Final = {
    "owner": OWNER,
    "operator": Asker(grant(EVERY_ROOM, Role.ADMIN)),
    "admin here": Asker(grant(HERE, Role.ADMIN)),
    "admin elsewhere": Asker(grant(ELSEWHERE, Role.ADMIN)),
    "writer here": Asker(grant(HERE, Role.WRITE)),
    "reader here": Asker(grant(HERE, Role.READ)),
    "writer of every room": Asker(grant(EVERY_ROOM, Role.WRITE)),
}

_ALL: Final = {"owner", "operator", "admin here"}
_OPERATORS: Final = {"owner", "operator"}
_OWNER: Final = {"owner"}

TABLE: Final[dict[str, tuple[dict[str, Any], set[str]]]] = {
    "sessions": ({"room": HERE}, _ALL),
    "who": ({"room": HERE}, _ALL),
    "kick": ({"room": HERE}, _ALL),
    "bans": ({"room": HERE}, _ALL),
    "unban": ({"room": HERE}, _ALL),
    "close": ({"room": HERE}, _ALL),
    "open": ({"room": HERE}, _ALL),
    "invite": ({"room": HERE}, _ALL),
    "invites": ({"room": HERE}, _ALL),
    "revoke": ({"id": INVITE_HERE}, _ALL),
    "rooms": ({}, _OPERATORS),
    "limits": ({}, _OPERATORS),
    "figures": ({}, _OPERATORS),
    "log-level": ({}, _OPERATORS),
    "compact": ({"rooms": [HERE]}, _OPERATORS),
    "delete": ({"room": HERE}, _OPERATORS),
    "forget": ({"room": HERE}, _OPERATORS),
    "rotate-keys": ({}, _OPERATORS),
    "admit": ({"room": HERE}, _OWNER),
    "token": ({}, _OWNER),
    "what nobody has thought of": ({"room": HERE}, _OWNER),
}


def test_the_table_has_every_request() -> None:
    assert set(SCOPES) == set(TABLE) - {"what nobody has thought of"}


@pytest.mark.parametrize("who", ASKERS)
@pytest.mark.parametrize("name", TABLE)
async def test_everybody_gets_what_is_theirs_and_nothing_else(desk: Desk, name: str, who: str) -> None:
    done = []

    async def does(_: Asked) -> dict[str, Any]:
        done.append(name)
        return {"done": True}

    desk.office.add({name: does})
    desk.office._access.room_of = _INVITES.get  # type: ignore[method-assign]
    fields, allowed = TABLE[name]
    request = {"do": name, **fields}
    if who in allowed:
        assert await desk.office.do(request, ASKERS[who]) == {"done": True}
        assert done == [name]
    else:
        with pytest.raises(NotYours) as why:
            await desk.office.do(request, ASKERS[who])
        assert str(why.value)
        assert done == []


@pytest.mark.parametrize("name", ["sessions", "bans", "invites"])
def test_an_admin_of_a_room_has_to_name_it(name: str) -> None:
    with pytest.raises(NotYours, match="an admin of notes alone: name that room"):
        check(ASKERS["admin here"], name, Asked({}), _INVITES.get)


def test_an_admin_of_a_room_learns_nothing_of_others_invites() -> None:
    whys = set()
    for invite in (INVITE_ELSEWHERE, "none such"):
        with pytest.raises(NotYours) as why:
            check(ASKERS["admin here"], "revoke", Asked({"id": invite}), _INVITES.get)
        whys.add(str(why.value))
    assert whys == {"there is no such invite into notes, of which you are an admin"}


async def test_admins_of_a_room_do_not_use_up_what_the_server_keeps(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inviting, "_OF_ADMINS", 2)
    request = {"do": "invite", "room": HERE}
    for _ in range(2):
        await desk.office.do(request, ASKERS["admin here"])
    with pytest.raises(CollabError, match="notes has 2 invites already"):
        await desk.office.do(request, ASKERS["admin here"])
    for who in ("operator", "owner"):
        assert (await desk.office.do(request, ASKERS[who]))["token"]
    assert (await desk.office.do({"do": "invite", "room": ELSEWHERE}, ASKERS["admin elsewhere"]))["token"]


async def test_admins_of_a_room_are_not_told_of_the_servers_folders(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    async def full(_: Asked) -> dict[str, Any]:
        raise StoreError(f"/srv/rooms.sqlite3: no space for {HERE}")

    desk.office.add({"close": full})
    request = json.dumps({"do": "close", "room": HERE})
    told = {who: (await serving._answer(request, desk.office, ASKERS[who]))["error"] for who in _ALL}
    assert "/srv" in told["owner"]
    assert "/srv" in told["operator"]
    assert told["admin here"] == "that cannot be stored at present"
    (logged,) = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert "/srv" in logged
    assert HERE not in logged


async def test_one_whose_first_use_cannot_be_stored_may_try_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> bool:
        raise StoreError("/srv/rooms.sqlite3: no space")

    async with guarded(folder) as (endpoints, owner):
        token = await token_of(owner, {"do": "token"})
        with monkeypatch.context() as patch:
            patch.setattr(SqliteStore, "use_invite", full)
            async with knocking(endpoints) as websocket:
                said = await introduce(websocket, token)
                assert said == {"error": "your invite cannot be noted at present: try again later"}
        async with knocking(endpoints) as websocket:
            assert "ok" in await introduce(websocket, token)


async def test_what_admins_of_rooms_ask_for_does_not_flood_the_log(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="collab_server.office")
    for who in ("operator", "admin here"):
        await desk.office.do({"do": "open", "room": HERE}, ASKERS[who])
    assert [getattr(record, "kind", None) for record in caplog.records] == [None, Kind.TOLD]


async def test_every_request_of_a_running_server_is_in_the_table(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Office] = []

    class Noted(Office):
        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **options)
            made.append(self)

    monkeypatch.setattr(app, "Office", Noted)
    async with running(config(folder)):
        (office,) = made
        assert set(office._does) <= set(SCOPES)
        assert {"figures", "limits", "log-level", "rooms", "who", "token"} <= set(office._does)


# -- over TCP


@contextlib.asynccontextmanager
async def guarded(folder: Path, **changes: Any) -> AsyncIterator[tuple[Endpoints, ClientConnection]]:
    """A server that wants tokens over TCP, and its owner at the Unix socket."""
    async with running(config(folder, port=0, auth=True, **changes)) as endpoints, asking(endpoints) as owner:
        yield endpoints, owner


@contextlib.asynccontextmanager
async def knocking(endpoints: Endpoints, **options: Any) -> AsyncIterator[ClientConnection]:
    assert endpoints.tcp is not None
    async with connect(
        f"ws://127.0.0.1:{endpoints.tcp[1]}{ADMIN_PATH}",
        subprotocols=[Subprotocol(ADMIN_SUBPROTOCOL)],
        **options,
    ) as websocket:
        yield websocket


async def introduce(websocket: ClientConnection, token: str, who: str = "bo") -> dict[str, Any]:
    return await ask(websocket, {"token": token, "device": device(who).hex()})


async def token_of(owner: ClientConnection, request: dict[str, Any]) -> str:
    return str((await ask(owner, request))["ok"]["token"])


async def test_an_operators_token_is_good_for_the_first_device_until_it_is_revoked(folder: Path) -> None:
    async with guarded(folder) as (endpoints, owner):
        made = (await ask(owner, {"do": "token", "name": "bo"}))["ok"]
        async with knocking(endpoints) as websocket:
            said = (await introduce(websocket, made["token"]))["ok"]
            assert said["room"] is None
            assert (await ask(websocket, {"do": "rooms"}))["ok"]["rooms"] == []
            assert "owner" in (await ask(websocket, {"do": "token"}))["error"]
        async with knocking(endpoints) as websocket:
            assert "used already" in (await introduce(websocket, made["token"], "another"))["error"]
            await websocket.wait_closed()
            assert websocket.close_code == CloseCode.HOSTILE
        async with knocking(endpoints) as websocket:
            assert "not valid" in (await introduce(websocket, said["token"], "another"))["error"]
        async with knocking(endpoints) as websocket:
            assert (await introduce(websocket, said["token"]))["ok"]["token"] is None
            (listed,) = (await ask(websocket, {"do": "invites"}))["ok"]["invites"]
            assert (listed["id"], listed["room"], listed["role"], listed["state"]) == (
                made["id"],
                EVERY_ROOM,
                "admin",
                "used",
            )
            await ask(owner, {"do": "revoke", "id": made["id"]})
            assert (await ask(websocket, {"do": "rooms"}))["error"] == "access was taken back"
            await websocket.wait_closed()
        async with knocking(endpoints) as websocket:
            assert (await introduce(websocket, said["token"]))["error"] == "access was taken back"


async def test_an_operators_token_opens_no_room(folder: Path) -> None:
    async with guarded(folder) as (endpoints, owner):
        token = await token_of(owner, {"do": "token"})
        async with dial(endpoints, HERE, tcp=True) as client:
            await client.send(replace(hello("bo"), token=token))
            code, reason = await client.closed()
        assert code == CloseCode.HOSTILE
        assert "not valid here" in reason


async def test_an_admin_of_a_room_asks_about_that_room(folder: Path) -> None:
    async with guarded(folder) as (endpoints, owner), joined(endpoints, "ana"):
        token = await token_of(owner, {"do": "invite", "room": HERE, "role": "admin"})
        async with knocking(endpoints) as websocket:
            said = (await introduce(websocket, token))["ok"]
            assert said["room"] == HERE
            (ana,) = (await ask(websocket, {"do": "who", "room": HERE}))["ok"]["people"]
            assert (ana["name"], ana["role"], ana["activity"]) == ("ana", "admin", "active")
            assert ana["address"] is None
            assert "agenda" in (await ask(websocket, {"do": "who", "room": ELSEWHERE}))["error"]
            assert "operators" in (await ask(websocket, {"do": "rooms"}))["error"]


@pytest.mark.parametrize("role", ["read", "write"])
async def test_a_token_that_makes_nobody_an_admin_is_not_used_up(folder: Path, role: str) -> None:
    async with guarded(folder) as (endpoints, owner):
        token = await token_of(owner, {"do": "invite", "room": HERE, "role": role})
        async with knocking(endpoints) as websocket:
            assert "makes nobody an admin" in (await introduce(websocket, token))["error"]
            await websocket.wait_closed()
        (listed,) = (await ask(owner, {"do": "invites"}))["ok"]["invites"]
        assert (listed["uses"], listed["state"]) == (0, "open")


async def test_who_has_no_token_is_sent_away_and_counted(folder: Path) -> None:
    async with guarded(folder) as (endpoints, _):
        greetings: list[Any] = [
            {"do": "rooms"},
            "no json",
            b"bytes",
            {"token": "ci1.a.b.c", "device": "no hex"},
            {"token": "ci1.a.b.c", "device": "00"},
        ]
        assert len(greetings) == TRIES
        for greeting in greetings:
            async with knocking(endpoints) as websocket:
                assert "error" in await ask(websocket, greeting)
                await websocket.wait_closed()
                assert websocket.close_code == CloseCode.HOSTILE
        with pytest.raises(InvalidStatus) as caught:
            async with knocking(endpoints):
                pass
        assert caught.value.response.status_code == 503
        assert "tries from here" in (caught.value.response.body or b"").decode()


async def test_web_pages_and_other_subprotocols_are_kept_out(folder: Path) -> None:
    async with guarded(folder) as (endpoints, _):
        assert endpoints.tcp is not None
        with pytest.raises(InvalidStatus) as caught:
            async with knocking(endpoints, origin="https://example.org"):
                pass
        assert caught.value.response.status_code == 403
        for path, spoken in ((ADMIN_PATH, "collab.v1"), (f"/rooms/{HERE}", ADMIN_SUBPROTOCOL)):
            with pytest.raises(InvalidStatus) as caught:
                await connect(f"ws://127.0.0.1:{endpoints.tcp[1]}{path}", subprotocols=[Subprotocol(spoken)])
            assert caught.value.response.status_code == 400


async def test_one_who_has_to_wait_asks_by_what_is_good_afterwards(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_waiting, may_go_on, sleep, each_s = asyncio.Event(), asyncio.Event(), asyncio.sleep, 0.123

    async def waiting(delay: float) -> None:
        if delay == each_s:
            is_waiting.set()
            await may_go_on.wait()
        else:
            await sleep(delay)

    monkeypatch.setattr(serving, "_EACH_S", each_s)
    monkeypatch.setattr(asyncio, "sleep", waiting)
    async with guarded(folder) as (endpoints, owner):
        made = (await ask(owner, {"do": "token"}))["ok"]
        async with knocking(endpoints) as websocket:
            assert "ok" in await introduce(websocket, made["token"])
            for _ in range(20):
                assert "ok" in await ask(websocket, {"do": "bans"})
            late = asyncio.create_task(ask(websocket, {"do": "close", "room": HERE}))
            await is_waiting.wait()
            await ask(owner, {"do": "revoke", "id": made["id"]})
            may_go_on.set()
            assert (await late)["error"] == "access was taken back"
        assert "ok" in await ask(owner, {"do": "rooms"})


async def test_one_who_says_nothing_or_nothing_more_is_sent_away(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "HELLO_TIMEOUT_S", 0.2)
    monkeypatch.setattr(serving, "_IDLE_S", 0.2)
    async with guarded(folder) as (endpoints, owner):
        async with knocking(endpoints) as websocket:
            await websocket.wait_closed()
            assert websocket.close_code == CloseCode.PROTOCOL_ERROR
        token = await token_of(owner, {"do": "token"})
        async with knocking(endpoints) as websocket:
            assert "ok" in await introduce(websocket, token)
            await websocket.wait_closed()


async def test_no_more_is_read_of_one_who_is_being_answered(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sockets: list[RoomSocket] = []
    is_read: list[bool] = []
    greet, answer = serving._greet, serving._answer

    async def greeted(websocket: RoomSocket, *args: Any) -> Grant | None:
        sockets.append(websocket)
        is_read.append(websocket.transport.is_reading())
        return await greet(websocket, *args)

    async def answered(*args: Any) -> dict[str, Any]:
        is_read.extend(socket.transport.is_reading() for socket in sockets)
        return await answer(*args)

    monkeypatch.setattr(serving, "_greet", greeted)
    monkeypatch.setattr(serving, "_answer", answered)
    async with guarded(folder) as (endpoints, owner):
        token = await token_of(owner, {"do": "token"})
        async with knocking(endpoints) as websocket:
            assert "ok" in await introduce(websocket, token)
            for _ in range(3):
                assert "ok" in await ask(websocket, {"do": "rooms"})
        assert is_read == [False] * 4


async def test_one_who_waits_does_not_hold_up_the_end(folder: Path) -> None:
    async with contextlib.AsyncExitStack() as stack:
        async with guarded(folder) as (endpoints, owner):
            token = await token_of(owner, {"do": "token"})
            websocket = await stack.enter_async_context(knocking(endpoints))
            assert "ok" in await introduce(websocket, token)
        await websocket.wait_closed()
        assert websocket.close_code == CloseCode.GOING_AWAY


async def test_one_whose_time_is_over_is_told(desk: Desk) -> None:
    made = await desk.do("token", expires_s=60)
    grant, credential = await desk.access.admit_admin(made["token"], device("bo"))
    assert credential is not None
    assert desk.access.why_over(grant) is None
    desk.now += 61
    assert "ended" in str(desk.access.why_over(grant))
    with pytest.raises(CollabError, match="ended"):
        await desk.access.admit_admin(credential.token, device("bo"))


async def test_a_token_outlives_the_server_and_the_one_that_was_not_used_in_time_does_not(desk: Desk) -> None:
    made = await desk.do("token")
    _, credential = await desk.access.admit_admin(made["token"], device("bo"))
    late = await desk.do("token")
    await desk.restart()
    assert credential is not None
    grant, _ = await desk.access.admit_admin(credential.token, device("bo"))
    assert (grant.room, grant.role) == (EVERY_ROOM, Role.ADMIN)
    desk.now += 8 * 86_400
    with pytest.raises(CollabError, match="had to be used before"):
        await desk.access.admit_admin(late["token"], device("ana"))


async def test_a_server_that_asks_nobody_for_tokens_has_no_operators(desk: Desk) -> None:
    made = await desk.do("token")
    desk.access.keys = None
    with pytest.raises(CollabError, match="no operators but its owner"):
        await desk.access.admit_admin(made["token"], device("bo"))


def test_the_log_names_nobody() -> None:
    assert [str(asker) for asker in ASKERS.values()][:3] == [
        "the owner",
        "an operator (invite c3)",
        "an admin (invite c3)",
    ]
