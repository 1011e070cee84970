"""WebSocket frames by hand (RFC 6455 section 5.2), for a load that has to cost less than what it measures.

A client may choose any masking key; under one of zeros the payload is what it was.
"""

from __future__ import annotations

import struct
from typing import Final

_BINARY: Final = 0x2
_CLOSE: Final = 0x8
_PING: Final = 0x9
_PONG: Final = 0xA
_FINAL: Final = 0x80
_MASKED: Final = 0x80
_NO_MASK: Final = bytes(4)


def request(host: str, path: str, subprotocol: str | None) -> bytes:
    """Return what asks for a WebSocket (section 4.1)."""
    lines = [
        f"GET {path} HTTP/1.1",
        f"Host: {host}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Key: Y29sbGFiIGJlbmNobWFyaw==",
        "Sec-WebSocket-Version: 13",
    ]
    if subprotocol is not None:
        lines.append(f"Sec-WebSocket-Protocol: {subprotocol}")
    return "\r\n".join([*lines, "", ""]).encode()


def binary(payload: bytes) -> bytes:
    """Return `payload` as one frame of a client."""
    return _frame(_BINARY, payload)


def pong(payload: bytes) -> bytes:
    """Return the answer to a ping of the WebSocket's own."""
    return _frame(_PONG, payload)


def _frame(opcode: int, payload: bytes) -> bytes:
    size = len(payload)
    if size < 126:
        head = bytes((_FINAL | opcode, _MASKED | size))
    elif size < 1 << 16:
        head = struct.pack("!BBH", _FINAL | opcode, _MASKED | 126, size)
    else:
        head = struct.pack("!BBQ", _FINAL | opcode, _MASKED | 127, size)
    return head + _NO_MASK + payload


class FrameReader:
    """Cuts what a server sends into the payloads of its binary frames."""

    def __init__(self) -> None:
        self.pings: list[bytes] = []
        """Payloads of pings that were not answered yet."""
        self.close_reason: str | None = None
        """Why the server closed, once it has."""
        self._rest = b""

    def feed(self, data: bytes) -> list[bytes]:
        """Return the payloads that `data` completes."""
        if self._rest:
            data = self._rest + data
        payloads = []
        at, end = 0, len(data)
        while end - at >= 2:
            size, begin = data[at + 1], at + 2
            if size == 126:
                size, begin = int.from_bytes(data[begin : begin + 2], "big"), begin + 2
            elif size == 127:
                size, begin = int.from_bytes(data[begin : begin + 8], "big"), begin + 8
            if begin + size > end:
                break
            opcode = data[at] & 0xF
            at = begin + size
            if opcode == _BINARY:
                payloads.append(data[begin:at])
            elif opcode == _PING:
                self.pings.append(data[begin:at])
            elif opcode == _CLOSE:
                code = int.from_bytes(data[begin : begin + 2], "big")
                self.close_reason = f"{code} {data[begin + 2 : at].decode(errors='replace')}".strip()
        self._rest = data[at:]
        return payloads
