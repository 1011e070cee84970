"""Times as people type and read them: 90s, 30m, 2h, 7d, 1w; and an instant as their clock shows it."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

from collab_cli.exits import UsageError
from collab_cli.setting_values import short_repr

_UNITS_S: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_FORM: Final = re.compile(r"([0-9]{1,9})\s*([smhdw])", re.ASCII | re.IGNORECASE)
_MOST_S: Final = 10 * 366 * 86_400


def parse_duration_s(typed: str, flag: str) -> int:
    """Return the seconds that `typed` is, as in "2h"; more than 0 and at most ten years.

    Raises:
        UsageError: it is no such time; the text names `flag` and says how to write one.
    """
    found = _FORM.fullmatch(typed.strip())
    seconds = 0 if found is None else int(found[1]) * _UNITS_S[found[2].lower()]
    if not 0 < seconds <= _MOST_S:
        raise UsageError(
            f"{flag}: {short_repr(typed)} is not a time of up to ten years: "
            "write a number and a unit, as in 90s, 30m, 2h, 7d or 1w"
        )
    return seconds


def local_time(at: float) -> str:
    """Return when `at` (UTC seconds) is by this machine's clock and time zone, to the minute."""
    return datetime.fromtimestamp(at, UTC).astimezone().strftime("%Y-%m-%d %H:%M")


def utc_time(at: float | None) -> str | None:
    """Return `at` (UTC seconds) in ISO 8601, for programs."""
    return None if at is None else datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")
