"""The app: one room on one screen. It wires editor, status line, buffer and session, and nothing else does.

The window paints first; `AppConfig.start` then brings the buffer and the session, with all that is
slow to load. What is typed meanwhile waits in the editor.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final

from textual import events
from textual.app import App, ComposeResult
from textual.screen import Screen
from textual.widget import Widget

from collab_client.status import Status, StatusKind
from collab_protocol.errors import CollabError
from collab_tui.actions import Keymap
from collab_tui.app_config import AppConfig, Outcome, Session
from collab_tui.asking import Asking
from collab_tui.bars import Bars
from collab_tui.driver import DirectDriver
from collab_tui.leaving import Leaving
from collab_tui.palette import Theme, next_theme, palette_of
from collab_tui.safe_text import safe_name, safe_text
from collab_tui.toasts import Toasts
from collab_tui.whereabouts import Whereabouts
from collab_tui.widgets.announce_line import AnnounceLine
from collab_tui.widgets.chat_bar import ChatBar
from collab_tui.widgets.command_list import CommandList
from collab_tui.widgets.editor import Editor
from collab_tui.widgets.find_bar import FindBar
from collab_tui.widgets.hint_bar import HintBar
from collab_tui.widgets.people_panel import PeoplePanel
from collab_tui.widgets.prompt import Prompt
from collab_tui.widgets.rows import RowsWidget
from collab_tui.widgets.scrollbar import ScrollBar
from collab_tui.widgets.status_line import Bar, CaretPosition, StatusLine

if TYPE_CHECKING:
    from collab_client.buffer import Buffer
    from collab_client.people import News
    from collab_tui.coding import Coding
    from collab_tui.company import Company
    from collab_tui.finding import Finding
    from collab_tui.room_life import RoomLife
    from collab_tui.surroundings import Surroundings

_log = logging.getLogger(__name__)

_OTHERS_FRAME_S: Final = 1 / 60
_OTHERS_FRAME_REMOTE_S: Final = 1 / 20
"""How often what others do is painted, on this machine and over a line."""

_COUNT_PAUSE_S: Final = 0.005
_RULER: Final = 80
_HINTS_LEAST_ROWS: Final = 14
"""Below, each row is text."""

_NARROW_CELLS: Final = 40
_NARROW_REFUSED_CELLS: Final = 60
"""Below, where the caret is gives way: always, and when it has to be said why the server refuses."""


class RoomScreen(Screen[None], inherit_bindings=False):
    """The one screen; its keys are the editor's."""

    BLANK = True


class Desk(Widget):
    """Holds the text and its scrollbar side by side."""

    BLANK = True


_TAKING: Final = (StatusKind.SAVED, StatusKind.NOT_STORED, StatusKind.SAVING)
"""The server takes what is typed."""


