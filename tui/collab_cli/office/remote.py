"""Asks a server over the network for what its operator, or a room's admin, may ask for.

The token is shown in the first frame and nowhere else; what the server gives in exchange is kept for the next
time (`credentials`), for all rooms under "*", which names none.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from collab_cli.credentials import Credentials, Stored
from collab_cli.exits import CommandError, ExitCode, UsageError, say
from collab_cli.identity import load_device
from collab_cli.office.link import ANSWER_BYTES, SUBPROTOCOL, OfficeLink, unpack
from collab_cli.paths import Folders
from collab_cli.settings.flags import OperatorFlags
from collab_cli.targets import Target, parse_server
from collab_cli.token_sources import take_token, with_token
from collab_protocol.errors import NameRefused
from collab_protocol.names import check_room_name, is_token

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection

ADMIN_PATH: Final = "/admin"
EVERY_ROOM: Final = "*"

_HELLO_S: Final = 10.0
_ANSWER_S: Final = 300.0
"""Erasing rewrites the whole file of the store, and waits for who is in the room."""

_FIGURES_S: Final = 10.0
_END_OF_TIME: Final = 1e11
"""UTC seconds: the year 5138, beyond which no token lasts (collab_server.tokens)."""


@dataclass(frozen=True, slots=True)
class Door:
    """A server as somebody asks it: at `url`, by a token, or by its Unix socket, whose owner needs none."""

    url: str = "ws://localhost"
    unix_path: Path | None = None
    token: str = field(default="", repr=False)
    device: bytes = field(default=b"", repr=False)
    caller: str = ""
    """By which a server tells clients at one address from each other; drawn by each process."""
    on_credential: Callable[[str, Stored], None] = lambda room, stored: None
    """Told for which room, or "*", something was given in exchange for the token."""

    def __str__(self) -> str:
        return self.url if self.unix_path is None else f"unix://{self.unix_path}"


def find_door(folders: Folders, named: str, flags: OperatorFlags, room: str | None) -> Door:
    """Return the server that --server `named`, and the token for it: an operator's, or of an admin of `room`.

    May ask the person for it.

    Raises:
        UsageError: there is no token, or it is no server.
    """
    server = parse_server(named, is_insecure=flags.insecure)
    variable = take_token(os.environ)
    if server.ssh is not None:
        raise UsageError(f"ask it on its own machine: ssh {server.ssh.destination} collab …")
    if server.unix_path is not None:
        return Door(unix_path=server.unix_path)
    url = server.url or ""
    for place in (EVERY_ROOM, *([room] if room else [])):
        target = with_token(Target(place, server), variable, flags.token_file, folders.credentials_file)
        if target.token is not None:
            break
    else:
        raise UsageError(
            f"{url} wants a token: make one on its machine with `collab admin token`, and give it as"
            " COLLAB_TOKEN, or with --token-file"
        )
    stored = Credentials(folders.credentials_file)

    def keep(room: str, credential: Stored) -> None:
        try:
            stored.save(url, room, credential)
        except UsageError as error:
            say(f"your access is not kept on this machine, and the token is used up: {error}")

    device = load_device(folders.device_file)
    return Door(url, None, target.token, device, secrets.token_hex(8), keep)


def ask_remote(door: Door, request: Mapping[str, Any]) -> dict[str, Any]:
    """Return the answer to `request`.

    Raises:
        CommandError: the server cannot be asked, or does not do it; the text says why.
    """

    async def ask() -> dict[str, Any]:
        async with remote_link(door, answer_s=_ANSWER_S) as link:
            return await link.ask(request)

    return asyncio.run(ask())


def remote_link(door: Door, *, answer_s: float = _FIGURES_S) -> OfficeLink:
    """Return a link on which requests are answered: whoever asks is known there before the first one."""

    async def connect() -> ClientConnection:
        return await _open(door)

    return OfficeLink(connect, answer_s=answer_s)


async def _open(door: Door) -> ClientConnection:
    """Raises: CommandError: nothing answers there, or the token is not good."""
    from collab_client.link import open_websocket
    from collab_protocol.errors import LinkError

    try:
        websocket = await open_websocket(
            str(door),
            door.url.rstrip("/") + ADMIN_PATH,
            unix_path=door.unix_path,
            subprotocol=SUBPROTOCOL,
            max_bytes=ANSWER_BYTES,
            caller=door.caller,
        )
    except LinkError as error:
        raise CommandError(str(error), _code(error.is_final)) from error
    if door.unix_path is None:
        try:
            await _introduce(door, websocket)
        except BaseException:
            websocket.transport.abort()
            raise
    return websocket


async def _introduce(door: Door, websocket: ClientConnection) -> None:
    """Show the token, and keep what is given for it."""
    from websockets.exceptions import ConnectionClosed

    try:
        async with asyncio.timeout(_HELLO_S):
            await websocket.send(json.dumps({"token": door.token, "device": door.device.hex()}))
            said = unpack(await websocket.recv())
    except CommandError as error:
        raise CommandError(f"{door} does not let you ask: {error}", error.code) from error
    except (ConnectionClosed, TimeoutError) as error:
        raise CommandError(f"{door} does not answer", ExitCode.UNREACHABLE) from error
    if said.get("token") is not None:
        # Kept before anything else: from here on the invite is good for this machine alone.
        room, stored = _given(said)
        await asyncio.to_thread(door.on_credential, room, stored)


def _given(said: Mapping[str, Any]) -> tuple[str, Stored]:
    """Return what a server gave in exchange, and for which room: only what can be read again is kept.

    Raises:
        CommandError: it makes no sense.
    """
    room, token, expires = said.get("room"), said["token"], said.get("expires")
    try:
        place = EVERY_ROOM if room is None else check_room_name(room)
        if is_token(token) and (expires is None or 0 <= float(expires) < _END_OF_TIME):
            return place, Stored(token, None if expires is None else float(expires))
    except (TypeError, ValueError, NameRefused):
        pass  # the error's text may hold a part of a token
    raise CommandError("the server's answer makes no sense: upgrade collab", ExitCode.REFUSED)


def _code(is_final: bool) -> ExitCode:
    return ExitCode.REFUSED if is_final else ExitCode.UNREACHABLE
