"""The app: one room on one screen. It wires editor, status line, buffer and session, and nothing else does.

The window paints first; `AppConfig.start` then brings the buffer and the session, with all that is
slow to load. What is typed meanwhile waits in the editor.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Final, Protocol

from textual import events
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.timer import Timer

from collab_client.status import Status
from collab_protocol.errors import CollabError
from collab_protocol.presence import Activity
from collab_tui.initials import initials
from collab_tui.palette import Theme, palette_of
from collab_tui.safe_text import safe_name
from collab_tui.widgets.editor import Editor
from collab_tui.widgets.status_line import Bar, CaretPosition, PersonShown, StatusLine

if TYPE_CHECKING:
    from collab_client.buffer import Buffer

_log = logging.getLogger(__name__)

_NOTICE_S: Final = 4.0
_NOTICE_CHARACTER_S: Final = 0.1
"""What is long, such as a path, stands longer."""

_POSITION_DELAY_S: Final = 0.05
"""Where the caret is, is said when a burst of keys pauses: a key then repaints its row and no more."""

_SETTLE_S: Final = 1.0
"""How long leaving waits for the receipt of what was just typed, before it asks."""

_LIVELY: Final = (Activity.ACTIVE, Activity.IDLE, Activity.AWAY, Activity.GONE)
_GOODBYE_S: Final = 0.5
_JOURNAL_WAITS: Final = 4
_NARROW_CELLS: Final = 40


class Session(Protocol):
    """What the screen needs of a session."""

    on_status: Callable[[Status], None]
    on_notice: Callable[[str], None]

    @property
    def status(self) -> Status: ...

    @property
    def unsaved(self) -> int: ...

    @property
    def kept(self) -> int: ...

    @property
    def copies(self) -> list[str]: ...

    @property
    def journal_trouble(self) -> str: ...

    def caret_moved(self) -> None: ...

    def retry_now(self) -> None: ...

    async def run(self) -> None: ...

    async def settle(self, timeout_s: float) -> bool: ...

    def leave(self) -> None: ...


Start = Callable[[], Awaitable[tuple["Buffer", Session]]]


@dataclass(frozen=True, slots=True)
class AppConfig:
    """What one window shows, and how. `start` is awaited once, after the first paint."""

    room: str
    start: Start
    theme: Theme = Theme.DARK
    is_ascii: bool = False
    is_read_only: bool = False
    keymap: Mapping[str, str] = field(default_factory=dict)
    clock: Callable[[], float] = time.monotonic


@dataclass(frozen=True, slots=True)
class Outcome:
    """How it ended: own changes that no server has, how many of them are in the journal, where copies of
    texts were kept that could not go on, and the error that ended it, if one did."""

    unsaved: int = 0
    kept: int = 0
    copies: tuple[str, ...] = ()
    error: Exception | None = None


class RoomScreen(Screen[None], inherit_bindings=False):
    """The one screen; its keys are the editor's."""

    BLANK = True


