"""Curves of the last minutes, in one row of cells each."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Final

from collab_tui.top.rates import Measure, Rates

SPAN_S: Final = 120.0
"""How much a curve shows at least."""

_POINTS_MOST: Final = 1000
_LEVELS: Final = "▁▂▃▄▅▆▇█"
_ASCII_LEVELS: Final = "_.-~=+*#"
_GAP: Final = " "


class History:
    """The rates of the last minutes, with the time of each."""

    def __init__(self) -> None:
        self._points: deque[tuple[float, Mapping[Measure, float | None]]] = deque(maxlen=_POINTS_MOST)

    def add(self, at: float, rates: Rates) -> None:
        """Keep what was so at `at`, which only grows; not of each room, of which there may be many."""
        self._points.append((at, rates.measures))

    def peaks(self, measure: Measure, now: float, cells: int, interval_s: float) -> list[float | None]:
        """Return the largest values of `cells` stretches of time, the last one under way; None: not known.

        Stretches begin at the same times whenever one looks, so that a curve moves and does not flicker.
        """
        stretch_s = max(interval_s, math.ceil(SPAN_S / max(1, cells)))
        last = math.floor(now / stretch_s)
        found: list[float | None] = [None] * cells
        for at, measures in reversed(self._points):
            cell = cells - 1 - (last - math.floor(at / stretch_s))
            if cell < 0:
                break
            value = measures.get(measure)
            if value is not None and cell < cells:
                found[cell] = max(value, found[cell] or 0.0)
        return found


def curve(values: Sequence[float | None], full: float, *, is_ascii: bool) -> str:
    """Draw `values` in a cell each; `full`, or what is larger, fills it, and what is not known is blank."""
    levels = _ASCII_LEVELS if is_ascii else _LEVELS
    most = max((value for value in values if value is not None), default=0.0)
    most = max(most, full)

    def level(value: float) -> str:
        return levels[math.ceil(value / most * (len(levels) - 1))]

    return "".join(_GAP if value is None else level(value) for value in values)
