"""A person's own carets in a text, and how they move over it; there is always at least one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from collab_client import clusters
from collab_client.carets import Passage, Span
from collab_client.lines import START, Lines, Position
from collab_protocol import limits
from collab_protocol.errors import EditError
from collab_protocol.presence import Caret

MOST_CARETS: Final = 1000
"""What one person may have. A key at each of 1,000 takes some 40 ms; the others are shown `limits.CARETS`."""


class OwnCarets:
    """The own carets, in text order and never overlapping; one of them is the primary one.

    Selections that touch stay apart, a caret at the end of a selection is one with it.
    """

    def __init__(self, lines: Lines) -> None:
        """`lines` stay the owner's, who brings the carets through what changes in them."""
        self.lines = lines
        self._spans: tuple[Span, ...] = (Span(START, START),)
        self._primary = 0
        self._goal_cells: dict[Position, int] = {}
        """From which cell a move by rows began, for each head; empty after anything else."""
        self._are_words = False

    def _moved(self) -> None:
        """The person has moved a caret."""

    # What there is

    @property
    def spans(self) -> tuple[Span, ...]:
        """Every caret with its selection, in text order."""
        return self._spans

    @property
    def primary(self) -> int:
        """Which of `spans` is the primary one: the one in view, and the one that stays."""
        return self._primary

    @property
    def are_words(self) -> bool:
        """Whether the selections were picked as whole words, and nothing has moved since."""
        return self._are_words

    @property
    def head(self) -> Position:
        """The primary caret."""
        return self._spans[self._primary].head

    @property
    def anchor(self) -> Position:
        """Its selection's other end; the caret itself when nothing is selected."""
        return self._spans[self._primary].anchor

    @property
    def selection(self) -> tuple[Position, Position] | None:
        """The range that the primary caret selects, its start first; None when it selects nothing."""
        span = self._spans[self._primary]
        return None if span.head == span.anchor else (span.start, span.end)

    @property
    def selected_text(self) -> str:
        """The text that the primary caret selects; empty when it selects nothing."""
        return "" if self.selection is None else self.lines.slice(*self.selection)

    @property
    def selected_texts(self) -> tuple[str, ...]:
        """The texts of all selections, in text order; carets that select nothing have none."""
        return tuple(
            self.lines.slice(span.start, span.end) for span in self._spans if span.head != span.anchor
        )

    def carets_to_send(self) -> tuple[Caret, ...]:
        """Return the own carets as the wire has them, the primary first; of many, those around it."""
        spans, primary = self._spans, self._primary
        if len(spans) == 1:
            return (self._caret(spans[0]),)
        first = max(0, min(primary - limits.CARETS // 2, len(spans) - limits.CARETS))
        shown = [*spans[first:primary], *spans[primary + 1 : first + limits.CARETS]]
        return tuple(self._caret(span) for span in (spans[primary], *shown))

    # Moving; `extend` leaves the anchors where they are

    def set_spans(self, spans: Sequence[Span], primary: int = -1, *, are_words: bool = False) -> None:
        """Put the carets at `spans`, or the nearest places there are; `primary` is an index in them.

        There is at least one. Those that overlap or coincide become one. `are_words` is kept until the
        person moves.

        Raises:
            EditError: they are more than MOST_CARETS; nothing was changed.
        """
        self._go(self._clamped(spans), primary % len(spans))
        self._are_words = are_words

    def add_beside(self, delta: int) -> None:
        """Add a caret a row above all others (-1) or below (1), in the cell of the outermost; it is primary.

        At the text's edge nothing happens. Raises as `set_spans`.
        """
        outermost = self._spans[0 if delta < 0 else -1]
        cells = self._goal_of(outermost.head)
        row = (outermost.start if delta < 0 else outermost.end).row + delta
        if not 0 <= row < self.lines.row_count:
            return
        place = Position(row, clusters.column_at(self.lines.line(row), cells))
        goals = self._goal_cells
        self.set_spans((*self._spans, Span(place, place)))
        self._goal_cells = {**goals, outermost.head: cells, place: cells}

    def move_each(self, target: Callable[[Span], Position | None], *, extend: bool = False) -> None:
        """Move each caret to its `target`, or to the nearest place there is; None leaves it as it is."""
        spans = []
        for span in self._spans:
            place = target(span)
            if place is None:
                spans.append(span)
            else:
                place = self.lines.clamp(place)
                spans.append(Span(place, span.anchor if extend else place))
        self._go(spans, self._primary)

    def move_to(self, position: Position, extend: bool = False) -> None:
        """Move the primary caret to `position`, or to the nearest one there is; the others go."""
        place = self.lines.clamp(position)
        self._go([Span(place, self.anchor if extend else place)], 0)

    def move_left(self, extend: bool = False) -> None:
        """Move one cluster back, or to the selection's start."""
        if extend:
            self._each(lambda place: clusters.left_of(self.lines, place), extend)
        else:
            self.move_each(
                lambda span: clusters.left_of(self.lines, span.head) if span.is_bare else span.start
            )

    def move_right(self, extend: bool = False) -> None:
        """Move one cluster on, or to the selection's end."""
        if extend:
            self._each(lambda place: clusters.right_of(self.lines, place), extend)
        else:
            self.move_each(
                lambda span: clusters.right_of(self.lines, span.head) if span.is_bare else span.end
            )

    def move_rows(self, delta: int, extend: bool = False) -> None:
        """Move `delta` rows down, negative up; keeps to the cell from which such moves began.

        From the first row up it goes to the text's start, from the last one down to its end.
        """
        goals: dict[Position, int] = {}

        def target(span: Span) -> Position:
            cells = self._goal_of(span.head)
            place = clusters.rows_from(self.lines, span.head.row, delta, cells)
            goals.setdefault(place, cells)
            return place

        self.move_each(target, extend=extend)
        self._goal_cells = goals

    def move_word_left(self, extend: bool = False) -> None:
        """Move to the start of the word before, or over the line break."""
        self._each(lambda place: clusters.word_left_of(self.lines, place), extend)

    def move_word_right(self, extend: bool = False) -> None:
        """Move to the end of the word after, or over the line break."""
        self._each(lambda place: clusters.word_right_of(self.lines, place), extend)

    def line_start(self, extend: bool = False) -> None:
        """Move to the start of the line."""
        self._each(lambda place: Position(place.row, 0), extend)

    def line_end(self, extend: bool = False) -> None:
        """Move to the end of the line."""
        self._each(lambda place: Position(place.row, len(self.lines.line(place.row))), extend)

    def document_start(self, extend: bool = False) -> None:
        """Move to the start of the text."""
        self._each(lambda _: START, extend)

    def document_end(self, extend: bool = False) -> None:
        """Move to the end of the text."""
        end = self.lines.end
        self._each(lambda _: end, extend)

    def select_all(self) -> None:
        """Select the whole text; the caret stands at its end."""
        self._go([Span(self.lines.end, START)], 0)

    # Within

    def _each(self, target: Callable[[Position], Position], extend: bool) -> None:
        self.move_each(lambda span: target(span.head), extend=extend)

    def _goal_of(self, head: Position) -> int:
        """Return the cell that a caret at `head` keeps to when it moves by rows."""
        cells = self._goal_cells.get(head)
        return clusters.cells_before(self.lines.line(head.row), head.column) if cells is None else cells

    def _go(self, spans: Sequence[Span], primary: int) -> None:
        """Put the carets at `spans`, which exist, because the person moved."""
        before = self._spans, self._primary
        self._put(spans, primary)
        self._goal_cells, self._are_words = {}, False
        if (self._spans, self._primary) != before:
            self._moved()

    def _put(self, spans: Sequence[Span], primary: int) -> None:
        """Put the carets at `spans`, which exist, those made one that are to be."""
        if len(spans) == 1:
            self._spans, self._primary = tuple(spans), 0
            return
        merged, primary = merge_spans(spans, primary)
        check_count(len(merged))
        self._spans, self._primary = tuple(merged), primary

    def _shift(self, passage: Passage) -> None:
        """Bring the carets through a change of the text."""
        spans = self._spans
        if len(spans) == 1:
            self._spans = (passage.span(spans[0]),)
            return
        first, behind = passage.touched(spans)
        if first == behind:
            return
        shifted = [passage.span(span) for span in spans[first:behind]]
        merged, _ = merge_spans(shifted, 0)
        if len(merged) == len(shifted):
            self._spans = (*spans[:first], *shifted, *spans[behind:])
        else:
            self._put((*spans[:first], *shifted, *spans[behind:]), self._primary)

    def _clamped(self, spans: Iterable[Span]) -> list[Span]:
        """Return the nearest to `spans` that exist."""
        clamp = self.lines.clamp
        return [Span(clamp(span.head), clamp(span.anchor)) for span in spans]

    def _carets(self) -> tuple[Caret, ...]:
        carets = []
        mark, mark_utf8 = START, 0
        for span in self._spans:
            start = self.lines.offset_from(span.start, mark, mark_utf8)
            if span.is_bare:
                mark, mark_utf8 = span.head, start
                carets.append(Caret(start, start))
                continue
            mark, mark_utf8 = span.end, self.lines.offset_from(span.end, span.start, start)
            carets.append(Caret(start, mark_utf8) if span.head < span.anchor else Caret(mark_utf8, start))
        return tuple(carets)

    def _caret(self, span: Span) -> Caret:
        head = self.lines.offset(span.head)
        return Caret(head, head if span.is_bare else self.lines.offset(span.anchor))


def check_count(count: int) -> None:
    """Raise EditError when `count` is more carets than a person may have."""
    if count > MOST_CARETS:
        raise EditError(f"not done: there may be at most {MOST_CARETS:,} carets, not {count:,}")


def merge_spans(spans: Iterable[Span], primary: int) -> tuple[list[Span], int]:
    """Return `spans` in text order, those that overlap or coincide made one, and where the primary one is.

    Selections that only touch stay apart. One made of several selects what they did together, its head at
    the end where the primary one's was, else the first one's.
    """
    # What is in order already, as after nearly every edit and move, sorts in one pass.
    order = sorted(enumerate(spans), key=lambda pair: (pair[1].start, pair[1].end))
    merged: list[Span] = []
    where = 0
    start = end = Position(-1, -1)
    for index, span in order:
        low, high = span.start, span.end
        if merged and (low < end or (low == end and (start == end or low == high))):
            leads = index == primary or merged[-1].is_bare
            leader = span if leads and not span.is_bare else merged[-1]
            start, end = min(start, low), max(end, high)
            merged[-1] = Span(end, start) if leader.head >= leader.anchor else Span(start, end)
        else:
            start, end = low, high
            merged.append(span)
        if index == primary:
            where = len(merged) - 1
    return merged, where
