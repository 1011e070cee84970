"""Two terminals in one room: what is typed in one, until it is drawn there and in the other."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from tests.e2e.terminal import Terminal, TerminalFailure, pump, wait_until

_WARM_UP: Final = 10
_NEW_LINE_EVERY: Final = 60
_GAP_S: Final = 0.02
_MISSED_S: Final = 3.0
_CHIPS_S: Final = 2.5
"""Name chips, shown for 2 s, come and go."""


@dataclass
class PairKeys:
    """Types in `writer` while `other` looks on; times in seconds."""

    writer: Terminal
    other: Terminal
    own: list[float] = field(default_factory=list)
    others: list[float] = field(default_factory=list)
    missed: int = 0
    _typed: int = 0
    _dice: random.Random = field(default_factory=lambda: random.Random(1))

    def get_ready(self, shown: str) -> None:
        """Wait until both show `shown`, are in step, and rest."""
        both = [self.writer, self.other]
        wait_until(both, lambda: all(shown in t.text and "✓" in t.text for t in both), "the text", 30)
        _rest(both, _CHIPS_S)

    def type(self, glyphs: Sequence[str]) -> None:
        """Type `glyphs`, one after the other; the first ten ever do not count."""
        writer, other = self.writer, self.other
        for glyph in glyphs:
            self._typed += 1
            if self._typed % _NEW_LINE_EVERY == 0:
                writer.send("\r")
                _rest([writer, other], 0.2)
            self._type(glyph)
            _rest([writer, other], _GAP_S * (1 + self._dice.random()))

    def _type(self, glyph: str) -> None:
        needle = glyph.encode()
        marks = {terminal: len(terminal.raw) for terminal in (self.writer, self.other)}
        sent_at = self.writer.send(glyph)
        try:
            wait_until(
                list(marks),
                lambda: all(terminal.raw.find(needle, mark) >= 0 for terminal, mark in marks.items()),
                glyph,
                _MISSED_S,
            )
        except TerminalFailure:
            self.missed += 1
            return
        if self._typed > _WARM_UP:
            for times, (terminal, mark) in zip((self.own, self.others), marks.items(), strict=True):
                times.append(terminal.stamp(terminal.raw.find(needle, mark) + len(needle)) - sent_at)


def _rest(terminals: list[Terminal], for_s: float) -> None:
    """Read what comes for a while."""
    ends_at = time.perf_counter() + for_s
    while (left_s := ends_at - time.perf_counter()) > 0:
        pump(terminals, left_s)
