"""The editor: shows a buffer, and turns keys, mouse and paste into edits of it.

It renders from state. After whatever happened, `_update` lays the marks of the visible rows out anew
and repaints the rows that differ from what is on the screen; changed text arrives by `on_change`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from textual import events
from textual.geometry import Offset, Region
from textual.message import Message
from textual.strip import Strip
from textual.timer import Timer

from collab_protocol.errors import EditError
from collab_tui.cells import cell_at, column_at
from collab_tui.initials import initials
from collab_tui.marks import NAME_SHOWN_S, MarksLayout, OwnCaret, Window
from collab_tui.painting import GUTTER_EXTRA, NO_MARKS, Painter, RowMarks
from collab_tui.palette import Palette
from collab_tui.widgets import keys
from collab_tui.widgets.direct_paint import can_paint_now, paint_now
from collab_tui.widgets.inbox import Inbox, Typed
from collab_tui.widgets.mouse import Mouse
from collab_tui.widgets.rows import RowsWidget
from collab_tui.widgets.view import View

if TYPE_CHECKING:
    from collab_client.buffer import Buffer, Change
    from collab_client.lines import Position
    from collab_protocol.presence import Activity, Person

_DIGITS_LEAST: Final = 3
_WHEEL_ROWS: Final = 3

_CLIPBOARD_MOST: Final = 500_000
"""Characters sent to the terminal's clipboard (OSC 52); terminals cut or drop larger ones."""


_OTHERS_FRAME_S: Final = 1 / 60
"""How often what others type is painted ahead of the throttle: a lone key then saves half a frame."""


