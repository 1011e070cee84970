from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, unix_connect
from websockets.typing import Subprotocol

from collab_protocol.errors import CollabError, FaultCode, StoreError
from collab_protocol.messages import Bye, Fault, Receipt, Update
from collab_protocol.presence import Activity, Person, Role
from collab_server.access import Account, Denied, Grant
from collab_server.keys import load_keys
from collab_server.lock import Endpoints
from collab_server.office.office import Office
from collab_server.office.serving import ADMIN_PATH, ADMIN_SUBPROTOCOL
from collab_server.registry import Registry
from collab_server.store.base import StoreTrouble
from collab_server.store.sqlite import SqliteStore

from .doors import HOUR_S, Doors
from .rooms import hello
from .test_erasing import SECRET, traces
from .wire import DEADLINE_S, Client, config, dial, joined, running, short_folder


class Session:
    """One who is connected, as the office sees them."""

    def __init__(self, number: int, grant: Grant, name: str) -> None:
        self.session = number
        self.room_name = grant.room
        self.grant: Grant | None = grant
        self.person: Person | None = Person(number, grant.principal, name, grant.role, 0)
        self.since = 1000.0 + number
        self.address = ""
        self.activity: Activity | None = Activity.ACTIVE
        self.round_trip_ms: int | None = 12
        self.ended: tuple[FaultCode, str] | None = None

    def dismiss(self, code: FaultCode, message: str) -> None:
        if self.ended is None:
            self.ended = (code, message)
            self.person = None


class Desk(Doors):
    """An office over a real store and real access."""

    async def open(self) -> None:
        await super().open()
        folder = self._path.parent
        self.config = replace(config(folder, url="wss://example.org/"), data_dir=folder)
        self.registry = Registry(self.config, self.committer, epoch=self.store.epoch, is_durable=True)
        self.sessions: list[Session] = []
        self.office = Office(
            self.config, self.registry, self.access, lambda: self.sessions, now=lambda: self.now
        )

    async def come(
        self, name: str, room: str = "notes", *, token: str | None = None, owner: bool = False
    ) -> Session:
        """Let somebody in: by a token, or else by the Unix socket."""
        account = None if token else Account(name, owner)
        greeting = replace(hello(name), token=token)
        grant, _ = await self.access.admit(room, greeting, account)
        self.sessions.append(Session(len(self.sessions) + 1, grant, grant.name or name))
        return self.sessions[-1]

    async def do(self, name: str, /, **fields: Any) -> dict[str, Any]:
        return await self.office.do({"do": name, **fields})


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    made = Desk(tmp_path / "rooms.sqlite3")
    made.keys = load_keys(tmp_path / "keys")
    await made.open()
    yield made
    await made.registry.close("over")
    made.registry.dispose()
    await made.committer.close()


async def test_a_token_is_looked_at_before_its_bearer_comes_in(desk: Desk) -> None:
    made = await desk.do("invite", room="notes", role="read", name="bo")
    asked = {"token": made["token"], "device": hello("bo").device.hex()}
    assert await desk.do("admit", room="notes", **asked) == {"name": "bo", "is_reusable": False}
    (listed,) = (await desk.do("invites"))["invites"]
    assert listed["state"] == "used", "nobody else can use it before they come in"
    await desk.do("admit", room="notes", **asked)
    with pytest.raises(CollabError):
        await desk.do("admit", room="notes", token=made["token"], device="00" * 32)
    with pytest.raises(CollabError):
        await desk.do("admit", room="other", **asked)
    with pytest.raises(CollabError):
        await desk.do("admit", room="notes", token="ci1.a.b.c", device=asked["device"])
    await desk.do("revoke", id=made["id"])
    with pytest.raises(CollabError, match="taken back"):
        await desk.do("admit", room="notes", **asked)
    desk.access.keys = None
    with pytest.raises(CollabError, match="--auth"):
        await desk.do("admit", room="notes", **asked)


async def test_a_token_of_many_is_told_from_that_of_one(desk: Desk) -> None:
    made = await desk.do("invite", room="notes", reusable=True)
    answer = await desk.do("admit", room="notes", token=made["token"], device=hello("bo").device.hex())
    assert answer == {"name": "", "is_reusable": True}


