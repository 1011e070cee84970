"""What the door and the fork server say to each other: a JSON object a line; with an order comes a PTY."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any, Final

LINE_BYTES: Final = 16 * 1024
"""More than any order needs: a token and a path are the long parts."""

SAVED: Final = 160
"""A guest's process that ends in good order, and leaves nothing unsaved, ends with this, plus the number of
the signal that ended it, if one did; others end as usual, with an exit code, or 128 and the signal."""


@dataclass(frozen=True, slots=True)
class GuestOrder:
    """All that a guest's process is told; it reads neither settings nor the environment of the account."""

    room: str
    first_line: str
    """The line of a `Restriction`, that goes before all else to the server."""
    unix_path: str
    folder: str
    """Where this guest's journal, device and log are kept."""
    come_again: str
    """What others type to come here."""
    device: str = field(repr=False)
    """In hex: by which the server knows this guest again."""
    name: str = ""
    token: str | None = field(default=None, repr=False)
    environment: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Open:
    """Be `number`'s guest, on the PTY that comes along."""

    number: int
    order: GuestOrder


@dataclass(frozen=True, slots=True)
class Signal:
    """Send a signal to the guest with that number, if it still lives."""

    number: int
    signal: int


@dataclass(frozen=True, slots=True)
class Ended:
    """The guest with that number has ended: its exit code, minus the number of a signal."""

    number: int
    code: int


Message = Open | Signal | Ended


def write(message: Message) -> bytes:
    """Return the line of `message`."""
    return json.dumps({type(message).__name__: asdict(message)}).encode() + b"\n"


class Reader:
    """Lines out of what comes in pieces."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[Message]:
        """Yield the messages that are whole now."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            yield _read(json.loads(line))


def _read(found: dict[str, Any]) -> Message:
    ((kind, fields),) = found.items()
    match kind:
        case "Open":
            return Open(fields["number"], GuestOrder(**fields["order"]))
        case "Signal":
            return Signal(**fields)
        case "Ended":
            return Ended(**fields)
        case _:
            raise ValueError(kind)
