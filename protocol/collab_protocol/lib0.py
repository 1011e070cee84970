"""Reading Yjs updates (lib0 encoding, version 1) and state vectors without trusting a byte of them.

Only the shape is judged here, against nothing but the bytes themselves: what a replica must already
hold is the gate's question. The format is that of yjs `src/utils/encoding.js` and lib0 `encoding.js`,
narrowed to what one shared text needs:

    update      = count, block*, count, deletions*
    block       = count, client, clock, struct*
    struct      = info, [left origin], [right origin], [1, root name], content
    deletions   = client, count, (clock, length)*
    origin      = client, clock

All numbers are varints. Clocks and lengths count UTF-16 code units.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeVar

from collab_protocol.errors import UpdateError
from collab_protocol.limits import ENCODED_BYTES
from collab_protocol.text import ROOT

CLOCK_MAX: Final = 2**31 - 1
"""yrs keeps clocks in 32 bits and subtracts them as signed numbers (yrs `update.rs`)."""

CLIENT_MAX: Final = 2**53 - 1
"""The largest client id: what a JavaScript number can hold."""

CLIENTS_MAX: Final = 100_000
"""Clients in one state vector at most: 2^27 claimed in 6 bytes cost pycrdt 578 ms and 256 MB."""

DELETED_MAX: Final = ENCODED_BYTES
"""The longest single run of deleted units: no honest one outgrows the room's encoding."""

GARBAGE: Final = 0
DELETED: Final = 1
STRING: Final = 4
SKIP: Final = 10

_HAS_LEFT: Final = 0x80
_HAS_RIGHT: Final = 0x40
_VARINT_BYTES: Final = 8
_NAME: Final = ROOT.encode()
_PARENT: Final = bytes((1, len(_NAME))) + _NAME
"""How a struct without origins says where it belongs: 1 for "by name", then the root's name."""

_SLICE_STRUCTS: Final = 200
"""Structs between two yields: 200 are parsed in about 0.4 ms (`benchmarks/bench_gate.py`)."""

_STRUCT_UNITS: Final = 1000
"""Units of text that are decoded in the time of one struct."""

Id = tuple[int, int]
"""An item: the client that made it, and its clock."""


class Struct(NamedTuple):
    """One run of items as an update has it."""

    content: int
    """`GARBAGE`, `DELETED`, `STRING` or `SKIP`."""
    clock: int
    length: int
    left: Id | None
    right: Id | None
    astral: str
    """The text when it holds a character above U+FFFF, which takes two units; else empty."""


@dataclass(frozen=True, slots=True)
class Block:
    """The structs of one client, which follow one another from `clock` to before `end`."""

    client: int
    clock: int
    end: int
    structs: list[Struct]
    has_gap: bool
    """Whether it skips clocks, which merging does where a row is missing."""
    garbage_end: int
    """Where the last of its garbage ends: 0 without any."""


@dataclass(frozen=True, slots=True)
class Update:
    """A whole update whose shape is right; no client has two blocks or two lists of deletions."""

    blocks: list[Block]
    deletions: dict[int, list[Id]]
    """By client, (clock, length) of what is deleted: ascending, apart, none empty."""


_Result = TypeVar("_Result")


def finish(work: Generator[None, None, _Result]) -> _Result:
    """Run sliced work to its end and return what it returns."""
    while True:
        try:
            next(work)
        except StopIteration as stop:
            result: _Result = stop.value
            return result


def read_number(data: bytes, at: int, most: int) -> tuple[int, int]:
    """Return the varint at `at`, and where it ends.

    Raises:
        UpdateError: it is longer than 8 bytes or larger than `most`.
        IndexError: the data end in it.
    """
    value = data[at]
    at += 1
    if value >= 0x80:
        value &= 0x7F
        shift = 7
        while True:
            byte = data[at]
            at += 1
            if byte < 0x80:
                value |= byte << shift
                break
            value |= (byte & 0x7F) << shift
            shift += 7
            if shift >= 7 * _VARINT_BYTES:
                raise UpdateError("a number is too long")
    if value > most:
        raise UpdateError("a number is too large")
    return value, at


