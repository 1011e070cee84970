"""One row of the screen: a visual row of the text and what lies over it become a Strip.

    gutter          body                                        pad
    `B  12 a▎`      text cut at `left`, coloured, with spans     blanks, with chips over them

The gutter has who wrote the row (if that is shown), its number, who is there, and whether it has changed or
hides others.

Equal inks next to each other become one segment, because Textual writes a full SGR for each.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from operator import itemgetter
from typing import Final, NamedTuple

from rich.cells import cell_len
from rich.segment import ControlType, Segment
from rich.style import Style
from textual.strip import Strip

from collab_tui.cells import Layouts, Run, widest
from collab_tui.options import Options
from collab_tui.palette import Ink, Palette, Styles
from collab_tui.visual_row import VisualRow


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
    """What lies over one row: later spans over earlier ones, chips left to right, signs in the gutter.

    `sign` is that of who is in the row, `author` of who wrote it; `change` says that it is not what it was.
    """

    spans: tuple[Span, ...] = ()
    chips: tuple[Chip, ...] = ()
    sign: Chip | None = None
    is_current: bool = False
    change: Chip | None = None
    author: Chip | None = None


Colour = tuple[int, int, int]
"""What the columns [start, end) of a line are: (start, end, `collab_syntax.kinds.Kind`)."""

NO_MARKS: Final = RowMarks()

GUTTER_EXTRA: Final = 2
"""Cells of the gutter beside the digits: a sign and a blank."""


class Painter:
    """Makes strips of one palette."""

    def __init__(
        self, palette: Palette, options: Options, layouts: Layouts | None = None, *, is_ascii: bool = False
    ) -> None:
        """`layouts` may be shared with who wraps the lines."""
        self.palette = palette
        self._layouts = layouts or Layouts()
        self.options = options
        self._styles = Styles()
        self._inks: dict[tuple[int, Ink], Ink] = {}
        self._blank_sign, self._tab_sign, self._wrap_sign, self._fold_sign = ".>\\+" if is_ascii else "·→↪▸"

    def blank(self, width: int) -> Strip:
        """Return a row below the end of the text."""
        return Strip([Segment(" " * width, self._styles[self.palette.text])], width)

    def note(self, text: str, width: int) -> Strip:
        """Return a row that says something where there is no text yet."""
        shown = text[:width].ljust(width)
        return Strip([Segment(shown, self._styles[self.palette.gutter])], width)

    def row(
        self,
        shown: VisualRow,
        marks: RowMarks = NO_MARKS,
        colours: Sequence[Colour] = (),
        *,
        left: int,
        width: int,
        gutter: int,
        authors: int = 0,
    ) -> Strip:
        """Return a visual row, its text from cell `left` of it on, `width` cells in all.

        `gutter` cells of them, from the left, hold the number, where the line begins, and the signs;
        the first `authors` of those are who wrote the row.
        `colours` are those of the line, in order and not overlapping.
        """
        row = _Row(self._styles, gutter)
        base = self.palette.line.over(self.palette.text) if marks.is_current else self.palette.text
        if gutter:
            self._authors(row, marks, base, authors)
            self._gutter(row, shown, marks, base, gutter - authors)
        room = width - gutter
        spans = marks.spans
        if self.options.whitespace:
            spans = (*self._invisibles(shown), *spans)
        ruler = self.options.ruler - 1 - left
        if self.options.ruler and 0 <= ruler < room:
            column = self._layouts.of(shown.line).cut_at(shown.cell + self.options.ruler - 1)
            if column < shown.end:  # else it is drawn where the text has ended
                spans = (Span(column, column + 1, self.palette.ruler), *spans)
        else:
            ruler = room
        at = self._body(row, shown, colours, spans, base, left, room)
        for chip in marks.chips:
            if at <= chip.cell <= room:
                at = self._pad(row, at, chip.cell, base, ruler)
                row.put(chip.text, chip.ink, cell_len(chip.text))
                at = row.cell - gutter
        self._pad(row, at, room, base, ruler)
        return row.strip(width)

    def _gutter(self, row: _Row, shown: VisualRow, marks: RowMarks, base: Ink, gutter: int) -> None:
        ink = self.palette.gutter_line if marks.is_current else self.palette.gutter
        ink = Ink(bg=base.bg).over(ink)
        number = str(shown.row + 1) if shown.start == 0 else self._wrap_sign
        if not self.options.line_numbers:
            number = ""
        row.put(number.rjust(gutter - GUTTER_EXTRA), ink)
        if marks.sign is None:
            row.put(" ", ink)
        else:
            row.put(marks.sign.text, marks.sign.ink.over(base))  # numbers may be dim
        if shown.folded or marks.change is None:
            row.put(self._fold_sign if shown.folded else " ", ink)
        else:
            row.put(marks.change.text, marks.change.ink.over(base))

    def _authors(self, row: _Row, marks: RowMarks, base: Ink, cells: int) -> None:
        if marks.author is None:
            row.put(" " * cells, base)
        else:
            row.put(marks.author.text, marks.author.ink.over(base))
            row.put(" " * (cells - 1), base)

    def _invisibles(self, shown: VisualRow) -> Iterator[Span]:
        for match in _BLANKS.finditer(shown.line, shown.start, shown.end):
            yield Span(match.start(), match.end(), self.palette.invisible)

    def _pad(self, row: _Row, at: int, end: int, base: Ink, ruler: int) -> int:
        """Put blanks from cell `at` to before `end`; the ruler shows through."""
        if at <= ruler < end:
            row.put(" " * (ruler - at), base)
            row.put(" ", self.palette.ruler.over(base))
            at = ruler + 1
        row.put(" " * (end - at), base)
        return end

    def _body(
        self,
        row: _Row,
        shown: VisualRow,
        colours: Sequence[Colour],
        spans: Sequence[Span],
        base: Ink,
        left: int,
        room: int,
    ) -> int:
        """Put the visible part of the text and its line end; returns the cells that it took."""
        # Cells are counted from the line's beginning: tabs reach to multiples of theirs.
        line = shown.line
        left += shown.cell
        end = self._layouts.cell_at(line, shown.end)
        right = min(left + room, end)
        for whole in self._layouts.runs(line, left, right):
            is_tab = line[whole.column] == "\t"
            run = self._with_signs(_clipped(whole, left, right), is_tab)
            for part, below in self._coloured(run, colours, base):
                for text, cell, cells, ink in _pieces(part, spans, below, is_tab):
                    _put_cropped(row, text, cell, cells, ink, run, left, left + room, is_tab)
        at = max(0, min(end - left, room))
        if shown.is_last and left <= end < left + room:
            ink = _ink_at(spans, shown.end, shown.end + 1, base)
            if ink is not base:
                row.put(" ", ink)
                at += 1
        return at

    def _coloured(self, run: Run, colours: Sequence[Colour], base: Ink) -> Iterator[tuple[Run, Ink]]:
        """Yield `run`, cut where colours begin and end, with the ink that each part has."""
        at, end, unit = run.column, run.column + run.columns, run.unit
        for start, behind, kind in colours[bisect_right(colours, at, key=_END) :]:
            if start >= end:
                break
            if not unit:
                yield run, self._ink_of(kind, base)
                return
            if start > at:
                yield _part(run, at, start), base
                at = start
            yield _part(run, at, min(behind, end)), self._ink_of(kind, base)
            at = min(behind, end)
        if at < end:
            yield (run if at == run.column else _part(run, at, end)), base

    def _ink_of(self, kind: int, base: Ink) -> Ink:
        ink = self._inks.get((kind, base))
        if ink is None:
            ink = self._inks[kind, base] = self.palette.syntax[kind].over(base)
        return ink

    def _with_signs(self, run: Run, is_tab: bool) -> Run:
        """Return `run` with signs for what is blank, where those are to be shown."""
        if not self.options.whitespace:
            return run
        if is_tab:
            return run._replace(text=self._tab_sign + run.text[1:])
        if run.unit and " " in run.text:
            return run._replace(text=run.text.replace(" ", self._blank_sign))
        return run


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


_BLANKS: Final = re.compile(r"[ \t]+")
_END: Final = itemgetter(1)


def _ink_at(spans: Sequence[Span], start: int, end: int, base: Ink) -> Ink:
    ink = base
    for span in spans:
        if span.start < end and start < span.end:
            ink = span.ink.over(ink)
    return ink


def _clipped(run: Run, left: int, right: int) -> Run:
    """Return what of a run lies in cells [left, right), and half a character at either end."""
    if not run.unit or (left <= run.cell and run.cell + run.cells <= right):
        return run
    unit = run.unit
    first = max(0, (left - run.cell) // unit)
    behind = min(run.columns, -((run.cell - right) // unit))
    return Run(
        run.column + first,
        behind - first,
        run.cell + first * unit,
        (behind - first) * unit,
        run.text[first:behind],
        unit,
    )


def _part(run: Run, start: int, end: int) -> Run:
    """Return columns [start, end) of a uniform run."""
    first, columns = start - run.column, end - start
    text = run.text[first : first + columns]
    return Run(start, columns, run.cell + first * run.unit, columns * run.unit, text, run.unit)


def _pieces(run: Run, spans: Sequence[Span], base: Ink, is_tab: bool) -> Iterator[tuple[str, int, int, Ink]]:
    """Yield (text, cell, cells, ink) of `run`, cut where spans begin and end."""
    start, end = run.column, run.column + run.columns
    if not run.unit:
        ink = _ink_at(spans, start, end, base)
        if not is_tab:
            yield run.text, run.cell, run.cells, ink
            return
        yield run.text[0], run.cell, 1, ink
        rest = _ink_at([span for span in spans if not span.is_caret], start, end, base)
        yield run.text[1:], run.cell + 1, run.cells - 1, rest
        return
    if not spans:
        yield run.text, run.cell, run.cells, base
        return
    cuts = sorted({start, end, *(c for s in spans for c in (s.start, s.end) if start < c < end)})
    for a, b in pairwise(cuts):
        text = run.text[a - start : b - start]
        yield text, run.cell + (a - start) * run.unit, len(text) * run.unit, _ink_at(spans, a, b, base)


def _put_cropped(
    row: _Row, text: str, cell: int, cells: int, ink: Ink, run: Run, left: int, right: int, is_tab: bool
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
        row.put(text[first - cell : last - cell] if is_tab else " " * (last - first), ink)
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
