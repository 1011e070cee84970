"""The colours of one text: what the parser process said last, carried along with every edit since.

    buffer ── Change ──▶ Syntax ── rows ──▶ ParserProcess ═ worker
    editor ◀── colours of a row ── Syntax ◀── Colours of an earlier version of the text ──╯

A key is painted in the colours that were there; the right ones come some milliseconds later, for the rows
that are looked at and as many above and below. Without a parser, or when it fails, text is plain.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from collab_syntax.limits import MOST_LINE_BYTES
from collab_tui.cells import shared_ends
from collab_tui.painting import Colour

if TYPE_CHECKING:
    from collab_client.buffer import Change
    from collab_client.lines import Lines
    from collab_syntax.languages import Language
    from collab_syntax.parser_process import Colours, ParserProcess


_ROWS_MOST: Final = 5000
"""Rows whose colours are kept, though they may not be looked at any more."""


class _Row(NamedTuple):
    """The colours of a row when it held `line`."""

    line: str
    colours: tuple[Colour, ...]


class Syntax:
    """Colours the rows of `lines`. It calls `on_colours()` when some may be others than they were."""

    def __init__(
        self, lines: Lines, *, on_colours: Callable[[], None], on_failed: Callable[[str], None]
    ) -> None:
        """`on_failed(reason)` is called when the text stays plain, though its language has a grammar."""
        self.parser: ParserProcess | None = None
        """Knows the tree of the text; None when there is none."""
        self._lines = lines
        self._on_colours = on_colours
        self._on_failed = on_failed
        self._rows: dict[int, _Row] = {}
        self._since: list[Change] = []  # what was edited since the text that the last colours are of
        self._version = 0
        self._seen: list[tuple[int, int]] = []

    def speak(self, language: Language) -> None:
        """Colour the text as `language` from now on; that of before stays until its own colours come."""
        from collab_syntax.languages import PLAIN
        from collab_syntax.parser_process import ParserProcess

        self.close()
        if language is PLAIN:
            self._rows.clear()
            self._on_colours()
            return
        self.parser = ParserProcess(
            language.id, text=self._text, on_colours=self._coloured, on_failed=self._failed
        )
        self.parser.start(self._text())
        self.parser.look_at(*self._seen)

    def close(self) -> None:
        """Let the parser go; the colours stay."""
        if self.parser is not None:
            self.parser.close()
            self.parser = None
        self._since.clear()
        self._version = 0

    def of(self, row: int) -> Sequence[Colour]:
        """Return the colours of a row as it is now, in order."""
        known = self._rows.get(row)
        if known is None:
            return ()
        line = self._lines.line(row)
        if known.line is not line and known.line != line:
            known = self._rows[row] = _Row(line, _carried(known, line))
        return known.colours

    def look_at(self, rows: Sequence[int]) -> None:
        """Have these rows, in order, coloured now and after every edit; then as many above and below."""
        last = self._lines.row_count - 1
        first, behind, margin = rows[0], rows[-1] + 1, len(rows)
        seen = [(stretch.start, stretch.stop - 1) for stretch in _stretches(rows)]
        if behind <= last:
            seen.append((behind, min(last, behind + margin - 1)))
        if first:
            seen.append((max(0, first - margin), first - 1))
        if seen != self._seen:
            self._seen = seen
            if self.parser is not None:
                self.parser.look_at(*seen)

    def text_changed(self, change: Change) -> None:
        """Take note of an edit, own or another's."""
        first, old_last, new_last = change.first_row, change.old_last_row, change.new_last_row
        if self._rows and new_last != old_last:
            shift = new_last - old_last
            self._rows = {
                row + (shift if row > old_last else 0): known
                for row, known in self._rows.items()
                if row <= min(old_last, new_last) or row > old_last
            }
        if self.parser is not None:
            line = self._lines.line
            self.parser.edit(
                first, old_last, "\n".join(_cut(line(row)) for row in range(first, new_last + 1))
            )
            self._version += 1
            self._since.append(change)

    def _coloured(self, said: Colours) -> None:
        """Take the colours of the text as it was some edits ago; rows edited since keep what they have."""
        done = said.version - (self._version - len(self._since))
        if not 0 <= done <= len(self._since):
            return
        del self._since[:done]
        rows = {
            row: tuple(colours)
            for first, stretch in said.stretches
            for row, colours in enumerate(stretch, first)
        }
        for change in self._since:
            rows = _shifted(rows, change)
        if len(self._rows) > _ROWS_MOST:
            self._rows.clear()
        count = self._lines.row_count
        self._rows.update(
            (row, _Row(self._lines.line(row), colours)) for row, colours in rows.items() if row < count
        )
        self._on_colours()

    def _text(self) -> str:
        """Return the text as the parser is to know it. Costs O(text)."""
        return "\n".join([_cut(line) for block in self._lines.blocks() for line in block])

    def _failed(self, reason: str) -> None:
        self.close()
        self._rows.clear()
        self._on_colours()
        self._on_failed(reason)


def _cut(line: str) -> str:
    """Return what the parser is told of a line: of one too long to have colours, no more than shows that."""
    return line if len(line) <= MOST_LINE_BYTES else line[: MOST_LINE_BYTES + 1]


def _carried(known: _Row, line: str) -> tuple[Colour, ...]:
    """Return the colours of an edited line: old text keeps its own, new text has those around it."""
    before, behind = shared_ends(known.line, line)
    old_end, shift = len(known.line) - behind, len(line) - len(known.line)
    carried = []
    for start, end, kind in known.colours:
        new_start = start if start < before else max(start, old_end) + shift
        new_end = end + shift if end >= old_end else min(end, before)
        if new_start < new_end:
            carried.append((new_start, new_end, kind))
    return tuple(carried)


def _shifted(rows: dict[int, tuple[Colour, ...]], change: Change) -> dict[int, tuple[Colour, ...]]:
    """Return the colours of rows after an edit; those that it touched have none that are right."""
    shift = change.new_last_row - change.old_last_row
    return {
        row + (shift if row > change.old_last_row else 0): colours
        for row, colours in rows.items()
        if not change.first_row <= row <= change.old_last_row
    }


def _stretches(rows: Sequence[int]) -> Iterator[range]:
    """Yield the stretches without a gap that `rows` consist of."""
    start = before = rows[0]
    for row in rows:
        if row > before + 1:
            yield range(start, before + 1)
            start = row
        before = row
    yield range(start, before + 1)