def write_number(value: int) -> bytes:
    """Return `value` as a varint."""
    made = bytearray()
    while value > 0x7F:
        made.append(value & 0x7F | 0x80)
        value >>= 7
    made.append(value)
    return bytes(made)


def decode_state_vector(data: bytes) -> dict[int, int]:
    """Return the next clock of each client that an encoded state vector names.

    Raises:
        UpdateError: it is malformed, or names a client twice or more than 100,000 of them.
    """
    clocks: dict[int, int] = {}
    try:
        count, at = read_number(data, 0, CLIENTS_MAX)
        if count * 2 > len(data) - at:
            raise UpdateError("a state vector claims more clients than it has bytes for")
        for _ in range(count):
            client, at = read_number(data, at, CLIENT_MAX)
            clock, at = read_number(data, at, CLOCK_MAX)
            if client in clocks:
                raise UpdateError("a state vector names a client twice")
            clocks[client] = clock
    except IndexError:
        raise UpdateError("a state vector ends too early") from None
    if at != len(data):
        raise UpdateError("bytes follow a state vector")
    return clocks


def encode_state_vector(clocks: Mapping[int, int]) -> bytes:
    """Return `clocks`, the next clock of each client, as a state vector."""
    made = [write_number(len(clocks))]
    for client, clock in clocks.items():
        made += (write_number(client), write_number(clock))
    return b"".join(made)


def write_struct(struct: Struct, text: str) -> bytes:
    """Return `struct` as an update has it, with `text` for its own if it has any.

    `text` must have as many UTF-16 units.
    """
    content, _, length, left, right, _ = struct
    if content in (GARBAGE, SKIP):
        return bytes((content,)) + write_number(length)
    info, made = content, b""
    if left is not None:
        info |= _HAS_LEFT
        made = write_number(left[0]) + write_number(left[1])
    if right is not None:
        info |= _HAS_RIGHT
        made += write_number(right[0]) + write_number(right[1])
    if info == content:
        made = _PARENT
    if content == DELETED:
        return bytes((info,)) + made + write_number(length)
    encoded = text.encode()
    return bytes((info,)) + made + write_number(len(encoded)) + encoded


def write_update(
    blocks: Mapping[int, tuple[int, Sequence[bytes]]], deletions: Mapping[int, Sequence[Id]]
) -> bytes:
    """Return an update: by client, its first clock and structs by `write_struct`; and deletions."""
    made = [write_number(len(blocks))]
    for client, (clock, structs) in blocks.items():
        made += (write_number(len(structs)), write_number(client), write_number(clock), *structs)
    made.append(write_number(len(deletions)))
    for client, ranges in deletions.items():
        made += (write_number(client), write_number(len(ranges)))
        for clock, length in ranges:
            made += (write_number(clock), write_number(length))
    return b"".join(made)


def new_ids(update: bytes) -> set[int]:
    """Return the client ids that have structs in `update`.

    Raises:
        UpdateError: it is malformed.
    """
    blocks = finish(parsing(update)).blocks
    return {block.client for block in blocks if any(struct.content != SKIP for struct in block.structs)}


def parsing(data: bytes) -> Generator[None, None, Update]:
    """Parse an update in slices of about 0.5 ms, and return it.

    Takes time and memory in proportion to the size of `data`, whatever numbers it claims.

    Raises:
        UpdateError: its shape is wrong.
    """
    try:
        blocks, at = yield from _parsing_blocks(data)
        deletions, at = yield from _parsing_deletions(data, at)
    except IndexError:
        raise UpdateError("the update ends too early") from None
    if at != len(data):
        raise UpdateError("bytes follow the update")
    return Update(blocks, deletions)


def _read_count(data: bytes, at: int, bytes_each: int) -> tuple[int, int]:
    """Read how many things of at least `bytes_each` follow; more than fit are refused at once."""
    count, at = read_number(data, at, CLIENT_MAX)
    if count * bytes_each > len(data) - at:
        raise UpdateError("a count exceeds the bytes left")
    return count, at


