"""Messages to MessagePack frames and back; the only importer of msgpack.

A frame is the array [tag, field, ...] with fields in the order of the dataclass. Tags are never reused.
A newer minor version may append fields, which are skipped here, and use tags that we don't know, for
which `decode` returns None. Every size is bounded before memory is spent on it, every type is checked
once, here; behind this module there are values only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import Enum
from typing import Any, Final, TypeVar

import msgpack

from collab_protocol import limits
from collab_protocol.errors import FaultCode, FrameError
from collab_protocol.limits import RoomLimits
from collab_protocol.messages import (
    AskAuthors,
    AskPulse,
    Authors,
    Batch,
    Bye,
    Check,
    CloseRoom,
    Credential,
    Declined,
    Fault,
    Hello,
    Kick,
    Look,
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
from collab_protocol.presence import Activity, Author, Caret, Person, Role, View

_Value = TypeVar("_Value")
_Choice = TypeVar("_Choice", bound=Enum)

_MOST_ITEMS: Final = 1024
_SEQ: Final = 2**53 - 1
_OFFSET: Final = 2**31 - 1
_MOST_PARTS: Final = limits.MESSAGE_BYTES // limits.PART_BYTES + 1

_TAGS: Final[dict[type[Any], int]] = {
    Hello: 1,
    Welcome: 2,
    Update: 3,
    Receipt: 4,
    Batch: 5,
    Presence: 6,
    Setting: 7,
    Resync: 8,
    Sync: 9,
    Part: 10,
    Fault: 11,
    Bye: 12,
    Ping: 13,
    Pong: 14,
    Check: 15,
    Trouble: 16,
    Say: 17,
    Said: 18,
    Look: 19,
    AskAuthors: 20,
    Authors: 21,
    AskPulse: 22,
    Pulse: 23,
    Declined: 24,
    Credential: 25,
    Kick: 26,
    CloseRoom: 27,
}


_LARGE_BY_ONE: Final = frozenset(_TAGS[kind] for kind in (Hello, Update, Resync, Sync))
"""Tags of what may come in Parts because of bytes that it carries; all else in it is small."""

_MAY_BE_LARGE: Final = _LARGE_BY_ONE | {_TAGS[Welcome], _TAGS[Batch], _TAGS[Authors]}
"""Tags of what may come in Parts, looked at before anything is unpacked."""

_BINARY: Final = (0xC4, 0xC5, 0xC6)
"""How bytes begin (MessagePack spec: bin 8, 16 and 32)."""

_ARRAY_16: Final = 0xDC
"""Begins an array of more than 15 items, whose head has three bytes instead of one (MessagePack spec)."""


def encode(message: Message) -> bytes:
    """Return `message` as one frame, however large; `Splitter` cuts it to the wire's size."""
    packed: bytes = msgpack.packb([_TAGS[type(message)], *_fields(message)])
    return packed


def decode(frame: bytes, *, is_from_client: bool = False) -> Message | None:
    """Return the message in `frame`, or None for a tag that only a newer version knows.

    Raises:
        FrameError: `frame` is not MessagePack within the limits, or no message of ours.
    """
    if len(frame) > limits.PRESENCE_BYTES and frame[1] == _TAGS[Presence]:
        raise FrameError(f"a presence of more than {limits.PRESENCE_BYTES} bytes")
    if len(frame) > limits.FRAME_BYTES:
        tag = frame[3 if frame[0] == _ARRAY_16 else 1]
        if tag not in (_LARGE_BY_ONE if is_from_client else _MAY_BE_LARGE):
            raise FrameError("a message that is never so large")
        if tag in _LARGE_BY_ONE:
            _check_large(frame)
    try:
        items = msgpack.unpackb(
            frame,
            raw=False,
            strict_map_key=True,
            timestamp=0,
            max_ext_len=0,
            max_map_len=0,
            max_array_len=_MOST_ITEMS,
            max_str_len=limits.STRING_BYTES,
            max_bin_len=len(frame),
        )
    except (ValueError, msgpack.UnpackException, RecursionError, OverflowError) as error:
        raise FrameError(f"not a MessagePack frame within the limits: {error}") from error
    if not isinstance(items, list) or not items:
        raise FrameError("a frame is an array with a tag")
    tag = _integer(items[0], 2**16)
    reader = _READERS.get(tag)
    if reader is None:
        return None
    least, most, read = reader
    if len(items) <= least:
        raise FrameError(f"message {tag} lacks fields")
    return read(*items[1 : most + 1])


