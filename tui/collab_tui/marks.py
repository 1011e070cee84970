"""Where people's carets, selections, names and off-screen signs lie on the visible rows.

Nothing here draws: the result is one `RowMarks` for each row that has any, and rows whose marks are
what they were need no repaint. A name never covers text: it stands in the blank part of the line
above, or past the end of its own line, or it is left out and the initial in the gutter must do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from rich.cells import cell_len

from collab_protocol.presence import Activity
from collab_tui.cells import cell_at, cells_of, cluster_end
from collab_tui.painting import Chip, RowMarks, Span
from collab_tui.palette import Ink, Palette
from collab_tui.safe_text import safe_name

if TYPE_CHECKING:
    from collab_client.carets import Peer
    from collab_client.lines import Position

NAME_SHOWN_S: Final = 2.0
"""How long a name stands at a caret that moved (Zed: `CURSORS_VISIBLE_FOR`)."""

_NAME_CELLS: Final = 16
_CHIP_NAME_CELLS: Final = 10


@dataclass(frozen=True, slots=True)
class Window:
    """The part of the text that is on the screen, and the text itself."""

    top: int
    left: int
    height: int
    width: int
    row_count: int
    line: Callable[[int], str]

    @property
    def rows(self) -> range:
        return range(self.top, min(self.top + self.height, self.row_count))


@dataclass(frozen=True, slots=True)
class OwnCaret:
    """This person's caret and selection; a caret without focus is drawn faint."""

    head: Position
    selection: tuple[Position, Position] | None
    has_focus: bool = True


@dataclass(slots=True)
class _Draft:
    """A row's marks under way. From cell `used` on the row is blank but for its chips."""

    used: int
    spans: list[Span] = field(default_factory=list)
    chips: list[Chip] = field(default_factory=list)
    sign: Chip | None = None
    is_current: bool = False

    def has_room(self, cell: int, size: int) -> bool:
        """Whether `size` cells from `cell` are blank, with a blank on either side."""
        return (cell > self.used or cell == self.used == 0) and not any(
            cell <= chip.cell + cell_len(chip.text) and chip.cell <= cell + size for chip in self.chips
        )

    def first_room(self, size: int) -> int:
        """Return the first cell from which on `has_room` is true."""
        ends = [chip.cell + cell_len(chip.text) for chip in self.chips]
        return min(cell for cell in (self.used + 1, *(e + 1 for e in ends)) if self.has_room(cell, size))

    def finish(self) -> RowMarks:
        return RowMarks(tuple(self.spans), tuple(sorted(self.chips)), self.sign, self.is_current)


