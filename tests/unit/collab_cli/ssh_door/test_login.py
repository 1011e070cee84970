"""Logging in, by packets that no honest client sends (RFC 4252, 4256)."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncssh
from asyncssh.packet import Boolean, String, UInt32

from collab_cli.exits import CommandError, ExitCode
from collab_cli.ssh.authorized_keys import authorized_line
from collab_cli.ssh.public_key import parse_public_key
from collab_cli.ssh_door.door import _OPTIONS
from collab_cli.ssh_door.keys import KeyFile
from collab_cli.ssh_door.limits import TRIES, DoorCaps, Limits
from collab_cli.ssh_door.login import Entrant, Login
from collab_cli.ssh_door.tokens import Admitted, guest_of_token
from collab_protocol.presence import Role
from collab_protocol.restriction import Restriction

_DEADLINE_S = 20.0
_REQUEST, _SUCCESS, _INFO_REQUEST, _PK_OK, _INFO_RESPONSE = 50, 52, 60, 60, 61
_FAILURE = 51
_TOKEN = "ci1.k1.eyJ9.c2ln"


class _Tokens:
    """Lets one token in once it may answer; it comes without a name."""

    def __init__(self) -> None:
        self.is_reusable = False
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def check(self, room: str, token: str) -> Admitted:
        await self.may_answer.wait()
        if (room, token) != ("open", _TOKEN):
            raise CommandError("not this one", ExitCode.REFUSED)
        return Admitted("", self.is_reusable)


class _Lobby:
    def __init__(self, keys: KeyFile) -> None:
        self.keys = keys
        self.limits = Limits(DoorCaps(100, 100), asyncio.get_running_loop().time)
        self.tokens: Any = _Tokens()

    def open_session(self, login: Login, entrant: Entrant) -> None:
        return None


class Knocking:
    """A client that says what it is told to; `said` are the kinds of packets that it was sent."""

    def __init__(self, connection: asyncssh.SSHClientConnection, login: Login, ended: asyncio.Event) -> None:
        self.login = login
        self.ended = ended
        self.said: asyncio.Queue[int] = asyncio.Queue()
        self._connection: Any = connection
        self._connection.process_packet = self._note
        self._connection._auth = self

    # What asyncssh wants of whoever takes packets

    def log_received_packet(self, *_: object) -> None:
        pass

    def process_packet(self, kind: int, _number: int, _packet: object) -> bool:
        self.said.put_nowait(kind)
        return True

    def cancel(self) -> None:
        pass

    def _note(self, kind: int, number: int, packet: Any) -> Any:
        if kind in (_FAILURE, _SUCCESS):
            return self.process_packet(kind, number, packet)
        return asyncssh.SSHClientConnection.process_packet(self._connection, kind, number, packet)

    def ask(self, room: str, method: bytes, *rest: bytes) -> None:
        self._send(_REQUEST, String(room), String("ssh-connection"), String(method), *rest)

    def offer(self, room: str, key: asyncssh.SSHKey, signer: asyncssh.SSHKey | None = None) -> None:
        """Say that one has `key`; with the signature of `signer`, if there is one."""
        rest = String(key.algorithm) + String(key.public_data)
        said = [String(room), String("ssh-connection"), String("publickey"), Boolean(signer is not None)]
        body = b"".join(said) + rest
        if signer is not None:
            signed = String(self._connection._session_id) + bytes([_REQUEST]) + body
            body += String(signer.sign(signed, key.algorithm))
        self._send(_REQUEST, body)

    def answer(self, *texts: str) -> None:
        self._send(_INFO_RESPONSE, UInt32(len(texts)), *map(String, texts))

    async def hears(self, kind: int) -> None:
        assert await self.said.get() == kind

    def _send(self, kind: int, *parts: bytes) -> None:
        self._connection.send_packet(kind, *parts)


class _Silent(asyncssh.SSHClient):
    """Does nothing by itself."""

    def __init__(self) -> None:
        self.connection: asyncssh.SSHClientConnection | None = None
        self.ended = asyncio.Event()

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended.set()

    def connection_made(self, conn: asyncssh.SSHClientConnection) -> None:
        self.connection = conn
        mended: Any = conn
        self.is_ready = asyncio.Event()
        mended.try_next_auth = lambda **_: self.is_ready.set()


_ANA, _BO, _NOBODY = (asyncssh.generate_private_key("ssh-ed25519") for _ in range(3))


@contextlib.asynccontextmanager
async def knocking(folder: Path) -> AsyncIterator[Knocking]:
    """Give somebody at the door: Ana's key is for one and two, Bo's for two."""
    lines = []
    for key, room in ((_ANA, "one"), (_ANA, "two"), (_BO, "two")):
        public = parse_public_key(key.export_public_key().decode())
        held_to = Restriction(room, Role.WRITE, key=public.id)
        lines.append(authorized_line(public, held_to, program="collab", data_dir=None))
    (folder / "authorized_keys").write_text("\n".join(lines))
    keys = KeyFile(folder / "authorized_keys")
    keys.refresh()
    lobby = _Lobby(keys)
    visit = lobby.limits.knock("127.0.0.1", lambda: None)
    assert visit is not None
    login = Login(lobby, visit)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        theirs = socket.create_connection(listener.getsockname())
        ours, _ = listener.accept()
    options = await asyncssh.SSHServerConnectionOptions.construct(
        None, server_host_keys=[asyncssh.generate_private_key("ssh-ed25519")], **_OPTIONS
    )
    async with asyncio.timeout(_DEADLINE_S):
        serving = asyncio.ensure_future(_serve(ours, options, login))
        silent = _Silent()
        coming = asyncio.ensure_future(_come(theirs, silent))
        while silent.connection is None:
            await asyncio.sleep(0)
        await silent.is_ready.wait()
        yield Knocking(silent.connection, login, silent.ended)
        silent.connection.abort()
        for task in (coming, serving):
            with contextlib.suppress(asyncssh.Error, asyncio.CancelledError):
                connection = await task
                if connection is not None:
                    connection.abort()


async def _serve(sock: socket.socket, options: Any, login: Login) -> asyncssh.SSHServerConnection:
    return await asyncssh.run_server(sock, options=options, server_factory=lambda: login)


async def _come(sock: socket.socket, silent: _Silent) -> asyncssh.SSHClientConnection:
    return await asyncssh.run_client(
        sock, client_factory=lambda: silent, known_hosts=None, config=None, username="one", agent_path=None
    )


async def test_a_key_that_was_only_asked_about_lets_nobody_in(tmp_path: Path) -> None:
    async with knocking(tmp_path) as ana:
        ana.offer("one", _ANA)
        await ana.hears(_PK_OK)
        ana.offer("one", _NOBODY, _NOBODY)
        await ana.hears(_FAILURE)
        assert ana.login.entrant is None
        ana.offer("one", _ANA, _NOBODY)  # another's signature
        await ana.hears(_FAILURE)
        ana.ask("one", b"none")
        await ana.hears(_FAILURE)
        ana.offer("one", _BO, _BO)  # which is for the other room
        await ana.hears(_FAILURE)


async def test_who_has_come_in_is_in_the_room_that_they_said_last(tmp_path: Path) -> None:
    async with knocking(tmp_path) as bo:
        bo.offer("one", _ANA)
        bo.offer("two", _ANA)
        bo.offer("two", _BO, _BO)
        for kind in (_PK_OK, _PK_OK, _SUCCESS):
            await bo.hears(kind)
        entrant = bo.login.entrant
        assert entrant is not None
        assert (entrant.restriction.room, entrant.blob) == ("two", _BO.public_data)
        bo.offer("one", _ANA)  # from now on it changes nothing
        bo.ask("one", b"keyboard-interactive", String(""), String(""))
        for _ in range(20):
            await asyncio.sleep(0)
        assert bo.login.entrant == entrant


async def test_a_token_counts_for_the_room_that_it_was_said_for(tmp_path: Path) -> None:
    async with knocking(tmp_path) as guest:
        ask = (b"keyboard-interactive", String(""), String(""))
        guest.ask("open", *ask)
        await guest.hears(_INFO_REQUEST)
        guest.answer(_TOKEN)
        await guest.hears(_INFO_REQUEST)  # for the name
        guest.ask("one", *ask)  # another room, with the token checked and the name missing
        await guest.hears(_INFO_REQUEST)
        guest.answer("a name")
        await guest.hears(_INFO_REQUEST)  # that is no invite
        assert guest.login.entrant is None
        guest.answer(_TOKEN)  # of the other room
        await guest.hears(_INFO_REQUEST)
        assert guest.login.entrant is None
        guest.offer("one", _ANA)
        await guest.hears(_PK_OK)
        guest.ask("open", *ask)
        await guest.hears(_INFO_REQUEST)
        guest.answer(_TOKEN)
        await guest.hears(_INFO_REQUEST)
        guest.answer("zoe")
        await guest.hears(_SUCCESS)
        entrant = guest.login.entrant
        assert entrant is not None
        assert (entrant.restriction.room, entrant.name, entrant.token) == ("open", "zoe", _TOKEN)


async def test_a_token_that_is_being_checked_is_given_up_with_its_request(tmp_path: Path) -> None:
    async with knocking(tmp_path) as guest:
        tokens: Any = guest.login._lobby.tokens
        tokens.may_answer.clear()
        guest.ask("open", b"keyboard-interactive", String(""), String(""))
        await guest.hears(_INFO_REQUEST)
        guest.answer(_TOKEN)
        guest.offer("one", _ANA)
        await guest.hears(_PK_OK)
        tokens.may_answer.set()
        for _ in range(20):
            await asyncio.sleep(0)
        entrant = guest.login.entrant
        assert entrant is not None
        assert entrant.token is None
        guest.answer("zoe")  # to what is not asked any more
        guest.ask("one", b"none")
        await guest.hears(_FAILURE)


async def test_of_those_who_come_by_one_link_each_name_is_a_guest(tmp_path: Path) -> None:
    async with knocking(tmp_path) as guest:
        tokens: Any = guest.login._lobby.tokens
        for is_reusable, known_as in ((True, guest_of_token(_TOKEN, "zoe")), (False, guest_of_token(_TOKEN))):
            tokens.is_reusable = is_reusable
            guest.login.begin_auth("open")
            await guest.login.validate_kbdint_response("open", [_TOKEN])
            assert await guest.login.validate_kbdint_response("open", [" zoe "]) is True
            entrant = guest.login.entrant
            assert entrant is not None
            assert (entrant.guest, entrant.name) == (known_as, "zoe")


async def test_rooms_are_tried_as_keys_are_and_not_without_end(tmp_path: Path) -> None:
    async with knocking(tmp_path) as guest:
        for number in range(TRIES):
            guest.ask(f"room{number}", b"none")
            await guest.hears(_FAILURE)
        assert guest.login._visit.tries == TRIES - 1
        guest.ask("one-more", b"none")
        await guest.ended.wait()
