"""One session of somebody who has logged in: a terminal at their end, a guest's process on a PTY at ours.

no terminal ─▶ a line that says so, exit code 64
a terminal  ─▶ PTY, process ─▶ it ends ─▶ the rest of its output, a line where it needs one, its exit code
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import re
import signal
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, Protocol

import asyncssh

from collab_cli.exits import SIGNAL, ExitCode
from collab_cli.ssh_door.flow import SENT, bound_environment
from collab_cli.ssh_door.login import Entrant, Login, logged
from collab_cli.ssh_door.orders import SAVED
from collab_cli.ssh_door.pump import Pump, open_pty
from collab_cli.terminal import RESET
from collab_server.log_fields import Kind, about

if TYPE_CHECKING:
    from collab_cli.ssh_door.guests import Guests
    from collab_cli.ssh_door.orders import GuestOrder

_log = logging.getLogger(__name__)

_GRACE_S: Final = 4.0
"""How long a guest's process may take to go, from the signal to the kill; what it typed is kept in 2 s."""

_LAST_OUTPUT_S: Final = 2.0
"""How long its last output may take to be taken at the other end."""

_TERM: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9+._-]{0,63}", re.ASCII)
_TRUECOLOR: Final = ("truecolor", "24bit")
_CANNOT: Final = "the server cannot start an editor now: try again later"
_LANGUAGE: Final = "C.UTF-8"
_BUFFER_BYTES: Final = 64 * 1024


COME_AGAIN: Final = "come again with the same command"


class House(Protocol):
    """What of the door a session needs."""

    guests: Guests

    def is_full(self) -> bool:
        """Return whether there are as many guests as there may be."""
        ...

    def order_for(self, entrant: Entrant, environment: Mapping[str, str]) -> GuestOrder:
        """Return what the guest's process is told. Raises: OSError: their folder cannot be made."""
        ...

    def gone(self, session: GuestSession, code: int | None) -> None:
        """Hear that a session is over: the exit code of its process, None if there was none."""
        ...


