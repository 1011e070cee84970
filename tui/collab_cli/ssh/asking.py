"""What ssh asks, on the terminal: before the screen is taken, and later in its place, when people want."""

from __future__ import annotations

import contextlib
import os
import signal
import termios
import threading
from collections.abc import Awaitable, Callable, Iterator
from types import FrameType
from typing import TYPE_CHECKING, Final

from collab_cli.exits import SIGNAL, CommandError, ExitCode, say
from collab_cli.settings.joining import JoinSettings
from collab_cli.targets import Target

if TYPE_CHECKING:
    from collab_cli.ssh.dialling import SshDialler

_ENDING: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_HINT_S: Final = 2.0
_BEFORE: Final = "\r\nssh asks before it connects; Ctrl-C goes back to the text\r\n"


@contextlib.contextmanager
def dialled(target: Target, settings: JoinSettings) -> Iterator[SshDialler | None]:
    """Dial the server of `target`, if that is done by ssh, which may ask what it wants meanwhile.

    Raises:
        CommandError: nothing came of it, and there is nothing of that room on this machine.
    """
    server = target.server
    if server is None or server.ssh is None or settings.is_offline:
        yield None
        return
    from collab_cli.ssh.dialling import SshDialler

    dialler = SshDialler(server.ssh, settings.ssh, os.environ)
    hint = threading.Timer(_HINT_S, _hint, (target, settings))
    hint.daemon = True
    hint.start()
    try:
        trouble = None
        try:
            with _given_up_by_signals(dialler):
                trouble = dialler.dial(_load, _show_on(2))
        except KeyboardInterrupt:
            if not _has_journal(target, settings):
                raise
            dialler.was_ended()
        finally:
            hint.cancel()
        if trouble is not None and not _has_journal(target, settings):
            code = ExitCode.REFUSED if trouble.is_final else ExitCode.UNREACHABLE
            raise CommandError(str(trouble), code)
        yield dialler
    finally:
        dialler.close()


@contextlib.contextmanager
def _given_up_by_signals(dialler: SshDialler) -> Iterator[None]:
    """Have a signal give up dialling, and be raised when ssh has ended, which else stays and asks on.

    Raises: KeyboardInterrupt: Ctrl-C; SystemExit: another signal.
    """
    came: list[int] = []

    def give_up(number: int, _: FrameType | None) -> None:  # it raises nothing: ssh may just be starting
        came.append(number)
        dialler.give_up()

    kept = {number: signal.getsignal(number) for number in _ENDING}
    for number, handler in kept.items():
        if handler is not signal.SIG_IGN:  # as with nohup
            signal.signal(number, give_up)
    try:
        yield
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)
    if came:
        raise KeyboardInterrupt if {*came} == {signal.SIGINT} else SystemExit(SIGNAL + came[-1])


def ask_in_place(dialler: SshDialler) -> Callable[[], Awaitable[str]]:
    """Return what dials again on the terminal, once the app has given it away, and what to tell of it."""

    async def ask() -> str:
        with _terminal_for_asking():
            _show_on(1)(_BEFORE.encode())
            trouble = await dialler.dial_again(_show_on(1))
        return "" if trouble is None else str(trouble)

    return ask


@contextlib.contextmanager
def _terminal_for_asking() -> Iterator[None]:
    """Have Ctrl-C end ssh and not us, and Ctrl-Z nothing: the shell would take up a job without a screen."""
    handler = signal.signal(signal.SIGINT, lambda *_: None)
    modes = None
    with contextlib.suppress(termios.error):
        modes = termios.tcgetattr(0)
        without = termios.tcgetattr(0)
        without[6][termios.VSUSP] = bytes([os.fpathconf(0, "PC_VDISABLE")])
        termios.tcsetattr(0, termios.TCSAFLUSH, without)  # what was typed is no answer to ssh
    try:
        yield
    finally:
        if modes is not None:
            with contextlib.suppress(termios.error):
                termios.tcsetattr(0, termios.TCSAFLUSH, modes)
        signal.signal(signal.SIGINT, handler)


def _show_on(descriptor: int) -> Callable[[bytes], None]:
    def show(data: bytes) -> None:
        with contextlib.suppress(OSError):
            os.write(descriptor, data)

    return show


def _hint(target: Target, settings: JoinSettings) -> None:
    """Tell who waits for a machine that does not answer that there is something to edit meanwhile."""
    if _has_journal(target, settings) and not _asks_secret():
        say(f"still dialling; Ctrl-C opens what is kept of {target.room} on this machine")


def _asks_secret() -> bool:
    """Tell whether a password is asked for on the terminal: a line of ours would come behind the prompt."""
    try:
        return not termios.tcgetattr(0)[3] & termios.ECHO
    except termios.error:
        return False


def _load() -> None:
    """Load what the screen needs, while ssh is under way."""
    import collab_cli.window  # noqa: F401


def _has_journal(target: Target, settings: JoinSettings) -> bool:
    from collab_cli.starting import has_journal

    return has_journal(target, settings)
