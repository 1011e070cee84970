"""What systemd is told of a server by sd_notify(3): that it is ready, what it does, that it is alive.

A few datagrams to the socket in NOTIFY_SOCKET; where there is none, nobody is told anything.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Final, Self

_log = logging.getLogger(__name__)

_SEND_S: Final = 1.0
"""How long news waits for a manager that is slow to read; a sign of life waits for nobody."""

_STATUS_S: Final = 10.0
"""How often what a server does is said anew, if it changed."""

_PINGS: Final = 3
"""Signs of life in the time after which there must have been one; sd_watchdog_enabled(3) advises two."""

STORE_PATIENCE_S: Final = 600.0
"""For so long the store may be at one thing. Erasing rewrites its whole file."""


class ServiceManager:
    """Whoever started us and wants to hear how it goes; says nothing where that is nobody.

    What cannot be sent is left unsaid: the server's life does not depend on it.
    """

    def __init__(self, address: str | None = None, *, watchdog_s: float | None = None) -> None:
        """`address` is a path, or "@" and an abstract name. Without a sign of life in `watchdog_s` we end."""
        self.watchdog_s = watchdog_s
        self._address = None if address is None else f"\0{address[1:]}" if address[0] == "@" else address
        self._status = ""

    @classmethod
    def of(cls, environ: MutableMapping[str, str]) -> Self:
        """Return the one that `environ` names, and take that out of it: it is for this process alone."""
        address = environ.pop("NOTIFY_SOCKET", "")
        watchdog, pid = environ.pop("WATCHDOG_USEC", ""), environ.pop("WATCHDOG_PID", "")
        is_watched = watchdog.isdecimal() and int(watchdog) > 0 and pid in ("", str(os.getpid()))
        return cls(
            address if address.startswith(("/", "@")) and len(address) > 1 else None,
            watchdog_s=int(watchdog) / 1e6 if is_watched else None,
        )

    @property
    def is_there(self) -> bool:
        """Whether anybody wants to hear."""
        return self._address is not None

    def ready(self) -> None:
        """Say that joins succeed, or succeed again as before."""
        self._tell("READY=1")

    def reloading(self) -> None:
        """Say that keys and certificates are being read again; `ready` says when that is done."""
        self._tell(f"RELOADING=1\nMONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")

    def stopping(self) -> None:
        """Say that the end has begun."""
        self._tell("STOPPING=1\nSTATUS=saying goodbye")

    def status(self, text: str) -> None:
        """Say in one line what goes on, if that is news."""
        if text != self._status:
            self._status = text
            self._tell(f"STATUS={' '.join(text.split())}")

    def ping(self) -> None:
        """Give a sign of life."""
        self._tell("WATCHDOG=1", wait_s=0.0)

    def _tell(self, state: str, *, wait_s: float = _SEND_S) -> None:
        if self._address is None:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
                sock.settimeout(wait_s)
                sock.connect(self._address)
                sock.send(state.encode())
        except OSError as error:
            _log.debug("the service manager was not told: %s", error.strerror or error)


NOBODY: Final = ServiceManager()


async def keep_told(
    manager: ServiceManager,
    ask_store: Callable[[], Awaitable[object]],
    status: Callable[[], str],
    *,
    store_patience_s: float = STORE_PATIENCE_S,
) -> None:
    """Give signs of life while the loop turns and the store does, and say what goes on, until cancelled.

    `ask_store` returns once the store has done all that it had before; one that has not for
    `store_patience_s` is as good as dead, and so are we.
    """
    if not manager.is_there:
        return
    every_s = _STATUS_S if manager.watchdog_s is None else min(_STATUS_S, manager.watchdog_s / _PINGS)
    asked, asked_at = asyncio.ensure_future(ask_store()), time.monotonic()
    try:
        while True:
            if asked.done():
                if (error := asked.exception()) is not None:
                    _log.error("the store does not answer: %s", error)
                asked, asked_at = asyncio.ensure_future(ask_store()), time.monotonic()
            silent_s = time.monotonic() - asked_at
            if silent_s >= store_patience_s:
                _log.error("the store has not answered for %.0f s", silent_s)
            elif manager.watchdog_s is not None:
                manager.ping()
            manager.status(status())
            await asyncio.sleep(every_s)
    finally:
        asked.cancel()
        await asyncio.wait([asked])
