"""What is asked on the way to the server: on the terminal, in the app's place, once the person wants that."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from textual.app import App

    from collab_tui.app_config import Session
    from collab_tui.toasts import Toasts


class Asking:
    """Tries again to reach the server, and has asked what has to be asked for that.

    `ask` is the one of `AppConfig`; `told` is what is told already of what came of asking before the app.
    """

    def __init__(
        self, app: App[Any], toasts: Toasts, ask: Callable[[], Awaitable[str]] | None, told: str
    ) -> None:
        self._app = app
        self._toasts = toasts
        self._ask = ask
        self._told = told

    def retry(self, session: Session) -> None:
        """Have the session try again: at once, or when the person has answered."""
        if self._ask is None or not session.status.asks_person:
            session.retry_now()
        else:
            worker = self._ask_and_retry(self._ask, session)
            self._app.run_worker(worker, name="ask", exclusive=True, group="ask")

    async def _ask_and_retry(self, ask: Callable[[], Awaitable[str]], session: Session) -> None:
        """Give the terminal away until all is answered, and try again."""
        self._toasts.clear(self._told)
        with self._app.suspend():
            self._told = await ask()
        if self._told:
            self._toasts.tell(self._told)
        session.retry_now()
