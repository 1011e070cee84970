"""Mutants of real updates: broken bytes, and whole fields put wrong."""

from __future__ import annotations

import random

from tests.fuzz.wire import Block, Item, Wire, decode, number

_EXTREMES = (0, 1, 2, 5, 127, 128, 1000, 2**31 - 2, 2**31 - 1, 2**31, 2**32 - 1, 2**53 - 1, 2**53, 2**63 - 1)
_BYTES = (0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 127, 128, 255, 0x44, 0x84, 0xC4, 0x81, 0xC1, 0x24, 0x0A)
_TEXTS = (b"x", "🙂".encode(), "日🙂".encode(), b"", b"\xed\xa0\xbd", b"\xff", b"hello")


def mutate(dice: random.Random, update: bytes, corpus: list[bytes]) -> bytes:
    """Return a mutant of `update`, for which `corpus` lends parts."""
    for _ in range(dice.choice((1, 1, 1, 2, 3))):
        if dice.random() < 0.6:
            try:
                update = _mutate_fields(dice, decode(update))
                continue
            except (ValueError, IndexError, UnicodeError, Exception):  # a mutant already
                pass
        update = _mutate_bytes(dice, update, corpus)
    return update


def _mutate_bytes(dice: random.Random, update: bytes, corpus: list[bytes]) -> bytes:
    data = bytearray(update or b"\0")
    at = dice.randrange(len(data))
    end = min(len(data), at + dice.randint(1, 16))
    match dice.randrange(9):
        case 0:
            del data[at:]
        case 1:
            for _ in range(dice.randint(1, 4)):
                data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
        case 2:
            data[at : at + 1] = number(dice.choice(_EXTREMES))
        case 3:
            data[at:at] = data[at:end]
        case 4:
            data += dice.randbytes(dice.randint(1, 16))
        case 5:
            other = dice.choice(corpus)
            data[at:] = other[dice.randrange(len(other)) :]
        case 6:
            data[at] = dice.choice(_BYTES)
        case 7:
            data[at] = (data[at] + dice.choice((-1, 1))) & 0xFF
        case _:
            del data[at:end]
    return bytes(data)


def _mutate_fields(dice: random.Random, wire: Wire) -> bytes:
    clients = sorted({block.client for block in wire.blocks} | {client for client, _ in wire.deletions})
    clients = [*clients, 1, 7, 2**40] if clients else [7]
    if wire.deletions and (not wire.blocks or dice.random() < 0.3):
        _mutate_deletions(dice, wire, clients)
    elif wire.blocks:
        block = dice.choice(wire.blocks)
        match dice.randrange(7):
            case 0:
                block.client = dice.choice(clients)
            case 1:
                block.clock = max(0, block.clock + dice.choice((-2, -1, 1, 2)))
            case 2:
                wire.blocks.append(Block(dice.choice(clients), dice.randrange(20), list(block.items)))
            case 3:
                dice.shuffle(block.items)
            case _:
                if block.items:
                    _mutate_item(dice, dice.choice(block.items), clients)
    if dice.random() < 0.15:
        wire.deletions.append((dice.choice(clients), [(dice.randrange(30), dice.randint(0, 4))]))
    return wire.encode()


def _mutate_item(dice: random.Random, item: Item, clients: list[int]) -> None:
    match dice.randrange(8):
        case 0:
            item.left, item.right = item.right, item.left
        case 1:
            item.left = (dice.choice(clients), dice.randrange(40))
        case 2:
            item.right = (dice.choice(clients), dice.randrange(40))
        case 3:
            item.left = (dice.choice(clients), dice.randrange(40)) if dice.random() < 0.5 else None
            item.right = (dice.choice(clients), dice.randrange(40)) if dice.random() < 0.5 else None
        case 4:
            item.content = dice.choice((0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10))
            item.length = dice.choice((1, 2, 5, *_EXTREMES))
        case 5:
            item.text = dice.choice(_TEXTS)
        case 6:
            item.root = dice.choice((b"codemirror", b"t", b"", b"codemirrorx"))
        case _:
            side = item.left or item.right
            if side:
                moved = (side[0], max(0, side[1] + dice.choice((-1, 1))))
                item.left, item.right = (moved, item.right) if item.left else (item.left, moved)


def _mutate_deletions(dice: random.Random, wire: Wire, clients: list[int]) -> None:
    index = dice.randrange(len(wire.deletions))
    client, ranges = wire.deletions[index]
    if dice.random() < 0.3:
        client = dice.choice(clients)
    if ranges:
        at = dice.randrange(len(ranges))
        clock, length = ranges[at]
        clock = max(0, clock + dice.choice((-1, 0, 0, 1)))
        ranges[at] = (clock, max(0, length + dice.choice((-1, 0, 1, 2, 2**31))))
        if dice.random() < 0.2:
            ranges.append(dice.choice(ranges))
    wire.deletions[index] = (client, ranges)
