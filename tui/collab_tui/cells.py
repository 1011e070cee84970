"""A line laid out in cells: which column of the text stands in which cell of the screen.

A line becomes runs. Most are uniform (every character one column and one or two cells wide), so that
plain text costs a regular expression and no loop; tabs and grapheme clusters are runs of their own.
Of a long line, the size of its pieces is known; only those that are looked at are laid out in runs.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from functools import cache
from itertools import accumulate
from operator import attrgetter
from typing import Final, NamedTuple

from rich.cells import cell_len

from collab_tui.safe_text import crop_cells, safe_text

TAB_CELLS: Final = 4

CLUSTER_CELLS: Final = 4
"""Cells of one cluster at most; what is wider (tags, very many joiners) is drawn in part."""

_CLUSTER_MOST: Final = 32
"""Code points drawn of one cluster; more than Unicode's stream-safe form has (UAX #15 section 13)."""

_CARRIER: Final = "\u25cc"
"""A dotted circle: what carries a combining mark that has nothing before it."""

_NARROW: Final = (
    " -~\u00a1-\u00a8\u00aa-\u00ac\u00af-\u02ff\u0370-\u0377\u037a-\u037f\u038e-\u03ff"
    "\u0400-\u0482\u048a-\u052f"
)
WIDE: Final = "\u3001-\u3029\u3041-\u3096\u309b-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7a3\uff01-\uff60"
_PLAIN: Final = _NARROW + WIDE

_JOINS_NEXT: Final = (
    # Hangul leading consonants and Prepend (UAX #29, GB6 and GB9b): one cluster with a plain character behind
    "\u1100-\u115f\ua960-\ua97c\u0600-\u0605\u06dd\u070f\u0890\u0891\u08e2\u0d4e\U000110bd\U000110cd"
    "\U000111c2\U000111c3\U000113d1\U0001193f\U00011941\U00011a84-\U00011a89\U00011d46\U00011f02"
)

_ODD: Final = frozenset("\ufe0f\u20e3")
"""Marks that change how wide what they stand on is, or not, as the terminal sees it."""

_LONG: Final = 1024
"""Columns of a line that is worth remembering, and about those of a piece of it."""

_MARGIN: Final = 64
"""Columns that are looked at to see where the cluster ends at which a piece is cut; more if it is longer."""

_NEAR_MOST: Final = 4
"""Pieces of a line that stay laid out: what is on a row of the screen, and where the caret is."""

_LAYOUTS_MOST: Final = 64
_COLUMNS_MOST: Final = 4_000_000
"""What `Layouts` remembers: a screen full of long lines, and a few versions of a very long one."""
_COLUMN: Final = attrgetter("column")
_CELL: Final = attrgetter("cell")


@cache
def _token() -> re.Pattern[str]:
    """Compile what parts a line into runs; 12 ms, so not before a line needs it."""
    # A uniform run gives its last character back when what follows may combine with it.
    return re.compile(
        f"(?P<narrow>[{_NARROW}]+(?=[{_PLAIN}\t]|$))|(?P<wide>[{WIDE}]+(?=[{_PLAIN}\t]|$))"
        f"|(?P<tab>\t)|[{_PLAIN}]?(?:[^{_PLAIN}\t]|(?<=[{_JOINS_NEXT}])[{_PLAIN}])+"
    )


@cache
def _narrow() -> re.Pattern[str]:
    return re.compile(f"[{_NARROW}]*")


class Run(NamedTuple):
    """A stretch of a line: `columns` from `column` on, drawn as `text` in `cells` from `cell` on.

    Uniform runs draw character i of `text` for column `column + i`, each in `unit` cells; in others
    `unit` is 0, and all columns share the cells. Terminals do not agree on the width of an odd one.
    """

    column: int
    columns: int
    cell: int
    cells: int
    text: str
    unit: int
    is_odd: bool = False


def runs(line: str, left: int = 0, right: int | None = None) -> Iterator[Run]:
    """Do what `Layouts.runs` does, and remember nothing."""
    return Layouts().runs(line, left, right)


def cell_at(line: str, column: int) -> int:
    """Do what `Layouts.cell_at` does, and remember nothing."""
    return Layouts().cell_at(line, column)


