"""How many may come in at once, and a second; and when those should come back who were too many."""

from __future__ import annotations

import math
from typing import Final

RETRY_MOST_S: Final = 60
"""No longer than this is anybody told to wait, however many were told before."""


class Bucket:
    """A token bucket; whom it turns away it tells another time each, as fast as it fills.

    A client that is told h seconds comes back after h to 2·h (collab_protocol.backoff). With one more told
    each 1/rate, those who come back arrive at ln 2 of the rate: there is room for newcomers.
    """

    __slots__ = ("_at", "_burst", "_promised", "_rate", "_tokens")

    def __init__(self, rate: float, burst: float, now: float) -> None:
        """`rate` tokens a second, after a `burst` of so many at once; `now` in seconds, monotonic."""
        self._rate = rate
        self._burst = max(1.0, burst)
        self._tokens = self._burst
        self._at = now
        self._promised = now

    def change(self, rate: float, burst: float, now: float) -> None:
        """Fill at `rate` up to `burst` from `now` on; tokens that are there stay, as far as they fit."""
        self.has_one(now)
        self._tokens += max(0.0, burst - self._burst)
        self._rate, self._burst = rate, max(1.0, burst)
        self._tokens = min(self._burst, self._tokens)

    def has_one(self, now: float) -> bool:
        """Return whether a token may be taken at `now` (seconds, monotonic)."""
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self._rate)
        self._at = now
        # A hair less than one: 1/3 of a second at 3 a second is a token.
        return self._tokens > 1.0 - 1e-6

    def take(self) -> None:
        """Take a token, whether or not there is one: what was done is counted."""
        self._tokens -= 1.0

    def give_back(self) -> None:
        """Note that what a token was taken for did not come about."""
        self._tokens = min(self._burst, self._tokens + 1.0)

    def turn_away(self, now: float) -> int:
        """Return after how many seconds, 1 at least, the next one who is turned away should come back."""
        most = now + RETRY_MOST_S
        self._promised = min(most, max(self._promised, now) + 1.0 / self._rate)
        return max(1, math.ceil(self._promised - now - 1e-6))
