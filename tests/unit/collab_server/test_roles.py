"""Roles: what each may do with each message of the wire, held by the server, whatever a client claims."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from typing import Any, Final

import msgpack
import pytest
from websockets.asyncio.client import unix_connect
from websockets.typing import Subprotocol

from collab_protocol import codec
from collab_protocol import messages as m
from collab_protocol.codec import encode
from collab_protocol.errors import FaultCode
from collab_protocol.limits import RoomLimits
from collab_protocol.presence import Activity, Author, Caret, Person, Role
from collab_protocol.text import EMPTY_STATE_VECTOR, EMPTY_UPDATE
from collab_server.lock import Endpoints
from collab_server.office.serving import ADMIN_PATH, ADMIN_SUBPROTOCOL

from .rooms import hello
from .wire import Client, config, dial, running, short_folder

_ROOM: Final = "notes"
_TYPED: Final = "typed by the one who is looked at"
_ALL: Final = tuple(Role)
_ADMIN_WANTED: Final = "only an admin of this room may do that"
_READING: Final = "you may read here, not write"
_SOMEBODY: Final = Person(1, "unix:root", "root", Role.ADMIN, 3)
_AUTHOR: Final = Author("p", "n", 1)


@dataclass(frozen=True)
class Effect:
    """What a message does. All that is not named here must not happen.

    `answer` is what the sender is told, `also` what comes with it, `declined` why not; `ends` is its own end:
    close code and fault. `told` is what another hears, `is_sent_away` the fault with which that one ends.
    """

    answer: type[Any] | None = None
    also: type[Any] | None = None
    declined: str = ""
    ends: tuple[int, FaultCode | None] | None = None
    told: type[Any] | None = None
    is_typed: bool = False
    is_sent_away: FaultCode | None = None


@dataclass(frozen=True)
class Case:
    """A message, made for the two who are there, and what it does by the sender's role."""

    make: Callable[[Client, Client], m.Message]
    effects: dict[Role, Effect]


def same(make: Callable[[Client, Client], m.Message], effect: Effect) -> Case:
    """Return a case in which the role says nothing."""
    return Case(make, dict.fromkeys(_ALL, effect))


def unless_reading(make: Callable[[Client, Client], m.Message], reading: Effect, effect: Effect) -> Case:
    return Case(make, {Role.READ: reading, Role.WRITE: effect, Role.ADMIN: effect})


def of_admins(make: Callable[[Client, Client], m.Message], effect: Effect) -> Case:
    declined = Effect(answer=m.Declined, declined=_ADMIN_WANTED)
    return Case(make, {Role.READ: declined, Role.WRITE: declined, Role.ADMIN: effect})


def of_servers(message: m.Message) -> Case:
    """Return the case of what only a server says."""
    return same(lambda *_: message, Effect(ends=(1002, None), told=m.Presence))


def _type(sender: Client, _: Client) -> m.Update:
    sender.replica.edit(sender.replica.size_utf8, 0, _TYPED)
    return m.Update(1, sender.rows[-1])


def _kick(_: Client, other: Client) -> m.Kick:
    assert other.welcome is not None
    return m.Kick(other.welcome.session, 0)


NOTHING = Effect()

