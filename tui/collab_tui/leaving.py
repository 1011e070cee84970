"""Leaving a room: at once when everything is saved, else after a moment, and a question."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from textual import events

if TYPE_CHECKING:
    from textual.app import App

    from collab_tui.app_config import Session
    from collab_tui.widgets.editor import Editor
    from collab_tui.widgets.status_line import StatusLine

_SETTLE_S: Final = 1.0
"""How long leaving waits for the receipt of what was just typed, before it asks."""

_GOODBYE_S: Final = 0.5
_JOURNAL_WAITS: Final = 4


class Leaving:
    """The way out. `end()` ends the app; it is called once, when there is nothing more to wait for."""

    def __init__(
        self,
        app: App[Any],
        editor: Editor,
        line: StatusLine,
        resume: Callable[[], None],
        end: Callable[[], None],
    ) -> None:
        self._app = app
        self._editor = editor
        self._line = line
        self._resume = resume
        self._end = end
        self._is_leaving = False
        self._is_asking = False
        self._has_left = False

    def request(self, session: Session | None) -> None:
        """Leave, if that loses nothing or the person says so."""
        if session is None:
            self._end()
        elif not self._is_leaving:  # a key that repeats must not answer a question that is still to come
            self._is_leaving = True
            self._app.run_worker(self._leave_in_order(session), name="leave")

    def status_changed(self, session: Session) -> None:
        """Ask anew, or leave, when what is unsaved has changed under the question."""
        if self._is_asking:
            self._ask(session)

    async def _leave_in_order(self, session: Session) -> None:
        if session.unsaved:
            await session.settle(_SETTLE_S)
        self._ask(session)
        if self._is_asking:
            self._editor.divert(lambda event: self._answer(event, session))

    def _ask(self, session: Session) -> None:
        if session.unsaved == 0:
            self._leave(session)
            return
        self._is_asking = True
        self._line.show(question=_question(session.unsaved, session.kept))

    def _answer(self, event: events.Key, session: Session) -> None:
        match event.key:
            case "y" | "Y" | "shift+y":
                self._leave(session)
            case "n" | "N" | "shift+n" | "escape":
                self._is_leaving = self._is_asking = False
                self._line.show(question="")
                self._resume()
            case _:
                pass

    def _leave(self, session: Session) -> None:
        """Say goodbye, and hear nothing more; the session's end ends the app, or a deadline does."""
        if self._has_left:
            return
        self._has_left, self._is_asking = True, False
        self._line.show(question="")
        self._editor.divert(_ignore)
        session.leave()
        self._end_later(session, _JOURNAL_WAITS)

    def _end_later(self, session: Session, waits: int) -> None:
        """Stop waiting for the session's end, but let the journal finish what it is about to keep."""

        def end() -> None:
            if waits and session.kept < session.unsaved and not session.journal_trouble:
                self._end_later(session, waits - 1)
            else:
                self._end()

        self._app.set_timer(_GOODBYE_S, end)


def _ignore(_: events.Key) -> None:
    """Take a key that comes too late."""


def _question(unsaved: int, kept: int) -> str:
    changes = "1 unsaved change" if unsaved == 1 else f"{unsaved} unsaved changes"
    if kept < unsaved:
        are = "It is" if unsaved == 1 else "They are"
        return f"Quit with {changes}?  y / n  {are} only in this window."
    they = "It is" if unsaved == 1 else "They are"
    return f"Quit with {changes}?  y / n  {they} kept on this machine."
