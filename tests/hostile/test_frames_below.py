"""The layer of WebSocket frames: what RFC 6455 forbids, and what it allows without end."""

from __future__ import annotations

import contextlib
import struct
import time
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import pytest

from collab_protocol import limits
from collab_protocol.codec import encode
from collab_protocol.messages import Ping
from tests.hostile.conftest import ROOM
from tests.hostile.people import People
from tests.hostile.raw import (
    CLOSE,
    CONTINUATION,
    FIN,
    PING,
    PONG,
    RSV1,
    RSV2,
    RSV3,
    TEXT,
    Raw,
    Reset,
    frame,
    hello,
)
from tests.hostile.served import Served

_PIECE: Final = b"x" * 16_384
_FLOOD_S: Final = 1.5


def _bomb() -> bytes:
    """Return 1 GiB of zeros, deflated three times: 3 KB of bytes that unpack to more than any memory."""
    packed = b"\0" * (1 << 20)
    deflater = zlib.compressobj(9, wbits=-15)
    data = b"".join(deflater.compress(packed) for _ in range(64)) + deflater.flush()
    return zlib.compress(data)[: limits.PART_BYTES]


FRAMES: dict[str, tuple[bytes, int | None, str]] = {
    "no mask": (frame(encode(Ping(1)), is_masked=False), 1002, "mask"),
    "a compressed frame": (frame(_bomb(), first=FIN | RSV1), 1002, "reserved bits"),
    "reserved bit 2": (frame(b"", first=FIN | RSV2), 1002, "reserved bits"),
    "reserved bit 3": (frame(b"", first=FIN | RSV3), 1002, "reserved bits"),
    "all bits": (b"\xff" * 64, 1002, ""),
    **{
        f"reserved opcode {code}": (frame(b"", code), 1002, "opcode")
        for code in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)
    },
    "2^63 bytes": (frame(b"", size=1 << 63), 1009, ""),
    "2^64 - 1 bytes": (frame(b"", size=(1 << 64) - 1), 1009, ""),
    "2^32 bytes": (frame(b"", size=1 << 32), 1009, ""),
    "one byte too many": (frame(b"x" * (limits.FRAME_BYTES + 1)), 1009, ""),
    "fragments that add up": (
        frame(_PIECE, first=0) + frame(_PIECE, CONTINUATION, first=0) + frame(_PIECE, CONTINUATION, first=0),
        1009,
        "",
    ),
    "a control frame of 126 bytes": (frame(b"x" * 126, PING), 1002, "control frame"),
    "a control frame of 2^63 bytes": (frame(b"", PING, size=1 << 63), 1009, ""),
    "a control frame in pieces": (frame(b"x", PING, first=0), 1002, "control frame"),
    "a pong in pieces": (frame(b"x", PONG, first=0), 1002, "control frame"),
    "a close in pieces": (frame(b"\x03\xe8", CLOSE, first=0), 1002, "control frame"),
    "a continuation of nothing": (frame(b"x", CONTINUATION), 1002, "unexpected continuation"),
    "a message inside another": (frame(b"x", first=0) + frame(b"y"), 1002, "expected a continuation"),
    "text": (frame(b"hello", TEXT), 1002, "binary"),
    "text in pieces": (frame(b"h", TEXT, first=0) + frame(b"x", CONTINUATION), 1002, "binary"),
    "a close of one byte": (frame(b"\x03", CLOSE), 1002, "too short"),
    "a close code of nobody": (frame(struct.pack("!H", 999), CLOSE), 1002, "status code"),
    "a close code that is never sent": (frame(struct.pack("!H", 1006), CLOSE), 1002, "status code"),
    "a reason that is no text": (frame(struct.pack("!H", 1000) + b"\xff\xfe", CLOSE), 1007, ""),
    "a goodbye": (frame(struct.pack("!H", 1000), CLOSE), 1000, ""),
    "a frame behind the goodbye": (
        frame(struct.pack("!H", 1000), CLOSE) + frame(b"\xc1") * 100,
        1000,
        "",
    ),
}


@pytest.mark.parametrize("is_in", [False, True], ids=["stranger", "reader"])
@pytest.mark.parametrize("name", FRAMES)
def test_a_frame_that_is_none_ends_its_connection(
    throughout: People, served: Served, reader: str, name: str, is_in: bool
) -> None:
    data, code, fragment = FRAMES[name]
    with Raw(served.port) as raw:
        if is_in:
            raw.enter(ROOM, reader)
        else:
            raw.upgrade(ROOM)
        raw.write(data)
        ending = raw.ending()
        assert ending.code == code, ending
        assert fragment in ending.reason