CASES: Final[dict[type[Any], Case]] = {
    m.Hello: same(lambda *_: hello("again"), Effect(ends=(1002, None), told=m.Presence)),
    m.Update: unless_reading(
        _type,
        Effect(ends=(1000, FaultCode.READ_ONLY), told=m.Presence),
        Effect(answer=m.Receipt, told=m.Batch, is_typed=True),
    ),
    m.Presence: same(
        lambda *_: m.Presence(_SOMEBODY, (Caret(0, 0),), 0, Activity.IDLE), Effect(told=m.Presence)
    ),
    m.Setting: unless_reading(
        lambda *_: m.Setting("readers_chat", "on"),
        Effect(answer=m.Declined, declined=_READING),
        Effect(answer=m.Setting, told=m.Setting),
    ),
    m.Resync: same(lambda *_: m.Resync(0, EMPTY_STATE_VECTOR), Effect(answer=m.Sync, also=m.Presence)),
    m.Sync: same(lambda *_: m.Sync(0, EMPTY_STATE_VECTOR, EMPTY_UPDATE), NOTHING),
    m.Part: same(lambda *_: m.Part(1, 0, 2, b"x"), NOTHING),
    m.Bye: same(lambda *_: m.Bye("left", None), Effect(ends=(1000, None), told=m.Presence)),
    m.Ping: same(lambda *_: m.Ping(5), Effect(answer=m.Pong)),
    m.Pong: same(lambda *_: m.Pong(5), NOTHING),
    m.Check: same(lambda *_: m.Check(2**40, b"x" * 32), NOTHING),
    m.Say: unless_reading(
        lambda *_: m.Say("hello"),
        Effect(answer=m.Declined, declined="readers may not chat here"),
        Effect(answer=m.Said, told=m.Said),
    ),
    m.Look: unless_reading(
        lambda *_: m.Look(_SOMEBODY),
        Effect(answer=m.Declined, declined="readers may not chat here"),
        Effect(told=m.Look),
    ),
    m.AskAuthors: same(lambda *_: m.AskAuthors(None), Effect(answer=m.Authors)),
    m.AskPulse: same(lambda *_: m.AskPulse(), Effect(answer=m.Pulse)),
    m.Kick: of_admins(_kick, Effect(answer=m.Presence, is_sent_away=FaultCode.KICKED)),
    m.CloseRoom: of_admins(
        lambda *_: m.CloseRoom(True), Effect(answer=m.Presence, is_sent_away=FaultCode.CLOSED)
    ),
    m.Welcome: of_servers(
        m.Welcome(
            4, 1, b"l" * 16, b"e" * 16, 0, Role.ADMIN, RoomLimits(), True, True, (), (), EMPTY_STATE_VECTOR
        )
    ),
    m.Receipt: of_servers(m.Receipt(1, 1, True)),
    m.Batch: of_servers(m.Batch(1, 1, ((1, EMPTY_UPDATE),))),
    m.Fault: of_servers(m.Fault(FaultCode.KICKED, "go away", None)),
    m.Trouble: of_servers(m.Trouble("the disk is full")),
    m.Said: of_servers(m.Said(1, 1, _AUTHOR, "hello", True)),
    m.Authors: of_servers(m.Authors(None, (_AUTHOR,), b"")),
    m.Pulse: of_servers(m.Pulse(((1, 1),))),
    m.Declined: of_servers(m.Declined("no")),
    m.Credential: of_servers(m.Credential("ci1.a.b.c", None)),
}


def test_every_message_has_a_line_here() -> None:
    assert set(CASES) == set(codec._TAGS)
    assert all(set(case.effects) == set(Role) for case in CASES.values())


async def ask(endpoints: Endpoints, **request: Any) -> dict[str, Any]:
    """Ask the office of a server."""
    async with unix_connect(
        endpoints.unix, f"ws://localhost{ADMIN_PATH}", subprotocols=[Subprotocol(ADMIN_SUBPROTOCOL)]
    ) as websocket:
        await websocket.send(json.dumps(request))
        answer: dict[str, dict[str, Any]] = json.loads(await websocket.recv())
    return answer["ok"]


async def invite(endpoints: Endpoints, role: Role) -> str:
    return str((await ask(endpoints, do="invite", room=_ROOM, role=role))["token"])


@pytest.fixture
async def server() -> AsyncIterator[Endpoints]:
    with short_folder() as folder:
        async with running(config(folder, port=0, auth=True)) as endpoints:
            yield endpoints


@contextlib.asynccontextmanager
async def here(
    endpoints: Endpoints, role: Role, name: str, versions: tuple[int, ...] = (4,)
) -> AsyncIterator[Client]:
    """Come in over TCP by an invite to that role."""
    async with dial(endpoints, _ROOM, tcp=True) as client:
        token = await invite(endpoints, role)
        await client.enter(replace(hello(name, versions=versions, client_ids=()), token=token))
        assert client.welcome is not None
        assert client.welcome.role is role
        yield client


