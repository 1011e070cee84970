"""A one-line input without a widget: text, caret, selection, an undo of its own, and how it is drawn."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from rich.segment import ControlType, Segment
from rich.style import Style

from collab_tui.actions import SELECT
from collab_tui.cells import Run, cell_at, cells_of, cluster_end, column_at, runs, widest
from collab_tui.palette import Ink, Palette, Styles
from collab_tui.safe_text import crop_cells, safe_text

_MOST: Final = 2000
"""Code points in a field; what is typed or pasted beyond them is not taken."""

_STEPS_MOST: Final = 100
_HISTORY_MOST: Final = 50

_LINE_BREAK: Final = re.compile(r"[\r\n]+")

_MOVES: Final = frozenset({"left", "right", "word_left", "word_right", "line_start", "line_end"})
_DELETIONS: Final = {
    "backspace": "left",
    "delete": "right",
    "delete_word_left": "word_left",
    "delete_word_right": "word_right",
    "delete_to_line_start": "line_start",
    "delete_to_line_end": "line_end",
}


class _State(NamedTuple):
    text: str
    caret: int
    anchor: int


class Field:
    """One line that a person edits. `caret` and `anchor` count code points.

    `on_copy(text)` gets what is copied or cut; `on_paste(put)` calls `put(text)` now or later.
    """

    def __init__(self, *, is_ascii: bool = False) -> None:
        self.on_copy: Callable[[str], object] = lambda _: None
        self.on_paste: Callable[[Callable[[str], None]], object] = lambda _: None
        self.text = ""
        self.caret = 0
        self.anchor = 0
        self.caret_cell = 0
        """Where `draw` put the caret, in cells from the field's left."""
        self._is_ascii = is_ascii
        self._left = 0
        self._done: list[_State] = []
        self._undone: list[_State] = []
        self._is_typing = False
        self._history: list[str] = []
        self._recalled = 0
        self._draft = ""

    @property
    def selection(self) -> tuple[int, int]:
        """The columns [start, end) that are selected; both the caret's when none are."""
        return min(self.caret, self.anchor), max(self.caret, self.anchor)

    @property
    def selected_text(self) -> str:
        start, end = self.selection
        return self.text[start:end]

    def set(self, text: str) -> None:
        """Put `text` in place of what is there, all of it selected; this cannot be undone."""
        self.text = _one_line(text)[:_MOST]
        self._done.clear()
        self._undone.clear()
        self._is_typing = False
        self._recalled = len(self._history)
        self.select_all()

    def type(self, text: str) -> None:
        """Put the first line of `text` in the place of the selection."""
        text = _one_line(text)
        if text:
            self._replace(*self.selection, text, is_typing=len(text) == 1)

    def select_all(self) -> None:
        self.anchor, self.caret = 0, len(self.text)

    def place(self, cell: int, *, extend: bool = False) -> None:
        """Put the caret at `cell`, counted from the field's left as it was drawn last."""
        column = column_at(self._shown(), self._left + cell)
        self._move(self._boundary(column), extend=extend)

    def remember(self) -> None:
        """Keep the text for `older`; what was kept before moves to the end."""
        if self.text:
            self._history = [*(text for text in self._history if text != self.text), self.text]
            del self._history[:-_HISTORY_MOST]
        self._recalled = len(self._history)

    def do(self, action: str) -> bool:
        """Do what the keymap calls `action`; returns whether that is something a field does."""
        move = action.removeprefix(SELECT)
        if move in _MOVES:
            self._move(self._target(move, collapses=move == action), extend=move != action)
        elif action in _DELETIONS:
            self._delete(_DELETIONS[action])
        elif action == "select_all":
            self.select_all()
        elif action in ("copy", "cut"):
            self._copy(is_cut=action == "cut")
        elif action == "paste":
            self.on_paste(self.type)
        elif action == "undo":
            self._swap(self._done, self._undone)
        elif action == "redo":
            self._swap(self._undone, self._done)
        elif action in ("up", "down"):
            self._recall(-1 if action == "up" else 1)
        else:
            return False
        return True

    # -- drawing

    def draw(
        self,
        width: int,
        palette: Palette,
        styles: Styles,
        placeholder: str = "",
        is_bad: bool = False,
        *,
        is_active: bool = True,
        column: int = 0,
    ) -> list[Segment]:
        """Return `width` cells with the caret among them; `column` is where on the screen they begin.

        `placeholder` stands there while there is no text. A field that is not active shows no caret.
        """
        if width <= 0:
            return []
        base = palette.field_bad.over(palette.field) if is_bad else palette.field
        line = self._shown()
        self._scroll(line, width)
        drawn = _Drawn(styles, column)
        caret = palette.field_caret.over(base)
        if not line:
            hint = safe_text(crop_cells(placeholder, width), ascii_marks=self._is_ascii).ljust(1)
            muted = palette.panel_muted._replace(bg=None).over(base)
            drawn.put(hint[0], 1, caret if is_active else muted)
            drawn.put(hint[1:], len(hint) - 1, muted)
        selected = palette.field_selection.over(base)
        inks = _Inks(base, selected, caret, self.selection, self.caret if is_active else -1)
        for run in runs(line, self._left, self._left + width):
            _put(drawn, run, inks, self._left, width)
        end = cells_of(line) - self._left
        if line and end < width:
            drawn.put(" ", 1, inks.of(len(line), len(line) + 1))
        drawn.put(" " * (width - drawn.cell), width - drawn.cell, palette.field)
        return drawn.segments

    def _shown(self) -> str:
        """Return the text fit for a terminal, column for column; tabs are laid out."""
        return "\t".join(safe_text(part, ascii_marks=self._is_ascii) for part in self.text.split("\t"))

    def _scroll(self, line: str, width: int) -> None:
        """Bring the caret into view, with no more blanks behind the text than it needs."""
        caret = cell_at(line, self.caret)
        end = caret + 1
        if self.caret < len(line):
            end = max(end, cell_at(line, cluster_end(line, self.caret)))
        left = min(self._left, max(0, cells_of(line) + 1 - width))
        self._left = min(max(left, end - width), caret)
        self.caret_cell = caret - self._left

    # -- editing

    def _move(self, column: int, *, extend: bool) -> None:
        self.caret = column
        if not extend:
            self.anchor = column
        self._is_typing = False

    def _target(self, move: str, *, collapses: bool = False) -> int:
        """Return where `move` goes; a step that `collapses` goes to the near end of what is selected."""
        from collab_client import clusters  # loaded with the buffer, after the first paint

        start, end = self.selection
        if collapses and start != end and move in ("left", "right"):
            return start if move == "left" else end
        match move:
            case "left":
                return clusters.previous_boundary(self.text, self.caret)
            case "right":
                return clusters.next_boundary(self.text, self.caret)
            case "word_left":
                return clusters.previous_word(self.text, self.caret)
            case "word_right":
                return clusters.next_word(self.text, self.caret)
            case "line_start":
                return 0
            case _:
                return len(self.text)

    def _delete(self, move: str) -> None:
        start, end = self.selection
        if start == end:
            start, end = sorted((self.caret, self._target(move)))
        if start != end:
            self._replace(start, end, "")

    def _copy(self, *, is_cut: bool) -> None:
        if self.selected_text:
            self.on_copy(self.selected_text)
            if is_cut:
                self._replace(*self.selection, "")

    def _replace(self, start: int, end: int, text: str, *, is_typing: bool = False) -> None:
        """Put `text` in place of [start, end); letters typed one after the other are one step of undo."""
        text = text[: _MOST - len(self.text) + end - start]
        if not (is_typing and self._is_typing and start == end):
            self._done = [*self._done, self._state()][-_STEPS_MOST:]
        self._undone.clear()
        self.text = self.text[:start] + text + self.text[end:]
        self._move(self._boundary(start + len(text)), extend=False)
        self._is_typing = is_typing

    def _boundary(self, column: int) -> int:
        """Return where the cluster ends that `column` is inside of; `column` when it is in none."""
        from collab_client import clusters

        start = clusters.previous_boundary(self.text, min(column + 1, len(self.text)))
        return column if start == column else clusters.next_boundary(self.text, start)

    def _state(self) -> _State:
        return _State(self.text, self.caret, self.anchor)

    def _swap(self, source: list[_State], target: list[_State]) -> None:
        if source:
            target.append(self._state())
            self.text, self.caret, self.anchor = source.pop()
        self._is_typing = False

    def _recall(self, step: int) -> None:
        """Show an older or newer text of those remembered; beyond the newest, what was typed."""
        at = self._recalled + step
        while 0 <= at < len(self._history) and self._history[at] == self.text:
            at += step
        if not 0 <= at <= len(self._history):
            return
        if self._recalled == len(self._history):
            self._draft = self.text
        text = self._draft if at == len(self._history) else self._history[at]
        self._replace(0, len(self.text), text)
        self._recalled = at


