"""One row of the screen: a line of text and what lies over it become a Strip.

    gutter          body                                   pad
    ` 12 a `        text cut at `left`, with spans          blanks, with chips over them

Equal inks next to each other become one segment, because Textual writes a full SGR for each.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, NamedTuple

from rich.segment import ControlType, Segment
from rich.style import Style
from textual.strip import Strip

from collab_tui.cells import Run, cell_at, runs, widest
from collab_tui.palette import Ink, Palette, Styles


class Span(NamedTuple):
    """Ink over the columns [start, end) of a line; the column after its last is the line's end."""

    start: int
    end: int
    ink: Ink
    is_caret: bool = False
    """A caret covers the first cell of a tab, a selection all of them."""


class Chip(NamedTuple):
    """A short text over blank cells; `cell` counts from the left of the visible text."""

    cell: int
    text: str
    ink: Ink


@dataclass(frozen=True, slots=True)
class RowMarks:
    """What lies over one row: later spans over earlier ones, chips left to right, a sign in the gutter."""

    spans: tuple[Span, ...] = ()
    chips: tuple[Chip, ...] = ()
    sign: Chip | None = None
    is_current: bool = False


NO_MARKS: Final = RowMarks()

GUTTER_EXTRA: Final = 2
"""Cells of the gutter beside the digits: a sign and a blank."""


class Painter:
    """Makes strips of one palette."""

    def __init__(self, palette: Palette) -> None:
        self.palette = palette
        self._styles = Styles()

    def blank(self, width: int) -> Strip:
        """Return a row below the end of the text."""
        return Strip([Segment(" " * width, self._styles[self.palette.text])], width)

    def note(self, text: str, width: int) -> Strip:
        """Return a row that says something where there is no text yet."""
        shown = text[:width].ljust(width)
        return Strip([Segment(shown, self._styles[self.palette.gutter])], width)

    def row(
        self, line: str, number: int, marks: RowMarks = NO_MARKS, *, left: int, width: int, gutter: int
    ) -> Strip:
        """Return line `number` (from 1), its text from cell `left` on, `width` cells in all.

        `gutter` cells of them, from the left, hold the number and the sign.
        """
        row = _Row(self._styles, gutter)
        palette = self.palette
        base = palette.line.over(palette.text) if marks.is_current else palette.text
        ink = palette.gutter_line if marks.is_current else palette.gutter
        ink = Ink(bg=base.bg).over(ink)
        row.put(f"{number:>{gutter - GUTTER_EXTRA}}", ink)
        if marks.sign is None:
            row.put("  ", ink)
        else:
            row.put(marks.sign.text, marks.sign.ink.over(ink))
            row.put(" ", ink)
        room = width - gutter
        at = self._body(row, line, marks.spans, base, left, room)
        for chip in marks.chips:
            if at <= chip.cell <= room:
                row.put(" " * (chip.cell - at), base)
                row.put(chip.text, chip.ink)
                at = row.cell - gutter
        row.put(" " * (room - at), base)
        return row.strip(width)

    def _body(self, row: _Row, line: str, spans: Sequence[Span], base: Ink, left: int, room: int) -> int:
        """Put the visible part of the text and its line end; returns the cells that it took."""
        right = left + room
        for run in runs(line):
            if run.cell >= right:
                return room
            if run.cell + run.cells <= left:
                continue
            for text, cell, cells, ink in _pieces(run, spans, base):
                _put_cropped(row, text, cell, cells, ink, run, left, right)
        end = cell_at(line, len(line))
        at = max(0, min(end - left, room))
        if left <= end < right:
            ink = _ink_at(spans, len(line), len(line) + 1, base)
            if ink is not base:
                row.put(" ", ink)
                at += 1
        return at


class _Row:
    """Segments under way, equal inks merged."""

    def __init__(self, styles: Styles, origin: int) -> None:
        self._styles = styles
        self._segments: list[Segment] = []
        self._texts: list[str] = []
        self._ink: Ink | None = None
        self._origin = origin
        self.cell = 0

    def put(self, text: str, ink: Ink, cells: int | None = None) -> None:
        if not text:
            return
        if ink != self._ink:
            self._flush()
            self._ink = ink
        self._texts.append(text)
        self.cell += len(text) if cells is None else cells

    def put_odd(self, cluster: str, ink: Ink, cells: int) -> None:
        """Put a cluster that terminals measure differently, and say where the next cell is."""
        self.put(cluster, ink, cells)
        self._flush()
        self._segments.append(
            # With a style, though an empty one: Textual's NO_COLOR filter does not expect None.
            Segment(f"\x1b[{self.cell + 1}G", Style(), [(ControlType.CURSOR_MOVE_TO_COLUMN, self.cell)])
        )

    def strip(self, width: int) -> Strip:
        self._flush()
        return Strip(self._segments, width)

    def _flush(self) -> None:
        if self._texts and self._ink is not None:
            self._segments.append(Segment("".join(self._texts), self._styles[self._ink]))
        self._texts = []
        self._ink = None


def _ink_at(spans: Sequence[Span], start: int, end: int, base: Ink) -> Ink:
    ink = base
    for span in spans:
        if span.start < end and start < span.end:
            ink = span.ink.over(ink)
    return ink


def _pieces(run: Run, spans: Sequence[Span], base: Ink) -> Iterator[tuple[str, int, int, Ink]]:
    """Yield (text, cell, cells, ink) of `run`, cut where spans begin and end."""
    start, end = run.column, run.column + run.columns
    if not run.unit:
        ink = _ink_at(spans, start, end, base)
        if run.text[0] != " ":
            yield run.text, run.cell, run.cells, ink
            return
        yield " ", run.cell, 1, ink
        rest = _ink_at([span for span in spans if not span.is_caret], start, end, base)
        yield run.text[1:], run.cell + 1, run.cells - 1, rest
        return
    cuts = sorted({start, end, *(c for s in spans for c in (s.start, s.end) if start < c < end)})
    for a, b in pairwise(cuts):
        text = run.text[a - start : b - start]
        yield text, run.cell + (a - start) * run.unit, len(text) * run.unit, _ink_at(spans, a, b, base)


def _put_cropped(
    row: _Row, text: str, cell: int, cells: int, ink: Ink, run: Run, left: int, right: int
) -> None:
    """Put what of a piece lies in [left, right); blanks stand for half a character."""
    if left <= cell and cell + cells <= right:
        if not run.is_odd:
            row.put(text, ink, cells)
        elif cell + widest(text) <= right:
            row.put_odd(text, ink, cells)
        else:
            row.put(" " * cells, ink)
        return
    first, last = max(cell, left), min(cell + cells, right)
    if first >= last:
        return
    if not run.unit:
        row.put(" " * (last - first), ink)
        return
    unit = run.unit
    begin, end = -((cell - first) // unit), (last - cell) // unit
    before, after = cell + begin * unit - first, last - (cell + end * unit)
    if begin >= end:
        row.put(" " * (last - first), ink)
        return
    row.put(" " * before, ink)
    row.put(text[begin:end], ink, (end - begin) * unit)
    row.put(" " * after, ink)
