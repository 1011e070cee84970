from __future__ import annotations

import msgpack
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from collab_protocol import limits
from collab_protocol.codec import Assembler, Splitter, decode, encode
from collab_protocol.errors import FrameError
from collab_protocol.messages import Batch, Message, Part, Ping, Presence, Receipt, Sync, Update, Welcome
from collab_protocol.presence import Activity, Caret, Person, Role, View
from tests.unit.collab_protocol.messages import messages


@given(messages)
def test_what_is_encoded_is_decoded(message: Message) -> None:
    assert decode(encode(message)) == message


@given(messages, st.lists(st.integers(), max_size=3))
def test_fields_that_a_newer_version_appends_are_skipped(message: Message, more: list[int]) -> None:
    items = msgpack.unpackb(encode(message))
    small = [number % 1000 for number in more]
    assert decode(msgpack.packb([*items, *small])) == message


def test_a_tag_that_only_a_newer_version_knows_is_skipped() -> None:
    assert decode(msgpack.packb([4711, "whatever"])) is None


_APPENDED = {Presence: 2, Welcome: 1}
"""Fields that ends of an older version leave out."""


@given(messages, st.data())
def test_a_message_without_one_of_its_fields_is_refused(message: Message, data: st.DataObject) -> None:
    items = msgpack.unpackb(encode(message))
    needed = len(items) - _APPENDED.get(type(message), 0)
    assume(needed > 1)
    kept = data.draw(st.integers(1, needed - 1))
    with pytest.raises(FrameError):
        decode(msgpack.packb(items[:kept]))


@given(st.binary(max_size=300))
def test_random_bytes_are_a_message_or_a_frame_error(frame: bytes) -> None:
    try:
        decode(frame)
    except FrameError:
        return


@given(messages, st.data())
def test_damaged_frames_are_a_message_or_a_frame_error(message: Message, data: st.DataObject) -> None:
    frame = bytearray(encode(message))
    for _ in range(data.draw(st.integers(1, 4))):
        frame[data.draw(st.integers(0, len(frame) - 1))] = data.draw(st.integers(0, 255))
    try:
        decode(bytes(frame[: data.draw(st.integers(0, len(frame)))]))
    except FrameError:
        return


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"\x80" * 1000,
        b"\xdd\xff\xff\xff\xff",
        b"\x91" * 5000 + b"\x01",
        msgpack.packb([3, -1, b""]),
        msgpack.packb([3, True, b""]),
        msgpack.packb([3, 1.0, b""]),
        msgpack.packb([3, 1, "text"]),
        msgpack.packb([3, 2**63, b""]),
        msgpack.packb([4, 1, 1, 1]),
        msgpack.packb([6, None, [[0, 0]] * (limits.CARETS + 1), 0, "active"]),
        msgpack.packb([6, None, [[0]], 0, "active"]),
        msgpack.packb([6, None, [], 0, "dancing"]),
        msgpack.packb([7, "k" * (limits.STRING_BYTES + 1), ""]),
        msgpack.packb({"tag": 1}),
        msgpack.packb([[13, 1]]),
        msgpack.packb([msgpack.ExtType(1, b"x")]),
        msgpack.packb([12, b"\xff".decode("latin-1"), "soon"]),
    ],
)
def test_what_breaks_a_rule_is_refused(frame: bytes) -> None:
    with pytest.raises(FrameError):
        decode(frame)


def test_only_what_may_be_large_is_unpacked_when_it_is() -> None:
    full = b"\xdc\x04\x00"
    bomb = b"\x93" + msgpack.packb(13) + msgpack.packb(1) + full + (full + b"\x90" * 1024) * 1024
    with pytest.raises(FrameError, match="never so large"):
        decode(bomb)


@given(st.integers(0, 3 * limits.PART_BYTES))
def test_large_messages_come_out_of_their_parts(size: int) -> None:
    message = Sync(7, b"\x00", bytes(size))
    frames = Splitter().frames(message)
    assert all(len(frame) <= limits.FRAME_BYTES for frame in frames)
    assembler = Assembler()
    fed = [assembler.feed(frame) for frame in frames]
    assert fed[-1] == message
    assert fed[:-1] == [None] * (len(frames) - 1)
    assert not assembler.is_receiving_parts


def test_small_messages_come_between_parts() -> None:
    first, *rest = Splitter().frames(Update(1, bytes(3 * limits.PART_BYTES)))
    assembler = Assembler()
    assert assembler.feed(first) is None
    assert assembler.feed(encode(Ping(9))) == Ping(9)
    assert [assembler.feed(frame) for frame in rest][-1] == Update(1, bytes(3 * limits.PART_BYTES))


@pytest.mark.parametrize(
    "parts",
    [
        [Part(1, 1, 2, b"x")],
        [Part(1, 0, 2, b"x"), Part(1, 0, 2, b"x")],
        [Part(1, 0, 2, b"x"), Part(2, 1, 2, b"x")],
        [Part(1, 0, 2, b"x"), Part(1, 1, 3, b"x")],
        [Part(1, 0, 1, encode(Part(2, 0, 1, encode(Receipt(1, 1, True)))))],
        [Part(1, 0, 9, bytes(limits.PART_BYTES)), Part(1, 1, 9, b"x")],
    ],
)
def test_parts_out_of_order_nested_or_too_large_are_refused(parts: list[Part]) -> None:
    assembler = Assembler(max_bytes=limits.PART_BYTES)
    with pytest.raises(FrameError):
        for part in parts:
            assembler.feed(encode(part))


def test_a_large_message_is_large_by_its_bytes_or_refused() -> None:
    data = b"x" * (2 * limits.FRAME_BYTES)
    assert decode(msgpack.packb([3, 1, data, "appended"])) == Update(1, data)
    nested = [[[]] * 1000] * 100
    with pytest.raises(FrameError, match="something else"):
        decode(msgpack.packb([3, 1, b"x", nested]))
    with pytest.raises(FrameError):
        decode(b"\x93\x03" + b"\x91" * (2 * limits.FRAME_BYTES))


def test_what_only_a_server_says_at_length_is_refused_from_a_client() -> None:
    batch = encode(Batch(1, 1, ((7, b"x" * (2 * limits.FRAME_BYTES)),)))
    assert decode(batch) == Batch(1, 1, ((7, b"x" * (2 * limits.FRAME_BYTES)),))
    with pytest.raises(FrameError):
        decode(batch, is_from_client=True)


def test_a_presence_of_an_older_version_follows_nobody_and_has_no_view() -> None:
    items = msgpack.unpackb(encode(Presence(None, (Caret(3, 1),), 7, Activity.IDLE, 4, View(0, 9))))
    assert decode(msgpack.packb(items[:5])) == Presence(None, (Caret(3, 1),), 7, Activity.IDLE)


def test_a_presence_of_many_carets_and_a_long_name_fits_the_cap() -> None:
    far = 2**31 - 1
    person = Person(2**53 - 1, "p" * 100, "𝒜" * limits.NAME_CELLS, Role.WRITE, 255)
    carets = (Caret(far, far),) * limits.CARETS
    shown = Presence(person, carets, 2**53 - 1, Activity.ACTIVE, 2**53 - 1, View(far, far))
    assert decode(encode(shown)) == shown


def test_a_presence_over_the_cap_is_refused() -> None:
    person = Person(1, "p" * limits.PRESENCE_BYTES, "ana", Role.WRITE, 0)
    with pytest.raises(FrameError, match="presence"):
        decode(encode(Presence(person, (), 0, Activity.ACTIVE)))
