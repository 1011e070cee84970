"""What of a remote string may reach the terminal: one allow-list for text, names, rooms and messages.

Characters that a terminal obeys or that a reader cannot see (controls, bidi, zero-width, tags, lone
surrogates) are replaced one for one by a visible mark of one cell, so columns stay what they were.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from typing import Final

from rich.cells import cell_len, split_graphemes

from collab_protocol import limits

_INVISIBLE: Final = (
    # Cf of Unicode 16, and the default-ignorable ranges that are not yet assigned (UAX #44)
    "\u00ad\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u180e\u200b\u200c\u200e\u200f\u202a-\u202e"
    "\u2060-\u206f\ufeff\ufff0-\ufffb\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3"
    "\U0001d173-\U0001d17a\U000e0000-\U000e00ff\U000e01f0-\U000e0fff"
    # Zl, Zp, and letters that draw nothing: the fillers of Hangul
    "\u2028\u2029\u115f\u1160\u3164\uffa0"
)
_BROKEN: Final = (
    # C1, Cs and noncharacters
    "\x80-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff"
    + "".join(chr(plane << 16 | 0xFFFE) + chr(plane << 16 | 0xFFFF) for plane in range(1, 17))
)
_EMOJI: Final = (
    # The blocks that hold Extended_Pictographic (Unicode emoji-data.txt), coarsely
    "\u00a9\u00ae\u203c\u2049\u2122\u2139\u2194-\u21aa\u231a-\u23ff\u24c2\u25aa-\u27bf\u2934\u2935"
    "\u2b00-\u2bff\u3030\u303d\u3297\u3299\U0001f000-\U0001faff"
)
DELETED: Final = "␡"
FORMAT_MARK: Final = "⨯"
BROKEN_MARK: Final = "�"


@cache
def _unsafe() -> re.Pattern[str]:
    """Compile what is not allowed; a few milliseconds, so not before a text needs it."""
    return re.compile(
        "[\x00-\x1f\x7f" + _INVISIBLE + "]|(?P<broken>[" + _BROKEN + "])"
        # Variation selectors 15 and 16 choose how an emoji or a keycap looks, and mean nothing elsewhere.
        "|(?<![" + _EMOJI + "#*0-9])[\ufe0e\ufe0f]|(?<=[#*0-9])[\ufe0e\ufe0f](?!\u20e3)"
        # A joiner joins two emoji.
        "|(?<![" + _EMOJI + "])(?<![" + _EMOJI + "]\ufe0f)\u200d|\u200d(?![" + _EMOJI + "])"
    )


def safe_text(text: str, *, ascii_marks: bool = False) -> str:
    """Return `text` with everything that is not allowed on a terminal as one-cell marks.

    As many code points come out as went in. Tabs and newlines are marks too: lay them out before.
    """
    if text.isascii() and text.isprintable():
        return text
    return _unsafe().sub(_ascii_mark if ascii_marks else _mark, text)


def safe_name(name: str, most_cells: int = limits.NAME_CELLS) -> str:
    """Return a person's or room's name fit for a screen: NFC, one line, at most `most_cells` wide."""
    printable = safe_text(" ".join(unicodedata.normalize("NFC", name).split()))
    return crop_cells(printable, most_cells).strip() or "guest"


def crop_cells(text: str, most_cells: int) -> str:
    """Return the longest start of `text` that fits in `most_cells`, never half a character."""
    if cell_len(text) <= most_cells:
        return text
    cells = 0
    for start, _, size in split_graphemes(text)[0]:
        cells += size
        if cells > most_cells:
            return text[:start]
    return text


def _mark(match: re.Match[str]) -> str:
    character = match[0]
    if character < "\x20":
        return chr(0x2400 + ord(character))
    if character == "\x7f":
        return DELETED
    return BROKEN_MARK if match.lastgroup == "broken" else FORMAT_MARK


def _ascii_mark(_: re.Match[str]) -> str:
    return "?"