async def test_an_invite_is_a_link_whose_token_lets_in_and_is_listed_until_it_is_taken_back(
    desk: Desk,
) -> None:
    made = await desk.do("invite", room="notes", role="read", expires_s=2 * HOUR_S, name="bo")
    assert made["link"] == f"wss://example.org/notes#{made['token']}"
    assert made["expires"] == desk.now + 2 * HOUR_S
    (listed,) = (await desk.do("invites"))["invites"]
    assert (listed["id"], listed["role"], listed["name"], listed["state"]) == (
        made["id"],
        "read",
        "bo",
        "open",
    )
    bo = await desk.come("bo", token=made["token"])
    assert bo.grant is not None
    assert bo.grant.role is Role.READ
    (listed,) = (await desk.do("invites", room="notes"))["invites"]
    assert (listed["uses"], listed["state"]) == (1, "used")
    assert (await desk.do("invites", room="other"))["invites"] == []
    assert await desk.do("revoke", id=made["id"]) == {"ended": 1}
    assert bo.ended is not None
    assert bo.ended[0] is FaultCode.DENIED
    (listed,) = (await desk.do("invites"))["invites"]
    assert listed["state"] == "revoked"


async def test_an_invite_ends_with_its_time(desk: Desk) -> None:
    await desk.do("invite", room="notes", expires_s=HOUR_S, reusable=True)
    desk.now += 1
    await desk.do("invite", room="notes")
    desk.now += HOUR_S
    assert [each["state"] for each in (await desk.do("invites"))["invites"]] == ["ended", "open"]
    desk.now += 8 * 24 * HOUR_S
    assert {each["state"] for each in (await desk.do("invites"))["invites"]} == {"ended"}


async def test_a_server_without_a_url_gives_the_token_alone(desk: Desk) -> None:
    desk.office.address = None
    assert (await desk.do("invite", room="notes"))["link"] is None


@pytest.mark.parametrize(
    ("request_", "why"),
    [
        ({}, "'do' has to be a text"),
        ({"do": "dance"}, "this server knows no 'dance'"),
        ({"do": "invite"}, "'room' has to be a text"),
        ({"do": "rooms", "after": "\ud800"}, "'after' has to be a text"),
        ({"do": "invite", "room": "../etc"}, "cannot name a room"),
        ({"do": "invite", "room": "notes", "role": "god"}, "a role is read, write, admin"),
        ({"do": "invite", "room": "notes", "expires_s": "soon"}, "'expires_s' has to be a number"),
        ({"do": "invite", "room": "notes", "expires_s": True}, "'expires_s' has to be a number"),
        ({"do": "invite", "room": "notes", "expires_s": float("nan")}, "'expires_s' has to be a number"),
        ({"do": "invite", "room": "notes", "expires_s": 0}, "more than 0 seconds"),
        ({"do": "invite", "room": "notes", "reusable": 1}, "'reusable' has to be true or false"),
        ({"do": "invite", "room": "notes", "name": None}, "'name' has to be a text"),
        ({"do": "invite", "room": "notes", "name": "bo", "reusable": True}, ""),
        ({"do": "revoke", "id": "nothing"}, "nothing"),
        ({"do": "kick", "room": "notes", "who": "bo"}, "there is no 'bo' in notes"),
        ({"do": "kick", "room": "notes", "who": "bo", "ban_s": -1}, "a year at most"),
        ({"do": "kick", "room": "notes", "who": "bo", "ban_s": 1e10}, "a year at most"),
        ({"do": "unban", "room": "notes", "who": "bo"}, "bo"),
        ({"do": "forget", "room": "notes"}, "there is no room notes"),
        ({"do": "delete", "room": 7}, "'room' has to be a text"),
    ],
)
async def test_what_cannot_be_done_says_why(desk: Desk, request_: dict[str, Any], why: str) -> None:
    with pytest.raises(CollabError) as refusal:
        await desk.office.do(request_)
    assert why in str(refusal.value)
    assert str(refusal.value)


