"""Updates written by hand: any field can be wrong, which no honest program would write."""

from __future__ import annotations

from dataclasses import dataclass, field

from collab_protocol.lib0 import CLIENT_MAX, DELETED, SKIP, STRING, Id, read_number, write_number
from collab_protocol.text import ROOT


@dataclass
class Item:
    """One struct. `text` counts for content 4, `length` for all others."""

    content: int = STRING
    left: Id | None = None
    right: Id | None = None
    text: bytes = b""
    length: int = 0
    root: bytes = ROOT.encode()
    flags: int = 0


@dataclass
class Block:
    client: int
    clock: int
    items: list[Item]


@dataclass
class Wire:
    """A whole update; `encode` writes it as it is."""

    blocks: list[Block] = field(default_factory=list)
    deletions: list[tuple[int, list[Id]]] = field(default_factory=list)

    def encode(self) -> bytes:
        made = [number(len(self.blocks))]
        for block in self.blocks:
            made += [number(len(block.items)), number(block.client), number(block.clock)]
            made += [_encode_item(item) for item in block.items]
        made.append(number(len(self.deletions)))
        for client, ranges in self.deletions:
            made += [number(client), number(len(ranges))]
            made += [number(clock) + number(length) for clock, length in ranges]
        return b"".join(made)


def number(value: int) -> bytes:
    return write_number(value)


def typed(client: int, clock: int, text: str, left: Id | None = None, right: Id | None = None) -> bytes:
    """Return an update with one struct."""
    return Wire([Block(client, clock, [Item(STRING, left, right, text.encode())])]).encode()


def deleted(client: int, *ranges: Id) -> bytes:
    """Return an update that only deletes."""
    return Wire([], [(client, list(ranges))]).encode()


def _encode_item(item: Item) -> bytes:
    if item.content in (0, SKIP):
        return bytes((item.content | item.flags,)) + number(item.length)
    info = item.content | item.flags | (0x80 if item.left else 0) | (0x40 if item.right else 0)
    made = bytes((info,))
    for origin in (item.left, item.right):
        if origin:
            made += number(origin[0]) + number(origin[1])
    if not item.left and not item.right:
        made += b"\x01" + number(len(item.root)) + item.root
    return made + (number(item.length) if item.content == DELETED else number(len(item.text)) + item.text)


def decode(update: bytes) -> Wire:
    """Read an update that pycrdt made."""
    at = 0

    def take() -> int:
        nonlocal at
        value, at = read_number(update, at, CLIENT_MAX)
        return value

    def take_bytes() -> bytes:
        nonlocal at
        size = take()
        at += size
        return update[at - size : at]

    wire = Wire()
    for _ in range(take()):
        count, block = take(), Block(take(), take(), [])
        for _ in range(count):
            info = take() if update[at] < 0x80 else update[at]
            at += info >= 0x80
            item = Item(info & 0x1F)
            if item.content not in (0, SKIP):
                item.left = (take(), take()) if info & 0x80 else None
                item.right = (take(), take()) if info & 0x40 else None
                if not info & 0xC0:
                    take()
                    item.root = take_bytes()
            if item.content == STRING:
                item.text = take_bytes()
            else:
                item.length = take()
            block.items.append(item)
        wire.blocks.append(block)
    for _ in range(take()):
        client, count = take(), take()
        wire.deletions.append((client, [(take(), take()) for _ in range(count)]))
    return wire
