"""One link to a server: frames in, frames out, over TCP, TLS, a Unix socket, or a pipe that leads there."""

from __future__ import annotations

import asyncio
import contextlib
import email.utils
import ipaddress
import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.datastructures import Headers
from websockets.exceptions import (
    ConnectionClosed,
    InvalidHandshake,
    InvalidMessage,
    InvalidStatus,
    InvalidURI,
)
from websockets.typing import Subprotocol

from collab_protocol import limits
from collab_protocol.errors import CloseCode, LinkError
from collab_protocol.names import ROOM_PATH
from collab_protocol.versions import SUBPROTOCOL

_OPEN_TIMEOUT_S: Final = limits.DEAD_AFTER_S
_CLOSE_TIMEOUT_S: Final = 1.0
_RETRY_AFTER_MOST_S: Final = 3600.0

CALLER_HEADER: Final = "Collab-Client"
"""The header of a request for a link that has the caller's number."""

_UNKNOWN_ISSUERS: Final = (18, 19, 20, 21)
"""X509_V_ERR of OpenSSL (x509_vfy.h) for a certificate whose issuer is not known here."""


class Link(Protocol):
    """A stream of frames: a WebSocket, or in tests whatever stands in for one."""

    async def send(self, frame: bytes) -> None:
        """Send one frame; waits while the link is congested. Raises: LinkError."""

    async def receive(self) -> bytes:
        """Return the next frame. Raises: LinkError."""

    async def close(self, code: int = CloseCode.NORMAL, reason: str = "") -> None:
        """Close; never raises."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a room is: at `url` (ws:// or wss://), or behind a Unix socket where one is given.

    `name` is what people call it, where that is neither.
    """

    room: str
    url: str = "ws://localhost"
    unix_path: Path | None = None
    name: str = ""

    def __str__(self) -> str:
        if self.name:
            return self.name
        return f"unix://{self.unix_path}?room={self.room}" if self.unix_path else f"{self.url}/{self.room}"


class WebSocketLink:
    """A link over one WebSocket. `on_closed()` is called when it has been closed; it must not block."""

    def __init__(self, websocket: ClientConnection, *, on_closed: Callable[[], None] = lambda: None) -> None:
        self._websocket = websocket
        self._on_closed = on_closed

    async def send(self, frame: bytes) -> None:
        try:
            await self._websocket.send(frame)
        except ConnectionClosed as error:
            raise _closed(error) from error

    async def receive(self) -> bytes:
        try:
            frame = await self._websocket.recv(decode=False)
        except ConnectionClosed as error:
            raise _closed(error) from error
        return frame

    async def close(self, code: int = CloseCode.NORMAL, reason: str = "") -> None:
        # Closing waits for what is still to be written, for ever where nobody takes it.
        try:
            with contextlib.suppress(Exception):
                async with asyncio.timeout(_CLOSE_TIMEOUT_S):
                    await self._websocket.close(code, reason)
        finally:
            self._websocket.transport.abort()
            self._on_closed()