async def test_sessions_are_listed_by_room(desk: Desk) -> None:
    ana = await desk.come("ana", owner=True)
    await desk.come("bo", "drafts")
    ended = await desk.come("cy")
    ended.dismiss(FaultCode.KICKED, "")
    every = (await desk.do("sessions"))["sessions"]
    assert [(each["room"], each["name"], each["role"]) for each in every] == [
        ("drafts", "bo", "write"),
        ("notes", "ana", "admin"),
    ]
    (only,) = (await desk.do("sessions", room="notes"))["sessions"]
    assert (only["session"], only["principal"], only["since"], only["expires"]) == (
        ana.session,
        "unix:ana",
        ana.since,
        None,
    )
    json.dumps(every)


async def test_one_is_sent_away_by_name_or_by_number_and_others_stay(desk: Desk) -> None:
    bo, again = await desk.come("bo"), await desk.come("bo")
    elsewhere, cy = await desk.come("bo", "drafts"), await desk.come("cy")
    assert await desk.do("kick", room="notes", who=str(cy.session)) == {"ended": 1}
    assert cy.ended == (FaultCode.KICKED, "you were sent away from notes")
    assert await desk.do("kick", room="notes", who="bo") == {"ended": 2}
    assert bo.ended == again.ended == cy.ended
    assert elsewhere.ended is None
    await desk.come("bo")


async def test_a_name_that_several_have_is_nobodys(desk: Desk) -> None:
    token, _ = await desk.invite(is_reusable=True)
    bo = await desk.come("bo")
    other = await desk.come("bo", token=token)
    with pytest.raises(CollabError, match="several people called 'bo'"):
        await desk.do("kick", room="notes", who="bo", ban_s=600)
    assert bo.ended is other.ended is None
    assert await desk.do("kick", room="notes", who=str(other.session)) == {"ended": 1}
    assert bo.ended is None


async def test_one_who_is_banned_goes_from_all_terminals_and_stays_out_until_it_is_over(desk: Desk) -> None:
    bo, again = await desk.come("bo"), await desk.come("bo")
    assert await desk.do("kick", room="notes", who=str(bo.session), ban_s=600) == {"ended": 2}
    assert bo.ended == (FaultCode.KICKED, "you were sent away from notes for 10 minutes")
    assert again.ended is not None
    assert again.ended[0] is FaultCode.DENIED
    with pytest.raises(Denied):
        await desk.come("bo")
    bans = (await desk.do("bans"))["bans"]
    assert {(each["room"], each["name"], each["until"]) for each in bans} == {("notes", "bo", desk.now + 600)}
    assert (await desk.do("bans", room="other"))["bans"] == []
    await desk.do("unban", room="notes", who="bo")
    await desk.come("bo")


async def test_an_admin_of_the_room_sends_others_away(desk: Desk) -> None:
    ana, bo = await desk.come("ana", owner=True), await desk.come("bo")
    elsewhere = await desk.come("cy", "drafts")
    assert ana.person is not None
    by = ana.person
    assert await desk.office.kick(by, "notes", ana.session, 0) == "that is you: leave with Ctrl-Q"
    assert await desk.office.kick(by, "notes", elsewhere.session, 0) == "they are not here any more"
    assert await desk.office.kick(by, "notes", bo.session, 10**9) == "one may be sent away for a year at most"
    assert bo.ended is None
    assert await desk.office.kick(by, "notes", bo.session, 86_400) == ""
    assert bo.ended == (FaultCode.KICKED, "ana sent you away from notes for 1 day")
    assert await desk.office.kick(by, "notes", bo.session, 0) == "they are not here any more"
    with pytest.raises(Denied):
        await desk.come("bo")


async def test_nobody_bans_the_owner(desk: Desk) -> None:
    ana, bo = await desk.come("ana", owner=True), await desk.come("bo")
    assert bo.person is not None
    why = await desk.office.kick(bo.person, "notes", ana.session, 600)
    assert why == "nobody keeps out the owner of the server"
    assert ana.ended is None


