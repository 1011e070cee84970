"""What is in the frames: broken, nested, of wrong types, too large, or said by the wrong end or too early."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from typing import Any, Final

import msgpack
import pytest

from collab_protocol import codec, limits
from collab_protocol.codec import Splitter, encode
from collab_protocol.errors import FaultCode
from collab_protocol.lib0 import DELETED, SKIP, STRING
from collab_protocol.limits import RoomLimits
from collab_protocol.messages import (
    Authors,
    Batch,
    Check,
    Credential,
    Declined,
    Fault,
    Message,
    Part,
    Ping,
    Pong,
    Presence,
    Pulse,
    Receipt,
    Resync,
    Said,
    Say,
    Setting,
    Sync,
    Trouble,
    Update,
    Welcome,
)
from collab_protocol.presence import Activity, Author, Caret, Role
from collab_protocol.text import EMPTY_STATE_VECTOR, EMPTY_UPDATE
from tests.fuzz.wire import Block, Item, Wire, deleted, number, typed
from tests.hostile.conftest import ROOM
from tests.hostile.people import People
from tests.hostile.raw import Raw, frame, hello
from tests.hostile.served import Served

_MINE: Final = 424_242
"""The client id that the attackers claim."""


def pack(*items: Any) -> bytes:
    """Return a MessagePack array of anything."""
    packed: bytes = msgpack.packb(list(items))
    return packed


def nested(depth: int, opener: bytes = b"\x91") -> bytes:
    return opener * depth + b"\x90"


def in_parts(message: bytes) -> list[bytes]:
    return Splitter().split(message)


_NO_FRAME = "not a MessagePack frame"

BROKEN: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", _NO_FRAME),
    "a byte of nobody": (b"\xc1", _NO_FRAME),
    "noise": (bytes(range(256)), ""),
    "no array": (msgpack.packb(3), "array with a tag"),
    "a map": (msgpack.packb({}), "array with a tag"),
    "a map with a tag": (msgpack.packb({0: 3}), _NO_FRAME),
    "no tag": (msgpack.packb([]), "array with a tag"),
    "a text for a tag": (pack("3", 1, b""), "whole number"),
    "true for a tag": (pack(True, 1, b""), "whole number"),
    "a fraction for a tag": (pack(3.0, 1, b""), "whole number"),
    "a tag below zero": (pack(-3, 1, b""), "whole number"),
    "a tag of 2^64 - 1": (pack(2**64 - 1, 1, b""), "whole number"),
    "nil for a tag": (pack(None, 1, b""), "whole number"),
    "an array for a tag": (pack([3], 1, b""), "whole number"),
    "one message behind another": (encode(Ping(1)) * 2, _NO_FRAME),
    "half a message": (encode(Update(1, b"x" * 100))[:50], _NO_FRAME),
    "too few fields": (pack(3, 1), "lacks fields"),
    "nesting": (nested(30_000), _NO_FRAME),
    "nesting behind a tag": (b"\x92\x11" + nested(30_000), _NO_FRAME),
    "nesting of maps": (b"\x92\x11" + b"\x81\xa1x" * 10_000 + b"\xc0", _NO_FRAME),
    "nesting in a tag of the future": (b"\x92\xcd\x03\xe7" + nested(30_000), _NO_FRAME),
    "a map for a field": (pack(17, {"text": "x"}), _NO_FRAME),
    "the same key again and again": (b"\x92\x11\x84" + b"\xa1x\xc0" * 4, _NO_FRAME),
    "a map of 2^32 - 1": (b"\x92\x11\xdf\xff\xff\xff\xff", _NO_FRAME),
    "an array of 2^32 - 1": (b"\xdd\xff\xff\xff\xff\x03", _NO_FRAME),
    "bytes of 2^32 - 1": (b"\x93\x03\x01\xc6\xff\xff\xff\xff", _NO_FRAME),
    "a text of 2^32 - 1": (b"\x92\x11\xdb\xff\xff\xff\xff", _NO_FRAME),
    "1,025 items": (pack(6, None, [[1, 1]] * 1025, 0, "active"), ""),
    "10,000 empty arrays": (pack(6, None, [[]] * 10_000, 0, "active"), ""),
    "a text of 4,097 bytes": (pack(17, "x" * 4097), _NO_FRAME),
    "an extension": (b"\x92\x11\xc7\x64\x05" + b"x" * 100, _NO_FRAME),
    "an extension of nothing": (b"\x92\x11\xc7\x00\x05", ""),
    "a time": (b"\x92\x11\xd6\xff\x00\x00\x00\x01", ""),
    "an extension of 2^32 - 1": (b"\x92\x11\xc9\xff\xff\xff\xff\x05", _NO_FRAME),
    "half a character": (b"\x92\x11\xa3\xed\xa0\x80", _NO_FRAME),
    "a text that is no UTF-8": (b"\x92\x11\xa2\xff\xfe", _NO_FRAME),
    "not a number": (pack(3, math.nan, b""), "whole number"),
    "infinity": (pack(3, math.inf, b""), "whole number"),
    "less than infinity": (pack(13, -math.inf), "whole number"),
    "a number of 2^53": (pack(13, 2**53), "whole number"),
    "a number of 2^64 - 1": (pack(13, 2**64 - 1), "whole number"),
    "a number below zero": (pack(3, -1, b""), "whole number"),
    "true for a number": (pack(13, True), "whole number"),
    "a number for a truth": (pack(27, 1), "boolean"),
    "a text for bytes": (pack(3, 1, "data"), "bytes"),
    "bytes for a text": (pack(17, b"text"), "string"),
    "a hash of 31 bytes": (pack(15, 0, b"x" * 31), "32 bytes"),
    "33 carets": (pack(6, None, [[1, 1]] * 33, 0, "active"), "at most 32"),
    "a caret of one": (pack(6, None, [[1]], 0, "active"), "2 items"),
    "a caret below zero": (pack(6, None, [[-1, 0]], 0, "active"), "whole number"),
    "a caret of 2^31": (pack(6, None, [[2**31, 0]], 0, "active"), "whole number"),
    "a view of one": (pack(6, None, [], 0, "active", 0, [1]), "2 items"),
    "an activity of nobody": (pack(6, None, [], 0, "dancing"), "expected one of"),
    "gone, said by oneself": (encode(Presence(None, (), 0, Activity.GONE)), "while LIVE"),
    "lost, said by oneself": (encode(Presence(None, (), 0, Activity.LOST)), "while LIVE"),
    "a role of nobody": (pack(6, [1, "p", "n", "god", 1], [], 0, "active"), "expected one of"),
    "a presence of 2 KiB": (pack(6, [1, "p" * 2048, "n", "read", 1], [], 0, "active"), "presence of more"),
    "an update without a number": (encode(Update(0, EMPTY_UPDATE)), "while LIVE"),
    "Hello again": (encode(hello("x")), "Hello while LIVE"),
}

PARTS: dict[str, tuple[list[bytes], str]] = {
    "the last one first": ([encode(Part(1, 1, 2, b"x"))], "out of order"),
    "one twice": ([encode(Part(1, 0, 3, b"x"))] * 2, "out of order"),
    "one left out": ([encode(Part(1, 0, 3, b"x")), encode(Part(1, 2, 3, b"x"))], "out of order"),
    "of another message": ([encode(Part(1, 0, 3, b"x")), encode(Part(2, 1, 3, b"x"))], "out of order"),
    "another count": ([encode(Part(1, 0, 3, b"x")), encode(Part(1, 1, 4, b"x"))], "out of order"),
    "2^31 of them": ([encode(Part(1, 0, 2**31, b"x"))], "whole number"),
    "2,562 of them": ([encode(Part(1, 0, 2562, b"x"))], "whole number"),
    "one below zero": ([pack(10, 1, -1, 2, b"x")], "whole number"),
    "of nothing": ([encode(Part(1, 0, 1, b""))], _NO_FRAME),
    "a part in a part": ([encode(Part(1, 0, 1, encode(Part(2, 0, 1, b"x"))))], "a part inside of parts"),
    "noise": ([encode(Part(1, 0, 1, b"\xff" * 1000))], ""),
    "a line of chat of 64 KiB": (in_parts(pack(17, "x" * 65_536)), "never so large"),
    "a million empty arrays": (
        in_parts(b"\x93\x03\x01\xdd\x00\x0f\x00\x00" + b"\x90" * 0x0F0000),
        "large by something else",
    ),
    "nesting of a million": (in_parts(b"\x93\x03\x01" + nested(1_000_000)), _NO_FRAME),
    "17 MiB and more": (
        [encode(Part(1, at, 600, b"x" * limits.PART_BYTES)) for at in range(545)],
        "larger than",
    ),
}

_AUTHOR = Author("p", "n", 1)
OF_SERVERS: Final[tuple[Message, ...]] = (
    Welcome(4, 1, b"l" * 16, b"e" * 16, 0, Role.ADMIN, RoomLimits(), True, True, (), (), EMPTY_STATE_VECTOR),
    Receipt(1, 1, True),
    Batch(1, 1, ((1, EMPTY_UPDATE),)),
    Fault(FaultCode.KICKED, "go away", None),
    Trouble("the disk is full"),
    Said(1, 1, _AUTHOR, "hello", True),
    Authors(None, (_AUTHOR,), b""),
    Pulse(((1, 1),)),
    Declined("no"),
    Credential("ci1.a.b.c", None),
)

_ALL_DELETED: Final = 2**31 - 1

UPDATES: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "update"),
    "noise": (b"junk", "update"),
    "truncated": (typed(_MINE, 0, "hello")[:-3], "update"),
    "something behind it": (typed(_MINE, 0, "hello") + b"x", "update"),
    "2^53 blocks": (number(2**53 - 1) + b"\0" * 10, "update"),
    "2^53 structs": (b"\x01" + number(2**53 - 1) + b"\0" * 10, "update"),
    "deletions without end": (b"\0" + number(2**53 - 1), "update"),
    "another's client id": (typed(7, 0, "x"), "update"),
    "another root": (Wire([Block(_MINE, 0, [Item(STRING, text=b"x", root=b"other")])]).encode(), "update"),
    "a text of half a character": (
        Wire([Block(_MINE, 0, [Item(STRING, text=b"\xed\xa0\xbd")])]).encode(),
        "update",
    ),
    "a format": (Wire([Block(_MINE, 0, [Item(6, text=b"bold")])]).encode(), "update"),
    "a type in the text": (Wire([Block(_MINE, 0, [Item(7, text=b"\x01")])]).encode(), "update"),
    "a document in the text": (Wire([Block(_MINE, 0, [Item(9, text=b"x")])]).encode(), "update"),
    "2^31 deleted by one struct": (
        Wire([Block(_MINE, 0, [Item(DELETED, length=2**31)])]).encode(),
        "update",
    ),
}


def _state_vectors() -> dict[str, bytes]:
    return {
        "noise": b"\xff\xff",
        "2^53 clients": number(2**53 - 1),
        "a million clients": number(10**6) + b"\x01\x01" * 1000,
        "a clock without end": b"\x01\x01" + b"\xff" * 100,
    }


@pytest.fixture
def inside(throughout: People, served: Served, writer: str) -> Callable[[], Raw]:
    """Return what lets an attacker into the room of the honest ones, with all that a writer may."""

    def come() -> Raw:
        raw = Raw(served.port)
        try:
            raw.enter(ROOM, writer, client_ids=[_MINE])
        except BaseException:
            raw.close()
            raise
        return raw

    return come


@pytest.mark.parametrize("name", BROKEN)
def test_a_frame_that_is_no_message_ends_its_connection(inside: Callable[[], Raw], name: str) -> None:
    data, fragment = BROKEN[name]
    with inside() as raw:
        raw.write(frame(data))
        ending = raw.ending()
        assert ending.code == 1002, ending
        assert fragment in ending.reason, ending


@pytest.mark.parametrize("name", BROKEN)
def test_a_stranger_gets_no_further(throughout: People, served: Served, name: str) -> None:
    with Raw(served.port) as raw:
        raw.upgrade(ROOM)
        raw.write(frame(BROKEN[name][0]))
        ending = raw.ending()
        # "Hello again" is the first one here, with a token that is none.
        assert (ending.code, ending.fault is None) == (
            (1008, False) if name == "Hello again" else (1002, True)
        ), ending


@pytest.mark.parametrize("name", PARTS)
def test_parts_that_make_no_message_end_their_connection(inside: Callable[[], Raw], name: str) -> None:
    frames, fragment = PARTS[name]
    with inside() as raw:
        for each in frames:
            raw.write(frame(each))
        ending = raw.ending()
        assert ending.code == 1002, ending
        assert fragment in ending.reason, ending


def test_a_stranger_may_send_a_hello_of_1_mib_and_no_more(throughout: People, served: Served) -> None:
    with Raw(served.port) as raw:
        raw.upgrade(ROOM)
        for at in range(40):
            raw.write(frame(encode(Part(1, at, 600, b"x" * limits.PART_BYTES))))
        ending = raw.ending()
        assert ending.code == 1002
        assert "larger than 1048576 bytes" in ending.reason


def test_parts_that_never_end_hold_little_and_nobody_up(
    throughout: People, served: Served, writer: str
) -> None:
    """20 who each begin the largest message that there may be, and do not finish."""
    begun = [Raw(served.port) for _ in range(20)]
    try:
        for raw in begun:
            raw.enter(ROOM, writer)
            for at in range(50):
                raw.write(frame(encode(Part(1, at, 500, b"x" * limits.PART_BYTES))))
        for raw in begun:
            raw.say(Ping(7))
            raw.wait_for(Pong)
        assert throughout.newcomer() == 1
    finally:
        for raw in begun:
            raw.close()


@pytest.mark.parametrize("is_in", [False, True], ids=["stranger", "writer"])
@pytest.mark.parametrize("message", OF_SERVERS, ids=lambda message: type(message).__name__)
def test_what_a_server_says_is_not_for_clients_to_say(
    throughout: People, served: Served, writer: str, message: Message, is_in: bool
) -> None:
    with Raw(served.port) as raw:
        if is_in:
            raw.enter(ROOM, writer)
        else:
            raw.upgrade(ROOM)
        raw.say(message)
        ending = raw.ending()
        phase = "LIVE" if is_in else "HELLO"
        assert (ending.code, ending.reason) == (
            1002,
            f"the client sent {type(message).__name__} while {phase}",
        )


def test_every_message_is_a_clients_or_a_servers() -> None:
    of_servers = {type(message) for message in OF_SERVERS}
    names = {kind.__name__ for kind in set(codec._TAGS) - of_servers}
    assert names == {
        "Hello", "Update", "Presence", "Setting", "Resync", "Sync", "Part", "Bye", "Ping", "Pong", "Check",
        "Say", "Look", "AskAuthors", "AskPulse", "Kick", "CloseRoom",
    }  # fmt: skip


@pytest.mark.parametrize(
    "message",
    [
        Update(1, typed(_MINE, 0, "x")),
        Presence(None, (Caret(0, 0),), 0, Activity.ACTIVE),
        Setting("language", "python"),
        Resync(0, EMPTY_STATE_VECTOR),
        Sync(0, EMPTY_STATE_VECTOR, EMPTY_UPDATE),
        Check(0, b"x" * 32),
        Say("hello"),
    ],
    ids=lambda message: type(message).__name__,
)
def test_nothing_is_heard_before_a_hello(throughout: People, served: Served, message: Message) -> None:
    with Raw(served.port) as raw:
        raw.upgrade(ROOM)
        raw.say(message)
        ending = raw.ending()
        assert (ending.code, "while HELLO" in ending.reason) == (1002, True), ending


@pytest.mark.parametrize("name", UPDATES)
def test_an_update_that_no_client_makes_ends_its_connection(inside: Callable[[], Raw], name: str) -> None:
    data, fragment = UPDATES[name]
    with inside() as raw:
        raw.say(Update(1, data))
        ending = raw.ending()
        assert ending.code == 1008, ending
        assert fragment in ending.reason, ending


def test_updates_without_ground_are_asked_for_again_and_then_end(inside: Callable[[], Raw]) -> None:
    with inside() as raw:
        for n in range(1, 9):
            raw.say(Update(n, typed(_MINE, 1000 * n, "x")))
            if n < 3:
                raw.wait_for(Resync)
                raw.say(Sync(0, EMPTY_STATE_VECTOR, EMPTY_UPDATE))
        ending = raw.ending()
        assert ending.fault is not None
        assert (ending.code, ending.fault.code) == (1000, FaultCode.STALE)


def test_a_skip_over_everything_is_nothing(inside: Callable[[], Raw]) -> None:
    with inside() as raw:
        raw.say(Update(1, Wire([Block(_MINE, 0, [Item(SKIP, length=_ALL_DELETED)])]).encode()))
        raw.say(Ping(9))
        while not isinstance(message := raw.hear(), Pong):
            assert isinstance(message, Receipt | Resync | Batch | Presence | Ping), message


def test_deletions_of_what_nobody_has_written_change_nothing(inside: Callable[[], Raw]) -> None:
    with inside() as raw:
        raw.say(Update(1, deleted(7, (0, _ALL_DELETED))))
        raw.wait_for(Resync)


@pytest.mark.parametrize("name", _state_vectors())
def test_a_state_vector_that_is_none_ends_its_connection(inside: Callable[[], Raw], name: str) -> None:
    with inside() as raw:
        raw.say(Resync(0, _state_vectors()[name]))
        assert raw.ending().code == 1008


def test_a_check_of_another_text_is_the_checkers_trouble_alone(inside: Callable[[], Raw]) -> None:
    with inside() as raw:
        for seq in (0, 2**53 - 1):
            raw.say(Check(seq, struct.pack("32s", b"x")))
        raw.say(Ping(9))
        raw.wait_for(Pong)