class _Inks(NamedTuple):
    base: Ink
    selected: Ink
    caret: Ink
    selection: tuple[int, int]
    caret_at: int

    def of(self, start: int, end: int) -> Ink:
        """Return the ink of what the columns [start, end) share."""
        if start <= self.caret_at < end:
            return self.caret
        return self.selected if self.selection[0] < end and start < self.selection[1] else self.base


class _Drawn:
    """Segments under way, equal inks merged."""

    def __init__(self, styles: Styles, column: int) -> None:
        self.segments: list[Segment] = []
        self.cell = 0
        self._styles = styles
        self._column = column

    def put(self, text: str, cells: int, ink: Ink) -> None:
        if not text:
            return
        self.cell += cells
        style = self._styles[ink]
        if self.segments and self.segments[-1].style is style:
            text = self.segments.pop().text + text
        self.segments.append(Segment(text, style))

    def put_odd(self, cluster: str, cells: int, ink: Ink) -> None:
        """Put a cluster that terminals measure differently, and say where the next cell is."""
        self.put(cluster, cells, ink)
        at = self._column + self.cell
        # With a style, though an empty one: Textual's NO_COLOR filter does not expect None.
        self.segments.append(Segment(f"\x1b[{at + 1}G", Style(), [(ControlType.CURSOR_MOVE_TO_COLUMN, at)]))


