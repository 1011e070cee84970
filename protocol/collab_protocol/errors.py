"""The tree of errors, with the close codes of the wire.

CollabError
├── ProtocolError          the other end's fault; carries the close code to answer with
│   ├── FrameError         bytes that are no message: broken, over a limit, wrong types
│   ├── SequenceError      a message at a time when it means nothing
│   └── UpdateError        an update or state vector that the CRDT refuses
├── NameRefused            a room or person's name that is not allowed
├── Denied                 somebody may not come in: token, ban, closed room (collab_server.grants)
├── TokenRefused           a text that is no token of this server's (collab_server.tokens)
├── VersionRefused         the two ends share no version of the protocol
├── EditError              a local edit that cannot be made; nothing was changed
│   └── TextTooLarge       … because the room's limit would be passed
├── BadPattern             what to find or to replace it by is no pattern (collab_client.matching)
├── SlowPattern            a pattern takes too long over one line (collab_client.matching)
├── ReplicaBroken          the CRDT broke down; its document must be given up
├── StoreError             the machine's fault: disk full, file broken, file newer than we are
└── LinkError              the machine's or network's fault: nothing there, refused, dropped
"""

from __future__ import annotations

from enum import IntEnum, StrEnum


class CloseCode(IntEnum):
    """WebSocket close codes that we send (RFC 6455 section 7.4.1 and the IANA registry)."""

    NORMAL = 1000
    GOING_AWAY = 1001
    PROTOCOL_ERROR = 1002
    HOSTILE = 1008
    TOO_BIG = 1009
    INTERNAL = 1011
    RESTART = 1012
    TRY_AGAIN = 1013


class FaultCode(StrEnum):
    """Why a server refuses or ends a session; travels in `Fault`."""

    VERSION = "version"
    ROOM_NAME = "room-name"
    LINEAGE = "lineage"
    BUSY = "busy"
    REPLACED = "replaced"
    SLOW = "slow"
    STORE = "store"
    READ_ONLY = "read-only"
    TOO_LARGE = "too-large"
    BROKEN = "broken"
    STALE = "stale"
    IDENTITY = "identity"
    DIVERGED = "diverged"
    DENIED = "denied"
    KICKED = "kicked"
    CLOSED = "closed"
    DELETED = "deleted"
    UNKNOWN = "unknown"


class CollabError(Exception):
    """Whatever collab raises on purpose."""


class ProtocolError(CollabError):
    """The other end broke the protocol; the connection is closed with `close_code`."""

    close_code = CloseCode.PROTOCOL_ERROR


class FrameError(ProtocolError):
    """Bytes that are no message of ours."""


class SequenceError(ProtocolError):
    """A message that means nothing in the present state."""


class UpdateError(ProtocolError):
    """An update or state vector that cannot be applied."""

    close_code = CloseCode.HOSTILE


class NameRefused(CollabError):
    """A room's or person's name that is not allowed; the text says which are."""


class VersionRefused(CollabError):
    """Both ends speak no common version; the text says who must upgrade."""


class EditError(CollabError):
    """A local edit that cannot be made; nothing was changed."""


class TextTooLarge(EditError):
    """The edit would make the text larger than the room allows."""


class ReplicaBroken(CollabError):
    """The CRDT broke down over a document, which must be given up."""


class StoreError(CollabError):
    """The disk or a file on it fails us."""


class LinkError(CollabError):
    """The link cannot be opened or has broken.

    `retry_after_s` is the server's wish in seconds where it said one; `is_final` means that trying
    again cannot help (401, 403, bad certificate); `asks_person`, that it helps when a person answers what
    is asked meanwhile (a password), and not before.
    """

    def __init__(
        self,
        message: str,
        *,
        retry_after_s: float | None = None,
        is_final: bool = False,
        asks_person: bool = False,
    ) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s
        self.is_final = is_final
        self.asks_person = asks_person
