"""A line laid out in cells: which column of the text stands in which cell of the screen.

A line becomes runs. Most are uniform (every character one column and one or two cells wide), so that
plain text costs a regular expression and no loop; tabs and grapheme clusters are runs of their own.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import cache
from typing import Final, NamedTuple

from rich.cells import cell_len, split_graphemes

from collab_tui.safe_text import safe_text

TAB_CELLS: Final = 4

_CLUSTER_MOST: Final = 32
"""Code points drawn of one cluster; more than Unicode's stream-safe form has (UAX #15 section 13)."""

_CARRIER: Final = "\u25cc"
"""A dotted circle: what carries a combining mark that has nothing before it."""

_NARROW: Final = (
    " -~\u00a1-\u00a8\u00aa-\u00ac\u00af-\u02ff\u0370-\u0377\u037a-\u037f\u038e-\u03ff"
    "\u0400-\u0482\u048a-\u052f"
)
_WIDE: Final = "\u3001-\u3029\u3041-\u3096\u309b-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7a3\uff01-\uff60"
_PLAIN: Final = _NARROW + _WIDE

_ODD: Final = frozenset("\ufe0f\u20e3")
"""Marks that change how wide what they stand on is, or not, as the terminal sees it."""


@cache
def _token() -> re.Pattern[str]:
    """Compile what parts a line into runs; 12 ms, so not before a line needs it."""
    # A uniform run gives its last character back when what follows may combine with it.
    return re.compile(
        f"(?P<narrow>[{_NARROW}]+(?=[{_PLAIN}\t]|$))|(?P<wide>[{_WIDE}]+(?=[{_PLAIN}\t]|$))"
        f"|(?P<tab>\t)|[{_PLAIN}]?[^{_PLAIN}\t]+|[{_PLAIN}]"
    )


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


def runs(line: str) -> Iterator[Run]:
    """Yield the runs of `line`, left to right, without gaps, safe for a terminal."""
    if line.isascii() and line.isprintable():
        if line:
            yield Run(0, len(line), 0, len(line), line, 1)
        return
    column = cell = 0
    for match in _token().finditer("\t".join(safe_text(part) for part in line.split("\t"))):
        text, kind = match[0], match.lastgroup
        size = len(text)
        if kind == "narrow":
            yield Run(column, size, cell, size, text, 1)
            cell += size
        elif kind == "wide":
            yield Run(column, size, cell, 2 * size, text, 2)
            cell += 2 * size
        elif kind == "tab":
            cells = TAB_CELLS - cell % TAB_CELLS
            yield Run(column, 1, cell, cells, " " * cells, 0)
            cell += cells
        else:
            for run in _clusters(text, column, cell):
                yield run
                cell += run.cells
        column += size


def cell_at(line: str, column: int) -> int:
    """Return the cell where `column` begins; inside a cluster, where the cluster begins."""
    if _is_cells(line):
        return min(column, len(line))
    cell = 0
    for run in runs(line):
        if column < run.column + run.columns:
            return run.cell + (column - run.column) * run.unit
        cell = run.cell + run.cells
    return cell


def column_at(line: str, cell: int) -> int:
    """Return the column nearest to `cell`: a click on a wide cluster's right half is after it."""
    if _is_cells(line):
        return max(0, min(cell, len(line)))
    for run in runs(line):
        if cell < run.cell + run.cells:
            within = max(0, cell - run.cell)
            if run.unit:
                return run.column + (within + run.unit // 2) // run.unit
            return run.column + (run.columns if 2 * within >= run.cells and run.cells > 1 else 0)
    return len(line)


def cells_of(line: str) -> int:
    """Return how many cells `line` takes."""
    return cell_at(line, len(line))


def cluster_end(line: str, column: int) -> int:
    """Return the column after what is drawn at `column`."""
    if column + 1 >= len(line) or (line[column] < "\x80" and line[column + 1] < "\x80"):
        return column + 1
    for run in runs(line):
        if column < run.column + run.columns:
            return column + 1 if run.unit else run.column + run.columns
    return column + 1


def _is_cells(line: str) -> bool:
    """Whether every column is one cell."""
    return line.isascii() and "\t" not in line


def _clusters(text: str, column: int, cell: int) -> Iterator[Run]:
    spans = split_graphemes(text)[0]
    at = 0
    while at < len(spans):
        start, end, cells = spans[at]
        at += 1
        if _is_flag(text[start]) and at < len(spans) and _is_flag(text[spans[at][0]]):
            end, cells = spans[at][1], 2
            at += 1
        drawn = text[start : min(end, start + _CLUSTER_MOST)]
        if cells == 0:
            drawn, cells = _CARRIER + drawn, 1
        yield Run(column + start, end - start, cell, cells, drawn, 0, _is_odd(drawn))
        cell += cells


def _is_odd(cluster: str) -> bool:
    """Whether terminals differ on the width of `cluster`: anything but a character with plain accents."""
    return any(c in _ODD or unicodedata.category(c) not in ("Mn", "Me") for c in cluster[1:])


def _is_flag(character: str) -> bool:
    return "\U0001f1e6" <= character <= "\U0001f1ff"


def widest(cluster: str) -> int:
    """Return the cells that a terminal takes at most which draws each code point by itself."""
    return sum(cell_len(character) for character in cluster)