class StraightConnect(connect):
    """Goes to the server that was named and to no other: the token is for that one alone."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc


async def open_link(
    address: Address,
    *,
    caller: str = "",
    pipe: socket.socket | None = None,
    on_closed: Callable[[], None] = lambda: None,
) -> WebSocketLink:
    """Open a link to the room at `address`, through `pipe` where something leads there already.

    `caller` is a number in hexadecimal by which a server tells clients at one address from each other; it
    names nobody, and each process draws its own. `on_closed` is as for `WebSocketLink`, and not called when
    no link comes of it.

    Raises:
        LinkError: nothing answers there, or it does not want us; the text says what to do.
    """
    url = address.url.rstrip("/") + ROOM_PATH + address.room
    return WebSocketLink(
        await open_websocket(
            str(address),
            url,
            unix_path=address.unix_path,
            subprotocol=SUBPROTOCOL,
            max_bytes=limits.FRAME_BYTES,
            caller=caller,
            pipe=pipe,
        ),
        on_closed=on_closed,
    )


async def open_websocket(
    address: str,
    url: str,
    *,
    unix_path: Path | None,
    subprotocol: str,
    max_bytes: int,
    caller: str = "",
    pipe: socket.socket | None = None,
) -> ClientConnection:
    """Open a WebSocket at `url`, or behind a Unix socket; `address` is what people call it.

    `caller` and `pipe` are as for `open_link`; frames of `max_bytes` are taken.

    Raises:
        LinkError: as `open_link`.
    """
    options: dict[str, Any] = {
        "subprotocols": [Subprotocol(subprotocol)],
        "compression": None,
        "max_size": max_bytes,
        "open_timeout": _OPEN_TIMEOUT_S,
        "close_timeout": _CLOSE_TIMEOUT_S,
        "ping_interval": None,
        "user_agent_header": None,
        "additional_headers": {CALLER_HEADER: caller} if caller else None,
    }
    try:
        return await StraightConnect(url, **_way(url, unix_path, pipe), **options)
    except InvalidStatus as error:
        raise _refused(address, error) from error
    except (InvalidMessage, EOFError, ConnectionResetError, ssl.SSLEOFError) as error:
        raise LinkError(f"{address} closed the connection before it answered") from error
    # Before ValueError: a certificate that is not trusted is one, too.
    except ssl.SSLCertVerificationError as error:
        raise LinkError(f"{address}: {_distrust(error)}", is_final=True) from error
    except ssl.SSLError as error:
        raise LinkError(f"{address} speaks no TLS of ours: {error.reason}", is_final=True) from error
    except (InvalidHandshake, InvalidURI, ValueError) as error:
        raise LinkError(f"{address} is no collab server: {error}", is_final=True) from error
    except TimeoutError as error:
        raise LinkError(f"{address} does not answer") from error
    except OSError as error:
        if isinstance(error, PermissionError) and unix_path is not None:
            # Not final: a server that starts gives its socket to a group a moment later.
            raise LinkError(
                f"this account may not open {unix_path}: ask whoever runs the server; "
                "a group that you are new in counts from your next login"
            ) from error
        raise LinkError(f"nothing answers at {address}: {error.strerror or error}") from error


def _way(url: str, unix_path: Path | None, pipe: socket.socket | None) -> dict[str, Any]:
    """Return what tells the library how to get there."""
    if pipe is not None:
        return {"sock": pipe, "proxy": None}
    if unix_path is not None:
        return {"unix": True, "path": str(unix_path), "proxy": None}
    # A proxy has a loopback of its own, and would read what is not encrypted because it stays here.
    return {"proxy": None if _is_loopback(url) else True}


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _distrust(error: ssl.SSLCertVerificationError) -> str:
    """Say what is wrong with a certificate, and what may be done about it."""
    remedy = "; if its CA is your own, name the CA's file in SSL_CERT_FILE"
    is_unknown = error.verify_code in _UNKNOWN_ISSUERS
    return f"certificate not trusted: {error.verify_message}{remedy if is_unknown else ''}"


def _refused(address: str, error: InvalidStatus) -> LinkError:
    response = error.response
    body = (response.body or b"").decode("utf-8", "replace").strip().splitlines()
    said = f": {body[0]}" if body else ""
    elsewhere = _first(response.headers, "Location")
    if elsewhere and 300 <= response.status_code < 400:
        return LinkError(f"{address} sends us on to {elsewhere}: is that its address now?", is_final=True)
    if response.status_code == 503:
        return LinkError(
            f"{address} is busy{said}",
            retry_after_s=_retry_after_s(_first(response.headers, "Retry-After")),
        )
    return LinkError(
        f"{address} refuses (HTTP {response.status_code}){said}", is_final=response.status_code < 500
    )


def _first(headers: Headers, name: str) -> str | None:
    """Return the first header of that name: `get` raises where there are several."""
    return next(iter(headers.get_all(name)), None)


def _retry_after_s(header: str | None) -> float | None:
    """Return the seconds in a Retry-After header: a number or a date (RFC 9110 section 10.2.3)."""
    if header is None:
        return None
    try:
        wish_s = float(header) if header.isdecimal() else _until_date_s(header)
    except (ValueError, OverflowError):
        return None
    return min(max(0.0, wish_s), _RETRY_AFTER_MOST_S)


def _until_date_s(date: str) -> float:
    return email.utils.parsedate_to_datetime(date).timestamp() - time.time()


def _closed(error: ConnectionClosed) -> LinkError:
    close = error.rcvd
    if close is None:
        return LinkError("the link broke")
    return LinkError(
        close.reason or f"the server closed the link ({close.code})", is_final=close.code == 1008
    )