class Editor(RowsWidget, can_focus=True):
    """Shows one buffer. Until `attach` it keeps what is typed, and does it all then."""

    ALLOW_SELECT = False

    class Moved(Message):
        """The caret is elsewhere, or the text around it changed."""

        def can_replace(self, message: Message) -> bool:
            return isinstance(message, Editor.Moved)

    class Shifted(Message):
        """The own caret stands elsewhere now, because others changed the text before it."""

        def can_replace(self, message: Message) -> bool:
            return isinstance(message, Editor.Shifted)

    class PeersChanged(Message):
        """Other people came, went or moved."""

        def can_replace(self, message: Message) -> bool:
            return isinstance(message, Editor.PeersChanged)

    class QuitRequested(Message):
        """The person wants to leave. Keys wait until `resume` or `divert`."""

    class Refused(Message):
        """Something was not done, or not all of it; `reason` says why."""

        def __init__(self, reason: str) -> None:
            super().__init__()
            self.reason = reason

    def __init__(
        self,
        palette: Palette,
        *,
        is_ascii: bool = False,
        keymap: Mapping[str, str] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`clock` is the one by which peers' `moved_at` is told."""
        super().__init__()
        self._palette = palette
        self._painter = Painter(palette)
        self._is_ascii = is_ascii
        self._actions = keys.actions_by_key(keymap or {})
        self._clock = clock
        self._buffer: Buffer | None = None
        self._view = View()
        self._mouse = Mouse()
        self._marks: dict[int, RowMarks] = {}
        self._gutter = _DIGITS_LEAST + GUTTER_EXTRA
        self._inbox = Inbox(self._do_typed, asks_to_quit=self._asks_to_quit, on_quit=self._request_quit)
        self._copied = ""
        self._can_paint_now = False
        self._is_acting = False
        self._is_caret_seen = True
        self._head_shown: Position | None = None
        self._is_update_due = False
        self._others_painted_at = float("-inf")
        self._roster: tuple[tuple[Person, Activity], ...] = ()
        self._signs: dict[str, str] = {}
        self._names_timer: Timer | None = None
        self._drag_timer: Timer | None = None

    # -- life

    def attach(self, buffer: Buffer) -> None:
        """Show `buffer` and do what was typed meanwhile; its callbacks are this editor's from now on."""
        self._buffer = buffer
        buffer.on_change = self._text_changed
        buffer.on_carets = self._carets_changed
        self._measure()
        self.refresh()
        self._update(reveal=True)
        self.resume()

    def resume(self) -> None:
        """Do what was typed meanwhile, in order, and everything after it."""
        self._inbox.open()

    def divert(self, answer: Callable[[events.Key], None]) -> None:
        """Give keys to `answer`, a question on the screen, until `resume`."""
        self._inbox.divert(answer)

    def on_mount(self) -> None:
        self._can_paint_now = can_paint_now(self)

    def on_resize(self) -> None:
        view, buffer = self._view, self._buffer
        was_seen = buffer is not None and view.top <= buffer.head.row < view.top + view.height
        self._measure()
        self._update(reveal=was_seen)

    def on_focus(self) -> None:
        self._update()

    def on_blur(self) -> None:
        self._update()

    # -- drawing

    def render_lines(self, crop: Region) -> list[Strip]:
        if self._is_update_due:
            self._update()  # rows are about to be drawn: their marks must fit the text that they have now
        return super().render_lines(crop)

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        buffer = self._buffer
        if buffer is None:
            sign = ".." if self._is_ascii else "…"
            return self._painter.note(f" {sign} loading", width) if y == 0 else self._painter.blank(width)
        row = self._view.top + y
        if row >= buffer.lines.row_count:
            return self._painter.blank(width)
        marks = self._marks.get(row, NO_MARKS)
        return self._painter.row(
            buffer.lines.line(row), row + 1, marks, left=self._view.left, width=width, gutter=self._gutter
        )

    def _measure(self) -> bool:
        """Fit gutter and view to text and screen; returns whether the gutter changed."""
        before = self._gutter
        if self._buffer is not None:
            digits = len(str(self._buffer.lines.row_count))
            self._gutter = max(_DIGITS_LEAST, digits) + GUTTER_EXTRA
        self._view.resize(self.size.width - self._gutter, self.size.height)
        return self._gutter != before

    def _refresh_rows(self, first: int, last: int | None = None) -> None:
        """Repaint the visible ones of rows [first, last]; to the bottom without `last`."""
        height = self.size.height
        start = max(0, first - self._view.top)
        end = height if last is None else min(height, last + 1 - self._view.top)
        if end > start:
            self.refresh(Region(0, start, self.size.width, end - start))

    def _update(self, *, reveal: bool = False) -> None:
        """Bring the screen up to date with carets, peers and view."""
        self._is_update_due = False
        buffer = self._buffer
        if buffer is None or not self.is_mounted:
            return
        view, lines = self._view, buffer.lines
        head = buffer.head
        cell = cell_at(lines.line(head.row), head.column)
        if reveal and self.size and view.reveal(head.row, cell):
            self.refresh()
        window = Window(view.top, view.left, view.height, view.width, lines.row_count, lines.line)
        own = OwnCaret(head, buffer.selection, self.has_focus)
        layout = MarksLayout(window, self._palette, is_ascii=self._is_ascii)
        marks = layout.lay_out(own, buffer.peers, self._signs, self._clock())
        for row in marks.keys() | self._marks.keys():
            if marks.get(row) != self._marks.get(row):
                self._refresh_rows(row, row)
        self._marks = marks
        if view.top < lines.row_count:
            view.remember_top(lines.line(view.top))
        x, y = self._gutter + cell - view.left, head.row - view.top
        self._is_caret_seen = 0 <= y < view.height
        if self._is_caret_seen and self._gutter <= x < self.size.width:
            self.app.cursor_position = Offset(self.region.x + x, self.region.y + y)

    # -- what the buffer says

    def _text_changed(self, change: Change) -> None:
        buffer = self._buffer
        if buffer is None:
            return
        grew = change.new_last_row - change.old_last_row
        if self._measure():
            self.refresh()
        if not change.is_local and self._view.follow_edit(
            change.first_row,
            change.old_last_row,
            change.new_last_row,
            buffer.lines.row_count,
            buffer.lines.line,
        ):
            self._marks = {}
            self.refresh()
        else:
            self._refresh_rows(change.first_row, None if grew else change.new_last_row)
        if not change.is_local:
            self._update_soon()

    def _carets_changed(self) -> None:
        buffer = self._buffer
        if buffer is None:
            return
        roster = tuple((peer.person, peer.activity) for peer in buffer.peers.values())
        if roster != self._roster:
            self._roster = roster
            self._signs = initials(person for person, _ in roster)
            self.post_message(self.PeersChanged())
        self._update_soon()
        self._expire_names()

    def _update_soon(self) -> None:
        """Update once for all that comes within this turn of the loop."""
        if not self._is_acting and not self._is_update_due:
            self._is_update_due = True
            self.call_later(self._update_for_others)

    def _update_for_others(self) -> None:
        """Show what came from elsewhere: at once when little comes, on the throttle when much does.

        A caret that was in view stays in view, whatever others put above it.
        """
        self._update(reveal=self._is_caret_seen)
        if self._buffer is not None and self._buffer.head != self._head_shown:
            self._head_shown = self._buffer.head
            self.post_message(self.Shifted())
        now = self._clock()
        if self._can_paint_now and now - self._others_painted_at >= _OTHERS_FRAME_S:
            self._others_painted_at = now
            paint_now(self)

    def _expire_names(self) -> None:
        """Come back when the next name has stood long enough."""
        if self._buffer is None or self._names_timer is not None:
            return
        now = self._clock()
        ends = [peer.moved_at + NAME_SHOWN_S for peer in self._buffer.peers.values()]
        due = min((end for end in ends if end > now), default=None)
        if due is not None:
            self._names_timer = self.set_timer(due - now + 0.01, self._names_expired)

    def _names_expired(self) -> None:
        self._names_timer = None
        self._update()
        self._expire_names()

    # -- what the person does

    def on_key(self, event: events.Key) -> None:
        # Looked up here and not by Textual's bindings: those run when the event has bubbled to the app,
        # and by then the next key may have been typed into the text.
        if self._inbox.is_open and event.key not in self._actions and keys.text_of(event) is None:
            return
        event.stop()
        event.prevent_default()
        self._inbox.put(event)

    def on_paste(self, event: events.Paste) -> None:
        event.stop()
        event.prevent_default()
        self._inbox.put(event)

    def _asks_to_quit(self, event: Typed) -> bool:
        return isinstance(event, events.Key) and self._actions.get(event.key) == keys.QUIT

    def _request_quit(self) -> None:
        self.post_message(self.QuitRequested())

    def _do_typed(self, event: Typed) -> None:
        if isinstance(event, events.Paste):
            self._do(lambda buffer: buffer.paste(event.text))
        elif (action := self._actions.get(event.key)) is not None:
            self._act(action)
        elif (text := keys.text_of(event)) is not None:
            self._do(lambda buffer: buffer.type_text(text))

    def _act(self, action: str) -> None:
        match action:
            case keys.QUIT:
                self._inbox.close()
                self._request_quit()
            case keys.COPY:
                self._do(lambda buffer: self._copy(keys.copied(buffer)))
            case keys.CUT:
                self._do(lambda buffer: self._copy(keys.cut(buffer)))
            case keys.PASTE:
                self._do(lambda buffer: buffer.paste(self._copied))
            case _:
                page = max(1, self.size.height - 1)
                if action in keys.PAGES:
                    self._scroll(keys.PAGES[action] * page)
                self._do(lambda buffer: keys.run(action, buffer, page))

    def _do(self, command: Callable[[Buffer], object]) -> None:
        """Run one command of the person's and show its effect at once."""
        buffer = self._buffer
        if buffer is None:
            return
        self._is_acting = True
        try:
            command(buffer)
        except EditError as error:
            self.post_message(self.Refused(str(error)))
        finally:
            self._is_acting = False
        self._update(reveal=True)
        if self._can_paint_now:
            paint_now(self)
        self.post_message(self.Moved())

    def _copy(self, text: str) -> None:
        self._copied = text
        if len(text) <= _CLIPBOARD_MOST:
            self.app.copy_to_clipboard(text)
        else:
            self.post_message(self.Refused("too large for the terminal's clipboard; Ctrl-V pastes it here"))

    # -- mouse

    def on_mouse_down(self, event: events.MouseDown) -> None:
        buffer = self._buffer
        if buffer is None or not self._inbox.is_open or event.button != 1:
            return
        self.capture_mouse()
        self._mouse.press()
        place = self._place(buffer, event.x, event.y)
        self._do(lambda buffer: buffer.move_to(place, extend=event.shift))

    def on_mouse_move(self, event: events.MouseMove) -> None:
        if not self._mouse.is_down or self._buffer is None:
            return
        self._mouse.drag(event.x, event.y, self.size.height)
        if self._mouse.scroll_rows and self._drag_timer is None:
            self._drag_timer = self.set_interval(0.05, self._drag_on)
        self._drag_to(event.x, event.y)

    def on_mouse_up(self, event: events.MouseUp) -> None:
        self._mouse.release()
        self.release_mouse()
        if self._drag_timer is not None:
            self._drag_timer.stop()
            self._drag_timer = None

    def on_click(self, event: events.Click) -> None:
        if self._buffer is None or event.button != 1 or event.chain < 2:
            return
        place = self._place(self._buffer, event.x, event.y)
        select = keys.select_word if event.chain == 2 else keys.select_line
        self._do(lambda buffer: select(buffer, place))

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        event.stop()
        self._scroll(_WHEEL_ROWS)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        event.stop()
        self._scroll(-_WHEEL_ROWS)

    def _drag_on(self) -> None:
        """Scroll on while the button is held beyond an edge."""
        if self._mouse.is_down and self._mouse.scroll_rows:
            self._scroll(self._mouse.scroll_rows)
            self._drag_to(*self._mouse.at)

    def _drag_to(self, x: int, y: int) -> None:
        if self._buffer is None:
            return
        place = self._place(self._buffer, x, max(0, min(y, self.size.height - 1)))
        if place != self._buffer.head:
            self._do(lambda buffer: buffer.move_to(place, extend=True))

    def _scroll(self, rows: int) -> None:
        if self._buffer is not None and self._view.scroll(rows, self._buffer.lines.row_count):
            self.refresh()
            self._update()

    def _place(self, buffer: Buffer, x: int, y: int) -> Position:
        """Return the position under cell (x, y) of this widget."""
        from collab_client.lines import Position  # loaded with the buffer, after the first paint

        row = min(self._view.top + y, buffer.lines.row_count - 1)
        cell = self._view.left + max(0, x - self._gutter)
        return Position(row, column_at(buffer.lines.line(row), cell))
