"""Whether a server is ready for people, and why not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from collab_server.meters import Meters

_STORE_MOST_S: Final = 10.0
"""A commit or a load that takes so long hangs: a disk that is merely slow takes a second."""


class Health:
    """Says whether a server is ready; whoever runs it sets `is_serving` and `is_stopping`."""

    def __init__(self, meters: Meters, trouble: Callable[[], str]) -> None:
        """`trouble` says why the store takes nothing at present; "" while it does."""
        self._meters = meters
        self._trouble = trouble
        self.is_serving = False
        """Whether joins succeed."""
        self.is_stopping = False

    def why_not_ready(self) -> str:
        """Return in one line why people should be sent elsewhere; empty when all is well."""
        if self.is_stopping:
            return "the server is stopping"
        if not self.is_serving:
            return "the server is starting"
        if trouble := self._trouble():
            return trouble
        age_s = self._meters.store_age_s()
        return f"the server's disk has not answered for {age_s:.0f} s" if age_s >= _STORE_MOST_S else ""
