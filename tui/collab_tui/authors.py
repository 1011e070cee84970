"""Who wrote what, shown in the editor: their colours under the text, their signs in the gutter.

It is learned when somebody wants to see it, a slice at a time between two keys, and forgotten when they do
not want to any more.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Final, Protocol

from collab_client.authorship import Authorship
from collab_protocol.presence import Author
from collab_tui.initials import sign_for
from collab_tui.painting import NO_MARKS, Chip, RowMarks, Span
from collab_tui.people import signs_of
from collab_tui.safe_text import safe_name

if TYPE_CHECKING:
    from collab_client.buffer import Buffer, Change
    from collab_client.people import People
    from collab_protocol.messages import Authors
    from collab_tui.palette import Palette
    from collab_tui.visual_row import VisualRow
    from collab_tui.widgets.editor import Editor

_CELLS: Final = 2
"""What the gutter grows by: a sign and a blank."""

_SLICE_S: Final = 0.004
_PAUSE_S: Final = 0.001
"""How long is learned in one go, and how long others are let in between two."""

_TOLD_AFTER_S: Final = 0.3
_ASK_AGAIN_S: Final = 2.0
"""Between two questions, where text comes of which nobody here knows who wrote it."""

_NAMED_MOST: Final = 6
_NAME_CELLS: Final = 16
_ROWS_MOST: Final = 1000
"""Rows of which it is kept who wrote them."""

_UNKNOWN_SIGN: Final = "?"


class Session(Protocol):
    """Whom to ask."""

    @property
    def people(self) -> People: ...

    def ask_authors(self) -> str: ...


@dataclass(frozen=True, slots=True)
class _Row:
    """Stretches of a row by author, and who wrote most of it; None for nobody who is known."""

    runs: tuple[tuple[int, int, int], ...]
    main: int | None


class ShownAuthors:
    """Shows it, or not. Nothing is kept or done while it is off."""

    def __init__(
        self,
        editor: Editor,
        buffer: Buffer,
        session: Session,
        *,
        palette: Callable[[], Palette],
        tell: Callable[[str], None],
        later: Callable[[float, Callable[[], None]], object],
        clock: Callable[[], float],
    ) -> None:
        """`later(seconds, call)` is a timer."""
        self._editor = editor
        self._buffer = buffer
        self._session = session
        self._palette = palette
        self._tell = tell
        self._later = later
        self._clock = clock
        self._authorship: Authorship | None = None
        self._learning: Generator[None, None, None] | None = None
        self._is_asking = False
        self._asked_at = float("-inf")
        self._is_shown = False
        self._rows: dict[int, _Row] = {}
        self._present: Mapping[str, str] = {}
        self._signs: dict[str, str] = {}

    def toggle(self) -> None:
        """Show it, or show it no more."""
        if self._authorship is not None:
            self.close()
            self._tell("who wrote what is not shown any more")
            return
        own = self._session.people.own
        if own is None:
            self._tell("not connected: the server knows who wrote what")
            return
        refusal = self._ask()
        if refusal:
            self._tell(refusal)
            return
        author = Author(own.principal, own.name, own.colour)
        self._authorship = authorship = Authorship(self._buffer, author, self._author_of)
        authorship.on_changed = self._authors_changed
        self._editor.text_listeners.append(self._text_changed)
        self._editor.overlays.append(self._paint)
        self._later(_TOLD_AFTER_S, partial(self._say_if_slow, authorship))

    def close(self) -> None:
        """Show it no more, and forget it."""
        authorship, self._authorship = self._authorship, None
        if authorship is None:
            return
        authorship.close()
        self._editor.text_listeners.remove(self._text_changed)
        self._editor.overlays.remove(self._paint)
        self._learning = None
        self._is_asking = self._is_shown = False
        self._rows.clear()
        self._present, self._signs = {}, {}
        self._editor.set_author_cells(0)
        self._editor.recolour()

    def answered(self, authors: Authors) -> None:
        """Take what the server says."""
        self._is_asking = False
        if self._authorship is not None:
            self._learning = self._authorship.learning(authors)
            self._learn(self._learning)

    def linked(self) -> None:
        """Ask again what an earlier link did not answer, or what came with this one."""
        self._is_asking = False
        self._ask_if_needed()

    # -- learning

    def _ask(self) -> str:
        """Ask who wrote what; returns why that cannot be done."""
        self._asked_at = self._clock()
        refusal = self._session.ask_authors()
        self._is_asking = not refusal
        return refusal

    def _ask_if_needed(self) -> None:
        authorship = self._authorship
        if authorship is None or self._is_asking or not authorship.needs_learning:
            return
        wait_s = self._asked_at + _ASK_AGAIN_S - self._clock()
        if wait_s > 0:
            self._is_asking = True
            self._later(wait_s, partial(self._ask_now, authorship))
        else:
            self._ask()

    def _ask_now(self, authorship: Authorship) -> None:
        if authorship is self._authorship:
            self._ask()

    def _learn(self, learning: Generator[None, None, None]) -> None:
        """Go on for a moment, and again later, until it is known or another answer has come."""
        if learning is not self._learning:
            learning.close()
            return
        ends_at = self._clock() + _SLICE_S
        for _ in learning:
            if self._clock() >= ends_at:
                self._later(_PAUSE_S, partial(self._learn, learning))
                return
        self._learning = None

    def _say_if_slow(self, authorship: Authorship) -> None:
        if authorship is self._authorship and not authorship.is_ready:
            self._tell("learning who wrote what")

    def _authors_changed(self) -> None:
        authorship = self._authorship
        if authorship is None:
            return
        self._rows.clear()
        if authorship.is_ready and not self._is_shown:
            self._is_shown = True
            self._editor.set_author_cells(_CELLS)
            self._tell(self._legend(authorship))
        self._editor.recolour()
        self._ask_if_needed()

    def _author_of(self, session: int) -> Author | None:
        peer = self._buffer.peers.get(session)
        if peer is None:
            return None
        return Author(peer.person.principal, peer.person.name, peer.person.colour)

    # -- drawing

    def _text_changed(self, change: Change) -> None:
        """Forget the rows that changed, and take the others along."""
        first, last = change.first_row, change.old_last_row
        shift = change.new_last_row - last
        self._rows = {
            row + (shift if row > last else 0): known
            for row, known in self._rows.items()
            if not first <= row <= last
        }

    def _paint(self, rows: Sequence[VisualRow], marks: dict[int, RowMarks]) -> None:
        """Lay everybody's colour under what they wrote in the rows in view, and their signs beside it."""
        authorship = self._authorship
        if authorship is None or not authorship.is_ready:
            return
        if len(self._rows) > _ROWS_MOST:
            self._rows.clear()
        palette = self._palette()
        for y, shown in enumerate(rows):
            row = self._row(authorship, shown.row)
            spans = [
                Span(max(start, shown.start), min(end, shown.end), palette.author(self._colour(author)))
                for start, end, author in row.runs
                if author >= 0 and start < shown.end and end > shown.start
            ]
            sign = None if shown.start else self._sign_of(authorship, row, palette)
            if spans or sign is not None:
                before = marks.get(y, NO_MARKS)
                marks[y] = replace(before, spans=(*spans, *before.spans), author=sign)

    def _row(self, authorship: Authorship, row: int) -> _Row:
        known = self._rows.get(row)
        if known is None:
            known = self._rows[row] = _Row(authorship.of_row(row), authorship.main_of_row(row))
        return known

    def _colour(self, number: int) -> int:
        return 0 if self._authorship is None else self._authorship.people[number].colour

    def _sign_of(self, authorship: Authorship, row: _Row, palette: Palette) -> Chip | None:
        if row.main is not None:
            author = authorship.people[row.main]
            return Chip(0, self._sign(author), palette.author_sign(author.colour))
        return Chip(0, _UNKNOWN_SIGN, palette.gutter._replace(bg=None)) if row.runs else None

    def _sign(self, author: Author) -> str:
        """Return the sign that `author` has as long as they are here, or one that nobody has."""
        if self._present is not self._editor.signs:
            self._present = self._editor.signs
            people = self._session.people
            self._signs = dict(signs_of(people.everybody(), people.own))
        sign = self._signs.get(author.principal)
        if sign is None:
            sign = self._signs[author.principal] = sign_for(author.name, self._signs.values())
        return sign

    def _legend(self, authorship: Authorship) -> str:
        """Return which sign is whose, those in view first."""
        view = self._editor.view
        in_view = [] if view is None else [shown.row for shown in view.rows()]
        runs = [run for row in dict.fromkeys(in_view) for run in self._row(authorship, row).runs]
        seen = list(dict.fromkeys(author for _, _, author in runs))
        numbers = dict.fromkeys((*(n for n in seen if n >= 0), *range(len(authorship.people))))
        shown = [authorship.people[number] for number in list(numbers)[:_NAMED_MOST]]
        words = [f"{self._sign(author)} {safe_name(author.name, _NAME_CELLS)}" for author in shown]
        more = len(numbers) - len(shown)
        if more > 0:
            words.append(f"{more} more")
        if any(number < 0 for number in seen):
            words.append(f"{_UNKNOWN_SIGN} unknown")
        return " · ".join(words)