def _check_large(frame: bytes) -> None:
    """Check that a large frame is large by its bytes: a million empty arrays would take 60 times its size.

    Raises:
        FrameError: it is not.
    """
    unpacker = msgpack.Unpacker(max_buffer_size=len(frame), max_ext_len=0, max_bin_len=len(frame))
    unpacker.feed(frame)
    try:
        fields = unpacker.read_array_header()
        other_bytes = 0
        for _ in range(min(fields, _MOST_ITEMS)):
            begin = unpacker.tell()
            unpacker.skip()
            if frame[begin] not in _BINARY:
                other_bytes += unpacker.tell() - begin
    except (ValueError, msgpack.UnpackException, RecursionError) as error:
        raise FrameError(f"not a MessagePack frame within the limits: {error}") from error
    if other_bytes > limits.FRAME_BYTES:
        raise FrameError("a message that is large by something else than its bytes")


class Splitter:
    """Cuts messages into frames of at most `limits.FRAME_BYTES`; one for each sending end of a link."""

    def __init__(self) -> None:
        self._next_id = 0

    def frames(self, message: Message) -> list[bytes]:
        """Return the frames of `message`, to be sent in this order: itself, or its Parts."""
        return self.split(encode(message))

    def split(self, encoded: bytes) -> list[bytes]:
        """Return the frames of a message that is encoded already."""
        return list(self.splitting(encoded))

    def splitting(self, encoded: bytes) -> Iterator[bytes]:
        """Yield the same one by one, so that a large message is not copied whole."""
        if len(encoded) <= limits.PART_BYTES:
            yield encoded
            return
        self._next_id = (self._next_id + 1) % 2**31
        cuts = range(0, len(encoded), limits.PART_BYTES)
        for index, cut in enumerate(cuts):
            yield encode(Part(self._next_id, index, len(cuts), encoded[cut : cut + limits.PART_BYTES]))


class Assembler:
    """Decodes frames and puts Parts together; one for each receiving end of a link.

    Messages in Parts come one after another, other frames may come between. Holds `max_bytes` at most.
    """

    def __init__(self, max_bytes: int = limits.MESSAGE_BYTES, *, is_from_client: bool = False) -> None:
        self._max_bytes = max_bytes
        self._is_from_client = is_from_client
        self._id = 0
        self._of = 0
        self._pieces: list[bytes] = []
        self._held = 0

    @property
    def held_bytes(self) -> int:
        """What is here of a large message that has not ended."""
        return self._held

    @property
    def is_receiving_parts(self) -> bool:
        """Whether a large message has begun and not ended."""
        return bool(self._pieces)

    def feed(self, frame: bytes) -> Message | None:
        """Return the message that `frame` completes, or None when there is none yet.

        Raises:
            FrameError: the frame is broken, or Parts are out of order, too many or too large.
        """
        message = decode(frame, is_from_client=self._is_from_client)
        if not isinstance(message, Part):
            return message
        if not self._pieces:
            self._id, self._of = message.id, message.of
        expected = (self._id, len(self._pieces), self._of)
        if (message.id, message.index, message.of) != expected:
            raise FrameError("parts out of order")
        self._held += len(message.data)
        if self._held > self._max_bytes:
            raise FrameError(f"a message larger than {self._max_bytes} bytes")
        self._pieces.append(message.data)
        if len(self._pieces) < self._of:
            return None
        whole = b"".join(self._pieces)
        self._pieces, self._held = [], 0
        completed = decode(whole, is_from_client=self._is_from_client)
        if isinstance(completed, Part):
            raise FrameError("a part inside of parts")
        return completed


def _fields(message: Message) -> list[Any]:
    match message:
        case Welcome():
            return [
                message.version,
                message.session,
                message.lineage,
                message.epoch,
                message.seq,
                message.role.value,
                [message.limits.text_bytes, message.limits.encoded_bytes],
                message.is_durable,
                message.is_new,
                [_fields(presence) for presence in message.roster],
                [list(setting) for setting in message.settings],
                message.state_vector,
                _person_fields(message.person),
            ]
        case Presence():
            view = message.view
            return [
                _person_fields(message.person),
                [[caret.head, caret.anchor] for caret in message.carets],
                message.seen,
                message.activity.value,
                message.following,
                None if view is None else [view.top, view.bottom],
            ]
        case Look():
            return [_person_fields(message.person)]
        case Said():
            return [message.n, message.at_ms, _author_fields(message.author), message.text, message.is_new]
        case Authors():
            return [message.since, [_author_fields(author) for author in message.people], message.ids]
        case Pulse():
            return [[list(entry) for entry in message.entries]]
        case Batch():
            return [message.first, message.last, [list(entry) for entry in message.entries]]
        case Fault():
            return [message.code.value, message.message, message.retry_ms]
        case Hello():
            return [
                list(message.versions),
                message.nonce,
                message.device,
                list(message.client_ids),
                message.name,
                message.colour,
                message.token,
                message.lineage,
                message.epoch,
                message.last_seq,
                message.state_vector,
            ]
        case _:
            return [getattr(message, name) for name in message.__slots__]


