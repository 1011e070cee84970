"""The app on the terminal from its start to its end, whatever ends it."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import signal
from types import FrameType
from typing import TYPE_CHECKING, Final

from collab_cli.announce import REGION, Announcements
from collab_cli.clipboard import Clipboard
from collab_cli.settings.joining import JoinSettings
from collab_cli.ssh.asking import ask_in_place
from collab_cli.starting import Connect, start_session
from collab_cli.targets import Target
from collab_cli.terminal import Screen
from collab_cli.terminal_traits import Traits
from collab_tui.app import CollabApp
from collab_tui.app_config import AppConfig, Outcome
from collab_tui.palette import Theme

if TYPE_CHECKING:
    from collab_cli.ssh.dialling import SshDialler
    from collab_client.buffer import Buffer
    from collab_client.session import Session

_log = logging.getLogger(__name__)

_SIGNALS: Final = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)

_LOAD_S: Final = 0.7
"""How long what was typed before there is a text may wait for it when a signal ends the program."""

_SETTLE_S: Final = 1.0
_SETTLE_HANGUP_S: Final = 0.4
"""How long a receipt that is under way is waited for then; nobody waits for us after a hang-up."""

_GOODBYE_S: Final = 0.5
_GOODBYE_HANGUP_S: Final = 0.3


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
        dialler: SshDialler | None = None,
        *,
        connect: Connect | None = None,
        invitation: str = "",
    ) -> None:
        """`connect` and `invitation` are for guests: another way to the server, and how others come here."""
        self.ended_by: signal.Signals | None = None
        self.has_crashed = False
        self._target = target
        self._settings = settings
        self._device = device
        self._dialler = dialler
        self._connect = connect
        self._screen = screen
        self._session: Session | None = None
        self._leaving: asyncio.Task[None] | None = None
        self._has_text = asyncio.Event()
        if announcements is not None:
            announcements.on_trouble = self._tell
        self._app = CollabApp(self._app_config(traits, announcements, invitation))

    def _app_config(self, traits: Traits, announcements: Announcements | None, invitation: str) -> AppConfig:
        target, settings, dialler = self._target, self._settings, self._dialler
        troubles = [dialler.trouble] if dialler is not None and dialler.trouble else []
        return AppConfig(
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
            server=_called(target, is_guest=bool(invitation)),
            address="" if target.server is None else target.typed,
            is_by_invite=target.token is not None,
            invitation=invitation,
            has_osc9=traits.has_osc9,
            greeting="; ".join([*settings.complaints, *troubles]),
            ask=None if dialler is None else ask_in_place(dialler),
            clipboard=Clipboard(traits, os.environ, write=self._write, on_notice=self._tell),
            is_remote=traits.is_remote,
            typed=traits.typed,
        )

    @property
    def outcome(self) -> Outcome:
        """What is unsaved, and the error that ended it."""
        return self._app.outcome

    def show(self) -> None:
        """Run the app until the person leaves, a signal comes, or it breaks."""
        self._screen.is_keeping = self._is_keeping
        kept = {number: signal.getsignal(number) for number in _SIGNALS}
        try:
            for number in _SIGNALS:
                signal.signal(number, self._stop_by)
            if self._screen.is_gone:
                self.ended_by = signal.SIGHUP
                return
            self._app.run()
            self.has_crashed |= bool(self._app.return_code)
        except KeyboardInterrupt:
            self.ended_by = self.ended_by or signal.SIGINT
        except BaseException:  # a panic of native code is one, and must not keep the terminal
            _log.exception("the app crashed")
            self.has_crashed = True
        finally:
            for number, handler in kept.items():
                signal.signal(number, handler)

    def _is_keeping(self) -> bool:
        """Return whether the journal is about to keep what was typed."""
        session = self._session
        return session is not None and session.kept < session.unsaved and not session.journal_trouble

    def _write(self, data: str) -> None:
        self._app.write(data)

    def _tell(self, text: str) -> None:
        self._app.tell(text)

    async def _start(self) -> tuple[Buffer, Session]:
        for task in asyncio.all_tasks():
            task.add_done_callback(self._task_ended)
        buffer, self._session = await start_session(
            self._target, self._settings, self._device, self._dialler, self._connect
        )
        gc.freeze()  # all that was loaded stays
        gc.enable()
        self._has_text.set()
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
        self._screen.end_by_force(number)
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError as error:  # the app is only starting, or has ended
            raise KeyboardInterrupt from error
        loop.call_soon_threadsafe(self._begin_to_leave)

    def _begin_to_leave(self) -> None:
        self._leaving = asyncio.get_running_loop().create_task(self._leave(), name="leave")

    async def _leave(self) -> None:
        is_hangup = self.ended_by is signal.SIGHUP
        if self._session is None and self._app.holds_typed:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LOAD_S):
                    await self._has_text.wait()
        session = self._session
        if session is not None:
            await session.settle(_SETTLE_HANGUP_S if is_hangup else _SETTLE_S)
            session.leave()
            # The end of the session ends the app before.
            await asyncio.sleep(_GOODBYE_HANGUP_S if is_hangup else _GOODBYE_S)
        self._app.exit(self._app.outcome)


def _called(target: Target, *, is_guest: bool) -> str:
    """Return what Ctrl-S calls the server; where it is on its own machine is nothing to a guest."""
    if is_guest:
        return "the server"
    return "this machine's server" if target.server is None else str(target.server)
