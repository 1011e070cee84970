"""The editor: shows a buffer, and turns keys, mouse and paste into edits of it.

It renders from state. After whatever happened, `_update` lays out the visible rows and their marks anew and
touches the rows of the screen that differ from what was drawn there last.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from rich.segment import Segment
from textual import events
from textual.geometry import Offset, Region
from textual.strip import Strip
from textual.timer import Timer

from collab_protocol.errors import EditError
from collab_tui.actions import ACTIONS, SELECT, Group, Keymap
from collab_tui.cells import Layouts
from collab_tui.initials import initials
from collab_tui.marks import Border, MarksLayout, Match, OwnCaret, Window
from collab_tui.options import Options
from collab_tui.painting import GUTTER_EXTRA, NO_MARKS, Colour, Painter, RowMarks
from collab_tui.palette import Palette, Styles
from collab_tui.visual_row import VisualRow
from collab_tui.widgets.copying import Clipboard, Register
from collab_tui.widgets.inbox import Inbox, Typed, text_of
from collab_tui.widgets.mouse import Mouse
from collab_tui.widgets.others import Others
from collab_tui.widgets.rows import RowsWidget

if TYPE_CHECKING:
    from collab_client.buffer import Buffer, Change
    from collab_client.code_edits import CodeStyle
    from collab_client.indentation import Indentation
    from collab_client.lines import Lines, Position
    from collab_protocol.presence import Activity, Person
    from collab_tui.following import Sight
    from collab_tui.room_language import RoomLanguage
    from collab_tui.syntax import Syntax
    from collab_tui.widgets.view import View

Overlay = Callable[[Sequence[VisualRow], dict[int, RowMarks]], None]
"""Adds to the marks of the rows in view what else is to be seen there."""

_DIGITS_LEAST: Final = 3
_WHEEL_ROWS: Final = 3

_OTHERS_FRAME_S: Final = 1 / 60
"""How often what others type is painted ahead of the throttle: a lone key then saves half a frame."""

_MEASURED_ROWS: Final = 2000
"""Rows whose wrap is measured in one go, for the scrollbar; some 2 ms."""

_MEASURE_S: Final = 0.02

_MOVES: Final = frozenset(a.id for a in ACTIONS if a.group is Group.MOVE)
_UP_AND_DOWN: Final = {"up": -1, "down": 1}
_PAGES: Final = {"page_up": -1, "page_down": 1}
_ON_LINES: Final = frozenset({"cut_lines", *(a.id for a in ACTIONS if a.group is Group.LINES)})
_COPYING: Final = {"copy": Register.copy, "cut": Register.cut, "cut_lines": Register.cut_lines}


class Editor(RowsWidget, can_focus=True):
    """Shows one buffer. Until `attach` it keeps what is typed, and does it all then.

    It calls `on_moved()` when the person has moved or edited, `on_elsewhere()` when the caret, the others
    or the window stand elsewhere in the text, `on_people()` when others came or went, `on_notice(text)`
    with what the person is to be told, `on_action(id)` for what is not the editor's to do, and
    `on_quit()` when the person wants to leave: keys wait then until `resume` or `divert`. While `keys_to`
    is set, it gets every key and paste first, with the action of the key; what it returns False for is
    done here.

    `on_typed()` is called for each key and paste, `on_view(top, bottom)` when other places of the text are
    the first and the last that are seen, `on_own_way(is_scroll)` when the person edits, moves or scrolls,
    before that is shown, and `on_unselect()` before nothing is selected; True: that is all. While `sight()`
    returns one, it says what is seen, and not the caret.
    """

    def __init__(
        self,
        palette: Palette,
        *,
        keymap: Keymap | None = None,
        options: Options | None = None,
        clipboard: Clipboard | None = None,
        is_ascii: bool = False,
        others_frame_s: float = _OTHERS_FRAME_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`clock` is the one by which peers' `moved_at` is told; `others_frame_s` is the least time between
        two paintings of what others do."""
        super().__init__()
        self.on_moved: Callable[[], None] = lambda: None
        self.on_elsewhere: Callable[[], None] = lambda: None
        self.on_people: Callable[[], None] = lambda: None
        self.on_notice: Callable[[str], None] = lambda _: None
        self.on_action: Callable[[str], None] = lambda _: None
        self.on_quit: Callable[[], None] = lambda: None
        self.on_crash: Callable[[BaseException], None] = lambda _: None
        self.on_typed: Callable[[], None] = lambda: None
        self.on_view: Callable[[Position, Position], None] = lambda top, bottom: None
        self.on_own_way: Callable[[bool], None] = lambda is_scroll: None
        self.on_unselect: Callable[[], bool] = lambda: False
        self.sight: Callable[[], Sight | None] = lambda: None
        self.text_listeners: list[Callable[[Change], None]] = []
        self.matches: Callable[[Sequence[int]], Iterable[Match]] = lambda _: ()
        self.overlays: list[Overlay] = []
        self.syntax: Syntax | None = None
        self.language: RoomLanguage | None = None
        self.keys_to: Callable[[Typed, str | None], bool] | None = None
        self._palette = palette
        self._options = options or Options()
        self._layouts = Layouts()
        self._painter = Painter(palette, self._options, self._layouts, is_ascii=is_ascii)
        self._styles = Styles()
        self._keymap = keymap or Keymap()
        self._register = Register(clipboard)
        self._is_ascii = is_ascii
        self._clock = clock
        self._buffer: Buffer | None = None
        self._view: View | None = None
        self._mouse = Mouse(self, place=self._place, edit=self.edit, scroll=self.scroll_rows, clock=clock)
        self._others = Others(
            self, update=self._update_for_others, paint=self.paint, frame_s=others_frame_s, clock=clock
        )
        self._shown: list[VisualRow] = []
        self._marks: dict[int, RowMarks] = {}
        self._colours: list[Sequence[Colour]] = []
        self._gutter = 0
        self._author_cells = 0
        self._inbox = Inbox(self._do_typed, asks_to_quit=self._asks_to_quit, on_quit=self._request_quit)
        self._is_acting = False
        self._has_edited = False
        self._is_caret_seen = True
        self._border: Border | None = None
        self._seen: tuple[Position, Position] | None = None
        self._head_shown: Position | None = None
        self._roster: tuple[tuple[Person, Activity], ...] = ()
        self._signs: dict[str, str] = {}
        self._measure_timer: Timer | None = None
        self._left_shown = 0
        self._top_shown = (-1, -1)

    # -- life

    def attach(self, buffer: Buffer) -> None:
        """Show `buffer` and do what was typed meanwhile; its callbacks are this editor's from now on."""
        from collab_tui.widgets.view import View  # loads what the buffer has loaded, not before

        self._buffer = buffer
        self._view = View(buffer.lines, self._layouts, is_wrapped=self._options.wrap)
        buffer.on_change = self._text_changed
        buffer.on_carets = self._carets_changed
        self._fit()
        self.touch_all()
        self._update(reveal=True)
        self.refresh()
        self.resume()

    @property
    def is_listening(self) -> bool:
        """Whether what is typed is done: there is a text, and no question."""
        return self._inbox.is_open

    @property
    def holds_typed(self) -> bool:
        """Whether something typed waits to be done."""
        return self._inbox.holds_any

    @property
    def view(self) -> View | None:
        """Which part of the text is shown; None before `attach`."""
        return self._view

    @property
    def signs(self) -> Mapping[str, str]:
        """The sign of each of the others, by principal; another mapping when they are others."""
        return self._signs

    @property
    def options(self) -> Options:
        """How the text is shown."""
        return self._options

    def set_look(self, palette: Palette, options: Options) -> None:
        """Show the text otherwise."""
        self._palette, self._options = palette, options
        self._painter = Painter(palette, options, self._layouts, is_ascii=self._is_ascii)
        if self._view is not None:
            self._view.set_wrap(options.wrap)
        self._fit()
        self.touch_all()
        self._update(reveal=self._is_caret_seen)
        self.refresh()

    def set_tab_cells(self, cells: int) -> None:
        """Draw tabs up to multiples of so many cells."""
        if cells == self._layouts.tab_cells:
            return
        self._layouts.set_tab_cells(cells)
        if self._view is not None:
            self._view.layout_again()
        self.touch_all()
        self._update(reveal=self._is_caret_seen)
        self.refresh()

    def recolour(self) -> None:
        """Show the colours that there are now."""
        self._others.changed()

    def set_author_cells(self, cells: int) -> None:
        """Keep so many cells of the gutter for who wrote each row."""
        if cells != self._author_cells:
            self._author_cells = cells
            self._fit()
            self.touch_all()
            self._update(reveal=self._is_caret_seen)
            self.refresh()

    def frame(self, border: Border | None) -> None:
        """Draw a border beside the text, or none."""
        if border != self._border:
            self._border = border
            self.touch_all()
            self._others.changed()

    def resume(self) -> None:
        """Do what was typed meanwhile, in order, and everything after it."""
        self._inbox.open()

    def divert(self, answer: Callable[[events.Key], None]) -> None:
        """Give keys to `answer`, a question on the screen, until `resume`."""
        self._inbox.divert(answer)

    def on_resize(self) -> None:
        self._fit()
        self.touch_all()
        self._update(reveal=self._is_caret_seen)

    def on_focus(self) -> None:
        self.update()

    def on_blur(self) -> None:
        self.update()

    # -- drawing

    def render_lines(self, crop: Region) -> list[Strip]:
        if self._others.is_due:
            self._update(
                reveal=self._is_caret_seen
            )  # rows are about to be drawn: their marks must fit the text that they have now
        return super().render_lines(crop)

    def render_line(self, y: int) -> Strip:
        width = self.outer_size.width
        if self._view is None:
            sign = ".." if self._is_ascii else "…"
            return self._painter.note(f" {sign} loading", width) if y == 0 else self._painter.blank(width)
        if y >= len(self._shown):
            return self._below(width)
        marks = self._marks.get(y, NO_MARKS)
        colours = self._colours[y]
        return self._painter.row(
            self._shown[y],
            marks,
            colours,
            left=self._view.left,
            width=width,
            gutter=self._gutter,
            authors=self._author_cells,
        )

    def _below(self, width: int) -> Strip:
        """Return a row below the end of the text."""
        blank = self._painter.blank(width)
        at = self._gutter - GUTTER_EXTRA
        if self._border is None or at >= width:
            return blank
        _, text, ink = self._border.chip(self._palette, is_ascii=self._is_ascii)
        sign = Strip([Segment(text, self._styles[ink])], 1)
        return Strip.join([blank.crop(0, at), sign, blank.crop(at + 1)])

    def _fit(self) -> None:
        """Fit gutter and view to text and screen."""
        if self._buffer is None or self._view is None:
            return
        before = self._gutter
        self._gutter = self._gutter_cells(self._buffer.lines.row_count)
        if self._gutter != before:
            self.touch_all()
        self._view.resize(self.outer_size.width - self._gutter, self.outer_size.height)
        self._measure_on()

    def _measure_on(self) -> None:
        """Measure the wrap of rows that nobody has seen yet, a few at a time."""
        self._measure_timer = None
        if self._view is not None and self._view.wrap.measure_some(_MEASURED_ROWS):
            self.on_elsewhere()
        elif self._view is not None and self.is_attached:
            self._measure_timer = self.set_timer(_MEASURE_S, self._measure_on)

    def update(self, *, reveal: bool = False, centre: bool = False) -> None:
        """Bring the screen up to date; with `reveal` the caret into view, with `centre` to its middle."""
        self._update(reveal=reveal, centre=centre)
        self.paint()

    def _update(self, *, reveal: bool = False, centre: bool = False) -> None:
        """Lay out what is to be seen, and touch the rows that differ from what is."""
        self._others.is_due = False
        buffer, view = self._buffer, self._view
        if buffer is None or view is None or not self.is_mounted or not self.outer_size:
            return
        view.settle()
        top = view.top, view.left
        sight = self.sight()
        if sight is not None:
            _show(view, sight)
        elif reveal:
            if view.folds:
                for span in buffer.spans:
                    view.folds.open_at(span.head.row)
            view.reveal(buffer.head, centre=centre)
        rows = view.rows()
        window = Window(rows, view.left, view.width, self._layouts)
        others = [span for at, span in enumerate(buffer.spans) if at != buffer.primary]
        has_focus = self.has_focus and self.keys_to is None
        own = OwnCaret(buffer.head, buffer.selection, has_focus, others)
        border = self._border and self._border.chip(self._palette, is_ascii=self._is_ascii)
        layout = MarksLayout(window, self._palette, is_ascii=self._is_ascii, border=border)
        matches, now = self.matches(window.rows), self._clock()
        marks = layout.lay_out(own, buffer.peers, self._signs, now, matches, self._brackets(window.rows))
        for overlay in self.overlays:
            overlay(rows, marks)
        colours: list[Sequence[Colour]] = [()] * len(rows)
        if self.syntax is not None:
            self.syntax.look_at(window.rows)
            colours = [self.syntax.of(shown.row) for shown in rows]
        if view.left != self._left_shown:
            self.touch_all()
        for y in range(max(len(rows), len(self._shown))):
            if (
                rows[y : y + 1] != self._shown[y : y + 1]
                or marks.get(y) != self._marks.get(y)
                or colours[y : y + 1] != self._colours[y : y + 1]
            ):
                self.touch(y, y + 1)
        self._shown, self._marks, self._colours, self._left_shown = rows, marks, colours, view.left
        view.remember_top()
        if (view.top, view.left) != top or self._top_shown != view.top:
            self._top_shown = view.top
            self.on_elsewhere()
        self._tell_view(rows)
        self._place_cursor(window, sight)

    def _tell_view(self, rows: Sequence[VisualRow]) -> None:
        from collab_client.lines import Position  # loaded with the buffer

        first, last = rows[0], rows[-1]
        seen = Position(first.row, first.start), Position(last.row, last.end)
        if seen != self._seen:
            self._seen = seen
            self.on_view(*seen)

    def _brackets(self, rows: Sequence[int]) -> tuple[Position, ...]:
        """Return the bracket at the caret and its partner, of those in sight."""
        from collab_client.motions import bracket_pair  # loaded with the buffer

        buffer = self._buffer
        if buffer is None or buffer.selection is not None or buffer.head.row not in rows:
            return ()
        return bracket_pair(buffer.lines, buffer.head, rows) or ()

    def _place_cursor(self, window: Window, sight: Sight | None) -> None:
        """Put the terminal's cursor on the caret, where input methods and screen readers look for it.

        That is the leader's while somebody is followed and it is in sight.
        """
        if self._buffer is None:
            return
        head = self._buffer.head
        y = window.y_of(head)
        self._is_caret_seen = y is not None
        if sight is not None and sight.head is not None and (y_led := window.y_of(sight.head)) is not None:
            head, y = sight.head, y_led
        if y is None or self.keys_to is not None:
            return
        x = self._gutter + window.cell_of(y, head.column)
        if self._gutter <= x < self.outer_size.width:
            self.app.cursor_position = Offset(self.region.x + x, self.region.y + y)

    # -- what the buffer says

    def _text_changed(self, change: Change) -> None:
        view = self._view
        if view is None:
            return
        view.splice(change.first_row, change.old_last_row, change.new_last_row)
        for listener in self.text_listeners:
            listener(change)
        self._has_edited |= change.is_local
        if not change.is_local:
            view.follow_edit(change.first_row, change.old_last_row, change.new_last_row)
            self._others.changed()
        if (
            change.new_last_row != change.old_last_row
            and self._buffer is not None
            and self._gutter_cells(self._buffer.lines.row_count) != self._gutter
        ):
            self._fit()

    def _gutter_cells(self, row_count: int) -> int:
        digits = max(_DIGITS_LEAST, len(str(row_count))) if self._options.line_numbers else 0
        return self._author_cells + digits + GUTTER_EXTRA

    def _carets_changed(self) -> None:
        buffer = self._buffer
        if buffer is None:
            return
        roster = tuple([(peer.person, peer.activity) for peer in buffer.peers.values()])
        if roster != self._roster:
            self._roster = roster
            self._signs = initials(person for person, _ in roster)
            self.on_people()
        self.on_elsewhere()
        if not self._is_acting:
            self._others.moved([peer.moved_at for peer in buffer.peers.values()])

    def _update_for_others(self) -> None:
        """Lay out what came from elsewhere.

        A caret that was in view stays in view, whatever others put above it.
        """
        self._update(reveal=self._is_caret_seen)
        if self._buffer is not None and self._buffer.head != self._head_shown:
            self._head_shown = self._buffer.head
            self.on_elsewhere()

    # -- what the person does

    def on_key(self, event: events.Key) -> None:
        # Looked up here and not by Textual's bindings: those run when the event has bubbled to the app,
        # and by then the next key may have been typed into the text.
        event.stop()
        event.prevent_default()
        self.typed(event)

    def on_paste(self, event: events.Paste) -> None:
        event.stop()
        event.prevent_default()
        self.typed(event)

    def typed(self, event: Typed) -> None:
        """Take a key or a paste; it is done at once, unless something is waited for."""
        self.on_typed()
        self._inbox.put(event)

    def _asks_to_quit(self, event: Typed) -> bool:
        return isinstance(event, events.Key) and self._keymap.action(event.key) == "quit"

    def _request_quit(self) -> None:
        self.on_quit()

    def _do_typed(self, event: Typed) -> None:
        self._mouse.release()
        action = self._keymap.action(event.key) if isinstance(event, events.Key) else None
        if self.keys_to is not None and self.keys_to(event, action):
            return
        if isinstance(event, events.Paste):
            self.edit(lambda buffer: self._register.paste(buffer, event.text))
        elif action is not None:
            self.act(action)
        elif (text := text_of(event)) is not None:
            self._type(text)

    def act(self, action: str) -> None:
        """Do what `action` says, as if its key had been pressed."""
        from collab_tui.widgets import commands  # loads what the buffer has loaded, not before

        if action in _ON_LINES:
            self._open_folds()
        move = action.removeprefix(SELECT)
        if action == "unselect" and self.on_unselect():
            return
        if move in _MOVES:
            self.on_own_way(False)  # even from where the caret is: it may be out of sight
        if action == "quit":
            self._inbox.close()
            self._request_quit()
        elif move in _UP_AND_DOWN:
            self._move_rows(_UP_AND_DOWN[move], extend=move != action)
        elif move in _PAGES:
            self._page(_PAGES[move], extend=move != action)
        elif action in _COPYING:
            self.edit(lambda buffer: _COPYING[action](self._register, buffer))
        elif action == "paste":
            self.paste_to(lambda text: self.edit(lambda buffer: self._register.paste(buffer, text)))
        elif (command := commands.command(action, self._indentation, self._style)) is not None:
            self.edit(command)
        else:
            self.on_action(action)

    def _open_folds(self) -> None:
        """Open the folds that lines are about to be taken from, or moved past."""
        if self._view is not None and self._view.folds and self._buffer is not None:
            for span in self._buffer.spans:
                self._view.folds.open_around(span.start.row - 1, span.end.row + 1)

    def edit(self, command: Callable[[Buffer], object], *, centre: bool = False) -> bool:
        """Run one command of the person's and show its effect at once; False when it was refused.

        A text that it returns is told. With `centre` it goes somewhere, maybe to where the caret is.
        """
        buffer = self._buffer
        if buffer is None:
            return False
        self._is_acting = True
        self._has_edited = is_done = False
        before = buffer.spans
        try:
            told = command(buffer)
            is_done = True
            if isinstance(told, str):
                self._tell(told)
        except EditError as error:
            self.on_notice(str(error))
        finally:
            self._is_acting = False
        if self._has_edited or buffer.spans != before or (centre and is_done):
            self.on_own_way(False)
        self.update(reveal=True, centre=centre)
        self.on_moved()
        return is_done

    def _type(self, text: str) -> None:
        from collab_tui.widgets.typing_code import type_text  # loads what the buffer has loaded, not before

        self.edit(lambda b: type_text(b, text, self._style(), lambda: self._indentation(b.lines)))

    def _style(self) -> CodeStyle:
        from collab_tui.widgets.typing_code import PLAIN

        return PLAIN if self.language is None else self.language.style

    def _indentation(self, lines: Lines) -> Indentation:
        from collab_client.indentation import detect, parse

        if self.language is not None:
            return self.language.indentation(lines)
        return parse(self._options.indent) or detect(lines)

    def _move_rows(self, delta: int, *, extend: bool) -> None:
        view = self._view
        if view is not None:
            self.edit(lambda buffer: _move_rows(buffer, view, delta, extend=extend))

    def _page(self, way: int, *, extend: bool) -> None:
        if self._view is not None:
            rows = way * max(1, self.outer_size.height - 1)
            self._view.scroll(rows)
            self._move_rows(rows, extend=extend)

    def _tell(self, text: str) -> None:
        self.on_notice(text)

    def copy_text(self, text: str) -> None:
        """Copy what was copied in a field."""
        self._tell(self._register.keep(text))

    def paste_to(self, put: Callable[[str], object]) -> None:
        """Give what the clipboard holds to `put`; what is typed meanwhile waits for it, a second at most."""
        self._inbox.wait()
        self.run_worker(self._paste(put), name="paste")

    async def _paste(self, put: Callable[[str], object]) -> None:
        try:
            put(await self._register.pasted())
        except Exception:
            raise
        except BaseException as crash:  # a native panic is no Exception, and a worker would keep it
            self.on_crash(crash)
        finally:
            self._inbox.go_on()

    # -- mouse

    def on_mouse_down(self, event: events.MouseDown) -> None:
        if self._view is not None and self._inbox.is_open and event.button == 1:
            self._mouse.press(event)

    def on_mouse_move(self, event: events.MouseMove) -> None:
        self._mouse.move(event, self.outer_size.height)

    def on_mouse_up(self, event: events.MouseUp) -> None:
        self._mouse.release()

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        event.stop()
        self.scroll_rows(_WHEEL_ROWS)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        event.stop()
        self.scroll_rows(-_WHEEL_ROWS)

    def scroll_rows(self, rows: int) -> None:
        """Scroll by visual rows; the caret stays where it is in the text."""
        if self._view is not None and self._view.scroll(rows):
            self.on_own_way(True)
            self.update()

    def scroll_to_share(self, share: float) -> None:
        """Scroll so far into the text: 0 is its start, 1 its end."""
        view = self._view
        if view is not None and view.scroll_to(
            round(share * max(0, view.wrap.total - self.outer_size.height))
        ):
            self.on_own_way(True)
            self.update()

    def _place(self, x: int, y: int) -> Position:
        """Return the position under cell (x, y) of this widget."""
        if self._view is None:
            raise RuntimeError("the mouse is heard only when there is a text")
        return self._view.place(x - self._gutter, y)


def _move_rows(buffer: Buffer, view: View, delta: int, *, extend: bool) -> None:
    places = view.vertical([span.head for span in buffer.spans], delta)
    buffer.move_each(lambda span: places[span.head], extend=extend)


def _show(view: View, sight: Sight) -> None:
    """Bring into view what a leader sees; a window that is lower than theirs shows their caret."""
    if sight.top is not None:
        view.show_from(sight.top)
    if sight.head is not None and sight.is_led_by_head:
        view.reveal(sight.head, centre=sight.top is None)
