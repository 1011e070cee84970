"""The parent of all guests: it has loaded the editor, and forks once for each of them.

It has one thread and no event loop, which a fork would tear, and is made before the door loads what speaks
SSH: nothing of that is in a guest's memory. A guest shares what was loaded with all others, as long as nobody
writes to it: so the collector is told to leave it alone.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import logging
import os
import select
import signal
import socket
import time
from collections import deque
from typing import Final

from collab_cli.exits import SIGNAL
from collab_cli.ssh_door.orders import LINE_BYTES, Ended, GuestOrder, Open, Reader, Signal, write

_log = logging.getLogger(__name__)

_LEAVE_S: Final = 4.0
"""How long guests get to leave when the door is gone; they are hung up on by then."""

_POLL_MS: Final = 100
_HEEDED: Final = (signal.SIGCHLD, signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Signals that guests heed as any program does."""


_LOADED: Final = (
    "collab_cli.ssh_door.guest",
    "collab_cli.local_server",
    "collab_cli.starting",
    "collab_cli.window",
    "collab_client.document",
    "collab_client.journal",
    "collab_client.link",
    "collab_client.replay",
    "collab_client.session",
    "collab_tui.app",
    "collab_tui.coding",
    "collab_tui.company",
    "collab_tui.finding",
    "collab_tui.room_language",
    "collab_tui.room_life",
    "collab_tui.surroundings",
    "collab_tui.syntax_inks",
    "collab_tui.themes",
    "collab_tui.widgets.view",
    "concurrent.futures.thread",
    "ctypes",
    "textual.layouts.factory",
    "textual.layouts.horizontal",
    "textual.layouts.stream",
    "textual.pilot",
    "textual.scrollbar",
)
"""What a guest would load by itself otherwise, each one anew."""


def serve_forks(link: socket.socket) -> None:
    """Fork guests as the other end of `link` asks for them, until that closes; does not return before."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # ^C in the terminal of `serve` is for `serve`
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    os.environ.setdefault("TEXTUAL_FPS", "120")  # as in commands/join.py; read when textual is imported
    os.environ.setdefault("TEXTUAL_ANIMATIONS", "none")
    from rich.cells import cell_len

    for module in _LOADED:
        importlib.import_module(module)
    cell_len("漢")  # loads a table
    gc.collect()
    gc.freeze()
    _ForkServer(link).run()


class _ForkServer:
    def __init__(self, link: socket.socket) -> None:
        self._link = link
        self._link.setblocking(False)
        self._reader = Reader()
        self._ttys: deque[int] = deque()
        self._pids: dict[int, int] = {}  # by the guest's number
        self._wake, self._waker = socket.socketpair()
        for end in (self._wake, self._waker):
            end.setblocking(False)
        signal.set_wakeup_fd(self._waker.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)  # else it would wake nobody

    def run(self) -> None:
        poll = select.poll()
        poll.register(self._link, select.POLLIN)
        poll.register(self._wake, select.POLLIN)
        while True:
            poll.poll()
            with contextlib.suppress(BlockingIOError):
                while self._wake.recv(LINE_BYTES):
                    pass
            self._reap()
            if not self._listen():
                break
        self._end_all()

    def _listen(self) -> bool:
        """Do what the door asks for; False when it is gone."""
        try:
            data, ttys, _, _ = socket.recv_fds(self._link, LINE_BYTES, 16)
        except BlockingIOError:
            return True
        except OSError:
            return False
        self._ttys += ttys
        if not data:
            return False
        for message in self._reader.feed(data):
            match message:
                case Open(number, order):
                    self._open(number, order, self._ttys.popleft())
                case Signal(number, number_of_signal):
                    self._signal(number, number_of_signal)
                case Ended():
                    raise ValueError("only guests end")
        return True

    def _open(self, number: int, order: GuestOrder, tty: int) -> None:
        # What ends a guest waits for a process that heeds it: we do not, and it begins as we are.
        signal.pthread_sigmask(signal.SIG_BLOCK, _HEEDED)
        try:
            pid = os.fork()
            if pid == 0:
                self._become_guest(order, tty)
            self._pids[number] = pid
        except OSError as error:
            _log.error("no guest can be started: %s", error.strerror)
            self._tell(Ended(number, os.EX_OSERR))
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _HEEDED)
            os.close(tty)

    def _become_guest(self, order: GuestOrder, tty: int) -> None:
        """Be a guest, and nothing of what we were; never returns."""
        code = os.EX_SOFTWARE
        try:
            signal.set_wakeup_fd(-1)
            for number in _HEEDED:
                signal.signal(number, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _HEEDED)
            for end in (self._link, self._wake, self._waker):
                end.close()
            try:
                os.login_tty(tty)
            except OSError:  # they have hung up
                code = SIGNAL + signal.SIGHUP
                return
            from collab_cli.ssh_door.guest import run_guest

            code = run_guest(order)
        except SystemExit as ended:  # by a signal, before there was a window
            code = ended.code if isinstance(ended.code, int) else code
        except BaseException:
            _log.critical("the guest crashed", exc_info=True)
        finally:
            os._exit(code)

    def _signal(self, number: int, number_of_signal: int) -> None:
        if (pid := self._pids.get(number)) is not None:  # not reaped, so the pid is still its own
            os.kill(pid, number_of_signal)

    def _reap(self) -> None:
        for number, pid in list(self._pids.items()):
            reaped, status = os.waitpid(pid, os.WNOHANG)
            if reaped:
                del self._pids[number]
                self._tell(Ended(number, os.waitstatus_to_exitcode(status)))

    def _tell(self, ended: Ended) -> None:
        with contextlib.suppress(OSError):  # the door is gone: that is seen by reading
            self._link.setblocking(True)
            self._link.sendall(write(ended))
        self._link.setblocking(False)

    def _end_all(self) -> None:
        """Hang up on the guests that are left, and kill those that do not go."""
        for number in (signal.SIGHUP, signal.SIGKILL):
            for pid in self._pids.values():
                os.kill(pid, number)
            ends_at = time.monotonic() + _LEAVE_S
            while self._pids and time.monotonic() < ends_at:
                select.select([self._wake], [], [], _POLL_MS / 1000)
                with contextlib.suppress(BlockingIOError):
                    self._wake.recv(LINE_BYTES)
                self._reap()