class MarksLayout:
    """Lays out the marks of one window."""

    def __init__(self, window: Window, palette: Palette, *, is_ascii: bool) -> None:
        self._window = window
        self._palette = palette
        self._up, self._down = ("^", "v") if is_ascii else ("▲", "▼")
        self._drafts: dict[int, _Draft] = {}

    def lay_out(
        self, own: OwnCaret, peers: Mapping[int, Peer], signs: Mapping[str, str], now: float
    ) -> dict[int, RowMarks]:
        """Return the marks of every visible row that has any; `signs` are the initials of principals."""
        placed = sorted(
            (peer for peer in peers.values() if peer.head is not None), key=lambda peer: peer.moved_at
        )
        for peer in placed:
            self._select(peer.head, peer.anchor, self._palette.person_selection(peer.person.colour))
        self._own_selection(own)
        if placed:
            self._people(placed, own, signs, now)
        self._own_caret(own)
        return {row: draft.finish() for row, draft in self._drafts.items()}

    def _people(self, peers: list[Peer], own: OwnCaret, signs: Mapping[str, str], now: float) -> None:
        shown = self._window.rows
        for peer in peers:
            if peer.head is not None and peer.head.row in shown:
                self._caret(peer, peer.head, signs[peer.person.principal])
        if own.head.row in shown:
            self._reserve_caret(own.head)
        for peer in reversed(peers):
            if peer.head is not None and peer.head.row in shown and now < peer.moved_at + NAME_SHOWN_S:
                self._name(peer, peer.head)
        if len(shown) > 0:
            self._off_screen(peers)

    def _draft(self, row: int) -> _Draft:
        draft = self._drafts.get(row)
        if draft is None:
            used = cells_of(self._window.line(row)) - self._window.left
            draft = self._drafts[row] = _Draft(max(0, used))
        return draft

    def _select(self, head: Position | None, anchor: Position | None, ink: Ink) -> None:
        if head is None or anchor is None or head == anchor:
            return
        start, end = sorted((head, anchor))
        visible = self._window.rows
        for row in range(max(start.row, visible.start), min(end.row + 1, visible.stop)):
            line = self._window.line(row)
            first = start.column if row == start.row else 0
            last = end.column if row == end.row else len(line) + 1
            if first < last:
                draft = self._draft(row)
                draft.spans.append(Span(first, last, ink))
                if last > len(line):
                    draft.used = max(draft.used, cells_of(line) - self._window.left + 1)

    def _own_selection(self, own: OwnCaret) -> None:
        if own.selection is not None:
            self._select(*own.selection, self._palette.selection)

    def _own_caret(self, own: OwnCaret) -> None:
        if own.head.row not in self._window.rows:
            return
        draft = self._draft(own.head.row)
        draft.is_current = own.selection is None
        end = cluster_end(self._window.line(own.head.row), own.head.column)
        ink = self._palette.caret if own.has_focus else self._palette.faint_caret
        draft.spans.append(Span(own.head.column, end, ink, is_caret=True))

    def _reserve_caret(self, head: Position) -> None:
        line = self._window.line(head.row)
        if head.column >= len(line):
            draft = self._draft(head.row)
            draft.used = max(draft.used, cells_of(line) - self._window.left + 1)

    def _caret(self, peer: Peer, head: Position, sign: str) -> None:
        ink = self._ink(peer)
        draft = self._draft(head.row)
        end = cluster_end(self._window.line(head.row), head.column)
        draft.spans.append(Span(head.column, end, ink, is_caret=True))
        draft.sign = Chip(0, sign, ink)
        self._reserve_caret(head)

    def _ink(self, peer: Peer) -> Ink:
        return self._palette.person(peer.person.colour, is_faint=peer.activity is not Activity.ACTIVE)

    def _name(self, peer: Peer, head: Position) -> None:
        """Put the name above the caret where that is blank, else past the end of its line."""
        text = f" {safe_name(peer.person.name, _NAME_CELLS)} "
        size = cell_len(text)
        ink = self._ink(peer)
        room = self._window.width
        at = cell_at(self._window.line(head.row), head.column) - self._window.left
        if not 0 <= at < room or size > room:
            return
        if head.row > self._window.top:
            above = self._draft(head.row - 1)
            cell = min(at, room - size)
            if above.has_room(cell, size):
                above.chips.append(Chip(cell, text, ink))
                return
        draft = self._draft(head.row)
        cell = draft.first_room(size)
        if cell + size <= room:
            draft.chips.append(Chip(cell, text, ink))

    def _off_screen(self, peers: Iterable[Peer]) -> None:
        """Put `▲ ana 12` at the right of the first row, `▼ bo 310` of the last; the nearest first."""
        shown = self._window.rows
        above = [p for p in peers if p.head is not None and p.head.row < shown.start]
        below = [p for p in peers if p.head is not None and p.head.row >= shown.stop]
        above.sort(key=lambda p: -p.head.row if p.head is not None else 0)
        below.sort(key=lambda p: p.head.row if p.head is not None else 0)
        self._chips_from_right(shown.start, self._up, above)
        self._chips_from_right(shown.stop - 1, self._down, below)

    def _chips_from_right(self, row: int, arrow: str, peers: Iterable[Peer]) -> None:
        right = self._window.width
        for peer in peers:
            if peer.head is None:
                continue
            draft = self._draft(row)
            text = f" {arrow} {safe_name(peer.person.name, _CHIP_NAME_CELLS)} {peer.head.row + 1} "
            cell = right - cell_len(text)
            if not draft.has_room(cell, cell_len(text)):
                return
            draft.chips.append(Chip(cell, text, self._ink(peer)))
            right = cell - 1
