"""What changed while the person was away: marked beside the text until it has been seen, gone to by key.

A mark goes when its row has been in view for a while with the person at it, or soon after it was gone to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import count, groupby
from typing import TYPE_CHECKING, Final

from collab_client.changes import Mark
from collab_client.lines import Position
from collab_protocol import limits
from collab_tui.painting import NO_MARKS, Chip, RowMarks
from collab_tui.safe_text import safe_name
from collab_tui.widgets.command_list import Entry

if TYPE_CHECKING:
    from collab_client.away import Digest
    from collab_client.buffer import Buffer, Change
    from collab_client.changes import Changes, Region
    from collab_tui.bars import Bars
    from collab_tui.palette import Palette
    from collab_tui.visual_row import VisualRow
    from collab_tui.widgets.editor import Editor

_SEEN_S: Final = 3.0
_VISITED_S: Final = 1.0
"""How long a row is to be in view, and how long after it was gone to, until its mark goes."""

_SIGNS: Final = {Mark.CHANGED: "▎", Mark.BOTH: "!", Mark.REMOVED: "▔"}
_ASCII_SIGNS: Final = {Mark.CHANGED: "|", Mark.BOTH: "!", Mark.REMOVED: "^"}
_ASCII: Final = str.maketrans({"−": "-"})

_NAMES_MOST: Final = 3
_NAME_CELLS: Final = 16
_LISTED_MOST: Final = 500
_TITLE_CHARACTERS: Final = 200

_NOTHING: Final = "no changes to see"


class Reviewing:
    """Shows the changes in the editor, and does the actions that go to them."""

    def __init__(
        self,
        editor: Editor,
        bars: Bars,
        buffer: Buffer,
        changes: Changes,
        *,
        palette: Callable[[], Palette],
        tell: Callable[[str], None],
        later: Callable[[float, Callable[[], None]], object],
        changed: Callable[[], None],
        clock: Callable[[], float],
        is_ascii: bool,
    ) -> None:
        """`later(seconds, call)` is a timer; `changed()` is called when marks have gone."""
        self._editor = editor
        self._bars = bars
        self._buffer = buffer
        self._changes = changes
        self._palette = palette
        self._tell = tell
        self._later = later
        self._changed = changed
        self._clock = clock
        self._is_ascii = is_ascii
        self._signs = _ASCII_SIGNS if is_ascii else _SIGNS
        self._touched_at = clock()
        self._in_view: dict[int, float] = {}  # since when each marked row has been
        self._visited: tuple[range, float] | None = None  # the rows gone to last, and when
        self._listed: list[int] = []  # the rows of the changes in the list, wherever they have gone
        self._is_waiting = False
        editor.overlays.append(self._mark)
        editor.text_listeners.append(self._text_changed)

    def touched(self) -> None:
        """Note that the person is at it; what has stood there without them counts from now on."""
        before, self._touched_at = self._touched_at, self._clock()
        if self._in_view and self._touched_at - before > limits.IDLE_AFTER_S:
            self._in_view = dict.fromkeys(self._in_view, self._touched_at)
            self._wait()

    def told(self, digest: Digest, next_key: str) -> str:
        """Show what is marked by now; returns for people what `digest` says."""
        self._show()
        return digest_text(digest, next_key)

    def scroll_marks(self, parts: int) -> set[int]:
        """Return which of so many equal parts of the text have changes."""
        rows = self._buffer.lines.row_count
        marked: set[int] = set()
        for region in self._changes.regions:
            seen = self._rows_of(region)
            marked.update(range(seen.start * parts // rows, (seen.stop - 1) * parts // rows + 1))
        return marked

    # -- actions

    def step(self, *, back: bool) -> None:
        """Go to the next change, around the end of the text, too."""
        region = self._changes.next(self._buffer.head.row, back=back)
        if region is None:
            self._tell(_NOTHING)
            return
        self._visit(self._rows_of(region))
        regions = list(self._changes.regions)
        both = " · by both" if region.is_both else ""
        self._tell(f"change {regions.index(region) + 1:,} of {len(regions):,} · {_size(region)}{both}")

    def list_all(self) -> None:
        """Open the list of all changes; what both sides changed comes first."""
        regions = sorted(self._changes.regions, key=lambda region: not region.is_both)[:_LISTED_MOST]
        if not regions:
            self._tell(_NOTHING)
            return
        self._listed = [self._rows_of(region).start for region in regions]
        sizes = [self._rows_of(region) for region in regions]

        def choose(id_: str) -> None:
            row = self._listed[int(id_)]
            self._visit(range(row, row + len(sizes[int(id_)])))

        entries = [self._entry(at, region) for at, region in enumerate(regions)]
        self._bars.choose(entries, "Changes while you were away", choose)

    def _entry(self, at: int, region: Region) -> Entry:
        row = self._listed[at]
        if region.first_row == region.end_row:
            title = f"({region.was:,} {'line' if region.was == 1 else 'lines'} removed)"
        else:
            title = self._buffer.lines.line(row)[:_TITLE_CHARACTERS].strip() or "(blank)"
        keys = f"{_size(region)}  {row + 1:,}"
        keys = keys.translate(_ASCII) if self._is_ascii else keys
        return Entry(str(at), title, keys, "both" if region.is_both else "")

    def _visit(self, rows: range) -> None:
        self._visited = rows, self._clock()
        row = min(rows.start, self._last_row)
        self._editor.edit(lambda buffer: buffer.move_to(Position(row, 0)), centre=True)
        self._wait()

    def _rows_of(self, region: Region) -> range:
        """Return the rows beside which the region's marks are: at least the one before which lines went."""
        first = min(region.first_row, self._last_row)
        return range(first, max(region.end_row, first + 1))

    @property
    def _last_row(self) -> int:
        return self._buffer.lines.row_count - 1

    # -- marks

    def _mark(self, rows: Sequence[VisualRow], marks: dict[int, RowMarks]) -> None:
        """Put a sign beside each changed row in view."""
        found = self._changes.marks(dict.fromkeys(shown.row for shown in rows))
        if not found:
            self._in_view.clear()
            return
        palette = self._palette()
        for y, shown in enumerate(rows):
            mark = found.get(shown.row)
            if mark is None or (mark is Mark.REMOVED and shown.start):
                continue
            ink = palette.change_both if mark is Mark.BOTH else palette.change
            marks[y] = replace(marks.get(y, NO_MARKS), change=Chip(0, self._signs[mark], ink))
        self._look_at(found)

    def _look_at(self, found: Mapping[int, Mark]) -> None:
        now = self._clock()
        self._in_view = {row: self._in_view.get(row, now) for row in found}
        self._wait()

    def _wait(self) -> None:
        """Come back when the next mark has been seen; without the person, when they are back."""
        now = self._clock()
        due = [since + _SEEN_S for since in self._in_view.values()]
        if self._visited is not None:
            due.append(self._visited[1] + _VISITED_S)
        if due and not self._is_waiting and self._is_at_it(now):
            self._is_waiting = True
            self._later(max(0.01, min(due) - now), self._look_again)

    def _is_at_it(self, now: float) -> bool:
        return now - self._touched_at <= limits.IDLE_AFTER_S

    def _look_again(self) -> None:
        self._is_waiting = False
        now = self._clock()
        if not self._is_at_it(now):
            return
        seen = list(_stretches(sorted(row for row, at in self._in_view.items() if at + _SEEN_S <= now)))
        if self._visited is not None and self._visited[1] + _VISITED_S <= now:
            seen.append(self._visited[0])
            self._visited = None
        have_gone = [self._changes.seen(rows.start, rows.stop) for rows in seen]
        if any(have_gone):
            self._show()
        self._in_view = {row: at for row, at in self._in_view.items() if at + _SEEN_S > now}
        self._wait()

    def _show(self) -> None:
        self._editor.recolour()
        self._changed()

    def _text_changed(self, change: Change) -> None:
        """Take the rows that are remembered along."""
        shift = change.new_last_row - change.old_last_row
        if not shift:
            return

        def moved(row: int) -> int:
            return row + shift if row > change.old_last_row else min(row, change.new_last_row)

        self._in_view = {moved(row): at for row, at in self._in_view.items()}
        self._listed = [moved(row) for row in self._listed]
        if self._visited is not None:
            rows, at = self._visited
            first = moved(rows.start)
            self._visited = range(first, max(first, moved(rows.stop - 1)) + 1), at


def digest_text(digest: Digest, next_key: str) -> str:
    """Return in a line what changed, by whom, and which key goes there."""
    names = [safe_name(author.name, _NAME_CELLS) for author in digest.authors]
    more = len(names) - _NAMES_MOST
    who = ", ".join(names[:_NAMES_MOST]) + (f" and {more} more" if more > 0 else "")
    words = [f"while you were away: +{digest.added:,} −{digest.removed:,}" + (f" by {who}" if who else "")]
    if digest.both:
        words.append(f"{digest.both:,} by both")
    if next_key:
        words.append(f"{next_key} next")
    return " · ".join(words)


def _size(region: Region) -> str:
    return f"+{region.end_row - region.first_row:,} −{region.was:,}"


def _stretches(rows: Sequence[int]) -> Iterator[range]:
    """Yield the stretches without a gap that `rows`, in order, consist of."""
    at = count()
    for _, run in groupby(rows, lambda row: row - next(at)):
        stretch = [*run]
        yield range(stretch[0], stretch[-1] + 1)