def _person_fields(person: Person | None) -> list[Any] | None:
    if person is None:
        return None
    return [person.session, person.principal, person.name, person.role.value, person.colour]


def _author_fields(author: Author) -> list[Any]:
    return [author.principal, author.name, author.colour]


def _integer(value: Any, most: int = _SEQ) -> int:
    if type(value) is int and 0 <= value <= most:
        return value
    raise FrameError(f"expected a whole number up to {most}")


def _boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    raise FrameError("expected a boolean")


def _binary(value: Any, size: int | None = None) -> bytes:
    if isinstance(value, bytes) and (size is None or len(value) == size):
        return value
    raise FrameError("expected bytes" if size is None else f"expected {size} bytes")


def _string(value: Any) -> str:
    if isinstance(value, str):
        return value
    raise FrameError("expected a string")


def _choice(kind: type[_Choice], value: Any) -> _Choice:
    try:
        return kind(value)
    except ValueError as error:
        raise FrameError(f"expected one of {[choice.value for choice in kind]}") from error


def _fault_code(value: Any) -> FaultCode:
    """Return the code of a Fault; UNKNOWN for one of a newer version; its message still counts."""
    try:
        return FaultCode(_string(value))
    except ValueError:
        return FaultCode.UNKNOWN


def _optional(read: Callable[[Any], _Value], value: Any) -> _Value | None:
    return None if value is None else read(value)


def _many(read: Callable[[Any], _Value], value: Any, most: int) -> tuple[_Value, ...]:
    if isinstance(value, list) and len(value) <= most:
        return tuple(read(item) for item in value)
    raise FrameError(f"expected at most {most} items")


def _items(value: Any, width: int) -> list[Any]:
    if isinstance(value, list) and len(value) >= width:
        return value[:width]
    raise FrameError(f"expected {width} items")


def _id(value: Any) -> bytes:
    return _binary(value, 16)


def _caret(value: Any) -> Caret:
    head, anchor = _items(value, 2)
    return Caret(_integer(head, _OFFSET), _integer(anchor, _OFFSET))


def _person(value: Any) -> Person:
    session, principal, name, role, colour = _items(value, 5)
    return Person(
        _integer(session), _string(principal), _string(name), _choice(Role, role), _integer(colour, 255)
    )


def _author(value: Any) -> Author:
    principal, name, colour = _items(value, 3)
    return Author(_string(principal), _string(name), _integer(colour, 255))


def _view(value: Any) -> View:
    top, bottom = _items(value, 2)
    return View(_integer(top, _OFFSET), _integer(bottom, _OFFSET))


def _pair(value: Any) -> tuple[int, int]:
    first, second = _items(value, 2)
    return _integer(first), _integer(second)


def _presence(
    person: Any, carets: Any, seen: Any, activity: Any, following: Any = 0, view: Any = None
) -> Presence:
    return Presence(
        _optional(_person, person),
        _many(_caret, carets, limits.CARETS),
        _integer(seen),
        _choice(Activity, activity),
        _integer(following),
        _optional(_view, view),
    )


def _entry(value: Any) -> tuple[int, bytes]:
    session, data = _items(value, 2)
    return _integer(session), _binary(data)


def _setting(value: Any) -> tuple[str, str]:
    key, text = _items(value, 2)
    return _string(key), _string(text)


def _room_limits(value: Any) -> RoomLimits:
    text_bytes, encoded_bytes = _items(value, 2)
    return RoomLimits(_integer(text_bytes), _integer(encoded_bytes))


