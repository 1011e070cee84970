"""Find and replace in the editor: the bar's query, a search over the text, the caret on what was found."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar

from collab_client.buffer import Buffer, Change
from collab_client.lines import Position
from collab_client.matching import BadPattern, Matcher, Query, SlowPattern, compile_query
from collab_client.search import Search
from collab_tui.marks import Match

if TYPE_CHECKING:
    from collab_tui.widgets.editor import Editor
    from collab_tui.widgets.find_bar import FindBar

_REPLACED_MOST: Final = 10_000
"""At once: a second of work in a text of 10 MB, in which nobody can type."""

_COUNT_S: Final = 0.002
"""How long counting goes on before it lets others have their turn."""

Found = tuple[Position, Position]

T = TypeVar("T")

_NOTHING: Final = compile_query(Query(""))
_TOO_SLOW: Final = "too slow: the pattern takes too long over one line"


class Finding:
    """One person's search. `notify(text)` tells them something; `later(call)` calls back soon."""

    def __init__(
        self,
        editor: Editor,
        bar: FindBar,
        buffer: Buffer,
        *,
        notify: Callable[[str], None],
        later: Callable[[Callable[[], None]], object],
        clock: Callable[[], float],
    ) -> None:
        self._editor = editor
        self._bar = bar
        self._buffer = buffer
        self._notify = notify
        self._later = later
        self._clock = clock
        self._search: Search | None = None
        self._matcher: Matcher | None = None
        self._query = Query("")
        self._selected: Search | None = None  # knows where what was selected lies now
        self._awaited: bool | None = None  # a step, back or not, that goes on as far as counting comes
        self._origin = buffer.head
        self._is_counting = False
        bar.on_query = self._query_changed
        bar.on_step = self._step
        bar.on_replace = self._replace
        bar.on_replace_all = self._replace_all
        editor.text_listeners.append(self._text_changed)
        editor.matches = self._matches

    def open(self, *, with_replace: bool) -> None:
        """Open the bar: with what is selected as query, or to look within it when that spans lines."""
        selection = self._buffer.selection
        spans_lines = selection is not None and selection[0].row != selection[1].row
        self._selected = None if selection is None else Search(self._buffer.lines, _NOTHING, selection)
        self._origin = self._buffer.head if selection is None else selection[0]
        text = "" if selection is None or spans_lines else self._buffer.selected_text
        self._bar.open(text or self._query.text, with_replace=with_replace, in_selection=spans_lines)
        self._query_changed()

    def closed(self) -> None:
        """Forget what was found; the last of it stays selected."""
        self._search = self._selected = self._awaited = None

    def step(self, *, back: bool) -> None:
        """Go to the next match of the last query, the bar open or not."""
        if not self._query.text:
            self.open(with_replace=False)
            return
        if self._search is None:
            self._begin(is_in_selection=False)
        self._step(back)

    # -- what the bar says

    def _query_changed(self) -> None:
        self._query = self._bar.asked
        if self._begin(is_in_selection=self._bar.in_selection):
            self._go(self._origin, back=False)
        else:
            self._editor.update()

    def _step(self, back: bool) -> None:
        start, end = self._buffer.selection or (self._buffer.head, self._buffer.head)
        if self._go(start if back else end, back=back):
            self._origin = self._buffer.anchor  # from where the next query is looked for

    def _go(self, place: Position, *, back: bool) -> bool:
        """Select the next match from `place`; where it takes long to find, as soon as it is found."""
        search = self._search
        if search is None:
            return False
        self._awaited = None
        place = self._buffer.lines.clamp(place)
        found = self._guarded(lambda s: s.previous_before(place) if back else s.next_after(place))
        if found is not None:
            self._select(found)
        elif search.is_slow:
            self._say(_TOO_SLOW)
        elif not search.is_complete:
            self._awaited = back
            self._count_soon()
        elif not self._bar.is_open:
            self._notify(f"not found: {self._query.text}")
        self._show_count()
        if found is None:
            self._editor.update()
        return found is not None

    def _say(self, error: str) -> None:
        if self._bar.is_open:
            self._bar.show(error=error)
        else:
            self._notify(error)

    def _replace(self) -> None:
        """Replace the match that is selected, and go to the next one."""
        search, matcher, selection = self._search, self._matcher, self._buffer.selection
        if (
            search is not None
            and matcher is not None
            and selection is not None
            and search.index_of(selection)
        ):
            start, end = selection
            line = self._buffer.lines.line(start.row)
            columns = (start.column, end.column)
            text = self._guarded(lambda _: matcher.replacement(line, columns, self._bar.replacement))
            if text is None:
                return
            if not self._editor.edit(lambda buffer: buffer.replace(start, end, text)):
                return
        self._step(back=False)

    def _replace_all(self) -> None:
        edits = self._guarded(lambda search: search.replace_all(self._bar.replacement))
        if edits is None:
            return
        if not edits:
            self._notify("nothing to replace")
            return
        more, edits = len(edits) - _REPLACED_MOST, edits[:_REPLACED_MOST]
        if not self._editor.edit(lambda buffer: buffer.edit_all(edits)):
            return
        rest = f"; {more:,} are left: do it again" if more > 0 else "; Ctrl-Z takes it back"
        self._notify(f"replaced {len(edits):,}{rest}")
        self._show_count()

    # -- the search

    def _begin(self, *, is_in_selection: bool) -> bool:
        """Begin to search for the query; returns whether there is something to search for."""
        self._search = None
        try:
            self._matcher = compile_query(self._query)
        except BadPattern as error:
            self._bar.show(error=str(error))
            return False
        if not self._query.text:
            self._bar.show()
            return False
        scope = self._selected.scope if is_in_selection and self._selected is not None else None
        self._search = Search(self._buffer.lines, self._matcher, scope)
        self._count_on()
        return True

    def _guarded(self, ask: Callable[[Search], T]) -> T | None:
        """Ask the search; a pattern that takes too long is told in the bar."""
        if self._search is None:
            return None
        try:
            return ask(self._search)
        except (BadPattern, SlowPattern) as error:
            self._say(str(error))
            return None

    def _select(self, found: Found) -> None:
        start, end = found

        def select(buffer: Buffer) -> None:
            buffer.move_to(start)
            buffer.move_to(end, extend=True)

        self._editor.edit(select, centre=True)

    def _text_changed(self, change: Change) -> None:
        for search in (self._search, self._selected):
            if search is not None:
                search.splice(change.first_row, change.old_last_row, change.new_last_row)
                self._count_soon()

    def _matches(self, rows: Sequence[int]) -> Iterator[Match]:
        """Yield what of the matches is on the screen."""
        search = self._search
        if search is None or not self._bar.is_open:
            return
        selection = self._buffer.selection
        for row in rows:
            for start, end in self._guarded(partial(Search.in_row, row=row)) or ():
                is_current = selection == (Position(row, start), Position(row, end))
                yield Match(row, start, end, is_current)

    def marks(self, rows: int) -> set[int]:
        """Return which of `rows` equal parts of the text have matches."""
        search = self._search
        return search.marks(rows) if search is not None and self._bar.is_open else set()

    def _count_soon(self) -> None:
        if not self._is_counting:
            self._is_counting = True
            self._later(self._count_on)

    def _count_on(self) -> None:
        self._is_counting = False
        search = self._search
        if search is None:
            return
        ends_at = self._clock() + _COUNT_S
        is_complete = self._guarded(lambda s: s.run(lambda: self._clock() < ends_at))
        if is_complete is None:
            return
        self._show_count()
        if self._awaited is not None and (is_complete or search.total):
            self._step(self._awaited)
        elif not is_complete:
            self._count_soon()

    def _show_count(self) -> None:
        search = self._search
        if search is None or not self._bar.is_open:
            return
        if search.is_slow:
            self._say(_TOO_SLOW)
            return
        total = f"{search.total:,}" + ("" if search.is_complete else "+")
        if search.is_complete and not search.total:
            self._bar.show(count="no match")
            return
        selection = self._buffer.selection
        index = None if selection is None else search.index_of(selection)
        self._bar.show(count=total if index is None else f"{index:,} of {total}")
