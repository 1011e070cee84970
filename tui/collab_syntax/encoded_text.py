"""A text as UTF-8 bytes with the lengths of its lines: what a parser reads and what edits change."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from collab_syntax.limits import MOST_BYTES


class Change(NamedTuple):
    """What an edit did, in bytes and in (row, byte column), as tree-sitter's `Tree.edit` takes it."""

    start_byte: int
    old_end_byte: int
    new_end_byte: int
    start_point: tuple[int, int]
    old_end_point: tuple[int, int]
    new_end_point: tuple[int, int]


class EncodedText:
    """A text whose rows can be replaced. Columns outside are code points, inside bytes."""

    def __init__(self, text: bytes) -> None:
        """Take a text in UTF-8. Costs O(text)."""
        self.content = bytearray(text)
        self._sizes = [len(line) + 1 for line in text.split(b"\n")]

    @property
    def row_count(self) -> int:
        """The number of lines; at least 1."""
        return len(self._sizes)

    def row_start(self, row: int) -> int:
        """Return the byte at which `row` begins; behind the last row, one beyond the text's end."""
        return sum(self._sizes[:row])

    def row_size(self, row: int) -> int:
        """Return the bytes of `row`, its break not counted."""
        return self._sizes[row] - 1

    def replace_rows(self, first_row: int, old_last_row: int, text: bytes) -> Change | None:
        """Put `text` in the place of these rows; return the least that changed, None for nothing.

        Raises:
            IndexError: a row does not exist.
            ValueError: the text would be too large.
        """
        if not 0 <= first_row <= old_last_row < len(self._sizes):
            raise IndexError(f"no rows {first_row} to {old_last_row} in a text of {len(self._sizes)}")
        start = self.row_start(first_row)
        old = self.content[start : start + sum(self._sizes[first_row : old_last_row + 1]) - 1]
        if len(self.content) - len(old) + len(text) > MOST_BYTES:
            raise ValueError("too large")
        before, behind = _common_ends(old, text)
        if before == len(old) == len(text):
            return None
        self.content[start + before : start + len(old) - behind] = text[before : len(text) - behind]
        self._sizes[first_row : old_last_row + 1] = [len(line) + 1 for line in text.split(b"\n")]
        return Change(
            start + before,
            start + len(old) - behind,
            start + len(text) - behind,
            _point(first_row, text, before),
            _point(first_row, old, len(old) - behind),
            _point(first_row, text, len(text) - behind),
        )

    def byte_of(self, row: int, column: int) -> int:
        """Return the byte at a place, the nearest that exists."""
        if row >= len(self._sizes):
            return len(self.content)
        start = self.row_start(row)
        line = self.content[start : start + self.row_size(row)]
        if line.isascii():
            return start + min(column, len(line))
        return start + len(line.decode("utf-8", "replace")[:column].encode())

    def place_of(self, point: tuple[int, int]) -> tuple[int, int]:
        """Return the place of a row and byte column."""
        row, column = point
        start = self.row_start(row)
        return row, len(self.content[start : start + column].decode("utf-8", "replace"))


def _point(first_row: int, text: bytes | bytearray, end: int) -> tuple[int, int]:
    return first_row + text.count(b"\n", 0, end), end - (text.rfind(b"\n", 0, end) + 1)


def _common_ends(old: bytes | bytearray, new: bytes) -> tuple[int, int]:
    """Return how many bytes, of whole characters, both begin with, and both end with behind these."""
    most = min(len(old), len(new))
    before = _common(most, lambda size: old[:size] == new[:size])
    while before and before < max(len(old), len(new)) and _is_inside(old, new, before):
        before -= 1
    most -= before
    behind = _common(most, lambda size: old[len(old) - size :] == new[len(new) - size :])
    while behind and new[len(new) - behind] & 0xC0 == 0x80:
        behind -= 1
    return before, behind


def _is_inside(old: bytes | bytearray, new: bytes, at: int) -> bool:
    """Whether a character goes on at byte `at` of either."""
    return (at < len(old) and old[at] & 0xC0 == 0x80) or (at < len(new) and new[at] & 0xC0 == 0x80)


def _common(most: int, is_common: Callable[[int], bool]) -> int:
    """Return the largest size up to `most` that is common, by halving: comparing slices is fast."""
    low, high = 0, most
    while low < high:
        middle = (low + high + 1) // 2
        if is_common(middle):
            low = middle
        else:
            high = middle - 1
    return low
