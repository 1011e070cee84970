"""`collab top` on a terminal: asks a server again and again, and shows what it says.

Asking waits for the server, showing never does: a server that hangs leaves figures that say how old they are.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from textual import events
from textual.app import App, ComposeResult
from textual.screen import Screen

from collab_protocol.errors import CollabError
from collab_tui.actions import Keymap
from collab_tui.driver import DirectDriver
from collab_tui.palette import Theme, palette_of
from collab_tui.top.columns import Sort
from collab_tui.top.figures import Figures, parse_people
from collab_tui.top.state import Page, TopState
from collab_tui.top.view import TopView
from collab_tui.widgets.field import Field
from collab_tui.widgets.inbox import text_of

_log = logging.getLogger(__name__)

_TICK_S: Final = 0.5
"""How often it is looked at whether figures have become old."""

_RETRY_S: Final = 1.0
_LEAVES: Final = ("q", "Q", "ctrl+q", "ctrl+c")
_ASKS_FOR_HELP: Final = ("question_mark", "f1", "h")
_GOES_BACK: Final = ("escape", "backspace")
_MORE: Final = ("plus", "equals_sign")
_LESS: Final = ("minus",)

Ask = Callable[[Mapping[str, Any]], Awaitable[Mapping[str, Any]]]
"""Asks a server; CollabError: it does not answer, or does not do it, with a text for people."""


@dataclass(frozen=True, slots=True)
class TopConfig:
    """What the screen needs."""

    ask: Ask
    close: Callable[[], Awaitable[None]] | None = None
    """Called at the end, when nothing is asked any more."""
    interval_s: float = 1.0
    theme: Theme = Theme.DARK
    is_ascii: bool = False
    typed: bytes = b""
    """What was typed before the app had the terminal."""
    clock: Callable[[], float] = time.monotonic
    utc: Callable[[], float] = time.time


class TopScreen(Screen[None], inherit_bindings=False):
    """The one screen; its keys are the app's."""

    BLANK = True


