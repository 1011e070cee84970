"""The app on the terminal from its start to its end, whatever ends it."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import threading
from types import FrameType
from typing import TYPE_CHECKING, Final

from collab_cli.announce import REGION, Announcements
from collab_cli.clipboard import Clipboard
from collab_cli.exits import SIGNAL
from collab_cli.settings.joining import JoinSettings
from collab_cli.starting import start_session
from collab_cli.targets import Target
from collab_cli.terminal import Screen
from collab_cli.terminal_traits import Traits
from collab_tui.app import CollabApp
from collab_tui.app_config import AppConfig, Outcome
from collab_tui.palette import Theme

if TYPE_CHECKING:
    from collab_client.buffer import Buffer
    from collab_client.session import Session

_log = logging.getLogger(__name__)

_SIGNALS: Final = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)

_SETTLE_S: Final = 1.0
"""How long a receipt that is under way is waited for when a signal ends the program."""

_GOODBYE_S: Final = 0.5

_FORCE_AFTER_S: Final = 5.0
"""How long after a signal the terminal is given back by force."""


class Window:
    """One room on one terminal. After `show`: `outcome`, `ended_by` and `has_crashed` say how it went."""

    def __init__(
        self,
        target: Target,
        settings: JoinSettings,
        traits: Traits,
        device: bytes,
        screen: Screen,
        announcements: Announcements | None,
    ) -> None:
        self.ended_by: signal.Signals | None = None
        self.has_crashed = False
        self._target = target
        self._settings = settings
        self._device = device
        self._screen = screen
        self._session: Session | None = None
        self._leaving: asyncio.Task[None] | None = None
        if announcements is not None:
            announcements.on_trouble = self._tell
        self._app = CollabApp(
            AppConfig(
                room=target.room,
                start=self._start,
                theme=Theme(traits.theme),
                options=settings.options,
                is_ascii=settings.is_ascii or traits.is_ascii,
                is_read_only=settings.is_read_only,
                keys=settings.keys,
                follow=settings.follow,
                announce=announcements,
                is_announced_here=settings.announce == REGION,
                server="this machine's server" if target.server is None else str(target.server),
                address="" if target.server is None else str(target),
                is_by_invite=target.token is not None,
                has_osc9=traits.has_osc9,
                greeting="; ".join(settings.complaints),
                clipboard=Clipboard(traits, os.environ, write=self._write, on_notice=self._tell),
                is_remote=traits.is_remote,
                typed=traits.typed,
            )
        )

    @property
    def outcome(self) -> Outcome:
        """What is unsaved, and the error that ended it."""
        return self._app.outcome

    def show(self) -> None:
        """Run the app until the person leaves, a signal comes, or it breaks."""
        self._screen.on_gone = self._terminal_gone
        self._screen.watch()
        kept = {number: signal.signal(number, self._stop_by) for number in _SIGNALS}
        try:
            self._app.run()
            self.has_crashed |= bool(self._app.return_code)
        except KeyboardInterrupt:
            self.ended_by = self.ended_by or signal.SIGINT
        except BaseException:  # a panic of native code is one, and must not keep the terminal
            _log.exception("the app crashed")
            self.has_crashed = True
        finally:
            self._screen.on_gone = None
            for number, handler in kept.items():
                signal.signal(number, handler)

    def _write(self, data: str) -> None:
        self._app.write(data)

    def _tell(self, text: str) -> None:
        self._app.tell(text)

    async def _start(self) -> tuple[Buffer, Session]:
        for task in asyncio.all_tasks():
            task.add_done_callback(self._task_ended)
        buffer, self._session = await start_session(self._target, self._settings, self._device)
        gc.freeze()  # all that was loaded stays
        gc.enable()
        return buffer, self._session

    def _task_ended(self, task: asyncio.Task[object]) -> None:
        """End the app when a part of it has died: Textual handles each Exception, but a native panic is none.

        The editor would stand still, and nobody could even quit.
        """
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.critical("%s crashed", task.get_name(), exc_info=error)
            self.has_crashed = True
            self._app.exit(self._app.outcome)

    def _stop_by(self, number: int, _: FrameType | None) -> None:
        """Take a signal: leave in good order, and by force when that takes too long."""
        if self.ended_by is not None:
            return
        self.ended_by = signal.Signals(number)
        _log.info("ended by %s", self.ended_by.name)
        force = threading.Timer(_FORCE_AFTER_S, self._end_by_force, (number,))
        force.daemon = True
        force.start()
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError as error:  # the app is only starting, or has ended
            raise KeyboardInterrupt from error
        loop.call_soon_threadsafe(self._begin_to_leave)

    def _terminal_gone(self) -> None:
        """Treat a terminal that is gone as SIGHUP."""
        os.kill(os.getpid(), signal.SIGHUP)

    def _begin_to_leave(self) -> None:
        self._leaving = asyncio.get_running_loop().create_task(self._leave(), name="leave")

    async def _leave(self) -> None:
        session = self._session
        if session is not None:
            await session.settle(_SETTLE_S)
            session.leave()
            await asyncio.sleep(_GOODBYE_S)  # the end of the session ends the app before
        self._app.exit(self._app.outcome)

    def _end_by_force(self, number: int) -> None:
        _log.error("did not end within %.0f s: ending by force", _FORCE_AFTER_S)
        self._screen.restore()
        os._exit(SIGNAL + number)
