"""Commands that give a buffer more carets of its own, and take them back."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from typing import Final, NamedTuple

from collab_client.buffer import Buffer
from collab_client.carets import Span, end_of_text
from collab_client.clusters import is_word, previous_boundary
from collab_client.lines import START, Lines, Position
from collab_client.motions import word_touched
from collab_client.own_carets import MOST_CARETS, check_count

_ROWS_MOST: Final = 256
"""A text of more rows is found nowhere else: each block of lines would be read with as many behind it."""

_REJECTED_MOST: Final = 200_000
"""Places in which a text is found, but within a word or a cluster; some 0.2 s."""

_Range = tuple[Position, Position]


def add_caret(buffer: Buffer, delta: int) -> None:
    """Add a caret a row above all others (-1) or below (1), in the cell of the outermost; it is primary.

    At the text's edge nothing happens. Raises EditError when there are too many.
    """
    buffer.add_beside(delta)


def add_next_occurrence(buffer: Buffer) -> bool:
    """Select the word at each caret that selects nothing; or else one place more with the primary's text.

    It is the next one behind the primary selection, from the text's end on at its start, and becomes the
    primary one. Upper and lower case differ; words that were picked so are found as whole words only. False
    when there is no word, or no other place. Costs O(text up to there). Raises EditError when there are too
    many.
    """
    spans = buffer.spans
    if spans[buffer.primary].is_bare:
        return _select_words(buffer)
    for place in _occurrences(buffer, spans[buffer.primary].end):
        if not _is_taken(spans, place):
            buffer.set_spans((*spans, _like_primary(buffer, place)), are_words=buffer.are_words)
            return True
    return False


def select_all_occurrences(buffer: Buffer) -> int:
    """Select every place with the text of the primary selection, or with the word there; return how many.

    Of more than MOST_CARETS it is those next to the primary one, which stays so, and MOST_CARETS + 1 is
    returned. 0 when there is no word. Costs O(text).
    """
    if buffer.selection is None and not _select_words(buffer):
        return 0
    primary = buffer.spans[buffer.primary]
    places = (place for place in _occurrences(buffer, primary.end) if not _is_taken((primary,), place))
    others = [_like_primary(buffer, place) for place in islice(places, MOST_CARETS)]
    buffer.set_spans((primary, *others[: MOST_CARETS - 1]), 0, are_words=buffer.are_words)
    return 1 + len(others)


def split_into_lines(buffer: Buffer) -> None:
    """Make of each selection a caret at its end, and at the end of every line above that it reaches.

    One that ends at the start of a line has none there. Raises EditError when there are too many.
    """
    lines = buffer.lines
    check_count(sum(span.end.row - span.start.row + 1 for span in buffer.spans))
    carets: list[Position] = []
    primary = 0
    for index, span in enumerate(buffer.spans):
        carets += [Position(row, len(lines.line(row))) for row in range(span.start.row, span.end.row)]
        if span.end.column or span.is_bare:
            carets.append(span.end)
        if index == buffer.primary:
            primary = len(carets) - 1
    buffer.set_spans([Span(place, place) for place in carets], primary)


def keep_primary(buffer: Buffer) -> bool:
    """Let all carets go but the primary one with its selection; False when it is alone."""
    if len(buffer.spans) == 1:
        return False
    buffer.set_spans((buffer.spans[buffer.primary],), are_words=buffer.are_words)
    return True


def _select_words(buffer: Buffer) -> bool:
    """Select the word at each caret that selects nothing; False when the primary one has none."""
    lines = buffer.lines
    spans = list(buffer.spans)
    for index, span in enumerate(spans):
        start, end = word_touched(lines, span.head)
        if span.is_bare and start < end and is_word(lines.line(start.row)[start.column]):
            spans[index] = Span(end, start)
    if spans[buffer.primary].is_bare:
        return False
    buffer.set_spans(spans, buffer.primary, are_words=True)
    return True


def _like_primary(buffer: Buffer, place: _Range) -> Span:
    start, end = place
    return Span(end, start) if buffer.head >= buffer.anchor else Span(start, end)


def _is_taken(spans: tuple[Span, ...], place: _Range) -> bool:
    """Whether one of `spans`, which are in order, selects something of `place`."""
    start, end = place
    at = bisect_right(spans, start, key=lambda span: span.end)
    return at < len(spans) and spans[at].start < end and not spans[at].is_bare


def _occurrences(buffer: Buffer, position: Position) -> Iterator[_Range]:
    """Find the primary's text behind `position`, then from the text's start up to there."""
    lines = buffer.lines
    needle = _Needle(buffer.selected_text, buffer.are_words)
    yield from _found(lines, needle, position)
    for place in _found(lines, needle, START):
        if place[0] >= position:
            return
        yield place


class _Needle(NamedTuple):
    text: str
    is_whole_word: bool

    def accepts(self, text: str, at: int) -> bool:
        """Whether both ends of the one found at `at` lie between clusters, and not in a word if so wished."""
        edges = [edge for edge in (at, at + len(self.text)) if 0 < edge < len(text)]
        if self.is_whole_word and any(is_word(text[edge - 1]) and is_word(text[edge]) for edge in edges):
            return False
        return all(previous_boundary(text, edge + 1) == edge for edge in edges)


def _found(lines: Lines, needle: _Needle, position: Position) -> Iterator[_Range]:
    """Find what starts at `position` or behind it, a block of lines at a time.

    It is given up where 200,000 places have been found that are none.
    """
    size, more = len(needle.text), needle.text.count("\n")
    if more >= _ROWS_MOST:
        return
    left = _REJECTED_MOST
    for first, text, limit in _pieces(lines.blocks(), position.row, more):
        row, line_at, counted, at = first, 0, 0, 0
        if first == position.row:
            at = position.column
        while 0 <= (at := text.find(needle.text, at)) < limit:
            if not needle.accepts(text, at):
                at += 1
                left -= 1
                if not left:
                    return
                continue
            breaks = text.count("\n", counted, at)
            if breaks:
                row, line_at = row + breaks, text.rfind("\n", counted, at) + 1
            counted = at
            start = Position(row, at - line_at)
            yield start, end_of_text(start, needle.text)
            at += size


def _pieces(blocks: list[tuple[str, ...]], row: int, more: int) -> Iterator[tuple[int, str, int]]:
    """Return the lines from `row` on as texts: its first row, the text, and where it ends.

    What stands behind that are `more` rows of the next ones, and belongs to them.
    """
    first = 0
    for index, block in enumerate(blocks):
        behind = first + len(block)
        if row < behind:
            rows: Iterable[str] = block[max(0, row - first) :]
            text = "\n".join(rows)
            rest = islice(chain.from_iterable(blocks[index + 1 :]), more + 1)
            yield max(first, row), "\n".join((text, *rest)), len(text) + 1
        first = behind
