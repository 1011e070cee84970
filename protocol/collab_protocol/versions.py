"""Protocol versions, and how two ends agree on one."""

from __future__ import annotations

from typing import Final

from collab_protocol.errors import VersionRefused

SUBPROTOCOL: Final = "collab.v1"
"""The WebSocket subprotocol; its number is the major version, so another major never gets to Hello."""

RELAY: Final = "collab-relay/1"
"""What the first line of `collab relay` begins with, to either side of it."""

VERSIONS: Final = (1, 2, 3, 4)
"""Versions of the messages that this end speaks, oldest first.

2 adds Check, Trouble, the client's Sync in answer to a Resync, and the faults `stale`, `identity` and
`diverged`. 3 adds who one is to the others, following and views, the activity `lost`, and the messages Say,
Said, Look, AskAuthors, Authors, AskPulse, Pulse and Declined. 4 adds access: Credential, Kick and CloseRoom,
and the faults `denied`, `kicked`, `closed` and `deleted`. The versions before the current one stay spoken:
tests/wire holds what their ends said.
"""


def negotiate(theirs: tuple[int, ...], ours: tuple[int, ...] = VERSIONS) -> int:
    """Return the newest version that both ends speak.

    Raises:
        VersionRefused: there is none; the text says which end must be upgraded.
    """
    common = set(theirs) & set(ours)
    if common:
        return max(common)
    spoken = ", ".join(map(str, theirs)) or "none"
    known = ", ".join(map(str, ours))
    older = "this collab" if theirs and max(theirs) < min(ours) else "the server"
    raise VersionRefused(
        f"no common protocol version: the client speaks {spoken}, the server {known}; upgrade {older}"
    )