class GuestSession(asyncssh.SSHServerSession[bytes]):
    """One session of `entrant`."""

    def __init__(self, house: House, login: Login, entrant: Entrant) -> None:
        self.entrant = entrant
        self.began_at = self.typed_at = time.monotonic()
        self._house = house
        self._login = login
        self._loop = asyncio.get_running_loop()
        self._terminal = ""
        self._channel: asyncssh.SSHServerChannel[bytes] | None = None
        self._pump: Pump | None = None
        self._guest: int | None = None
        self._code: int | None = None
        self._killer: asyncio.TimerHandle | None = None
        self._is_held = {"window": False, "connection": False}
        self._has_output_ended = False
        self._reason = ""
        self._is_over = False
        login.sessions.add(self)

    def end(self, reason: str) -> None:
        """End the guest's process in good order; `reason` is then the last line on their screen."""
        self._reason = self._reason or reason
        self._stop(signal.SIGTERM)

    def hold_output(self, is_full: bool) -> None:
        self._hold_back("connection", is_full)

    # What asyncssh calls, in this order

    @logged
    def connection_made(self, chan: asyncssh.SSHServerChannel[bytes]) -> None:
        self._channel = chan
        chan.set_write_buffer_limits(_BUFFER_BYTES)
        bound_environment(chan)

    @logged
    def pty_requested(
        self, term_type: str, term_size: tuple[int, int, int, int], term_modes: Mapping[int, int]
    ) -> bool:
        if not _TERM.fullmatch(term_type):
            return False
        self._terminal = term_type
        return True

    @logged
    def shell_requested(self) -> bool:
        return True

    @logged
    def session_started(self) -> None:
        if not self._terminal:
            self._refuse("this is an editor, and needs a terminal: ssh -t, without a command", os.EX_USAGE)
        elif self._house.is_full():
            self._refuse("as many guests are here as there may be: try again later", os.EX_TEMPFAIL)
        else:
            try:
                self._begin()
            except OSError as error:
                _log.error("no guest can be started: %s", error.strerror or error)
                self._refuse(_CANNOT, os.EX_OSERR)

    @logged
    def terminal_size_changed(self, width: int, height: int, pixwidth: int, pixheight: int) -> None:
        if self._pump is not None:
            self._pump.resize(width, height)

    @logged
    def data_received(self, data: bytes, datatype: asyncssh.DataType) -> None:
        self.typed_at = time.monotonic()
        if self._pump is not None:
            self._pump.type(data)

    @logged
    def eof_received(self) -> bool:
        self._stop(signal.SIGHUP)  # nothing more is typed, ever
        return True

    @logged
    def pause_writing(self) -> None:
        self._hold_back("window", True)

    @logged
    def resume_writing(self) -> None:
        self._hold_back("window", False)

    @logged
    def connection_lost(self, exc: Exception | None) -> None:
        self._channel = None
        self._login.sessions.discard(self)
        if self._guest is None or self._code is not None:
            self._finish()
            return
        if self._pump is not None:
            self._pump.close()  # the process is sent SIGHUP
        self._stop(signal.SIGHUP)

    # The process

    def _begin(self) -> None:
        if self._channel is None:
            return
        environment = _environment(self._terminal, self._channel)
        order = self._house.order_for(self.entrant, environment)
        columns, rows, _, _ = self._channel.get_terminal_size()
        ours, theirs = open_pty(columns, rows)
        try:
            self._guest = self._house.guests.open(order, theirs, self._ended)
            self._login.editors += 1
        except OSError:
            os.close(ours)
            raise
        finally:
            os.close(theirs)
        self._pump = Pump(ours, on_output=self._show, on_full=self._hold, on_end=self._output_ended)

    def _show(self, data: bytes) -> None:
        if self._channel is not None:
            self._channel.write(data)

    def _hold_back(self, by: str, is_full: bool) -> None:
        """Have the guest's output wait for whichever of the two is full."""
        self._is_held[by] = is_full
        if self._pump is None:
            return
        if any(self._is_held.values()):
            self._pump.pause()
        else:
            self._pump.resume()

    def _hold(self, is_full: bool) -> None:
        if self._channel is not None:
            if is_full:
                self._channel.pause_reading()
            else:
                self._channel.resume_reading()

    def _output_ended(self) -> None:
        self._has_output_ended = True
        if self._code is not None:
            self._finish()

    def _ended(self, code: int) -> None:
        """Note that the process has ended; its last output may still be on its way."""
        self._code = code
        if self._killer is not None:
            self._killer.cancel()
        if self._has_broken or code == ExitCode.INTERNAL:
            _log.error("a guest's editor broke (%d)", code, extra=self._about(Kind.FAILED))
        if self._has_output_ended or self._channel is None:
            self._finish()
        else:
            self._loop.call_later(_LAST_OUTPUT_S, self._finish)

    @property
    def _has_broken(self) -> bool:
        """Whether the process has ended, without our doing, as it does not by itself."""
        return self._killer is None and self._code is not None and _is_crash(self._code)

    def _stop(self, number: signal.Signals) -> None:
        """Have the process end, by force if need be."""
        if self._guest is None or self._code is not None:
            return
        with contextlib.suppress(OSError):
            self._house.guests.signal(self._guest, number)
        if self._killer is None:
            self._killer = self._loop.call_later(_GRACE_S, self._kill)

    def _kill(self) -> None:
        if self._guest is not None and self._code is None:
            _log.warning("a guest's editor does not end: it is killed", extra=self._about(Kind.TOLD))
            with contextlib.suppress(OSError):
                self._house.guests.signal(self._guest, signal.SIGKILL)

    @logged
    def _finish(self) -> None:
        """Say the last line, and how it ended; once."""
        if self._is_over:
            return
        self._is_over = True
        if self._guest is not None:
            self._login.editors -= 1
            self._login.quiet_since = time.monotonic()
        if self._pump is not None:
            self._pump.close()
        channel, code = self._channel, self._code
        if channel is not None and code is not None:
            if _is_crash(code):
                channel.write(RESET.encode())
            if last_words := self._reason or self._why_ended(code):
                channel.write(_line(last_words))
            channel.exit(exit_status(code))
        self._house.gone(self, code)

    def _why_ended(self, code: int) -> str:
        """Return what a process that ended by itself could not say any more, or not yet."""
        if code == os.EX_OSERR:
            return _CANNOT
        return f"the editor broke; what was saved is there: {COME_AGAIN}" if self._has_broken else ""

    def _refuse(self, why: str, code: int) -> None:
        """Say why there is no editor, and end."""
        if self._channel is not None:
            self._channel.write_stderr(_line(why))
            self._channel.exit(code)

    def _about(self, kind: Kind) -> Mapping[str, object]:
        return about(room=self.entrant.restriction.room, kind=kind)


def exit_status(code: int) -> int:
    """Return what the client's shell is told of how a guest's process has ended."""
    if code < 0:
        return SIGNAL - code
    number = code - SAVED
    if number < 0:
        return code
    return SIGNAL + number if number else ExitCode.OK


def _is_crash(code: int) -> bool:
    return code < 0 or code == os.EX_SOFTWARE


def _line(text: str) -> bytes:
    return f"collab: {text}\r\n".encode()


def _environment(terminal: str, channel: asyncssh.SSHServerChannel[bytes]) -> dict[str, str]:
    """Return all that a guest's process has of an environment."""
    client, server = (channel.get_extra_info(name) or ("", 0) for name in ("peername", "sockname"))
    sent = channel.get_environment()
    found = {
        "TERM": terminal,
        "LANG": _LANGUAGE,
        "SSH_CONNECTION": f"{client[0]} {client[1]} {server[0]} {server[1]}",
    }
    depth, no_colour = (sent.get(name, "") for name in SENT)
    if depth in _TRUECOLOR:
        found["COLORTERM"] = depth
    if no_colour:
        found["NO_COLOR"] = "1"
    return found
