"""Finding out who wrote each stretch of a text, from whose each item of its history is.

The CRDT does not tell whose the text at a place is. So its history is written anew with every character
replaced by a sign for its author, and a copy is made of that: what the copy shows, unit by unit, are the
authors. Where items stand is thus the CRDT's own word, and it takes some 7 µs an item.

    replica ─ update_since ─▶ structs ─ signs for texts ─▶ copy ─ text ─▶ "aaaabbbbba" ─ lines ─▶ runs
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from collab_client.author_runs import UNKNOWN, AuthorRuns
from collab_protocol.errors import UpdateError
from collab_protocol.lib0 import SKIP, STRING, Block, Id, Struct, Update, parsing, write_struct, write_update
from collab_protocol.text import Replica

_COPY_ID: Final = 1
"""The client id of copies that nobody edits."""

_SLICE_COST: Final = 200
"""Structs between two yields: 200 are written anew and applied in about 1 ms."""

_STRUCT_UNITS: Final = 500
"""Units of text that are written and applied in the time of one struct."""

_PIECE_UNITS: Final = 50_000
"""A longer struct is cut, so that no slice has more than this."""

_SLICE_DELETIONS: Final = 1000
_SLICE_RUNS: Final = 500
_SLICE_BLOCKS: Final = 8

_ALIKE: Final = re.compile(r"(.)\1*", re.DOTALL)


class NoOrder(Exception):
    """The history does not say who wrote what: parts of it are missing, or it is not that of the text."""


def finding_authors(
    update: bytes, blocks: Sequence[tuple[str, ...]], authors: Mapping[int, int]
) -> Generator[None, None, AuthorRuns]:
    """Return who wrote the text whose lines are `blocks`, by its whole history, in slices of 2 ms or less.

    `authors` has the number of who wrote under each client id; the rest is UNKNOWN. Reading the copy's text
    is one slice: 11 ms for 10 MB that are not ASCII.

    Raises:
        NoOrder: `update` is not the whole history of that text.
    """
    try:
        parsed = yield from parsing(update)
        signs = yield from _writing_signs(parsed, authors)
    except UpdateError as error:
        raise NoOrder(str(error)) from error
    return (yield from _reading_signs(signs, blocks))


class _Pending:
    """What the copy has not got of one client's structs; uses up the block's own list."""

    __slots__ = ("clock", "end", "left", "sign")

    def __init__(self, block: Block, sign: str) -> None:
        self.left = block.structs
        self.left.reverse()  # the next one is the last: each is let go of in its turn, not all in one slice
        self.clock = block.clock
        self.end = block.end
        self.sign = sign

    def take(self) -> Struct:
        """Return the next struct, which counts as given to the copy."""
        struct = self.left.pop()
        self.clock += struct.length
        return struct


@dataclass(slots=True)
class _Slice:
    """Structs for one update to the copy: by client, the first clock and what follows."""

    blocks: dict[int, tuple[int, list[bytes]]] = field(default_factory=dict)
    cost: int = 0

    def add(self, client: int, struct: Struct, sign: str) -> None:
        text = sign * struct.length if struct.content == STRING else ""
        _, structs = self.blocks.setdefault(client, (struct.clock, []))
        structs.append(write_struct(struct, text))
        self.cost += 1 + struct.length // _STRUCT_UNITS


def _writing_signs(update: Update, authors: Mapping[int, int]) -> Generator[None, None, str]:
    """Return the text with each unit replaced by the sign of its author."""
    pending = {
        block.client: _Pending(block, _sign(authors.get(block.client, UNKNOWN))) for block in update.blocks
    }
    copy = Replica(_COPY_ID)
    copy.close()  # nobody is to be told of its changes: each time that would cost what it holds
    part = _Slice()
    for client, struct in _in_order(pending):
        for piece in _pieces(client, struct):
            part.add(client, piece, pending[client].sign)
            if part.cost >= _SLICE_COST:
                copy.apply(write_update(part.blocks, {}))
                part = _Slice()
                yield
    copy.apply(write_update(part.blocks, {}))
    for client, ranges in update.deletions.items():
        for at in range(0, len(ranges), _SLICE_DELETIONS):
            copy.apply(write_update({}, {client: ranges[at : at + _SLICE_DELETIONS]}))
            yield
    return copy.text()


def _in_order(pending: Mapping[int, _Pending]) -> Iterator[tuple[int, Struct]]:
    """Yield all structs with their clients, each behind those that it was inserted between.

    Raises:
        NoOrder: there is no such order.
    """
    for client, its in pending.items():
        waiting = [(client, its.end)]  # up to which clock the one before on the list needs it
        while waiting:
            one, goal = waiting[-1]
            mine = pending[one]
            if mine.clock >= goal:
                waiting.pop()
                continue
            lacks = _lacks(one, mine.left[-1], pending)
            if lacks is None:
                yield one, mine.take()
            elif any(each[0] == lacks[0] for each in waiting):
                raise NoOrder("the history goes round in a circle")
            else:
                waiting.append((lacks[0], lacks[1] + 1))


def _lacks(client: int, struct: Struct, pending: Mapping[int, _Pending]) -> Id | None:
    """Return which of the items that `struct` was inserted between is still to come. May raise NoOrder."""
    if struct.content == SKIP:
        raise NoOrder("the history has a gap")
    for origin in (struct.left, struct.right):
        if origin is not None and origin[0] != client:
            its = pending.get(origin[0])
            if its is None or origin[1] >= its.end:
                raise NoOrder("the history rests on what is not in it")
            if origin[1] >= its.clock:
                return origin
    return None


def _pieces(client: int, struct: Struct) -> Iterator[Struct]:
    """Yield `struct`, cut when it is long: each piece then follows the one before."""
    if struct.length <= _PIECE_UNITS or struct.content != STRING:
        yield struct
        return
    left = struct.left
    for at in range(0, struct.length, _PIECE_UNITS):
        clock = struct.clock + at
        length = min(_PIECE_UNITS, struct.length - at)
        yield Struct(STRING, clock, length, left, struct.right, "")
        left = (client, clock + length - 1)


def _sign(author: int) -> str:
    """Return the sign for an author: one unit for whatever number there may be."""
    return chr(author + 1)


def _reading_signs(signs: str, blocks: Sequence[tuple[str, ...]]) -> Generator[None, None, AuthorRuns]:
    """Return what `signs` say of the text, each of which stands for a UTF-16 unit of it."""
    runs = AuthorRuns()
    at = 0
    for number, block in enumerate(blocks, 1):
        text = "\n".join(block) + ("\n" if number < len(blocks) else "")
        units = b"" if text.isascii() else text.encode("utf-16-le", "surrogatepass")
        count = len(units) // 2 or len(text)
        for done, (start, end, author) in enumerate(_alike(signs, at, at + count), 1):
            length = end - start
            if units:
                length = len(units[2 * (start - at) : 2 * (end - at)].decode("utf-16-le", "replace").encode())
            runs.append(length, author)
            if done % _SLICE_RUNS == 0:
                yield
        at += count
        if number % _SLICE_BLOCKS == 0:
            yield
    if at != len(signs):
        raise NoOrder("the history is not that of the text")
    return runs


def _alike(signs: str, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Yield (start, end, author) of signs that are the same, in `signs` from `start` to `end`."""
    for found in _ALIKE.finditer(signs, start, end):
        yield found.start(), found.end(), ord(found[1]) - 1
