"""Sizes and rates that both ends honour; bytes and seconds unless the name says otherwise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

PART_BYTES: Final = 32 * 1024
"""A frame larger than this travels in Parts of this size, so that pings get through between them."""

FRAME_BYTES: Final = PART_BYTES + 1024
"""The largest WebSocket frame either end sends or accepts: one Part and its envelope."""

MESSAGE_BYTES: Final = 80 * 1024 * 1024
"""The largest message after reassembly: an encoded document at its cap, and room for its envelope."""

TEXT_BYTES: Final = 16 * 1024 * 1024
"""The default cap on a room's text, in UTF-8."""

ENCODED_BYTES: Final = 64 * 1024 * 1024
"""The default cap on a room's CRDT encoding, which keeps what was deleted."""

NAME_CELLS: Final = 32
STRING_BYTES: Final = 4096
PRESENCE_BYTES: Final = 1024
CARETS: Final = 32
"""Carets that one session may show."""

CHAT_CHARACTERS: Final = 500
CHAT_KEPT: Final = 200
"""Lines of chat that a room keeps; older ones go."""

CHAT_SHOWN: Final = 50
"""Lines of chat that a newcomer gets."""

AUTHORS: Final = 1024
"""People in one answer to who wrote here; the newest ones."""

GRACE_S: Final = 10.0
"""So long who lost the connection is shown as offline, and not yet as gone (DESIGN section 9)."""

IDLE_AFTER_S: Final = 60.0
AWAY_AFTER_S: Final = 300.0

CLIENT_IDS: Final = 1024
"""Client ids that one Hello may name: one for each process that left rows in the journal."""

PEOPLE: Final = 1024
SETTINGS: Final = 64
BATCH_ENTRIES: Final = 1024

MERGED_ROWS: Final = 200
"""Rows merged into one Update at most: 200 merge in 0.2 ms, 30,000 in 697 ms (DESIGN section 4)."""

PRESENCE_INTERVAL_S: Final = 0.05
"""Own caret at most 20 times a second."""

CARET_SETTLE_S: Final = 0.3
"""A caret that remote edits passed is sent again after so much quiet (DESIGN section 9)."""

CHECK_AFTER_S: Final = 30.0
"""A client that has nothing unsent says so often which text it has (a Check), if it has moved on since."""

PROBE_AFTER_S: Final = 2.0
DEAD_AFTER_S: Final = 5.0
SERVER_PING_S: Final = 5.0
SERVER_DEAD_S: Final = 15.0
HELLO_TIMEOUT_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class RoomLimits:
    """What a server allows in one room; the sizes are told in Welcome. `people` are connections."""

    text_bytes: int = TEXT_BYTES
    encoded_bytes: int = ENCODED_BYTES
    people: int = PEOPLE