class CollabApp(App[Outcome], inherit_bindings=False):
    """Shows one room until the person leaves; `return_value` is then the Outcome."""

    CSS_PATH = "app.tcss"
    ENABLE_COMMAND_PALETTE = False
    ALLOW_SELECT = False

    def __init__(self, config: AppConfig) -> None:
        super().__init__(driver_class=DirectDriver, ansi_color=config.theme.is_native)
        self._config = config
        self._theme = config.theme
        self._options = config.options
        self._keys = Keymap(config.keys)
        self._early: list[events.Key | events.Paste] | None = []  # what was typed before there is an editor
        self._buffer: Buffer | None = None
        self._session: Session | None = None
        self._finding: Finding | None = None
        self._coding: Coding | None = None
        self._company: Company | None = None
        self._room_life: RoomLife | None = None
        self._surroundings: Surroundings | None = None
        self._is_offline = False
        self._is_refused = False  # what is typed here, or the person
        self._refusal = ""  # the server's last word on that, also when it is gone
        self._toasts = Toasts(
            show=lambda text: self._line.show(notice=text), later=self.set_timer, clock=config.clock
        )
        self._asking = Asking(self, self._toasts, config.ask, config.greeting)
        self._whereabouts = Whereabouts(self._toasts, config.server)
        self.title = safe_name(config.room)

    @property
    def outcome(self) -> Outcome:
        """How it ended; what is unsaved stands also after a crash."""
        if self.return_value is not None:
            return self.return_value
        return self._outcome(None)

    def _fatal_error(self) -> None:
        """End after a crash, the traceback in the log; Textual's own shows local variables: people's text."""
        _log.error("the app crashed", exc_info=True)
        self._close_messages_no_wait()

    def get_default_screen(self) -> RoomScreen:
        return RoomScreen(id="_default")

    def compose(self) -> ComposeResult:
        config = self._config
        palette = palette_of(config.theme)
        self.theme = "textual-light" if config.theme is Theme.LIGHT else "textual-dark"
        self._editor = Editor(
            palette,
            keymap=self._keys,
            options=config.options,
            clipboard=config.clipboard,
            is_ascii=config.is_ascii,
            others_frame_s=_OTHERS_FRAME_REMOTE_S if config.is_remote else _OTHERS_FRAME_S,
            clock=config.clock,
        )
        self._scrollbar = ScrollBar(palette, is_ascii=config.is_ascii)
        self._find_bar = FindBar(palette, self._keys, is_ascii=config.is_ascii)
        self._prompt = Prompt(palette, self._keys, is_ascii=config.is_ascii)
        self._commands = CommandList(palette, self._keys, is_ascii=config.is_ascii)
        self._chat_bar = ChatBar(palette, self._keys, is_ascii=config.is_ascii)
        self._announced = AnnounceLine(palette, is_ascii=config.is_ascii)
        self._announced.display = config.is_announced_here
        self._panel = PeoplePanel(palette, self._keys, is_ascii=config.is_ascii)
        self._hints = HintBar(palette, self._keys, is_ascii=config.is_ascii)
        self._line = StatusLine(
            palette, config.room, is_ascii=config.is_ascii, is_read_only=config.is_read_only
        )
        self._position = CaretPosition(palette)
        yield Desk(self._editor, self._scrollbar)
        yield self._find_bar
        yield self._prompt
        yield self._chat_bar
        yield self._announced
        yield Bar(self._line, self._position)
        yield self._hints
        yield self._commands
        yield self._panel

    def on_mount(self) -> None:
        self._bars = Bars(
            self._editor,
            self._find_bar,
            self._prompt,
            self._commands,
            self._panel,
            self._keys,
            run=self._editor.act,
            changed=self._bars_changed,
        )
        self._bars.add(self._chat_bar)
        self._leaving = Leaving(self, self._editor, self._line, self._editor.resume, self._end)
        self._listen()
        self._scrollbar.on_scroll = self._editor.scroll_to_share
        self._editor.focus()
        early, self._early = self._early or [], None
        for event in early:
            self.typed(event)
        self._bars_changed()
        if self._config.greeting:
            self.tell(self._config.greeting)
        self.call_after_refresh(self._begin)

    def on_resize(self, event: events.Resize) -> None:
        self._fit_bar(event.size.width)
        self._hints.display = self._has_hints(event.size.height)
        self._chat_bar.fit(event.size.height)

    def _fit_bar(self, width: int) -> None:
        least = _NARROW_REFUSED_CELLS if self._is_refused else _NARROW_CELLS
        self.query_one(Bar).set_class(width < least, "-narrow")

    # -- the terminal

    @property
    def typed_before(self) -> bytes:
        """What was typed before the app had the terminal."""
        return self._config.typed

    @property
    def holds_typed(self) -> bool:
        """Whether something typed waits for there to be a text."""
        return bool(self._config.typed or self._early) or (self._early is None and self._editor.holds_typed)

    def write(self, data: str) -> None:
        """Write to the terminal, in order with what is drawn."""
        if self._driver is not None:
            self._driver.write(data)

    def typed(self, event: events.Key | events.Paste) -> bool:
        """Take what was typed: for the editor, which keeps it until there is a text."""
        if self._early is not None:
            self._early.append(event)
            return True
        try:
            self._editor.typed(event)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as crash:  # a native panic is no Exception: the loop would go on without us
            self._crashed(crash)
        return True

    def _crashed(self, error: BaseException) -> None:
        self._handle_exception(error)  # type: ignore[arg-type]  # it takes any

    def after_input(self, call: Callable[[], None]) -> None:
        """Call `call` when whoever may have been clicked has done all that was sent to them so far."""
        if self._early is not None:
            call()
            return
        chained: Callable[[], object] = call
        bars = (self._find_bar, self._prompt, self._commands, self._panel, self._chat_bar)
        for widget in (self._editor, *bars, self._scrollbar):
            chained = partial(widget.call_later, chained)
        chained()

    # -- the session

    def _begin(self) -> None:
        self.run_worker(self._live(), name="session", exit_on_error=False)

    async def _live(self) -> None:
        """Bring the buffer, then stay with the session until it ends; whatever ends it ends the app."""
        error: Exception | None = None
        try:
            buffer, session = await self._config.start()
            self._join(buffer, session)
            await session.run()
        except CollabError as refusal:
            error = refusal
        except Exception as crash:
            _log.exception("the session crashed")
            error = crash
        if self._coding is not None:
            self._coding.close()
        if self._config.clipboard is not None:
            await self._config.clipboard.close()
        self.exit(self._outcome(error))

    def _outcome(self, error: Exception | None) -> Outcome:
        session = self._session
        if session is None:
            return Outcome(error=error)
        return Outcome(session.unsaved, session.kept, tuple(session.copies), error, self._refusal)

    def _join(self, buffer: Buffer, session: Session) -> None:
        self._buffer, self._session = buffer, session
        session.on_status = self._status_changed
        session.on_notice = self.tell
        company = self._meet(buffer, session)
        self._line.show(status=session.status)

        from collab_tui.finding import Finding  # loads what the buffer has loaded, not before
        from collab_tui.surroundings import Surroundings

        finding = self._finding = self._bars.finding = Finding(
            self._editor,
            self._find_bar,
            buffer,
            notify=self.tell,
            later=lambda call: self.set_timer(_COUNT_PAUSE_S, call),
            clock=self._config.clock,
        )
        coding = self._coding = self._code_in(buffer, session)
        room_life = self._room_life = self._live_in(buffer, session)
        company.on_leader = room_life.leader_changed
        self._surroundings = Surroundings(
            self._editor,
            self._scrollbar,
            self._position,
            buffer,
            company,
            room_life,
            finding,
            coding,
            palette=lambda: palette_of(self._theme),
            width=lambda: self.size.width,
            later=self.set_timer,
        )
        self._editor.attach(buffer)
        self._surroundings.show()
        self.call_after_refresh(coding.begin)

    def _code_in(self, buffer: Buffer, session: Session) -> Coding:
        """Return what knows of code; it begins when the text is shown."""
        from collab_tui.coding import Coding
        from collab_tui.room_language import RoomLanguage

        language = RoomLanguage(
            self._config.room,
            buffer.lines,
            session.settings,
            indent=self._options.indent,
            closes=lambda: self._options.auto_close,
        )
        return Coding(
            self._editor,
            self._bars,
            buffer,
            session.settings,
            language,
            tell=self.tell,
            later=self.set_timer,
            run=lambda asked: self.run_worker(asked, name="parser", exclusive=True, group="parser"),
            changed=self._show_surroundings_soon,
            clock=self._config.clock,
        )

    def _meet(self, buffer: Buffer, session: Session) -> Company:
        """Show who else is here."""
        from collab_tui.company import Company

        company = self._company = Company(
            self._editor,
            self._bars,
            self._panel,
            self._line,
            self._scrollbar,
            buffer,
            session,
            self._keys,
            palette=palette_of(self._theme),
            invitation=self._invitation,
            tell=self.tell,
            clear=self._toasts.clear,
            ring=self._ring,
            later=self.set_timer,
            clock=self._config.clock,
        )
        session.on_people = self._people_changed
        session.on_news = self._news_came
        session.on_look = company.asked_to_look
        self._editor.on_view = session.show_view
        if self._config.follow:
            company.wait_for(self._config.follow)
        return company

    def _live_in(self, buffer: Buffer, session: Session) -> RoomLife:
        """Show what goes on beside the text, behind what listens to the session already."""
        from collab_tui.room_life import RoomLife

        outlets = [] if self._config.announce is None else [self._config.announce]
        if self._config.is_announced_here:
            outlets.append(self._announced.show)
        return RoomLife(
            self._editor,
            self._bars,
            self._chat_bar,
            buffer,
            session,
            self._keys,
            palette=lambda: palette_of(self._theme),
            tell=self.tell,
            later=self.set_timer,
            show_unread=lambda count: self._line.show(unread=count),
            changed=self._show_surroundings_soon,
            announce=outlets,
            clock=self._config.clock,
            is_ascii=self._config.is_ascii,
        )

    def _status_changed(self, status: Status) -> None:
        read_only = self._config.is_read_only or (self._buffer is not None and self._buffer.read_only)
        self._line.show(status=status, is_read_only=read_only)
        is_offline = status.kind is StatusKind.OFFLINE
        if is_offline and not self._is_offline:
            self._toasts.clear_news()  # who came is gone, and it would stand before what is at stake
        self._is_offline = is_offline
        if status.reason or status.kind in _TAKING:
            self._refusal = status.reason
        if bool(status.reason) != self._is_refused:
            self._is_refused = bool(status.reason)
            self._fit_bar(self.size.width)
        if status.is_over != self._bars.is_over:
            self._bars.is_over = status.is_over
            self._hints.show(self._bars.hints)
            if status.is_over and not status.asks_person:
                self._toasts.clear_all()  # nothing may stand before why it is over
        if self._room_life is not None:
            self._room_life.status_changed(status)
        if self._session is not None:
            self._whereabouts.status_changed(status, self._session.kept)
            self._leaving.status_changed(self._session)

    def tell(self, text: str, stands_s: float | None = None) -> None:
        """Show `text` in the status line for a while."""
        self._toasts.tell(text, stands_s)

    def _news_came(self, news: News) -> None:
        if self._options.join_messages:
            self._toasts.tell_news(news)

    def _ring(self, text: str) -> None:
        """Have the person look up, if they want that: with the bell, or a notification that says `text`."""
        if self._options.bell:
            self.write(f"\x1b]9;collab: {safe_text(text)}\x07" if self._config.has_osc9 else "\x07")

    @property
    def _invitation(self) -> str:
        address = self._config.address
        if self._config.invitation:
            own = "Others need a key or an invite of their own."
            return f"{own} They come in with: {self._config.invitation}"
        if self._config.is_by_invite:
            return f"Others need a link of: collab invite {self.title}, where the server runs."
        if address:
            return f"Others come in with: collab join {address}"
        return f"Others come in with: collab join {self.title}, on this machine or over SSH to it."

    # -- what the editor says

    def _listen(self) -> None:
        editor = self._editor
        editor.on_moved = self._moved
        editor.on_elsewhere = self._show_surroundings_soon
        editor.on_people = self._people_changed
        editor.on_typed = self._touched
        editor.on_notice = self.tell
        editor.on_action = self._act
        editor.on_quit = self._quit
        editor.on_crash = self._crashed

    def _moved(self) -> None:
        if self._session is not None:
            self._session.caret_moved()
        self._show_surroundings_soon()

    def _people_changed(self) -> None:
        if self._company is not None:
            self._company.people_changed()

    def _touched(self) -> None:
        if self._session is not None:
            self._session.touched()
        if self._room_life is not None:
            self._room_life.touched()

    async def on_event(self, event: events.Event) -> None:
        if isinstance(event, events.MouseEvent):
            self._touched()
        await super().on_event(event)

    def _quit(self) -> None:
        self._leaving.request(self._session)

    def on_status_line_clicked(self) -> None:
        self._act("retry")

    def _show_surroundings_soon(self) -> None:
        if self._surroundings is not None:
            self._surroundings.show_soon()

    # -- actions

    def _act(self, action: str) -> None:
        """Do what is not the editor's to do."""
        match action:
            case "save" if self._session is not None:
                telling = self._whereabouts.tell(self._session)
                self.run_worker(telling, name="save", exclusive=True, group="save")
            case "retry" if self._session is not None:
                self._asking.retry(self._session)
            case "commands":
                self._bars.list_commands()
            case "help":
                self._bars.help()
            case "find" | "replace":
                self._bars.find(with_replace=action == "replace")
            case "find_next" | "find_previous" if self._finding is not None:
                self._finding.step(back=action == "find_previous")
            case "go_to_line" if self._buffer is not None:
                self._bars.go_to_line(self._buffer)
            case "toggle_wrap":
                self._set_options(wrap=not self._options.wrap)
            case "toggle_whitespace":
                self._set_options(whitespace=not self._options.whitespace)
            case "toggle_ruler":
                self._set_options(ruler=0 if self._options.ruler else self._config.options.ruler or _RULER)
            case "toggle_line_numbers":
                self._set_options(line_numbers=not self._options.line_numbers)
            case "toggle_hints":
                self._set_options(hints=not self._options.hints)
            case "next_theme":
                self._set_theme(next_theme(self._theme))
            case _ if self._room_life is not None and self._room_life.act(action):
                pass
            case _ if self._company is not None and self._company.act(action):
                pass
            case _ if self._coding is not None:
                self._coding.act(action)
            case _:
                pass

    def _set_options(self, **changes: bool | int) -> None:
        self._options = replace(self._options, **changes)  # type: ignore[arg-type]  # each by its own name
        self._hints.display = self._has_hints(self.size.height)
        self._editor.set_look(palette_of(self._theme), self._options)

    def _set_theme(self, theme: Theme) -> None:
        self._theme = theme
        self.ansi_color = theme.is_native
        palette = palette_of(theme)
        for widget in (
            self._scrollbar,
            self._find_bar,
            self._prompt,
            self._commands,
            self._panel,
            self._hints,
            self._line,
            self._position,
            self._chat_bar,
            self._announced,
        ):
            widget.palette = palette
            widget.refresh()
        self._editor.set_look(palette, self._options)
        if self._company is not None:
            self._company.set_palette(palette)
        self.tell(f"theme: {theme.value}")

    def _has_hints(self, height: int) -> bool:
        return self._options.hints and height >= _HINTS_LEAST_ROWS

    def _bars_changed(self) -> None:
        """Follow what is open: what lies over the text, and which keys matter."""
        for widget in self.query(RowsWidget):
            widget.is_covered = self._bars.is_list_open and widget not in (self._commands, self._panel)
        self._hints.show(self._bars.hints)
        self._show_surroundings_soon()

    # -- leaving

    def _end(self) -> None:
        self.exit(self._outcome(None))
