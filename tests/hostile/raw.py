"""A client that obeys nothing: writes any bytes to the socket, and tells how the server ended it."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import socket
import struct
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, Self, TypeVar

from collab_protocol.codec import Assembler, Splitter
from collab_protocol.messages import Fault, Hello, Message, Sync, Welcome
from collab_protocol.names import ROOM_PATH
from collab_protocol.text import EMPTY_STATE_VECTOR
from collab_protocol.versions import SUBPROTOCOL, VERSIONS

DEADLINE_S: Final = 10.0

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
"""Opcodes (RFC 6455 section 5.2)."""

FIN, RSV1, RSV2, RSV3, MASKED = 0x80, 0x40, 0x20, 0x10, 0x80

_STATUS: Final = re.compile(rb"HTTP/1\.1 (\d{3}) ")

Wanted = TypeVar("Wanted")


@dataclass(frozen=True, slots=True)
class Ending:
    """How a server ended a connection.

    `code` and `reason` are those of its close frame; None and "" when the socket just ended. `status` and
    `body` are of its answer to the request; 0 when there was none.
    """

    code: int | None
    reason: str
    status: int = 0
    body: str = ""
    fault: Fault | None = None


class Reset(Exception):
    """The server ended the connection without a goodbye."""


def frame(
    payload: bytes,
    opcode: int = BINARY,
    *,
    first: int = FIN,
    is_masked: bool = True,
    size: int | None = None,
) -> bytes:
    """Return a WebSocket frame. `first`: FIN and reserved bits; `size`: what it says that its payload has."""
    said = len(payload) if size is None else size
    masked = MASKED if is_masked else 0
    if said < 126:
        head = struct.pack("!BB", first | opcode, masked | said)
    elif said < 1 << 16:
        head = struct.pack("!BBH", first | opcode, masked | 126, said)
    else:
        head = struct.pack("!BBQ", first | opcode, masked | 127, said)
    # A mask of zeros changes nothing.
    return head + (bytes(4) if is_masked else b"") + payload


def request(room: str, *headers: str, path: str | None = None, method: str = "GET") -> bytes:
    """Return an upgrade request as a client of ours sends it, of a process of its own."""
    lines = [
        f"{method} {ROOM_PATH + room if path is None else path} HTTP/1.1",
        "Host: 127.0.0.1",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version: 13",
        f"Sec-WebSocket-Protocol: {SUBPROTOCOL}",
        f"Collab-Client: {secrets.token_hex(8)}",
        *headers,
    ]
    return "\r\n".join([*lines, "", ""]).encode("utf-8", "surrogateescape")


def hello(
    token: str | None,
    name: str = "mallory",
    *,
    client_ids: Iterable[int] = (),
    device: bytes | None = None,
) -> Hello:
    """Return a Hello of a new session, and of a machine that nobody has seen unless one is given."""
    return Hello(
        versions=VERSIONS,
        nonce=os.urandom(16),
        device=os.urandom(32) if device is None else device,
        client_ids=tuple(client_ids),
        name=name,
        colour=None,
        token=token,
        lineage=None,
        epoch=None,
        last_seq=0,
        state_vector=EMPTY_STATE_VECTOR,
    )


class Raw:
    """One TCP connection."""

    def __init__(self, port: int, *, receive_buffer: int | None = None) -> None:
        self._socket = socket.socket()
        if receive_buffer is not None:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self._socket.settimeout(DEADLINE_S)
        self._socket.connect(("127.0.0.1", port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._data = b""
        self._splitter = Splitter()
        self._assembler = Assembler()
        self.fault: Fault | None = None
        self.sync: Sync | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._socket.close()

    def fileno(self) -> int:
        return self._socket.fileno()

    def write(self, data: bytes) -> None:
        """Write bytes; that the server has gone is seen when reading."""
        with contextlib.suppress(ConnectionError):
            self._socket.sendall(data)

    def write_some(self, data: bytes, timeout_s: float = 2.0) -> bool:
        """Write bytes; returns whether they were taken: False when the server has gone, or reads no more."""
        self._socket.settimeout(timeout_s)
        try:
            self._socket.sendall(data)
        except (ConnectionError, TimeoutError):
            return False
        finally:
            self._socket.settimeout(DEADLINE_S)
        return True

    def half_close(self) -> None:
        """Say that no more comes from here."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)

    def knock(self, asked: bytes) -> Ending:
        """Send a request; returns what it was answered with."""
        self.write(asked)
        return self.answer()

    def answer(self) -> Ending:
        """Read the answer to a request, and its body if it was refused."""
        while b"\r\n\r\n" not in self._data:
            if not self._read():
                return Ending(None, "")
        head, _, self._data = self._data.partition(b"\r\n\r\n")
        found = _STATUS.match(head)
        assert found is not None, head
        status = int(found[1])
        if status != 101:
            while self._read():
                pass
            return Ending(None, "", status, self._data.decode())
        return Ending(None, "", status, head.decode())

    def upgrade(self, room: str) -> None:
        """Open a WebSocket, on which nothing has been said yet."""
        ending = self.knock(request(room))
        assert ending.status == 101, ending

    def enter(
        self, room: str, token: str, *, client_ids: Iterable[int] = (), device: bytes | None = None
    ) -> Welcome:
        """Come into a room."""
        self.upgrade(room)
        self.say(hello(token, client_ids=client_ids, device=device))
        return self.wait_welcome()

    def wait_welcome(self) -> Welcome:
        """Wait until the text is here."""
        welcome = self.wait_for(Welcome)
        self.sync = self.wait_for(Sync)
        return welcome

    def say(self, message: Message) -> None:
        for each in self._splitter.frames(message):
            self.write(frame(each))

    def hear(self) -> Message:
        """Return the next message. Raises: Reset."""
        while True:
            opcode, payload = self._frame()
            if opcode == CLOSE:
                raise _Closed(payload)
            if opcode != BINARY:
                continue
            message = self._assembler.feed(payload)
            if message is not None:
                if isinstance(message, Fault):
                    self.fault = message
                return message

    def wait_for(self, kind: type[Wanted]) -> Wanted:
        while True:
            message = self.hear()
            if isinstance(message, kind):
                return message

    def ending(self) -> Ending:
        """Read until the server ends it; returns how."""
        ending = self.ending_or(lambda _: False)
        assert ending is not None
        return ending

    def ending_or(self, is_enough: Callable[[Message], bool]) -> Ending | None:
        """Do the same, but return None as soon as such a message comes."""
        ends_at = time.monotonic() + 3 * DEADLINE_S
        try:
            while time.monotonic() < ends_at:
                if is_enough(self.hear()):
                    return None
        except _Closed as closed:
            code = struct.unpack("!H", closed.body[:2])[0] if closed.body else None
            return Ending(code, closed.body[2:].decode(), 101, "", self.fault)
        except Reset:
            return Ending(None, "", 101, "", self.fault)
        raise AssertionError("the server went on")

    def is_over(self) -> bool:
        """Read what is here; returns whether the server has ended it or said goodbye."""
        if not self._read():
            return True
        return b"no Hello" in self._data

    def _frame(self) -> tuple[int, bytes]:
        first, size = self._take(2)
        if (wider := {126: "!H", 127: "!Q"}.get(size)) is not None:
            (size,) = struct.unpack(wider, self._take(struct.calcsize(wider)))
        return first & 0x0F, self._take(size)

    def _take(self, count: int) -> bytes:
        while len(self._data) < count:
            if not self._read():
                raise Reset
        taken, self._data = self._data[:count], self._data[count:]
        return taken

    def _read(self) -> bool:
        """Read more. Raises: TimeoutError: nothing came."""
        try:
            data = self._socket.recv(1 << 16)
        except ConnectionError:
            return False
        self._data += data
        return bool(data)


class _Closed(Exception):
    def __init__(self, body: bytes) -> None:
        self.body = body