def _parsing_blocks(data: bytes) -> Generator[None, None, tuple[list[Block], int]]:
    count, at = _read_count(data, 0, 5)
    blocks: list[Block] = []
    seen: set[int] = set()
    budget = _SLICE_STRUCTS
    for _ in range(count):
        length, at = _read_count(data, at, 2)
        client, at = read_number(data, at, CLIENT_MAX)
        begin, at = read_number(data, at, CLOCK_MAX)
        if not length or client in seen:
            raise UpdateError("a client's block is empty or comes twice")
        seen.add(client)
        clock = begin
        structs: list[Struct] = []
        has_gap = False
        garbage_end = 0
        for _ in range(length):
            struct, at = _read_struct(data, at, clock)
            clock += struct.length
            if struct.content == SKIP:
                has_gap = True
            elif struct.content == GARBAGE:
                garbage_end = clock
            if clock > CLOCK_MAX:
                raise UpdateError("a clock is too large")
            structs.append(struct)
            budget -= 1 + struct.length // _STRUCT_UNITS
            if budget <= 0:
                budget = _SLICE_STRUCTS
                yield
        blocks.append(Block(client, begin, clock, structs, has_gap, garbage_end))
    return blocks, at


def _read_struct(data: bytes, at: int, clock: int) -> tuple[Struct, int]:
    """Read a struct whose clock is `clock`."""
    info = data[at]
    at += 1
    left = right = None
    if info in (GARBAGE, SKIP):
        length, at = read_number(data, at, CLOCK_MAX)
        content, astral = info, ""
    else:
        content = info & ~(_HAS_LEFT | _HAS_RIGHT)
        if content not in (STRING, DELETED):
            raise UpdateError("a struct is neither text nor deleted text")
        if info & _HAS_LEFT:
            client, at = read_number(data, at, CLIENT_MAX)
            number, at = read_number(data, at, CLOCK_MAX)
            left = client, number
        if info & _HAS_RIGHT:
            client, at = read_number(data, at, CLIENT_MAX)
            number, at = read_number(data, at, CLOCK_MAX)
            right = client, number
        if left is None and right is None:
            if not data.startswith(_PARENT, at):
                raise UpdateError("a struct does not belong to the room's text")
            at += len(_PARENT)
        astral = ""
        length, at = read_number(data, at, CLOCK_MAX if content == STRING else DELETED_MAX)
        if content == STRING:
            begin, at = at, at + length
            if at > len(data):
                raise UpdateError("a text exceeds the bytes left")
            length, astral = _decode(data[begin:at])
    if not length:
        raise UpdateError("a struct is empty")
    return Struct(content, clock, length, left, right, astral), at


def _decode(encoded: bytes) -> tuple[int, str]:
    """Return the length of a text in UTF-16 units, and the text if that is not its length in characters."""
    if encoded.isascii():
        return len(encoded), ""
    try:
        text = encoded.decode()
    except UnicodeDecodeError:
        raise UpdateError("a text is not UTF-8") from None
    units = len(text.encode("utf-16-le")) // 2
    return units, "" if units == len(text) else text


def _parsing_deletions(data: bytes, at: int) -> Generator[None, None, tuple[dict[int, list[Id]], int]]:
    count, at = _read_count(data, at, 4)
    deletions: dict[int, list[Id]] = {}
    budget = _SLICE_STRUCTS
    for _ in range(count):
        client, at = read_number(data, at, CLIENT_MAX)
        length, at = _read_count(data, at, 2)
        if not length or client in deletions:
            raise UpdateError("a client's deletions are empty or come twice")
        ranges: list[Id] = []
        least = 0
        for _ in range(length):
            clock, at = read_number(data, at, CLOCK_MAX)
            units, at = read_number(data, at, CLOCK_MAX)
            if not units or clock < least or clock + units > CLOCK_MAX:
                raise UpdateError("deletions are empty, out of order or overlap")
            least = clock + units
            ranges.append((clock, units))
            budget -= 1
            if not budget:
                budget = _SLICE_STRUCTS
                yield
        deletions[client] = ranges
    return deletions, at