def _hello(
    versions: Any,
    nonce: Any,
    device: Any,
    client_ids: Any,
    name: Any,
    colour: Any,
    token: Any,
    lineage: Any,
    epoch: Any,
    last_seq: Any,
    state_vector: Any,
) -> Hello:
    return Hello(
        _many(_integer, versions, 32),
        _binary(nonce, 16),
        _binary(device, 32),
        _many(_integer, client_ids, limits.CLIENT_IDS),
        _string(name),
        _optional(lambda value: _integer(value, 255), colour),
        _optional(_string, token),
        _optional(_id, lineage),
        _optional(_id, epoch),
        _integer(last_seq),
        _binary(state_vector),
    )


def _welcome(
    version: Any,
    session: Any,
    lineage: Any,
    epoch: Any,
    seq: Any,
    role: Any,
    room_limits: Any,
    is_durable: Any,
    is_new: Any,
    roster: Any,
    settings: Any,
    state_vector: Any,
    person: Any = None,
) -> Welcome:
    return Welcome(
        _integer(version),
        _integer(session),
        _id(lineage),
        _id(epoch),
        _integer(seq),
        _choice(Role, role),
        _room_limits(room_limits),
        _boolean(is_durable),
        _boolean(is_new),
        _many(_presence_item, roster, limits.PEOPLE),
        _many(_setting, settings, limits.SETTINGS),
        _binary(state_vector),
        _optional(_person, person),
    )


def _presence_item(value: Any) -> Presence:
    if isinstance(value, list) and len(value) >= _PRESENCE_FIELDS[0]:
        return _presence(*value[: _PRESENCE_FIELDS[1]])
    raise FrameError(f"expected {_PRESENCE_FIELDS[0]} items")


_PRESENCE_FIELDS: Final = (4, 6)


_READERS: Final[dict[int, tuple[int, int, Callable[..., Message]]]] = {
    1: (11, 11, _hello),
    2: (12, 13, _welcome),
    3: (2, 2, lambda n, data: Update(_integer(n), _binary(data))),
    4: (3, 3, lambda n, seq, alone: Receipt(_integer(n), _integer(seq), _boolean(alone))),
    5: (
        3,
        3,
        lambda first, last, entries: Batch(
            _integer(first), _integer(last), _many(_entry, entries, limits.BATCH_ENTRIES)
        ),
    ),
    6: (*_PRESENCE_FIELDS, _presence),
    7: (2, 2, lambda key, value: Setting(_string(key), _string(value))),
    8: (2, 2, lambda from_seq, state_vector: Resync(_integer(from_seq), _binary(state_vector))),
    9: (
        3,
        3,
        lambda seq, state_vector, update: Sync(_integer(seq), _binary(state_vector), _binary(update)),
    ),
    10: (
        4,
        4,
        lambda id_, index, of, data: Part(
            _integer(id_), _integer(index, _MOST_PARTS), _integer(of, _MOST_PARTS), _binary(data)
        ),
    ),
    11: (
        3,
        3,
        lambda code, message, retry_ms: Fault(
            _fault_code(code), _string(message), _optional(_integer, retry_ms)
        ),
    ),
    12: (2, 2, lambda reason, retry_ms: Bye(_string(reason), _optional(_integer, retry_ms))),
    13: (1, 1, lambda id_: Ping(_integer(id_))),
    14: (1, 1, lambda id_: Pong(_integer(id_))),
    15: (2, 2, lambda seq, sha256: Check(_integer(seq), _binary(sha256, 32))),
    16: (1, 1, lambda message: Trouble(_string(message))),
    17: (1, 1, lambda text: Say(_string(text))),
    18: (
        5,
        5,
        lambda n, at_ms, author, text, is_new: Said(
            _integer(n), _integer(at_ms), _author(author), _string(text), _boolean(is_new)
        ),
    ),
    19: (1, 1, lambda person: Look(_optional(_person, person))),
    20: (1, 1, lambda since: AskAuthors(_optional(_integer, since))),
    21: (
        3,
        3,
        lambda since, people, ids: Authors(
            _optional(_integer, since), _many(_author, people, limits.AUTHORS), _binary(ids)
        ),
    ),
    22: (0, 0, AskPulse),
    23: (1, 1, lambda entries: Pulse(_many(_pair, entries, limits.PEOPLE))),
    24: (1, 1, lambda message: Declined(_string(message))),
    25: (
        2,
        2,
        lambda token, expires_ms: Credential(_string(token), _optional(_integer, expires_ms)),
    ),
    26: (2, 2, lambda session, ban_s: Kick(_integer(session), _integer(ban_s))),
    27: (1, 1, lambda is_closed: CloseRoom(_boolean(is_closed))),
}
"""How many fields a message has at least and at most, and what makes it of them."""