def _put(drawn: _Drawn, run: Run, inks: _Inks, left: int, width: int) -> None:
    """Put what of `run` lies in the `width` cells from `left`; blanks stand for half a character."""
    for text, cell, cells, ink in _pieces(run, inks):
        first, behind = max(cell - left, 0), min(cell - left + cells, width)
        if first >= behind:
            continue
        if behind - first < cells or (run.is_odd and first + widest(text) > width):
            drawn.put(" " * (behind - first), behind - first, ink)
        elif run.is_odd:
            drawn.put_odd(text, cells, ink)
        else:
            drawn.put(text, cells, ink)


def _pieces(run: Run, inks: _Inks) -> Iterator[tuple[str, int, int, Ink]]:
    """Yield (text, cell, cells, ink) of each character or cluster."""
    start, end = run.column, run.column + run.columns
    if run.unit:
        for at, character in enumerate(run.text):
            yield character, run.cell + at * run.unit, run.unit, inks.of(start + at, start + at + 1)
    elif run.text.isspace():
        # A caret covers the first cell of a tab, a selection all of them.
        yield run.text[0], run.cell, 1, inks.of(start, end)
        yield run.text[1:], run.cell + 1, run.cells - 1, inks._replace(caret_at=-1).of(start, end)
    else:
        yield run.text, run.cell, run.cells, inks.of(start, end)


def _one_line(text: str) -> str:
    """Return the first line of `text` that has something in it."""
    return _LINE_BREAK.split(text.lstrip("\r\n"), maxsplit=1)[0]
