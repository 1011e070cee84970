"""Keeps what others can make happen at will from flooding the log: the rest of a second is counted."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

LINES_A_SECOND: Final = 20
TOLD_EVERY_S: Final = 10.0

_OF_LIBRARIES: Final = {"collab_server.websockets": "handshake", "asyncio": "asyncio"}
"""What libraries say of handshakes and connections, which anybody can make fail."""


@dataclass(slots=True)
class _Flow:
    """One kind of lines."""

    second: int = -1
    lines: int = 0
    """Told in that second."""
    left_out: int = 0
    since: float = 0.0
    level: int = logging.NOTSET
    timer: threading.Timer | None = None


class FloodGate(logging.Filter):
    """Lets through so many lines a second of each kind; of the others one line tells how many they were.

    A kind is what `collab_server.log_fields.Kind` names, in the attribute `kind` of a record; records without
    one go through. Usable from any thread.
    """

    def __init__(
        self, tell: Callable[[logging.LogRecord], object], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`tell` takes a line to where the others go; `clock` gives monotonic seconds."""
        super().__init__()
        self._tell = tell
        self._clock = clock
        self._flows: dict[str, _Flow] = {}
        self._lock = threading.Lock()

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether the record is to be written."""
        kind = _kind(record)
        if kind is None or isinstance(record, _Count):
            return True
        with self._lock:
            now = self._clock()
            flow = self._flows.setdefault(kind, _Flow())
            if flow.second != int(now):
                flow.second, flow.lines = int(now), 0
            if flow.lines < LINES_A_SECOND:
                flow.lines += 1
                return True
            if not flow.left_out:
                flow.since = now
                flow.timer = threading.Timer(TOLD_EVERY_S, self._count, (kind,))
                flow.timer.daemon = True
                # At the very end of a process none can be started; `end` tells it then.
                with contextlib.suppress(RuntimeError):
                    flow.timer.start()
            flow.left_out += 1
            flow.level = max(flow.level, record.levelno)
        return False

    def end(self) -> None:
        """Tell at once what was left out so far."""
        for kind in list(self._flows):
            self._count(kind)

    def _count(self, kind: str) -> None:
        with self._lock:
            flow = self._flows[kind]
            if flow.timer is not None:
                flow.timer.cancel()
            left_out, level = flow.left_out, flow.level
            flow.left_out, flow.level, flow.timer = 0, logging.NOTSET, None
            passed_s = max(1, round(self._clock() - flow.since))
        if left_out:
            self._tell(_Count(kind, level, left_out, passed_s))


class _Count(logging.LogRecord):
    """How many lines were left out."""

    def __init__(self, kind: str, level: int, left_out: int, passed_s: int) -> None:
        message = "… and %d more in the last %d s"
        super().__init__("collab_server.log", level, __file__, 0, message, (left_out, passed_s), None)
        self.kind = kind


def _kind(record: logging.LogRecord) -> str | None:
    kind = getattr(record, "kind", None) or _OF_LIBRARIES.get(record.name)
    return None if kind is None else str(kind)
