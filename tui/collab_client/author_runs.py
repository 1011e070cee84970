"""Who wrote each stretch of a text, in chunks, so that a change costs the same anywhere in it.

A run is so many bytes by one author; a chunk holds about 128 of them, and their sum. A list of running
totals over the chunks is kept right up to a mark, and brought up to date when somebody looks beyond it.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from itertools import accumulate
from typing import Final

UNKNOWN: Final = -1
"""Stands for an author whom nobody knows."""

_CHUNK_RUNS: Final = 128
_CHUNK_MOST: Final = 2 * _CHUNK_RUNS
_CHUNK_LEAST: Final = _CHUNK_RUNS // 4


class _Chunk:
    """Some runs in a row: `lengths` are theirs in UTF-8, `size_utf8` is the sum."""

    __slots__ = ("authors", "lengths", "size_utf8")

    def __init__(self, lengths: list[int], authors: list[int]) -> None:
        self.lengths = lengths
        self.authors = authors
        self.size_utf8 = sum(lengths)


class AuthorRuns:
    """The authors of a text, as numbers. Places and lengths are UTF-8 bytes."""

    def __init__(self) -> None:
        self._chunks = [_Chunk([], [])]
        self._starts = [0]  # bytes before chunk i

    @property
    def size_utf8(self) -> int:
        """The length of the text."""
        self._total()
        return self._starts[-1]

    def append(self, length_utf8: int, author: int) -> None:
        """Add what stands at the end."""
        last = self._chunks[-1]
        if last.authors and last.authors[-1] == author:
            last.lengths[-1] += length_utf8
        else:
            if len(last.authors) >= _CHUNK_RUNS:
                last = _Chunk([], [])
                self._chunks.append(last)
            last.lengths.append(length_utf8)
            last.authors.append(author)
        last.size_utf8 += length_utf8
        del self._starts[len(self._chunks) :]

    def splice(self, offset_utf8: int, deleted_utf8: int, added_utf8: int, author: int) -> None:
        """Let `deleted` bytes at `offset` go, and put `added` ones by `author` in their place."""
        first = self._find(offset_utf8)
        chunk = self._chunks[first]
        within = offset_utf8 - self._starts[first]
        ends = list(accumulate(chunk.lengths))
        run = bisect_left(ends, within)  # the one that ends there, before the one that begins there
        if not deleted_utf8 and run < len(ends) and chunk.authors[run] == author:
            chunk.lengths[run] += added_utf8
            chunk.size_utf8 += added_utf8
            del self._starts[first + 1 :]
            return
        last = self._find(offset_utf8 + deleted_utf8) if deleted_utf8 else first
        lengths, authors = chunk.lengths[:run], chunk.authors[:run]
        if run < len(ends):
            _add(lengths, authors, within - (ends[run - 1] if run else 0), chunk.authors[run])
        _add(lengths, authors, added_utf8, author)
        behind = offset_utf8 + deleted_utf8 - self._starts[last]
        chunk = self._chunks[last]
        if last != first:
            ends = list(accumulate(chunk.lengths))
        run = bisect_right(ends, behind)
        if run < len(ends):
            _add(lengths, authors, ends[run] - behind, chunk.authors[run])
            lengths += chunk.lengths[run + 1 :]
            authors += chunk.authors[run + 1 :]
        self._put(first, last + 1, lengths, authors)

    def between(self, start_utf8: int, end_utf8: int) -> list[tuple[int, int]]:
        """Return (length, author) of what stands from `start` to `end`, in order; no two alike in a row."""
        found: list[tuple[int, int]] = []
        index = self._find(start_utf8)
        at = self._starts[index]
        while index < len(self._chunks) and at < end_utf8:
            chunk = self._chunks[index]
            for length, author in zip(chunk.lengths, chunk.authors, strict=True):
                if at >= end_utf8:
                    break
                within = min(at + length, end_utf8) - max(at, start_utf8)
                at += length
                if within <= 0:
                    continue
                if found and found[-1][1] == author:
                    within += found.pop()[0]
                found.append((within, author))
            index += 1
        return found

    def _find(self, offset_utf8: int) -> int:
        """Return the chunk in which `offset` lies: of two that meet there, the later."""
        if offset_utf8 >= self._starts[-1]:
            self._total()
        return min(bisect_right(self._starts, offset_utf8), len(self._chunks)) - 1

    def _put(self, first: int, behind: int, lengths: list[int], authors: list[int]) -> None:
        """Put runs in the place of chunks `first` to before `behind`."""
        if len(lengths) < _CHUNK_LEAST and len(self._chunks) > behind - first:
            beside = behind if behind < len(self._chunks) else first - 1
            neighbour = self._chunks[beside]
            if beside == behind:
                lengths, authors = lengths + neighbour.lengths, authors + neighbour.authors
                behind += 1
            else:
                lengths, authors = neighbour.lengths + lengths, neighbour.authors + authors
                first -= 1
        if len(lengths) <= _CHUNK_MOST:
            self._chunks[first:behind] = [_Chunk(lengths, authors)]
        else:
            self._chunks[first:behind] = [
                _Chunk(lengths[at : at + _CHUNK_RUNS], authors[at : at + _CHUNK_RUNS])
                for at in range(0, len(lengths), _CHUNK_RUNS)
            ]
        del self._starts[first + 1 :]

    def _total(self) -> None:
        known = len(self._starts) - 1
        if known < len(self._chunks):
            rest = [chunk.size_utf8 for chunk in self._chunks[known:]]
            self._starts[known:] = accumulate(rest, initial=self._starts[known])


def _add(lengths: list[int], authors: list[int], length: int, author: int) -> None:
    """Add a run, unless it is empty; one by the last run's author makes that longer."""
    if length <= 0:
        return
    if authors and authors[-1] == author:
        lengths[-1] += length
    else:
        lengths.append(length)
        authors.append(author)