async def test_a_ban_that_cannot_be_stored_sends_nobody_away(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise StoreTrouble("database or disk is full", "the server's disk is full")

    ana, bo = await desk.come("ana", owner=True), await desk.come("bo")
    monkeypatch.setattr(SqliteStore, "put_ban", full)
    assert ana.person is not None
    with pytest.raises(StoreError):
        await desk.office.kick(ana.person, "notes", bo.session, 600)
    assert bo.ended is None


async def test_a_room_is_closed_to_all_but_admins_until_it_is_opened(desk: Desk) -> None:
    ana, bo = await desk.come("ana", owner=True), await desk.come("bo")
    assert ana.person is not None
    assert await desk.office.close_room(ana.person, "notes", True) == ""
    assert (ana.ended, bo.ended and bo.ended[0]) == (None, FaultCode.CLOSED)
    assert await desk.office.close_room(ana.person, "notes", True) == "notes is closed already"
    with pytest.raises(Denied):
        await desk.come("bo")
    assert await desk.do("open", room="notes") == {}
    await desk.come("bo")
    assert await desk.do("close", room="notes") == {"ended": 1}
    assert await desk.office.close_room(ana.person, "notes", False) == ""
    assert await desk.office.close_room(ana.person, "notes", False) == "notes is open already"


async def test_what_an_admin_asked_for_is_done_whole_though_they_leave(desk: Desk) -> None:
    ana, bo = await desk.come("ana", owner=True), await desk.come("bo")
    cy = await desk.come("cy", token=(await desk.do("invite", room="notes"))["token"])
    assert ana.person is not None
    for work in (
        desk.office.kick(ana.person, "notes", cy.session, 600),
        desk.office.close_room(ana.person, "notes", True),
    ):
        asking = asyncio.create_task(work)
        await asyncio.sleep(0)
        asking.cancel()
        await desk.office.close()
    assert len((await desk.do("bans"))["bans"]) == 2, "their invite and their machine"
    assert cy.ended is not None
    assert bo.ended is not None
    assert desk.access.is_closed("notes")


async def test_what_let_people_into_a_room_goes_with_it(desk: Desk) -> None:
    token = (await desk.do("invite", room="notes", reusable=True))["token"]
    await desk.registry.open("notes")
    await desk.do("close", room="notes")
    bo = await desk.come("bo", "other")
    assert await desk.do("delete", room="notes") == {"deleted": True, "backups": []}
    assert await desk.do("delete", room="notes") == {"deleted": False, "backups": []}
    with pytest.raises(Denied):
        await desk.come("cy", token=token)
    assert (await desk.do("invites"))["invites"] == []
    assert not desk.access.is_closed("notes")
    assert bo.ended is None


async def test_invites_are_gone_even_when_traces_of_the_room_are_left(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise StoreTrouble("database or disk is full", "the server's disk is full")

    token = (await desk.do("invite", room="notes", reusable=True))["token"]
    bo = await desk.come("bo", token=token)
    monkeypatch.setattr(SqliteStore, "scrub", full)
    with pytest.raises(StoreError, match="traces"):
        await desk.do("delete", room="notes")
    assert bo.ended is not None
    with pytest.raises(Denied):
        await desk.come("bo", token=token)


async def test_forgetting_names_the_copies_that_still_hold_it(desk: Desk, tmp_path: Path) -> None:
    copy = tmp_path / "rooms.sqlite3.v3-backup"
    copy.touch()
    await desk.registry.open("notes")
    assert await desk.do("forget", room="notes") == {"text_bytes": 0, "backups": [str(copy)]}
    desk.office._rooms._config = replace(desk.config, memory=True)
    assert (await desk.do("forget", room="notes"))["backups"] == []


async def test_new_keys_sign_and_those_before_still_count(desk: Desk) -> None:
    before = (await desk.do("invite", room="notes", reusable=True))["token"]
    kid = (await desk.do("rotate-keys"))["kid"]
    after = (await desk.do("invite", room="notes", reusable=True))["token"]
    assert after.split(".")[1] == kid != before.split(".")[1]
    await desk.come("bo", token=before)
    await desk.come("cy", token=after)


# Over the socket


@pytest.fixture
def folder() -> Iterator[Path]:
    with short_folder() as made:
        yield made


def asking(endpoints: Endpoints) -> unix_connect:
    return unix_connect(
        endpoints.unix, f"ws://localhost{ADMIN_PATH}", subprotocols=[Subprotocol(ADMIN_SUBPROTOCOL)]
    )


async def ask(link: ClientConnection, request: Any) -> dict[str, Any]:
    async with asyncio.timeout(DEADLINE_S):
        await link.send(request if isinstance(request, str | bytes) else json.dumps(request))
        answer: dict[str, Any] = json.loads(await link.recv())
        return answer


async def stored(client: Client) -> None:
    """Wait until all that the client typed is on disk."""
    async with asyncio.timeout(DEADLINE_S):
        while (await client.wait_for(Receipt)).n < len(client.rows):
            pass


async def type_and_delete(client: Client, secret: str) -> None:
    """Type `secret` at the end, and delete it again once it is on disk."""
    await client.type(secret)
    await stored(client)
    client.replica.edit(client.replica.size_utf8 - len(secret), len(secret), "")
    await client.send(Update(len(client.rows), client.rows[-1]))
    await stored(client)


async def test_the_owner_asks_over_the_socket_one_thing_after_the_other(folder: Path) -> None:
    async with running(config(folder)) as endpoints, joined(endpoints) as ana, asking(endpoints) as link:
        for broken in ("no json", "[1]", b"{}", "[" * 32_000, " " * 32_769):
            assert "a request" in (await ask(link, broken))["error"]
        assert "'dance'" in (await ask(link, {"do": "dance"}))["error"]
        (listed,) = (await ask(link, {"do": "sessions"}))["ok"]["sessions"]
        assert (listed["name"], listed["room"]) == ("ana", "notes")
        assert "--auth" in (await ask(link, {"do": "invite", "room": "notes"}))["error"]
        assert (await ask(link, {"do": "kick", "room": "notes", "who": "ana"}))["ok"] == {"ended": 1}
        fault = await ana.wait_for(Fault)
        assert (fault.code, fault.retry_ms) == (FaultCode.KICKED, None)


async def test_a_password_that_was_typed_is_forgotten_and_those_who_are_there_go_on(folder: Path) -> None:
    async with running(config(folder)) as endpoints:
        async with joined(endpoints) as ana, joined(endpoints, "bo") as bo, asking(endpoints) as link:
            assert ana.welcome is not None
            lineage = ana.welcome.lineage
            await ana.type("dear diary, ")
            await type_and_delete(ana, SECRET)
            await ana.type("all is well")
            await stored(ana)
            assert traces(folder)
            answer = await ask(link, {"do": "forget", "room": "notes"})
            assert answer == {"ok": {"text_bytes": len("dear diary, all is well"), "backups": []}}
            assert traces(folder) == []
            for client in (ana, bo):
                bye = await client.wait_for(Bye)
                assert bye.retry_ms is not None
                assert bye.retry_ms < 2000
        async with dial(endpoints) as old:
            await old.send(hello("ana", lineage=lineage))
            assert (await old.wait_for(Fault)).code is FaultCode.LINEAGE
        async with joined(endpoints) as ana, joined(endpoints, "bo") as bo:
            assert ana.welcome is not None
            assert ana.welcome.lineage != lineage
            assert ana.replica.text() == bo.replica.text() == "dear diary, all is well"
            await ana.type(", still")
            assert (await ana.wait_for(Receipt)).n == 1
        assert traces(folder) == []
    async with running(config(folder)) as endpoints, joined(endpoints, "bo") as bo:
        assert bo.replica.text() == "dear diary, all is well, still"
        assert traces(folder) == []


async def test_who_is_in_a_room_that_is_deleted_is_told(folder: Path) -> None:
    async with running(config(folder)) as endpoints, joined(endpoints) as ana, asking(endpoints) as link:
        await ana.type(SECRET)
        await ana.wait_for(Receipt)
        assert await ask(link, {"do": "delete", "room": "notes"}) == {"ok": {"deleted": True, "backups": []}}
        fault = await ana.wait_for(Fault)
        assert (fault.code, fault.retry_ms) == (FaultCode.DELETED, None)
        assert traces(folder) == []
        async with joined(endpoints) as again:
            assert again.replica.text() == ""