def column_at(line: str, cell: int) -> int:
    """Do what `Layouts.column_at` does, and remember nothing."""
    return Layouts().column_at(line, cell)


def cells_of(line: str) -> int:
    """Return how many cells `line` takes."""
    return Layouts().cells_of(line)


def cluster_end(line: str, column: int) -> int:
    """Return the column after the cluster at `column`."""
    if column + 1 >= len(line) or (line[column] < "\x80" and line[column + 1] < "\x80"):
        return column + 1
    from collab_client.clusters import next_boundary  # loaded with the buffer, after the first paint

    return next_boundary(line, column)


def is_cells(line: str) -> bool:
    """Whether every column is one cell."""
    return line.isascii() and "\t" not in line


def is_narrow(line: str) -> bool:
    """Whether every column is one cell: `is_cells`, or a short line of Latin, Greek or Cyrillic."""
    return is_cells(line) or (len(line) < _LONG and _narrow().fullmatch(line) is not None)


def widest(cluster: str) -> int:
    """Return the cells that a terminal takes at most which draws each code point by itself."""
    return sum(cell_len(character) for character in cluster)


class _Piece(NamedTuple):
    """Some columns of a line, and their `cells`: without a tab all of them, else those behind the first.

    How wide a tab is depends on where it stands; behind it, everything stands as it would in any line.
    """

    columns: int
    before_tab: int | None
    cells: int

    def end(self, cell: int, tab_cells: int) -> int:
        """Return the cell behind the piece when it begins in `cell`."""
        if self.before_tab is not None:
            cell += self.before_tab
            cell += tab_cells - cell % tab_cells
        return cell + self.cells


