"""Times as people type and read them: 90s, 30m, 2h, 7d, 1w; and an instant as their clock shows it."""

from __future__ import annotations

from datetime import UTC, datetime

from collab_cli.exits import UsageError
from collab_cli.settings.values import duration_s, short_repr


def parse_duration_s(typed: str, flag: str) -> int:
    """Return the seconds that `typed` is, as in "2h"; more than 0 and at most ten years.

    Raises:
        UsageError: it is no such time; the text names `flag` and says how to write one.
    """
    try:
        return duration_s(typed)
    except ValueError as error:
        raise UsageError(f"{flag}: {short_repr(typed)} is not {error}") from error


def local_time(at: float) -> str:
    """Return when `at` (UTC seconds) is by this machine's clock and time zone, to the minute."""
    return datetime.fromtimestamp(at, UTC).astimezone().strftime("%Y-%m-%d %H:%M")


def utc_time(at: float | None) -> str | None:
    """Return `at` (UTC seconds) in ISO 8601, for programs."""
    return None if at is None else datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")
