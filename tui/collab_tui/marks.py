"""Where people's carets, selections, names and off-screen signs lie on the visible rows.

Nothing here draws: the result is one `RowMarks` for each row that has any, and rows whose marks are
what they were need no repaint. A name never covers text: it stands in the blank part of the line
above, or past the end of its own line, or it is left out and the initial in the gutter must do.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

from rich.cells import cell_len

from collab_protocol.presence import Activity
from collab_tui.cells import Layouts, cluster_end
from collab_tui.painting import Chip, RowMarks
from collab_tui.painting import Span as InkSpan
from collab_tui.palette import Ink, Palette
from collab_tui.safe_text import safe_name
from collab_tui.visual_row import VisualRow

if TYPE_CHECKING:
    from collab_client.carets import Span
    from collab_client.lines import Position
    from collab_client.peer_carets import Peer

NAME_SHOWN_S: Final = 2.0
"""How long a name stands at a caret that moved (Zed: `CURSORS_VISIBLE_FOR`)."""

_NAME_CELLS: Final = 16
_CHIP_NAME_CELLS: Final = 10


def has_place(peer: Peer) -> bool:
    """Whether a session's carets are to be seen: they are known, and somebody is there who uses them."""
    return bool(peer.spans) and peer.activity is not Activity.AWAY


class Border(NamedTuple):
    """What frames the text while somebody is followed: their colour, faint while they are gone."""

    colour: int
    is_faint: bool = False

    def chip(self, palette: Palette, *, is_ascii: bool) -> Chip:
        """Return the cell of it beside each row: their colour, or a sign where that is no surface."""
        ink = palette.person(self.colour, is_faint=self.is_faint)
        if palette.background.startswith("#") and ink.bg != palette.background:
            return Chip(0, " ", ink)
        return Chip(0, "|" if is_ascii else "│", self.edge(palette))

    def edge(self, palette: Palette) -> Ink:
        """Return the ink of a line in their colour, over whatever ground."""
        ink = palette.person(self.colour, is_faint=self.is_faint)
        if palette.background.startswith("#"):
            return Ink(fg=ink.fg if ink.bg == palette.background else ink.bg)
        return Ink(dim=True) if self.is_faint else Ink(fg=ink.bg, bold=True)


@dataclass(frozen=True, slots=True)
class Window:
    """The visual rows on the screen, of which cells [left, left + width) are seen."""

    visual_rows: Sequence[VisualRow]
    left: int
    width: int
    layouts: Layouts
    _begins: Sequence[tuple[int, int]] = field(init=False)

    def __post_init__(self) -> None:
        begins = [(shown.row, shown.start) for shown in self.visual_rows]
        object.__setattr__(self, "_begins", begins)

    @property
    def rows(self) -> Sequence[int]:
        """The rows of the text that are seen, if only in part, in order; not those that are folded."""
        return list(dict.fromkeys(shown.row for shown in self.visual_rows))

    def y_of(self, position: Position) -> int | None:
        """Return the visual row in which a caret at `position` stands; None when that is not seen."""
        y = bisect_right(self._begins, position) - 1
        return y if y >= 0 and self.visual_rows[y].holds(*position) else None

    def fold_of(self, row: int) -> int | None:
        """Return the visual row behind which `row` is hidden; None when none is seen."""
        y = bisect_left(self._begins, (row, 0)) - 1
        return y if y >= 0 and self.visual_rows[y].hides(row) else None

    def cell_of(self, y: int, column: int) -> int:
        """Return the cell of `column` in visual row `y`, as it is seen."""
        shown = self.visual_rows[y]
        return self.layouts.cell_at(shown.line, column) - shown.cell - self.left


@dataclass(frozen=True, slots=True)
class OwnCaret:
    """This person's caret and selection, and `others` of the same; without focus carets are drawn faint."""

    head: Position
    selection: tuple[Position, Position] | None
    has_focus: bool = True
    others: Sequence[Span] = ()


class Match(NamedTuple):
    """What find has found: columns [start, end) of a row."""

    row: int
    start: int
    end: int
    is_current: bool = False