class CollabApp(App[Outcome], inherit_bindings=False):
    """Shows one room until the person leaves; `return_value` is then the Outcome."""

    CSS_PATH = "app.tcss"
    ENABLE_COMMAND_PALETTE = False
    ALLOW_SELECT = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f5,alt+r", "retry", "Try to connect now", id="session.retry")
    ]

    def __init__(self, config: AppConfig) -> None:
        super().__init__()
        self._config = config
        self._palette = palette_of(config.theme)
        self._buffer: Buffer | None = None
        self._session: Session | None = None
        self._notice_timer: Timer | None = None
        self._position_timer: Timer | None = None
        self._is_leaving = False
        self._is_asking = False
        self.title = safe_name(config.room)
        self.set_keymap(dict(config.keymap))

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
        self.theme = "textual-light" if config.theme is Theme.LIGHT else "textual-dark"
        self._editor = Editor(
            self._palette, is_ascii=config.is_ascii, keymap=config.keymap, clock=config.clock
        )
        self._line = StatusLine(
            self._palette, config.room, is_ascii=config.is_ascii, is_read_only=config.is_read_only
        )
        self._position = CaretPosition(self._palette)
        yield self._editor
        yield Bar(self._line, self._position)

    def on_mount(self) -> None:
        self._editor.focus()
        self.call_after_refresh(self._begin)

    def on_resize(self, event: events.Resize) -> None:
        self.query_one(Bar).set_class(event.size.width < _NARROW_CELLS, "-narrow")

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
        self.exit(self._outcome(error))

    def _outcome(self, error: Exception | None) -> Outcome:
        session = self._session
        if session is None:
            return Outcome(error=error)
        return Outcome(session.unsaved, session.kept, tuple(session.copies), error)

    def _join(self, buffer: Buffer, session: Session) -> None:
        self._buffer, self._session = buffer, session
        session.on_status = self._status_changed
        session.on_notice = self._notify
        self._line.show(status=session.status)
        self._editor.attach(buffer)
        self._show_position()

    def _status_changed(self, status: Status) -> None:
        read_only = self._config.is_read_only or (self._buffer is not None and self._buffer.read_only)
        self._line.show(status=status, is_read_only=read_only)
        if self._is_asking:
            self._ask()

    def _notify(self, text: str) -> None:
        self._line.show(notice=text)
        if self._notice_timer is not None:
            self._notice_timer.stop()
        self._notice_timer = self.set_timer(_NOTICE_S + len(text) * _NOTICE_CHARACTER_S, self._notice_expired)

    def _notice_expired(self) -> None:
        self._notice_timer = None
        self._line.show(notice="")

    # -- what the editor says

    def on_editor_moved(self) -> None:
        if self._session is not None:
            self._session.caret_moved()
        if self._position_timer is None:
            self._position_timer = self.set_timer(_POSITION_DELAY_S, self._show_position)

    def on_editor_shifted(self) -> None:
        self._show_position()

    def on_editor_peers_changed(self) -> None:
        self._line.show(people=self._people())

    def on_editor_refused(self, event: Editor.Refused) -> None:
        self._notify(event.reason)

    def on_status_line_clicked(self) -> None:
        self.action_retry()

    def action_retry(self) -> None:
        """Try to connect now."""
        if self._session is not None:
            self._session.retry_now()

    def _show_position(self) -> None:
        self._position_timer = None
        if self._buffer is not None:
            self._position.show(self._buffer.head)

    def _people(self) -> list[PersonShown]:
        """Return the others, one for each principal, in the order in which they came."""
        if self._buffer is None:
            return []
        sessions = sorted(self._buffer.peers.values(), key=lambda peer: peer.person.session)
        signs = initials(peer.person for peer in sessions)
        people: dict[str, PersonShown] = {}
        for peer in sessions:
            who = peer.person
            known = people.get(who.principal)
            people[who.principal] = PersonShown(
                name=who.name,
                sign=signs[who.principal],
                colour=who.colour,
                activity=peer.activity
                if known is None
                else min(known.activity, peer.activity, key=_LIVELY.index),
                count=1 if known is None else known.count + 1,
            )
        return list(people.values())

    # -- leaving

    def on_editor_quit_requested(self) -> None:
        """Leave at once when everything is saved; else wait a moment for the receipt, and then ask."""
        if self._session is None:
            self._leave()
        elif not self._is_leaving:  # a key that repeats must not answer a question that is still to come
            self._is_leaving = True
            self.run_worker(self._leave_in_order(self._session), name="leave")

    async def _leave_in_order(self, session: Session) -> None:
        if session.unsaved:
            await session.settle(_SETTLE_S)
        self._ask()
        if self._is_asking:
            self._editor.divert(self._answer)

    def _ask(self) -> None:
        session = self._session
        if session is None:
            return
        if session.unsaved == 0:
            self._leave()
            return
        self._is_asking = True
        self._line.show(question=_question(session.unsaved, session.kept))

    def _answer(self, event: events.Key) -> None:
        match event.key:
            case "y" | "Y" | "shift+y":
                self._leave()
            case "n" | "N" | "shift+n" | "escape":
                self._is_leaving = self._is_asking = False
                self._line.show(question="")
                self._editor.resume()
            case _:
                pass

    def _leave(self) -> None:
        """Say goodbye; the session's end ends the app, or a deadline does."""
        session = self._session
        if session is None:
            self.exit(Outcome())
            return
        session.leave()
        self._end_later(session, _JOURNAL_WAITS)

    def _end_later(self, session: Session, waits: int) -> None:
        """Stop waiting for the session's end, but let the journal finish what it is about to keep."""

        def end() -> None:
            if waits and session.kept < session.unsaved and not session.journal_trouble:
                self._end_later(session, waits - 1)
            else:
                self.exit(self._outcome(None))

        self.set_timer(_GOODBYE_S, end)


def _question(unsaved: int, kept: int) -> str:
    changes = "1 unsaved change" if unsaved == 1 else f"{unsaved} unsaved changes"
    if kept < unsaved:
        are = "It is" if unsaved == 1 else "They are"
        return f"Quit with {changes}?  y / n  {are} only in this window."
    they = "It is" if unsaved == 1 else "They are"
    return f"Quit with {changes}?  y / n  {they} kept on this machine."
