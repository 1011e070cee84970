"""The clock: whether it can be right, by what is written down on this machine."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

from collab_cli.doctor.case import Case
from collab_cli.doctor.findings import Findings, fine, wrong
from collab_cli.doctor.store import reading
from collab_cli.durations import local_time
from collab_server.store.migrations import list_backups

_RELEASED: Final = datetime(2025, 1, 1, tzinfo=UTC).timestamp()
"""Before this no collab was written."""

_MAY_DIFFER_S: Final = 120.0
_LOOKED_S: Final = 1.0
_SET: Final = "set it, and have it kept right: timedatectl set-ntp true"

_NEWEST: Final = """
SELECT max(at) FROM (
    SELECT (SELECT at FROM row WHERE row.room = room.name ORDER BY first DESC LIMIT 1) AS at FROM room
)
"""


def look_at_clock(case: Case) -> Findings:
    if case.now < _RELEASED:
        yield wrong(f"this machine's clock says {local_time(case.now)}", _SET)
        return
    at, what = max(_written(case), default=(0.0, ""))
    if at > case.now + _MAY_DIFFER_S:
        yield wrong(
            f"{what} is of {local_time(at)}, and this machine's clock says {local_time(case.now)}", _SET
        )
    else:
        yield fine(f"this machine's clock says {local_time(case.now)}")


def _written(case: Case) -> Iterator[tuple[float, str]]:
    """Yield when something was written, and what."""
    for file in (case.store_file, case.keys_file, *list_backups(case.store_file)):
        with contextlib.suppress(OSError):
            yield file.stat().st_mtime, str(file)
    if case.store_file.exists():
        with contextlib.suppress(sqlite3.Error), reading(case.store_file, _LOOKED_S) as db:
            found = db.execute(_NEWEST).fetchone()[0]
            if isinstance(found, float):
                yield found, "the newest change of a room"
