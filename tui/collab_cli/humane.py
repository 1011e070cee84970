"""Sizes and times as people say them: 1.4 MB, 3 min ago."""

from __future__ import annotations

from typing import Final

from collab_cli.durations import local_time

_UNITS: Final = ("B", "kB", "MB", "GB", "TB")
_THOUSAND: Final = 1000
_MINUTE_S: Final = 60
_HOUR_S: Final = 3600
_DAY_S: Final = 86_400


def size(length: int) -> str:
    """Return a number of bytes with three digits at most."""
    amount = float(length)
    for unit in _UNITS:
        if round(amount) < _THOUSAND or unit == _UNITS[-1]:
            is_small = unit != "B" and amount < 9.95
            return f"{amount:.1f} {unit}" if is_small else f"{round(amount)} {unit}"
        amount /= _THOUSAND
    raise AssertionError


def ago(at: float, now: float) -> str:
    """Return how long ago `at` was, both in UTC seconds; after a day, when it was by this machine's clock."""
    passed = now - at
    if passed < -_MINUTE_S or passed >= _DAY_S:
        return local_time(at)
    if passed < _MINUTE_S:
        return "just now"
    if passed < _HOUR_S:
        return f"{int(passed // _MINUTE_S)} min ago"
    return f"{int(passed // _HOUR_S)} h ago"


def counted(count: int, noun: str) -> str:
    """Return a count with its noun, as in 1 room or 3 rooms."""
    return f"{count} {noun}{'' if count == 1 else 's'}"