@contextlib.asynccontextmanager
async def two(
    endpoints: Endpoints, role: Role, versions: tuple[int, ...] = (4,)
) -> AsyncIterator[tuple[Client, Client]]:
    """Let one of `role` come in, and another who may write and looks on."""
    async with (
        here(endpoints, Role.WRITE, "bo") as other,
        here(endpoints, role, "ana", versions) as sender,
    ):
        await other.wait_for(m.Presence)
        yield sender, other


async def heard_after(client: Client) -> list[m.Message]:
    """Return all that came up to an own row, behind which nothing of before is under way any more."""
    begin = len(client.heard)
    n = await client.type("w")
    while (await client.wait_for(m.Receipt)).n < n:
        pass
    return client.heard[begin:]


def _told(heard: list[m.Message], *, of: Client) -> set[type[Any]]:
    """Return what kinds of messages were heard, but for rows of somebody who typed to learn that."""
    assert of.welcome is not None
    session = of.welcome.session
    return {
        type(each)
        for each in heard
        if not (isinstance(each, m.Batch) and {by for by, _ in each.entries} == {session})
    }


async def check(sender: Client, other: Client, message: m.Message, effect: Effect) -> None:
    """Send `message`, and check that it does just that."""
    sent = len(sender.heard)
    await sender.send(message)
    if effect.ends is not None:
        code, fault_code = effect.ends
        assert (await sender.closed())[0] == code
        faults = [each.code for each in sender.heard if isinstance(each, m.Fault)]
        assert faults == ([] if fault_code is None else [fault_code])
    else:
        if effect.answer is not None:
            answer = await sender.wait_for(effect.answer)
            if effect.declined:
                assert effect.declined in answer.message
        await sender.send(m.Ping(99))
        while await sender.wait_for(m.Pong) != m.Pong(99):
            pass
        assert _told(sender.heard[sent:], of=other) <= {effect.answer, effect.also, m.Pong}
    if effect.is_sent_away is not None:
        assert (await other.wait_for(m.Fault)).code is effect.is_sent_away
        assert (await other.closed())[0] == 1000
        return
    told = _told(await heard_after(other), of=other) - {m.Receipt}
    assert told == ({effect.told} if effect.told else set())
    await other.send(m.Resync(0, EMPTY_STATE_VECTOR))
    other.replica.apply((await other.wait_for(m.Sync)).update)
    assert (_TYPED in other.replica.text()) == effect.is_typed
    await heard_after(other)  # the carets that came with it


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("kind", CASES, ids=lambda kind: kind.__name__)
async def test_a_message_does_what_its_senders_role_may(
    server: Endpoints, kind: type[Any], role: Role
) -> None:
    async with two(server, role) as (sender, other):
        await check(sender, other, CASES[kind].make(sender, other), CASES[kind].effects[role])


@pytest.mark.parametrize("version", [1, 2, 3])
@pytest.mark.parametrize("kind", CASES, ids=lambda kind: kind.__name__)
async def test_an_older_version_lets_a_reader_do_no_more(
    server: Endpoints, kind: type[Any], version: int
) -> None:
    async with two(server, Role.READ, (version,)) as (sender, other):
        await check(sender, other, CASES[kind].make(sender, other), CASES[kind].effects[Role.READ])


@pytest.mark.parametrize("version", [1, 2, 3])
@pytest.mark.parametrize("kind", [m.Kick, m.CloseRoom], ids=lambda kind: kind.__name__)
async def test_an_older_version_makes_no_admin(server: Endpoints, kind: type[Any], version: int) -> None:
    async with two(server, Role.WRITE, (version,)) as (sender, other):
        await check(sender, other, CASES[kind].make(sender, other), CASES[kind].effects[Role.WRITE])


async def test_readers_chat_where_the_room_allows_it(server: Endpoints) -> None:
    async with two(server, Role.READ) as (reader, writer):
        await writer.send(m.Setting("readers_chat", "on"))
        await reader.wait_for(m.Setting)
        await writer.wait_for(m.Setting)
        await check(reader, writer, m.Say("hello"), Effect(answer=m.Said, told=m.Said))
        await check(reader, writer, m.Look(None), Effect(told=m.Look))
        await check(reader, writer, m.Setting("language", "c"), Effect(answer=m.Declined, declined=_READING))
        await writer.send(m.Setting("readers_chat", "off"))
        await reader.wait_for(m.Setting)
        await writer.wait_for(m.Setting)
        declined = Effect(answer=m.Declined, declined="readers may not chat here")
        await check(reader, writer, m.Say("hello"), declined)


