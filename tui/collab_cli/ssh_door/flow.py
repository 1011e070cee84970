"""What asyncssh leaves without a bound: answers and output that nobody takes, and variables that are sent."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Final

import asyncssh

SENT: Final = ("COLORTERM", "NO_COLOR")
"""The variables of a client's that are looked at."""

_SENT_BYTES: Final = frozenset(name.encode() for name in SENT)
_VALUE_BYTES: Final = 64


def hold_back(connection: asyncssh.SSHServerConnection, on_full: Callable[[bool], None]) -> None:
    """Read nothing more from a connection while what is written to it waits; `on_full` hears when that is.

    asyncssh does nothing then. But a window says what a client would take, and not what it does take; and
    whatever it asks for is answered. Whoever stays like that answers no keepalive either, and is cut off.
    """
    mended: Any = connection  # there is no other place where the transport says so

    def set_full(is_full: bool) -> None:
        if (transport := mended._transport) is not None:
            if is_full:
                transport.pause_reading()
            else:
                transport.resume_reading()
        on_full(is_full)

    mended.pause_writing = functools.partial(set_full, True)
    mended.resume_writing = functools.partial(set_full, False)


def bound_environment(channel: asyncssh.SSHServerChannel[bytes]) -> None:
    """Keep, of the variables that a client sends, those that are looked at, and forget all others."""
    mended: Any = channel
    mended._env = _Sent()


class _Sent(dict[bytes, bytes]):
    def __setitem__(self, name: bytes, value: bytes) -> None:
        if name in _SENT_BYTES and len(value) <= _VALUE_BYTES:
            super().__setitem__(name, value)