class Layout:
    """One line in cells, in pieces of about a thousand columns."""

    __slots__ = ("_cells", "_columns", "_near", "_pieces", "_tab_cells", "line")

    def __init__(self, line: str, like: Layout | None = None, tab_cells: int = TAB_CELLS) -> None:
        """Measure `line`; of what it shares at its ends with the line of `like`, nothing is measured again.

        A million columns cost 15 ms of Latin or CJK text, and 3 s of clusters of several code points; an
        edit in them 2 to 20 ms.
        """
        self.line = line
        self._tab_cells = tab_cells
        self._near: dict[int, list[Run]] = {}
        if len(line) < _LONG:
            self._near[0] = list(_runs(line, 0, len(line), 0, tab_cells))
            self._pieces = [_Piece(len(line), None, sum(run.cells for run in self._near[0]))]
        else:
            self._pieces = _pieces(line, like, tab_cells)
        self._columns = list(accumulate((piece.columns for piece in self._pieces), initial=0))
        self._cells = [0]
        for piece in self._pieces:
            self._cells.append(piece.end(self._cells[-1], tab_cells))

    def runs(self, left: int = 0, right: int | None = None) -> Iterator[Run]:
        """Yield the runs that touch cells [left, right)."""
        right = self._cells[-1] if right is None else min(right, self._cells[-1])
        for index in range(_index(self._cells, left), bisect_left(self._cells, right)):
            for run in self._runs_of(index):
                if run.cell >= right:
                    return
                if run.cell + run.cells > left:
                    yield run

    def cell_at(self, column: int) -> int:
        """Return the cell where `column` begins; inside a cluster, where the cluster begins."""
        if column >= len(self.line):
            return self._cells[-1]
        runs = self._runs_of(_index(self._columns, column))
        run = runs[bisect_right(runs, column, key=_COLUMN) - 1]
        return run.cell + (column - run.column) * run.unit

    def column_at(self, cell: int) -> int:
        """Return the column nearest to `cell`: a click on a wide cluster's right half is after it."""
        cell = max(0, cell)
        if cell >= self._cells[-1]:
            return len(self.line)
        run = self._run_at(cell)
        within = cell - run.cell
        if run.unit:
            return run.column + (within + run.unit // 2) // run.unit
        return run.column + (run.columns if 2 * within >= run.cells > 1 else 0)

    def cut_at(self, cell: int) -> int:
        """Return the column of the cluster that covers `cell`; the line's end beyond it."""
        if cell >= self._cells[-1]:
            return len(self.line)
        run = self._run_at(cell)
        return run.column + ((cell - run.cell) // run.unit if run.unit else 0)

    def is_edge(self, column: int) -> bool:
        """Whether what is drawn at `column` begins there."""
        return column == 0 or self.cell_at(column - 1) < self.cell_at(column)

    def _run_at(self, cell: int) -> Run:
        runs = self._runs_of(_index(self._cells, cell))
        return runs[bisect_right(runs, cell, key=_CELL) - 1]

    def _runs_of(self, index: int) -> list[Run]:
        """Lay one piece out; the last ones stay at hand."""
        near = self._near.get(index)
        if near is None:
            if len(self._near) >= _NEAR_MOST:
                del self._near[next(iter(self._near))]
            start, end = self._columns[index : index + 2]
            near = self._near[index] = list(_runs(self.line, start, end, self._cells[index], self._tab_cells))
        return near


class Layouts:
    """Answers what the functions do, and remembers the layouts of long lines."""

    def __init__(self, tab_cells: int = TAB_CELLS) -> None:
        """Tabs reach to the next multiple of `tab_cells`."""
        self.tab_cells = tab_cells
        self._kept: list[Layout] = []

    def set_tab_cells(self, tab_cells: int) -> None:
        """Have tabs another width; layouts that were handed out keep theirs."""
        self.tab_cells = tab_cells
        self._kept.clear()

    def of(self, line: str) -> Layout:
        """Return the layout of `line`, made from that of a line like it where there is one."""
        for index, kept in enumerate(self._kept):
            if kept.line is line:
                self._kept.append(self._kept.pop(index))
                return kept
        if len(line) < _LONG:
            return Layout(line, tab_cells=self.tab_cells)
        like = next((kept for kept in reversed(self._kept) if _is_like(kept.line, line)), None)
        layout = Layout(line, like, self.tab_cells)
        self._kept.append(layout)
        columns = sum(len(kept.line) for kept in self._kept)
        while len(self._kept) > _LAYOUTS_MOST or (columns > _COLUMNS_MOST and len(self._kept) > 2):
            columns -= len(self._kept.pop(0).line)
        return layout

    def runs(self, line: str, left: int = 0, right: int | None = None) -> Iterator[Run]:
        """Yield the runs of `line` that touch cells [left, right), without gaps, safe for a terminal."""
        if not is_cells(line):
            yield from self.of(line).runs(left, right)
            return
        first, last = max(0, left), len(line) if right is None else max(0, min(right, len(line)))
        part = line[first:last]
        if not part.isprintable():
            yield from _runs(line, first, last, first, self.tab_cells)
        elif part:
            yield Run(first, len(part), first, len(part), part, 1)

    def cell_at(self, line: str, column: int) -> int:
        """Return the cell where `column` begins; inside a cluster, where the cluster begins."""
        return min(column, len(line)) if is_cells(line) else self.of(line).cell_at(column)

    def column_at(self, line: str, cell: int) -> int:
        """Return the column nearest to `cell`: a click on a wide cluster's right half is after it."""
        return max(0, min(cell, len(line))) if is_cells(line) else self.of(line).column_at(cell)

    def cells_of(self, line: str) -> int:
        """Return how many cells `line` takes."""
        return self.cell_at(line, len(line))


def shared_ends(old: str, new: str) -> tuple[int, int]:
    """Return how many characters both begin with, and how many more both end with. Costs O(length)."""
    most = min(len(old), len(new))
    before, behind = 0, most
    while before < behind:
        middle = (before + behind + 1) // 2
        if old[before:middle] == new[before:middle]:
            before = middle
        else:
            behind = middle - 1
    old, new, most = old[before:], new[before:], most - before
    low, high = 0, most
    while low < high:
        middle = (low + high + 1) // 2
        if old[len(old) - middle : len(old) - low] == new[len(new) - middle : len(new) - low]:
            low = middle
        else:
            high = middle - 1
    return before, low


def _is_like(old: str, new: str) -> bool:
    """Whether most of `new` is what `old` begins and ends with."""
    return (old[:64] == new[:64] or old[-64:] == new[-64:]) and 2 * sum(shared_ends(old, new)) > len(new)


def _index(totals: list[int], place: int) -> int:
    """Return the piece that holds `place`, of which `totals` are the starts and the end of the last."""
    return max(0, min(bisect_right(totals, place) - 1, len(totals) - 2))


def _pieces(line: str, like: Layout | None, tab_cells: int) -> list[_Piece]:
    """Measure a long line; where it is as that of `like`, nothing is measured again."""
    pieces: list[_Piece] = []
    later: list[_Piece] = []
    columns = [len(line)]  # where `later` begin, but for `shift`
    start = known = shift = 0
    if like is not None and len(like.line) >= _LONG:
        before, behind = shared_ends(like.line, line)
        later, columns = like._pieces, like._columns
        kept = max(0, bisect_right(columns, before) - 2)  # a piece's end depends on the cluster behind it
        pieces, start = later[:kept], columns[kept]
        shift = len(line) - len(like.line)
        known = bisect_left(columns, len(like.line) - behind)
    while start < len(line):
        if columns[known] + shift == start:
            return pieces + later[known:]
        while columns[known] + shift < min(start + _LONG // 2, len(line)):
            known += 1
        there = columns[known] + shift
        pieces.append(
            _measure(line, start, there if there <= start + 2 * _LONG else start + _LONG, tab_cells)
        )
        start += pieces[-1].columns
    return pieces


def _measure(line: str, start: int, target: int, tab_cells: int) -> _Piece:
    """Measure from cluster to cluster: from `start` to the first one that does not begin before `target`."""
    stop = target + _MARGIN
    while True:
        stop = min(stop, len(line))
        before_tab: int | None = None
        cells, end = 0, len(line)
        for run in _runs(line, start, stop, 0, tab_cells):
            if run.unit and run.column <= target < run.column + run.columns:
                cells, end = cells + (target - run.column) * run.unit, target
                break
            # The last run may go on behind `stop`.
            if run.column >= target and (run.column + run.columns < stop or stop == len(line)):
                end = run.column
                break
            if before_tab is None and line[run.column] == "\t":
                before_tab, cells = cells, 0
            else:
                cells += run.cells
        if end < len(line) or stop == len(line):
            return _Piece(end - start, before_tab, cells)
        stop += stop - start


def _runs(line: str, start: int, end: int, cell: int, tab_cells: int) -> Iterator[Run]:
    """Lay the columns [start, end) out from `cell` on; both are edges of clusters."""
    for match in _token().finditer(line, start, end):
        text, kind, column = match[0], match.lastgroup, match.start()
        size = len(text)
        if kind == "narrow" or kind == "wide":
            unit = 1 if kind == "narrow" else 2
            yield Run(column, size, cell, unit * size, text, unit)
            cell += unit * size
        elif kind == "tab":
            cells = tab_cells - cell % tab_cells
            yield Run(column, 1, cell, cells, " " * cells, 0)
            cell += cells
        else:
            for run in _clusters(text, column, cell):
                yield run
                cell += run.cells


def _clusters(text: str, column: int, cell: int) -> Iterator[Run]:
    from wcwidth import iter_graphemes  # as the buffer cuts them; it takes long to load

    # Whether a joiner may be drawn depends on its cluster alone.
    is_safe = len(text) < _LONG and "\u200d" not in text and safe_text(text) == text
    run: Run | None = None
    for cluster in iter_graphemes(text):
        drawn = cluster[:_CLUSTER_MOST]
        drawn = crop_cells(drawn if is_safe else safe_text(drawn), CLUSTER_CELLS)
        size, cells = len(cluster), cell_len(drawn)
        if cells == 0 and run is not None:
            # A terminal puts it on what stands before, though Unicode counts it by itself (some vowel signs).
            drawn = (run.text + drawn)[:_CLUSTER_MOST]
            run = run._replace(columns=run.columns + size, text=drawn, is_odd=_is_odd(drawn))
        else:
            if run is not None:
                yield run
            if cells == 0:
                drawn, cells = _CARRIER + drawn, 1
            run = Run(column, size, cell, cells, drawn, 0, size > 1 and _is_odd(drawn))
            cell += cells
        column += size
    if run is not None:
        yield run


def _is_odd(cluster: str) -> bool:
    """Whether terminals differ on the width of `cluster`: anything but a character with plain accents."""
    return any(c in _ODD or unicodedata.category(c) not in ("Mn", "Me") for c in cluster[1:])