class _Draft:
    """A visual row's marks under way. From cell `used` on it is blank but for its chips."""

    def __init__(self, window: Window, y: int) -> None:
        self._window = window
        self._y = y
        self._used: int | None = None
        self.spans: list[InkSpan] = []
        self.chips: list[Chip] = []
        self.sign: Chip | None = None
        self.is_current = False

    @property
    def used(self) -> int:
        """Cells of text, and of what stands behind it."""
        if self._used is None:  # asked for where there are names only
            self._used = max(0, self._window.cell_of(self._y, self._window.visual_rows[self._y].end))
        return self._used

    def use_end(self) -> None:
        """Note that the cell behind the text is drawn."""
        end = self._window.cell_of(self._y, self._window.visual_rows[self._y].end) + 1
        self._used = max(self.used, end)

    def has_room(self, cell: int, size: int) -> bool:
        """Whether `size` cells from `cell` are blank, with a blank on either side."""
        return (cell > self.used or cell == self.used == 0) and not any(
            cell <= chip.cell + cell_len(chip.text) and chip.cell <= cell + size for chip in self.chips
        )

    def first_room(self, size: int) -> int:
        """Return the first cell from which on `has_room` is true."""
        ends = [chip.cell + cell_len(chip.text) for chip in self.chips]
        return min(cell for cell in (self.used + 1, *(e + 1 for e in ends)) if self.has_room(cell, size))

    def finish(self, border: Chip | None) -> RowMarks:
        sign = self.sign or border
        return RowMarks(tuple(self.spans), tuple(sorted(self.chips)), sign, self.is_current)


