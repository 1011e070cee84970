"""What `ClientSync` tells its owner, in order: to be applied before the next message is taken."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from collab_protocol.errors import FaultCode
from collab_protocol.messages import Authors, Credential, Declined, Look, Presence, Pulse, Said, Welcome


@dataclass(frozen=True, slots=True)
class Entered:
    """The server let us in; the text follows."""

    welcome: Welcome


@dataclass(frozen=True, slots=True)
class RowsArrived:
    """Committed rows up to `seq` by the session `author`, to be applied now."""

    author: int
    seq: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Synced:
    """All that was missing up to `seq`, to be applied now. `is_first`: the first one of this link."""

    seq: int
    data: bytes
    is_first: bool


@dataclass(frozen=True, slots=True)
class Receipted:
    """Own rows up to `n` are on the server's disk, the last of them at `seq`."""

    n: int
    seq: int


@dataclass(frozen=True, slots=True)
class Seen:
    """Somebody moved, came or went."""

    presence: Presence


@dataclass(frozen=True, slots=True)
class SettingChanged:
    """The room's setting `key` is now `value`."""

    key: str
    value: str


@dataclass(frozen=True, slots=True)
class Told:
    """The server told what has nothing to do with the text: chat, who wrote, how far everybody is, …"""

    message: Said | Look | Authors | Pulse | Declined


@dataclass(frozen=True, slots=True)
class Granted:
    """The server gave a credential, which is what is said as the token from now on: to be kept."""

    credential: Credential


@dataclass(frozen=True, slots=True)
class Refused:
    """The server will not have us, and trying again cannot help."""

    code: FaultCode
    message: str


class Displacement(Enum):
    """Why the text here cannot go on as it is."""

    ANOTHER_ROOM = auto()
    """The room of that name was made anew: its text and ours are never mixed."""

    RESTORED = auto()
    """The server came back without rows that it had committed."""

    DIVERGED = auto()
    """The server's text at the same position is another."""

    IDENTITY = auto()
    """The server knows our client ids as another machine's."""


@dataclass(frozen=True, slots=True)
class Displaced:
    """The text must begin again with what the server sends; the link is over, the next may come at once."""

    why: Displacement
    message: str


@dataclass(frozen=True, slots=True)
class AskedAgain:
    """The server did not take our last rows and gets them again; nor did it take the caret behind them."""


@dataclass(frozen=True, slots=True)
class Troubled:
    """The server cannot store at present, for the reason in `message`; empty when it can again."""

    message: str


@dataclass(frozen=True, slots=True)
class Dismissed:
    """The server ends this link; come back after `retry_s`, or as usual when that is None."""

    reason: str
    is_busy: bool
    retry_s: float | None


@dataclass(frozen=True, slots=True)
class Ponged:
    """Our Ping `id` came back."""

    id: int


Event = (
    Entered
    | RowsArrived
    | Synced
    | Receipted
    | Seen
    | SettingChanged
    | Told
    | Granted
    | AskedAgain
    | Troubled
    | Refused
    | Displaced
    | Dismissed
    | Ponged
)