class TopApp(App[None], inherit_bindings=False):
    """Shows a server until the person leaves."""

    CSS = "TopView { width: 100%; height: 100%; }"
    ENABLE_COMMAND_PALETTE = False
    ALLOW_SELECT = False

    def __init__(self, config: TopConfig) -> None:
        super().__init__(driver_class=DirectDriver, ansi_color=config.theme.is_native)
        self._config = config
        self.state = TopState(interval_s=config.interval_s)
        self._keys = Keymap()
        self._wake = asyncio.Event()
        self._early: list[events.Key | events.Paste] | None = []  # what was typed before there is a screen
        self._view = TopView(
            self.state,
            palette_of(config.theme),
            is_ascii=config.is_ascii,
            clock=config.clock,
            utc=config.utc,
        )
        self.title = "collab top"

    def get_default_screen(self) -> TopScreen:
        return TopScreen(id="_default")

    def compose(self) -> ComposeResult:
        self.theme = "textual-light" if self._config.theme is Theme.LIGHT else "textual-dark"
        yield self._view

    def on_mount(self) -> None:
        self._view.on_sort = self._sort
        self._view.on_room = self._clicked
        self._view.on_wheel = self._scroll
        self.app_resume_signal.subscribe(self, lambda _: self._view.refresh())
        self.set_interval(_TICK_S, self._tick)
        self.run_worker(self._poll(), name="poll", exit_on_error=False)
        early, self._early = self._early or [], None
        for event in early:
            self.typed(event)

    def _fatal_error(self) -> None:
        """End after a crash, the traceback in the log and not on the screen."""
        _log.error("the app crashed", exc_info=True)
        self._close_messages_no_wait()

    # -- asking

    async def _poll(self) -> None:
        """Ask for figures at each interval, until the app ends; whatever else ends this ends the app."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        try:
            while True:
                has_answered = await self._look()
                self._view.show_again()
                due = max(due, loop.time() - self.state.interval_s)
                while (left_s := self._left_s(due, loop.time(), has_answered)) > 0:
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(left_s):
                            await self._wake.wait()
                            self._wake.clear()
                            await self._look_at_people()
                            self._view.show_again()
                due += self.state.interval_s
        except Exception:
            _log.exception("asking the server crashed")
            self.exit(return_code=1)
        finally:
            if self._config.close is not None:
                await self._config.close()

    def _left_s(self, asked_at: float, now: float, has_answered: bool) -> float:
        """Return how long to wait until one asks again."""
        wait_s = self.state.interval_s if has_answered else max(_RETRY_S, self.state.interval_s)
        return asked_at + wait_s - now

    async def _look(self) -> bool:
        """Ask once; returns whether there was an answer."""
        state, config = self.state, self._config
        try:
            figures = Figures.parse(await config.ask({"do": "figures"}))
            clock = datetime.fromtimestamp(config.utc(), UTC).astimezone().strftime("%H:%M:%S")
            state.heard(figures, config.clock(), clock)
        except CollabError as error:
            state.failed(str(error))
            return False
        return await self._look_at_people()

    async def _look_at_people(self) -> bool:
        """Ask who is in the room that is shown, if one is; returns False when there was no answer."""
        state = self.state
        if state.page is not Page.PEOPLE or (state.is_paused and state.people is not None):
            return True
        room = state.room
        try:
            state.heard_people(room, parse_people(await self._config.ask({"do": "who", "room": room})))
        except CollabError as error:
            state.failed(str(error))
            return False
        return True

    def _tick(self) -> None:
        if self.state.is_old(self._config.clock()):
            self._view.show_again()

    # -- keys

    @property
    def typed_before(self) -> bytes:
        """What was typed before the app had the terminal."""
        return self._config.typed

    def typed(self, event: events.Key | events.Paste) -> bool:
        """Take what was typed."""
        if self._early is not None:
            self._early.append(event)
        elif self._view.field is not None:
            self._typed_filter(self._view.field, event)
        elif isinstance(event, events.Key):
            self._typed_key(event)
        return True

    def after_input(self, call: Callable[[], None]) -> None:
        """Call `call` when the view has done all that was sent to it so far."""
        self._view.call_later(call)

    async def on_event(self, event: events.Event) -> None:
        # Keys that did not come by the driver's short way: behind a click, or a test's.
        if isinstance(event, events.Key | events.Paste):
            self.typed(event)
        else:
            await super().on_event(event)

    def _typed_key(self, event: events.Key) -> None:
        key, state = event.key, self.state
        if key in _LEAVES:
            self.exit()
        elif key == "ctrl+z":
            self.action_suspend_process()
        elif key in _ASKS_FOR_HELP:
            self._show_page(Page.ROOMS if state.page is Page.HELP else Page.HELP)
        elif key == "space":
            state.toggle_pause()
        elif key in _MORE or key in _LESS:
            state.change_interval(-1 if key in _MORE else 1)
            self._wake.set()
        elif key == "ctrl+l":
            self._view.refresh()
            return
        elif not self._typed_in_page(event):
            return
        self._view.show_again()

    def _typed_in_page(self, event: events.Key) -> bool:
        """Do what the key means on the page that is shown; returns whether it means something."""
        key, state = event.key, self.state
        action = self._keys.action(key)
        page = self._view.page_rows
        steps = {"up": -1, "down": 1, "page_up": -page, "page_down": page}
        ends = {"line_start": 0, "document_start": 0, "line_end": 1 << 30, "document_end": 1 << 30}
        if key in _GOES_BACK:
            if state.page is Page.ROOMS:
                state.filter = ""
            self._show_page(Page.ROOMS)
        elif action in steps:
            self._scroll(steps[action])
        elif action in ends:
            self._go_to(ends[action])
        elif state.page is not Page.ROOMS:
            return False
        elif key == "enter":
            self._open_room()
        elif key in ("slash", "ctrl+f"):
            self._open_filter()
        elif (character := event.character) is not None and character in tuple(Sort):
            state.sort_by(Sort(character))
        else:
            return False
        return True

    def _open_room(self) -> None:
        if self.state.open_room():
            self._wake.set()

    def _show_page(self, page: Page) -> None:
        self.state.page = page
        self.state.help_top = 0
        if page is not Page.PEOPLE:
            self.state.room, self.state.people = "", None

    def _go_to(self, at: int) -> None:
        match self.state.page:
            case Page.ROOMS:
                self.state.choose(at)
            case Page.PEOPLE:
                self.state.people_top = at
            case Page.HELP:
                self.state.help_top = at

    def _scroll(self, rows: int) -> None:
        match self.state.page:
            case Page.ROOMS:
                self.state.move(rows)
            case Page.PEOPLE:
                self.state.people_top += rows
            case Page.HELP:
                self.state.help_top += rows
        self._view.show_again()

    def _sort(self, sort: Sort) -> None:
        self.state.sort_by(sort)
        self._view.show_again()

    def _clicked(self, room: str) -> None:
        """Choose the room; a click on the one that is chosen shows who is in it."""
        state = self.state
        rooms = state.rooms()
        if rooms and rooms[state.chosen_at(rooms)].room == room:
            self._open_room()
        else:
            state.chosen = room
        self._view.show_again()

    # -- the filter

    def _open_filter(self) -> None:
        field = Field(is_ascii=self._config.is_ascii)
        field.set(self.state.filter)
        self._view.field = field

    def _typed_filter(self, field: Field, event: events.Key | events.Paste) -> None:
        state = self.state
        if isinstance(event, events.Paste):
            field.type(event.text)
        elif event.key in ("ctrl+q", "ctrl+c"):
            self.exit()
        elif event.key == "escape":
            field.set("")
            self._view.field = None
        elif event.key == "enter":
            self._view.field = None
        elif (action := self._keys.action(event.key)) in ("up", "down"):
            state.move(-1 if action == "up" else 1)
        elif action is not None:
            field.do(action)
        elif (text := text_of(event)) is not None:
            field.type(text)
        state.filter = field.text.strip()
        self._view.show_again()
