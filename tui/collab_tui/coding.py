"""What the app does for code: the room's language and its colours, symbols, nodes, folds, links.

Questions to the parser are answered some milliseconds later; an answer that comes to a text that was edited
meanwhile does nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Final

from collab_client import code_edits
from collab_client.buffer import Buffer
from collab_client.carets import Span
from collab_client.lines import Position
from collab_client.room_settings import INDENT, LANGUAGE, TAB_WIDTH, RoomSettings
from collab_syntax import languages
from collab_syntax.languages import LANGUAGES, PLAIN, Language
from collab_tui.folding import Fold
from collab_tui.room_language import MODELINE_ROWS, RoomLanguage
from collab_tui.syntax import Syntax
from collab_tui.widgets.command_list import Entry

if TYPE_CHECKING:
    from collab_client.buffer import Change
    from collab_tui.bars import Bars
    from collab_tui.widgets.editor import Editor

_DECIDE_PAUSE_S: Final = 0.5
"""How long after an edit of the first or last rows they are looked at for a modeline."""

_AUTO: Final = "auto"
_INDENTS: Final = (("2", "2 blanks"), ("4", "4 blanks"), ("8", "8 blanks"), ("tabs", "Tabs"))
_WIDTHS: Final = ("2", "3", "4", "8")
_SPEAK_S: Final = 1.0
"""Between one language and the next: anybody in the room may set it, and each starts a process."""

_RETRY_S: Final = 30.0
_RETRY_MOST_S: Final = 600.0
"""After a parser has failed for good: twice as long each time."""

_SOON_S: Final = 0.01

_DEPTH_MOST: Final = 8
"""Steps by which a symbol in others is indented in the list."""

_LINES_MOST: Final = 2000
"""Rows that are commented or ticked off at once."""


class Coding:
    """Follows what the room is written in, and does the actions that need to know."""

    def __init__(
        self,
        editor: Editor,
        bars: Bars,
        buffer: Buffer,
        settings: RoomSettings,
        language: RoomLanguage,
        *,
        tell: Callable[[str], None],
        later: Callable[[float, Callable[[], None]], object],
        run: Callable[[Coroutine[object, object, None]], object],
        changed: Callable[[], None],
        clock: Callable[[], float],
    ) -> None:
        """`later(seconds, call)` is a timer, `run` takes what waits for the parser, `changed()` is called
        when the language is another."""
        self._editor = editor
        self._bars = bars
        self._buffer = buffer
        self._settings = settings
        self.language = language
        self._tell = tell
        self._later = later
        self._run = run
        self._changed = changed
        self._is_deciding = False
        self._decided_at = float("-inf")
        self._clock = clock
        self._listed: list[int] = []  # the rows of the symbols in the list, wherever they have gone
        self._expanded: list[Span] = []  # what was selected before each step from node to enclosing node
        self._syntax = Syntax(buffer.lines, on_colours=editor.recolour, on_failed=self._failed)
        self._spoken = PLAIN
        self._told_of: Language | None = None
        self._retry_s = _RETRY_S
        settings.on_change = self._setting_changed
        editor.syntax = self._syntax
        editor.text_listeners.append(self._text_changed)
        editor.language = language
        self._actions: dict[str, Callable[[], object]] = {
            "language": self._ask_language,
            "room_indent": self._ask_indent,
            "room_tab_width": self._ask_tab_width,
            "symbols": lambda: self._wait_for(self._list_symbols()),
            "expand_selection": lambda: self._wait_for(self._expand()),
            "shrink_selection": self._shrink,
            "toggle_fold": lambda: self._wait_for(self._toggle_fold()),
            "fold_all": lambda: self._wait_for(self._fold_all()),
            "unfold_all": self._unfold_all,
            "toggle_comment": self._toggle_comment,
            "toggle_checkbox": self._toggle_checkbox,
            "align_table": self._align_table,
            "follow_link": self._follow_link,
            "next_heading": lambda: self._go_to_heading(is_next=True),
            "previous_heading": lambda: self._go_to_heading(is_next=False),
        }

    def begin(self) -> None:
        """Colour the text, once it has been seen."""
        self._speak()

    @property
    def title(self) -> str:
        """What the room is written in, for people; empty for plain text."""
        language = self.language.language
        return "" if language is PLAIN else language.title

    def close(self) -> None:
        """Let the parser go."""
        self._syntax.close()

    def act(self, action: str) -> bool:
        """Do `action`; False when it is not of this kind."""
        do = self._actions.get(action)
        if do is None:
            return False
        do()
        return True

    # -- what the room is written in

    def _text_changed(self, change: Change) -> None:
        self._syntax.text_changed(change)
        shift = change.new_last_row - change.old_last_row
        if shift and self._listed:
            self._listed = [row + shift if row > change.old_last_row else row for row in self._listed]
        last = self._buffer.lines.row_count - MODELINE_ROWS
        if not self._is_deciding and (change.first_row < MODELINE_ROWS or change.new_last_row >= last):
            self._is_deciding = True
            self._later(_DECIDE_PAUSE_S, self._decide)

    def _decide(self) -> None:
        self._is_deciding = False
        self._decided_at = self._clock()
        if self.language.decide():
            self._speak()
            self._changed()

    def _speak(self) -> None:
        language = self.language.language
        if language is not self._spoken:
            self._spoken = language
            self._syntax.speak(language)
        self._editor.set_tab_cells(self.language.tab_cells)

    def _failed(self, reason: str) -> None:
        """Say it once, and try again later: what the parser died of may be gone from the text by then."""
        if self._told_of is not self._spoken:
            self._told_of, self._retry_s = self._spoken, _RETRY_S
            self._tell(f"no colours for {self._spoken.title}: {reason}")
        self._later(self._retry_s, self._speak_again)
        self._retry_s = min(2 * self._retry_s, _RETRY_MOST_S)

    def _speak_again(self) -> None:
        if self._syntax.parser is None and self._spoken is not PLAIN:
            self._syntax.speak(self._spoken)

    def _setting_changed(self, key: str) -> None:
        if key in (LANGUAGE, INDENT, TAB_WIDTH) and not self._is_deciding:
            self._is_deciding = True
            wait_s = self._decided_at + _SPEAK_S - self._clock()
            self._later(max(_SOON_S, wait_s), self._decide)

    def _set(self, key: str, value: str, said: str) -> None:
        if self._buffer.read_only:
            self._tell("this room is read-only for you")
            return
        self._settings.set(key, "" if value == _AUTO else value)
        self._tell(f"{said} for everybody in the room")

    def _ask_language(self) -> None:
        known = sorted(LANGUAGES, key=lambda language: language.title.casefold())
        entries = [
            Entry(_AUTO, "As the room's name or its text says", "", ""),
            *(Entry(language.id, language.title, language.id, "") for language in known),
        ]

        def choose(id_: str) -> None:
            found = languages.find(id_)
            self._set(LANGUAGE, id_, f"language: {'as the name says' if found is None else found.title}")

        self._bars.choose(entries, f"Language of the room: {self.language.language.title}", choose)

    def _ask_indent(self) -> None:
        entries = [
            Entry(_AUTO, "As the text is", "", ""),
            *(Entry(id_, title, "", "") for id_, title in _INDENTS),
        ]
        titles = dict(_INDENTS)
        self._bars.choose(
            entries,
            "Indentation of the room",
            lambda id_: self._set(INDENT, id_, f"indentation: {titles.get(id_, 'as the text is').lower()}"),
        )

    def _ask_tab_width(self) -> None:
        entries = [Entry(width, f"{width} cells", "", "") for width in _WIDTHS]
        self._bars.choose(
            entries,
            f"Width of a tab in the room: {self.language.tab_cells}",
            lambda id_: self._set(TAB_WIDTH, id_, f"tabs: {id_} cells"),
        )

    # -- what the parser knows

    def _wait_for(self, coroutine: Coroutine[object, object, None]) -> None:
        if self._syntax.parser is None:
            coroutine.close()
            self._tell(f"{self.language.language.title} has no tree: choose a language (Ctrl-P, language)")
            return
        self._run(self._answered(coroutine))

    async def _answered(self, coroutine: Coroutine[object, object, None]) -> None:
        from collab_syntax.parser_process import StaleAnswer  # loaded with the first parser

        try:
            await coroutine
        except StaleAnswer:
            self._tell("the text changes too fast to look at it as a whole: try again")

    async def _list_symbols(self) -> None:
        parser = self._syntax.parser
        symbols = await parser.symbols() if parser is not None else []
        if not symbols:
            self._tell("nothing here has a name to go to")
            return
        if self._bars.is_any_open:
            return  # the person has gone on to something else
        entries = [
            Entry(
                str(at),
                "  " * min(symbol.depth, _DEPTH_MOST) + symbol.name,
                f"{symbol.row + 1}",
                symbol.kind,
            )
            for at, symbol in enumerate(symbols)
        ]
        row = self._buffer.head.row
        near = max((at for at, symbol in enumerate(symbols) if symbol.row <= row), default=0)
        self._listed = [symbol.row for symbol in symbols]

        def choose(id_: str) -> None:
            row = min(self._listed[int(id_)], self._buffer.lines.row_count - 1)
            self._go_to(Position(row, symbols[int(id_)].column))

        self._bars.choose(entries, "Symbols", choose, chosen=str(near))

    async def _expand(self) -> None:
        parser, buffer = self._syntax.parser, self._buffer
        span = buffer.spans[buffer.primary]
        node = None if parser is None else await parser.enclosing(span.start, span.end)
        if node is None or buffer.spans[buffer.primary] != span:
            return
        if self._expanded and not _is_in(self._expanded[-1], span):
            self._expanded.clear()
        self._expanded.append(span)
        start, end = (Position(*place) for place in node)
        self._select(Span(head=end, anchor=start))

    def _shrink(self) -> None:
        span = self._buffer.spans[self._buffer.primary]
        before = self._expanded.pop() if self._expanded else None
        if before is None or not _is_in(before, span):
            self._expanded.clear()
            self._tell("nothing was selected by node before")
            return
        self._select(before)

    def _select(self, span: Span) -> None:
        self._editor.edit(lambda buffer: buffer.set_spans((span,)))

    async def _toggle_fold(self) -> None:
        view, parser, buffer = self._editor.view, self._syntax.parser, self._buffer
        row = buffer.head.row
        if view is None or parser is None:
            return
        if view.folds.unfold(row):
            self._editor.update(reveal=True)
            return
        rows = await parser.fold_at(row)
        if rows is None or buffer.head.row != row:
            self._tell("nothing to fold here")
            return
        self._fold([Fold(*rows)])

    async def _fold_all(self) -> None:
        parser = self._syntax.parser
        folds = [] if parser is None else await parser.folds()
        self._fold([Fold(*rows) for rows in folds])

    def _fold(self, folds: list[Fold]) -> None:
        view = self._editor.view
        if view is None:
            return
        last = self._buffer.lines.row_count - 1
        view.folds.add(fold for fold in folds if fold.last <= last)
        header = view.folds.header

        def leave(buffer: Buffer) -> None:
            """Take the primary caret to where it is seen; others that are not seen go."""
            primary = buffer.spans[buffer.primary]
            row = header(primary.head.row)
            if row != primary.head.row:
                place = Position(row, min(primary.head.column, len(buffer.lines.line(row))))
                primary = Span(place, place)
            others = [*buffer.spans[: buffer.primary], *buffer.spans[buffer.primary + 1 :]]
            buffer.set_spans([*(s for s in others if header(s.head.row) == s.head.row), primary])

        self._editor.edit(leave)

    def _unfold_all(self) -> None:
        if self._editor.view is not None:
            self._editor.view.folds.clear()
            self._editor.update(reveal=True)

    # -- what the text says

    def _rows(self) -> list[int]:
        """Return the rows that carets and selections touch, in order."""
        rows: dict[int, None] = {}
        for span in self._buffer.spans:
            last = span.end.row - (span.end.row > span.start.row and not span.end.column)
            rows.update(dict.fromkeys(range(span.start.row, last + 1)))
        return list(rows)

    def _toggle_comment(self) -> None:
        rows, style = self._rows(), self.language.style
        if not (style.line_comment or style.block_comment):
            self._tell(f"{self.language.language.title} has no comments")
        elif len(rows) > _LINES_MOST:
            self._tell(f"at most {_LINES_MOST:,} lines at once")
        else:
            edits = code_edits.toggle_comment(self._buffer.lines, rows, style)
            self._editor.edit(lambda buffer: buffer.edit_all(edits))

    def _toggle_checkbox(self) -> None:
        from collab_client.markdown_edits import toggle_checkbox  # what Markdown needs is loaded when it does

        rows = self._rows()[:_LINES_MOST]
        edits = toggle_checkbox(self._buffer.lines, rows)
        head = self._buffer.head
        size = sum(len(edit.text) for edit in edits if edit.start == edit.end == head)

        def tick(buffer: Buffer) -> None:
            if size and len(buffer.spans) == 1 and buffer.selection is None:
                place = Position(head.row, head.column + size)  # one goes on writing behind the box
                buffer.edit_all(edits, select=(place, place))
            else:
                buffer.edit_all(edits)

        self._editor.edit(tick)

    def _align_table(self) -> None:
        from collab_client.markdown_tables import align_table

        edits = align_table(self._buffer.lines, self._buffer.head.row)
        if edits:
            self._editor.edit(lambda buffer: buffer.edit_all(edits))
        else:
            self._tell("no table here that is not aligned")

    def _go_to_heading(self, *, is_next: bool) -> None:
        from collab_client.markdown_edits import next_heading, previous_heading

        find = next_heading if is_next else previous_heading
        place = find(self._buffer.lines, self._buffer.head.row)
        if place is None:
            self._tell("no heading there")
        else:
            self._go_to(place)

    def _follow_link(self) -> None:
        from collab_client.markdown_edits import heading_target, link_at

        lines, head = self._buffer.lines, self._buffer.head
        link = link_at(lines, head)
        if link is None:
            self._tell("no link here")
            return
        place = heading_target(lines, link.target) if link.target.startswith("#") else None
        if place is not None:
            self._go_to(place)
        elif link.target.startswith("#"):
            self._tell(f"no heading {link.target}")
        else:
            self._editor.copy_text(link.target)

    def _go_to(self, place: Position) -> None:
        self._editor.edit(lambda buffer: buffer.move_to(place), centre=True)


def _is_in(inner: Span, outer: Span) -> bool:
    return outer.start <= inner.start and inner.end <= outer.end