async def test_nobody_speaks_as_another(server: Endpoints) -> None:
    async with two(server, Role.READ) as (reader, writer):
        assert reader.welcome is not None
        await reader.send(m.Presence(_SOMEBODY, (), 0, Activity.AWAY))
        told = await writer.wait_for(m.Presence)
        assert told.person == reader.welcome.person
        assert told.person is not None
        assert (told.person.name, told.person.role) == ("ana", Role.READ)
    async with two(server, Role.WRITE) as (sender, other):
        assert sender.welcome is not None
        await sender.send(m.Look(_SOMEBODY))
        assert (await other.wait_for(m.Look)).person == sender.welcome.person


async def test_a_role_that_a_hello_claims_is_not_heard(server: Endpoints) -> None:
    async with here(server, Role.WRITE, "bo") as other, dial(server, _ROOM, tcp=True) as sender:
        greeting = replace(
            hello("admin", client_ids=(sender.replica.client_id,)), token=await invite(server, Role.READ)
        )
        packed = encode(greeting)
        assert packed[0] == 0x90 + 12, "a tag and eleven fields"
        claims = b"".join(msgpack.packb(claim) for claim in ("admin", ["role", "admin"]))
        await sender.websocket.send(bytes([packed[0] + 2]) + packed[1:] + claims)
        sender.welcome = await sender.wait_for(m.Welcome)
        assert sender.welcome.role is Role.READ
        await sender.wait_for(m.Sync)
        await other.wait_for(m.Presence)
        await check(sender, other, _type(sender, other), CASES[m.Update].effects[Role.READ])


async def test_an_update_in_parts_is_one(server: Endpoints) -> None:
    async with two(server, Role.READ) as (reader, other):
        whole = encode(_type(reader, other))
        await reader.send(m.Part(1, 0, 2, whole[:9]))
        await check(reader, other, m.Part(1, 1, 2, whole[9:]), CASES[m.Update].effects[Role.READ])


async def test_what_is_sent_behind_a_refused_update_is_not_heard(server: Endpoints) -> None:
    async with two(server, Role.READ) as (reader, other):
        update = _type(reader, other)
        with reader.corked():
            await reader.send(update)
            await reader.send(update)
            await reader.send(m.Say("hello"))
        await check(reader, other, m.Kick(1, 0), CASES[m.Update].effects[Role.READ])


@pytest.mark.parametrize(("session", "ban_s"), [(1, 0), (2**53 - 1, 0), (0, 0)])
async def test_an_admin_sends_nobody_away_who_is_not_there(
    server: Endpoints, session: int, ban_s: int
) -> None:
    async with two(server, Role.ADMIN) as (admin, other):
        declined = Effect(answer=m.Declined, declined="not here any more")
        await check(admin, other, m.Kick(session, ban_s), declined)


async def test_an_admin_bans_for_a_year_at_most_and_not_itself(server: Endpoints) -> None:
    async with two(server, Role.ADMIN) as (admin, other):
        assert admin.welcome is not None
        assert other.welcome is not None
        await check(
            admin,
            other,
            m.Kick(other.welcome.session, 2**53 - 1),
            Effect(answer=m.Declined, declined="a year at most"),
        )
        await check(
            admin,
            other,
            m.Kick(admin.welcome.session, 0),
            Effect(answer=m.Declined, declined="that is you"),
        )


async def test_an_admin_of_one_room_is_nobody_in_another(server: Endpoints) -> None:
    async with two(server, Role.ADMIN) as (admin, _):
        token = str((await ask(server, do="invite", room="other"))["token"])
        async with dial(server, "other", tcp=True) as elsewhere:
            await elsewhere.enter(replace(hello("eve", client_ids=()), token=token))
            assert elsewhere.welcome is not None
            await admin.send(m.Kick(elsewhere.welcome.session, 60))
            assert "not here" in (await admin.wait_for(m.Declined)).message
            await heard_after(elsewhere)
