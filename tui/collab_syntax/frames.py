"""How the parser's process and its parent talk: MessagePack values, each behind its size in four bytes.

To the child, each an array that begins with its name:

    text, version                a text follows that replaces what was there, the first `version` edits in it
    piece, bytes                 some of it
    whole                        that was all of it
    edit, first, last, bytes     rows first to last became these bytes; the version is one more
    look, first, last            the rows whose colours are wanted
    ask, id, what, numbers       "enclosing", "fold_at", "folds" or "symbols"

To the parent:

    colours, version, first, [[start, end, kind, start, end, kind, …] for each row]
    answer, id, value            nil where it can't be told
    failed, reason               one plain sentence; the process ends
"""

from __future__ import annotations

from typing import Any, Final

import msgpack

MOST_FRAME_BYTES: Final = 10_000_000
"""More than any text that is parsed at all (`limits.MOST_BYTES`)."""

_SIZE_BYTES: Final = 4


class FrameError(Exception):
    """The other end sends what is no frame."""


def frame(value: Any) -> bytes:
    """Return `value` as a frame."""
    body = msgpack.packb(value)
    return len(body).to_bytes(_SIZE_BYTES, "big") + body


class Frames:
    """What has come, cut into values."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._waiting = bytearray()

    def feed(self, received: bytes) -> list[Any]:
        """Take bytes; return the values that are whole now.

        Raises:
            FrameError: they are no frames.
        """
        self._waiting += received
        values = []
        at = 0
        while len(self._waiting) - at >= _SIZE_BYTES:
            size = int.from_bytes(self._waiting[at : at + _SIZE_BYTES], "big")
            if size > MOST_FRAME_BYTES:
                raise FrameError("a frame is too large")
            begin = at + _SIZE_BYTES
            if len(self._waiting) < begin + size:
                break
            values.append(_value(bytes(self._waiting[begin : begin + size])))
            at = begin + size
        del self._waiting[:at]
        return values


def _value(body: bytes) -> Any:
    try:
        return msgpack.unpackb(
            body,
            raw=False,
            strict_map_key=True,
            timestamp=0,
            max_ext_len=0,
            max_map_len=0,
            max_array_len=200_000,
            max_str_len=1_000_000,
            max_bin_len=MOST_FRAME_BYTES,
        )
    except (ValueError, msgpack.UnpackException, RecursionError) as error:
        raise FrameError("a frame holds no value") from error
