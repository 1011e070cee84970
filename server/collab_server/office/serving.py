"""Answers requests in JSON: of the owner over the Unix socket, of whoever has an admin's token over TCP.

A frame of text is one request, at most 32 KiB; its answer is {"ok": {…}} or {"error": "…"}. Over TCP the
first frame is {"token": "…", "device": "…"}, the machine's secret in hex; its answer says what the token is
for, and what to say as the token from now on, as `Credential` of the wire does. A request that was begun is
done, whether or not its answer is waited for.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from typing import Any, Final

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from collab_protocol.errors import CloseCode, CollabError, StoreError
from collab_protocol.messages import Credential
from collab_server.access import Access, Denied, Grant
from collab_server.allowance import Allowance
from collab_server.asked import Asked, parse
from collab_server.grants import EVERY_ROOM
from collab_server.log_fields import Kind, about, without_name
from collab_server.office.office import Office
from collab_server.office.roles import OWNER, Asker
from collab_server.room_socket import RoomSocket
from collab_server.slices import dump

_log = logging.getLogger(__name__)

ADMIN_PATH: Final = "/admin"
"""The path where an operator asks for things."""

ADMIN_SUBPROTOCOL: Final = "collab.admin.v1"

_IDLE_S: Final = 300.0
"""Over TCP one who asks for nothing for so long is sent away."""

_TAKEN_S: Final = 30.0
"""So long an answer may be on its way over TCP."""

_EACH_S: Final = 0.1
"""Over TCP one is answered so often, after a burst."""


async def serve_admin(websocket: ServerConnection, office: Office) -> None:
    """Answer the requests of the owner, one after the other, until the other end has none left."""
    with contextlib.suppress(ConnectionClosed):
        async for frame in websocket:
            await websocket.send(await dump(await _answer(frame, office, OWNER)))


async def serve_remote_admin(
    websocket: RoomSocket,
    office: Office,
    access: Access,
    *,
    on_hello: Callable[[], None],
    on_greeted: Callable[[], None],
) -> None:
    """Answer the requests of somebody with an admin's token, for as long as it is good.

    `on_hello` is called when the first frame is here, for which somebody else keeps the time; `on_greeted`
    when its token was found to be good. While one request is answered, no more of them are read.
    """
    with contextlib.suppress(ConnectionClosed, TimeoutError):
        frame = await websocket.recv()
        websocket.pause()
        on_hello()
        grant = await _greet(websocket, access, frame)
        if grant is None:
            return
        on_greeted()
        allowance, asker = Allowance(burst=20, every_s=_EACH_S), Asker(grant)
        while True:
            websocket.resume()
            async with asyncio.timeout(_IDLE_S):
                frame = await websocket.recv()
            websocket.pause()
            if not allowance.take(time.monotonic()):
                await asyncio.sleep(_EACH_S)
            if (why := access.why_over(grant)) is not None:
                await _send_away(websocket, str(why))
                return
            await _send(websocket, await _answer(frame, office, asker))


async def _greet(websocket: RoomSocket, access: Access, frame: str | bytes) -> Grant | None:
    """Let somebody ask, or send them away."""
    try:
        said = Asked(parse(frame))
        grant, credential = await access.admit_admin(said.text("token"), said.secret("device"))
        # Access may have been taken back while it was being stored that this one has it.
        if (over := access.why_over(grant)) is not None:
            raise over
    except StoreError as error:
        _log.error("that an invite was used cannot be stored: %s", error, extra=about(kind=Kind.FAILED))
        await _send_away(websocket, "your invite cannot be noted at present: try again later")
        return None
    except CollabError as error:
        why = error.code if isinstance(error, Denied) else type(error).__name__
        _log.info("may not ask as an admin: %s", why, extra=about(kind=Kind.REFUSED))
        await _send_away(websocket, str(error))
        return None
    _log.info("%s came", Asker(grant), extra=about(kind=Kind.CAME))
    await _send(websocket, {"ok": _told(grant, credential)})
    return grant


def _told(grant: Grant, credential: Credential | None) -> dict[str, Any]:
    expires_ms = None if credential is None else credential.expires_ms
    return {
        "room": None if grant.room == EVERY_ROOM else grant.room,
        "token": None if credential is None else credential.token,
        "expires": None if expires_ms is None else expires_ms / 1000,
    }


async def _send_away(websocket: RoomSocket, why: str) -> None:
    await _send(websocket, {"error": why})
    websocket.resume()  # to read its goodbye
    await websocket.close(CloseCode.HOSTILE)


async def _send(websocket: RoomSocket, answer: dict[str, Any]) -> None:
    written = await dump(answer)
    async with asyncio.timeout(_TAKEN_S):
        await websocket.send(written)


async def _answer(frame: str | bytes, office: Office, asker: Asker) -> dict[str, Any]:
    try:
        request = parse(frame)
        return {"ok": await office.do(request, asker)}
    except StoreError as error:
        # Whoever has a room alone is not told of the server's folders, and the operator hears of it.
        if asker.is_operator or asker.grant is None:
            return {"error": str(error)}
        room = asker.grant.room
        fields = about(room=room, kind=Kind.FAILED)
        _log.error("what an admin asked for failed: %s", without_name(error, room), extra=fields)
        return {"error": "that cannot be stored at present"}
    except CollabError as error:
        return {"error": str(error)}
    except Exception:
        _log.exception("what an operator asked for failed", extra=about(kind=Kind.FAILED))
        return {"error": "the server failed; its log says why"}