@pytest.mark.parametrize("is_in", [False, True], ids=["stranger", "reader"])
def test_text_that_is_no_text_ends_its_connection(
    throughout: People, served: Served, reader: str, is_in: bool
) -> None:
    with Raw(served.port) as raw:
        if is_in:
            raw.enter(ROOM, reader)
        else:
            raw.upgrade(ROOM)
        raw.write(frame(b"\xff\xfe", TEXT))
        assert raw.ending().code == 1002


@pytest.mark.parametrize("name", ["frame", "control frame", "message"])
def test_a_truncated_frame_ends_with_its_connection(
    throughout: People, served: Served, reader: str, name: str
) -> None:
    cut: dict[str, bytes] = {
        "frame": frame(b"x" * 1000)[:100],
        "control frame": frame(b"x" * 100, PING)[:50],
        "message": frame(b"x" * 100, first=0),
    }
    with Raw(served.port) as raw:
        raw.enter(ROOM, reader)
        raw.write(cut[name])
        raw.half_close()
        assert raw.ending().code in (None, 1002)


@pytest.mark.parametrize("is_in", [False, True], ids=["stranger", "reader"])
def test_a_message_in_fragments_of_one_byte_does_not_go_on_for_ever(
    throughout: People, served: Served, reader: str, is_in: bool
) -> None:
    with Raw(served.port) as raw:
        if is_in:
            raw.enter(ROOM, reader)
        else:
            raw.upgrade(ROOM)
        raw.write(frame(b"x", first=0) + frame(b"x", CONTINUATION, first=0) * (limits.FRAME_BYTES + 1))
        assert raw.ending().code in (1009, None)


def _fill(raw: Raw, data: bytes, most: int) -> int:
    """Write the same again and again until the server ends it, or `most` bytes were taken; returns them."""
    sent = 0
    while sent < most and raw.write_some(data):
        sent += len(data)
    return sent


FLOODS: dict[str, tuple[Callable[[], bytes], int]] = {
    "pings that nobody reads the answers of": (lambda: frame(b"p" * 125, PING) * 500, 64 << 20),
    "empty pings": (lambda: frame(b"", PING) * 1000, 4 << 20),
    "pongs": (lambda: frame(b"", PONG) * 1000, 4 << 20),
    "empty fragments": (lambda: frame(b"", CONTINUATION, first=0) * 1000, 4 << 20),
    "pings of ours": (lambda: frame(encode(Ping(1))) * 1000, 4 << 20),
}


@pytest.mark.parametrize("name", FLOODS)
def test_a_flood_that_nobody_reads_the_answers_of_costs_little(
    throughout: People, served: Served, reader: str, name: str
) -> None:
    made, most = FLOODS[name]
    with Raw(served.port, receive_buffer=4096) as raw:
        raw.enter(ROOM, reader)
        if name == "empty fragments":
            raw.write(frame(b"", first=0))
        print(f"{name}: {_fill(raw, made(), most)} bytes taken")
        throughout.type_for(0.3)
        assert throughout.newcomer() == 1


def test_pings_before_a_hello_are_no_hello(throughout: People, served: Served, reader: str) -> None:
    with Raw(served.port, receive_buffer=4096) as raw:
        raw.upgrade(ROOM)
        sent = _fill(raw, frame(b"p" * 125, PING) * 100, 64 << 20)
        assert sent < 16 << 20, "a stranger is given up"
        assert throughout.newcomer() == 1


def test_a_hello_in_fragments_is_one(throughout: People, served: Served, reader: str) -> None:
    whole = encode(hello(reader))
    pieces = [whole[at : at + 10] for at in range(0, len(whole), 10)]
    with Raw(served.port) as raw:
        raw.upgrade(ROOM)
        raw.write(frame(pieces[0], first=0))
        for piece in pieces[1:-1]:
            raw.write(frame(piece, CONTINUATION, first=0))
        raw.write(frame(pieces[-1], CONTINUATION))
        raw.wait_welcome()


@pytest.mark.campaign
@pytest.mark.parametrize("is_in", [False, True], ids=["strangers", "readers"])
@pytest.mark.parametrize("name", FLOODS)
def test_floods_that_go_on_hold_nobody_up(
    throughout: People, served: Served, reader: str, name: str, is_in: bool
) -> None:
    """Four at once, for a few seconds, each coming again when it is ended."""
    data = FLOODS[name][0]()

    def flood() -> None:
        ends_at = time.monotonic() + _FLOOD_S
        while time.monotonic() < ends_at:
            with Raw(served.port, receive_buffer=4096) as raw, contextlib.suppress(AssertionError, Reset):
                if is_in:
                    raw.enter(ROOM, reader)
                else:
                    raw.upgrade(ROOM)
                if name == "empty fragments":
                    raw.write(frame(b"", first=0))
                while time.monotonic() < ends_at and raw.write_some(data):
                    pass

    with ThreadPoolExecutor() as threads:
        for done in [threads.submit(flood) for _ in range(4)]:
            done.result()
    assert throughout.newcomer() == 1
