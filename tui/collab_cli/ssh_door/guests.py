"""The door's end of the fork server: asks it for guests, and hears when they have ended."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable
from typing import Final

from collab_cli.ssh_door.orders import LINE_BYTES, Ended, GuestOrder, Message, Open, Reader, Signal, write

_READ_BYTES: Final = 64 * 1024


class Guests:
    """All guests that live; `on_lost` is called once, when the fork server is gone."""

    def __init__(self, link: socket.socket, *, on_lost: Callable[[], None]) -> None:
        link.setblocking(False)
        self._link = link
        self._on_lost = on_lost
        self._reader = Reader()
        self._last = 0
        self._on_ended: dict[int, Callable[[int], None]] = {}
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(link.fileno(), self._read)

    def __len__(self) -> int:
        return len(self._on_ended)

    def open(self, order: GuestOrder, tty: int, on_ended: Callable[[int], None]) -> int:
        """Have a guest made on the PTY's end `tty`, which is closed here; returns the guest's number.

        `on_ended` gets the exit code, minus the number of a signal. Raises: OSError: it cannot be asked for.
        """
        self._last += 1
        line = write(Open(self._last, order))
        if len(line) > LINE_BYTES:
            raise OSError("the order is too long")
        self._send(line, tty)
        self._on_ended[self._last] = on_ended
        return self._last

    def signal(self, number: int, signal: int) -> None:
        """Send a signal to a guest, unless it has ended."""
        if number in self._on_ended:
            self._send(write(Signal(number, signal)))

    def close(self) -> None:
        """End the fork server, and all guests with it."""
        self._loop.remove_reader(self._link.fileno())
        self._link.close()

    def _send(self, line: bytes, *ttys: int) -> None:
        # Far less than a socket's buffer holds is ever on its way: a part of it means that it is broken.
        if socket.send_fds(self._link, [line], ttys) != len(line):
            raise OSError("the fork server takes nothing")

    def _read(self) -> None:
        try:
            data = self._link.recv(_READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._loop.remove_reader(self._link.fileno())
            for number in list(self._on_ended):
                self._heard(Ended(number, os.EX_SOFTWARE))
            self._on_lost()
            return
        for message in self._reader.feed(data):
            self._heard(message)

    def _heard(self, message: Message) -> None:
        if isinstance(message, Ended) and (on_ended := self._on_ended.pop(message.number, None)):
            on_ended(message.code)