class MarksLayout:
    """Lays out the marks of one window."""

    def __init__(
        self, window: Window, palette: Palette, *, is_ascii: bool, border: Chip | None = None
    ) -> None:
        """`border` stands in the gutter of every row that has no other sign."""
        self._window = window
        self._palette = palette
        self._border = border
        self._up, self._down, self._dots = ("^", "v", "...") if is_ascii else ("▲", "▼", "⋯")
        self._drafts: dict[int, _Draft] = {}

    def lay_out(
        self,
        own: OwnCaret,
        peers: Mapping[int, Peer],
        signs: Mapping[str, str],
        now: float,
        matches: Iterable[Match] = (),
        brackets: Iterable[Position] = (),
    ) -> dict[int, RowMarks]:
        """Return the marks of every visual row that has any; `signs` are the initials of principals."""
        placed = sorted(filter(has_place, peers.values()), key=lambda peer: peer.moved_at)
        self._folds()
        for peer in placed:
            for span in peer.spans:
                self._select(span.head, span.anchor, self._palette.person_selection(peer.person.colour))
        for span in own.others:
            self._select(span.head, span.anchor, self._palette.selection)
        if own.selection is not None:
            self._select(*own.selection, self._palette.selection)
        for match in matches:
            self._match(match)
        for bracket in brackets:
            if (y := self._window.y_of(bracket)) is not None:
                self._draft(y).spans.append(
                    InkSpan(bracket.column, bracket.column + 1, self._palette.bracket)
                )
        if placed:
            self._people(placed, own, signs, now)
        self._own_caret(own)
        border = self._border
        if border is None:
            return {y: draft.finish(None) for y, draft in self._drafts.items()}
        bare = RowMarks(sign=border)
        drafts = self._drafts
        return {
            y: drafts[y].finish(border) if y in drafts else bare for y in range(len(self._window.visual_rows))
        }

    def _people(self, peers: list[Peer], own: OwnCaret, signs: Mapping[str, str], now: float) -> None:
        y_of = self._window.y_of
        for peer in peers:
            sign = signs[peer.person.principal]
            for span in reversed(peer.spans):
                if (y := y_of(span.head)) is not None:
                    self._caret(peer, span.head, y, sign)
                elif (y := self._window.fold_of(span.head.row)) is not None:
                    self._draft(y).sign = Chip(0, sign, self._ink(peer))
        seen = [(peer, peer.head, y) for peer in peers if peer.head and (y := y_of(peer.head)) is not None]
        own_y = y_of(own.head)
        if own_y is not None:
            self._reserve_caret(own.head, own_y)
        for peer, head, y in reversed(seen):
            if now < peer.moved_at + NAME_SHOWN_S:
                self._name(peer, head, y)
        if self._window.visual_rows:
            self._off_screen(peers)

    def _folds(self) -> None:
        """Say behind each folded row how much is hidden there."""
        for y, shown in enumerate(self._window.visual_rows):
            if shown.folded:
                draft = self._draft(y)
                text = f" {self._dots} {shown.folded:,} line{'s' if shown.folded > 1 else ''} "
                cell = draft.first_room(len(text))
                if cell + len(text) <= self._window.width:
                    draft.chips.append(Chip(cell, text, self._palette.fold))

    def _draft(self, y: int) -> _Draft:
        draft = self._drafts.get(y)
        if draft is None:
            draft = self._drafts[y] = _Draft(self._window, y)
        return draft

    def _select(self, head: Position | None, anchor: Position | None, ink: Ink) -> None:
        if head is None or anchor is None or head == anchor:
            return
        start, end = sorted((head, anchor))
        for y, shown in enumerate(self._window.visual_rows):
            if not start.row <= shown.row <= end.row:
                continue
            first = start.column if shown.row == start.row else 0
            last = end.column if shown.row == end.row else len(shown.line) + 1
            first, last = max(first, shown.start), min(last, shown.end + shown.is_last)
            if first < last:
                draft = self._draft(y)
                draft.spans.append(InkSpan(first, last, ink))
                if last > len(shown.line):
                    draft.use_end()

    def _match(self, match: Match) -> None:
        ink = self._palette.match_current if match.is_current else self._palette.match
        for y, shown in enumerate(self._window.visual_rows):
            if shown.row == match.row:
                first, last = max(match.start, shown.start), min(match.end, shown.end)
                if first < last:
                    self._draft(y).spans.append(InkSpan(first, last, ink))

    def _own_caret(self, own: OwnCaret) -> None:
        heads = {own.head, *(span.head for span in own.others)}
        rows = {head.row for head in heads}
        ink = self._palette.caret if own.has_focus else self._palette.faint_caret
        for y, shown in enumerate(self._window.visual_rows):
            if shown.row not in rows:
                continue
            if own.selection is None and shown.row == own.head.row:
                self._draft(y).is_current = True
            for head in heads if len(heads) == 1 else sorted(heads):
                if shown.holds(*head):
                    end = cluster_end(shown.line, head.column)
                    self._draft(y).spans.append(InkSpan(head.column, end, ink, is_caret=True))

    def _reserve_caret(self, head: Position, y: int) -> None:
        shown = self._window.visual_rows[y]
        if head.column >= len(shown.line):
            self._draft(y).use_end()

    def _caret(self, peer: Peer, head: Position, y: int, sign: str) -> None:
        ink = self._ink(peer)
        draft = self._draft(y)
        end = cluster_end(self._window.visual_rows[y].line, head.column)
        draft.spans.append(InkSpan(head.column, end, ink, is_caret=True))
        draft.sign = Chip(0, sign, ink)
        self._reserve_caret(head, y)

    def _ink(self, peer: Peer) -> Ink:
        return self._palette.person(peer.person.colour, is_faint=peer.activity is not Activity.ACTIVE)

    def _name(self, peer: Peer, head: Position, y: int) -> None:
        """Put the name above the caret where that is blank, else past the end of its visual row."""
        text = f" {safe_name(peer.person.name, _NAME_CELLS)} "
        size = cell_len(text)
        ink = self._ink(peer)
        room = self._window.width
        at = self._window.cell_of(y, head.column)
        if not 0 <= at < room or size > room:
            return
        if y > 0:
            above = self._draft(y - 1)
            cell = min(at, room - size)
            if above.has_room(cell, size):
                above.chips.append(Chip(cell, text, ink))
                return
        draft = self._draft(y)
        cell = draft.first_room(size)
        if cell + size <= room:
            draft.chips.append(Chip(cell, text, ink))

    def _off_screen(self, peers: Iterable[Peer]) -> None:
        """Put `▲ ana 12` at the right of the first row, `▼ bo 310` of the last; the nearest first."""
        rows = self._window.visual_rows
        first = (rows[0].row, rows[0].start)
        last = (rows[-1].row, rows[-1].end)
        placed = [(peer.head, peer) for peer in peers if peer.head is not None]
        placed = [pair for pair in placed if self._window.fold_of(pair[0].row) is None]
        above = sorted((pair for pair in placed if pair[0] < first), key=lambda pair: pair[0], reverse=True)
        below = [pair for pair in placed if self._window.y_of(pair[0]) is None and pair[0] >= last]
        below.sort(key=lambda pair: pair[0])
        self._chips_from_right(0, self._up, above)
        self._chips_from_right(len(rows) - 1, self._down, below)

    def _chips_from_right(self, y: int, arrow: str, peers: Iterable[tuple[Position, Peer]]) -> None:
        right = self._window.width
        for head, peer in peers:
            draft = self._draft(y)
            text = f" {arrow} {safe_name(peer.person.name, _CHIP_NAME_CELLS)} {head.row + 1} "
            cell = right - cell_len(text)
            if not draft.has_room(cell, cell_len(text)):
                return
            draft.chips.append(Chip(cell, text, self._ink(peer)))
            right = cell - 1
