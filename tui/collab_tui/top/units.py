"""Figures as people read them: three digits and a unit, never wider than eight cells."""

from __future__ import annotations

from typing import Final

UNKNOWN: Final = "–"

_COUNTS: Final = ((1e9, "G"), (1e6, "M"), (1e3, "k"))
_BYTES: Final = ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB"))
_PLAIN_BELOW: Final = 100_000
"""Counts below are written out."""


def count(value: float | None) -> str:
    """Return a count: 7, 12,345, 1.23M."""
    if value is None:
        return UNKNOWN
    if value < _PLAIN_BELOW:
        return f"{round(value):,}"
    unit, name = next((unit, name) for unit, name in _COUNTS if value >= unit)
    return f"{_digits(value / unit)}{name}"


def rate(value: float | None) -> str:
    """Return so many in a second: 0, 0.3, 12, 1,234."""
    if value is None:
        return UNKNOWN
    if 0 < value < 9.95:
        return "0.1" if value < 0.1 else f"{value:.1f}"
    return count(value)


def size(value: float | None) -> str:
    """Return bytes: 512 B, 1.23 MB."""
    if value is None:
        return UNKNOWN
    for unit, name in _BYTES:
        if value >= unit * 0.9995:
            return f"{_digits(value / unit)} {name}"
    return f"{round(value)} B"


def latency(seconds: float | None) -> str:
    """Return how long something took: 0.8 ms, 12 ms, 1.2 s."""
    if seconds is None:
        return UNKNOWN
    if seconds >= 0.9995:
        return span(seconds) if seconds >= 99.5 else f"{seconds:.1f} s"
    milliseconds = seconds * 1000
    return f"{milliseconds:.1f} ms" if 0 < milliseconds < 9.95 else f"{milliseconds:.0f} ms"


def span(seconds: float) -> str:
    """Return a time in its two largest units: 45 s, 3 min, 2 h 5 min, 12 d 4 h."""
    minutes = int(seconds // 60)
    if minutes < 1:
        return f"{max(0, int(seconds))} s"
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    days, hours = divmod(hours, 24)
    return f"{days:,} d {hours} h" if hours else f"{days:,} d"


def age(seconds: float) -> str:
    """Return a time in its largest unit: 45 s, 19 min, 20 h, 3 d."""
    seconds = max(0.0, seconds)
    for unit_s, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= unit_s:
            return f"{int(seconds // unit_s):,} {unit}"
    return f"{int(seconds)} s"


def percent(share: float | None) -> str:
    """Return a share of one: 12 %."""
    return UNKNOWN if share is None else f"{share * 100:.0f} %"


def _digits(value: float) -> str:
    """Return three digits of a value from 1 to below 1000, or all before the point."""
    if value >= 99.95:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 9.995 else f"{value:.2f}"
