"""Where one's own changes are that nobody else has: found by their items, also after a restart."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from collab_client.lines import Lines
from collab_protocol.lib0 import GARBAGE, SKIP, Update, finish, parsing
from collab_protocol.limits import MERGED_ROWS
from collab_protocol.text import EMPTY_STATE_VECTOR, Replica, merge_rows

_LOOKED_UP_MOST: Final = 500
"""Places that are looked up at most: some 20 ms in a long history."""


def places_of(updates: Sequence[bytes], replica: Replica, lines: Lines) -> list[tuple[int, int]]:
    """Return the rows of `lines`, from first to before end, that `updates` have touched, in no order.

    All of them are in `replica`, whose text is `lines`. Of very many some are passed over.
    """
    places: list[tuple[int, int]] = []
    for begin in range(0, len(updates), MERGED_ROWS):
        merged = merge_rows(updates[begin : begin + MERGED_ROWS], EMPTY_STATE_VECTOR)
        for first, last in _ends(finish(parsing(merged))):
            if len(places) >= _LOOKED_UP_MOST:
                return places
            start, end = replica.index_of(*first), replica.index_of(*last)
            if start is not None and end is not None:
                places.append((lines.nearest(start).row, lines.nearest(end).row + 1))
    return places


def _ends(update: Update) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
    """Yield the first and last item of all that was put in, and of what was deleted, each end by itself.

    What was typed on behind what was typed before is one, though each key made a struct.
    """
    for block in update.blocks:
        first = last = -1
        for struct in block.structs:
            if struct.content in (GARBAGE, SKIP):
                continue
            if last < 0 or struct.left != (block.client, last):
                if last >= 0:
                    yield (block.client, first), (block.client, last)
                first = struct.clock
            last = struct.clock + struct.length - 1
        if last >= 0:
            yield (block.client, first), (block.client, last)
    for client, ranges in update.deletions.items():
        for clock, length in ranges:
            for item in dict.fromkeys(((client, clock), (client, clock + length - 1))):
                yield item, item
