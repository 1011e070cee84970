"""What signals mean to a server: SIGTERM and SIGINT end it, SIGHUP has it read keys and certificates again.

A server that was started from a terminal also gets SIGHUP when that terminal goes away, and then ends, as
every program in it does. Which of the two it was is told by the terminal: it can be opened, or not any more.
One that was started to survive its terminal (`nohup`) only ever reads again.
"""

from __future__ import annotations

import asyncio
import os
import signal
from typing import Final

_TERMINAL: Final = "/dev/tty"

_GONE_AFTER_S: Final = 0.25
"""How long after SIGHUP the terminal is looked for: the kernel may send it just before it takes it away
(drivers/tty/tty_jobctrl.c, disassociate_ctty)."""


class ServerSignals:
    """Sets `stop` and `reload`; `stopped_by` is the signal that ended the server, None for none."""

    def __init__(self, loop: asyncio.AbstractEventLoop, *, may_reload: bool) -> None:
        """Take the signals of this process, from the main thread. Without `may_reload` SIGHUP ends it too."""
        self.stop = asyncio.Event()
        self.reload = asyncio.Event()
        self.stopped_by: signal.Signals | None = None
        self._loop = loop
        survives_terminal = signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
        self._has_terminal = not survives_terminal and _terminal_is_there()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop_by, number)
        if may_reload:
            loop.add_signal_handler(signal.SIGHUP, self._hung_up)
        else:
            loop.add_signal_handler(signal.SIGHUP, self._stop_by, signal.SIGHUP)

    def _stop_by(self, number: signal.Signals) -> None:
        self.stopped_by = self.stopped_by or number
        self.stop.set()

    def _hung_up(self) -> None:
        if self._has_terminal:
            self._loop.call_later(_GONE_AFTER_S, self._reload_or_stop)
        else:
            self.reload.set()

    def _reload_or_stop(self) -> None:
        if _terminal_is_there():
            self.reload.set()
        else:
            self._stop_by(signal.SIGHUP)


def _terminal_is_there() -> bool:
    """Tell whether this process has a terminal that it belongs to, whatever its input and output are."""
    try:
        os.close(os.open(_TERMINAL, os.O_RDONLY | os.O_NOCTTY | os.O_CLOEXEC))
    except OSError:
        return False
    return True
