"""How often one may do what costs others something: a token bucket."""

from __future__ import annotations


class Allowance:
    """Allows something `burst` times at once, and from then on once each `every_s`."""

    def __init__(self, burst: int, every_s: float) -> None:
        self._burst = burst
        self._every_s = every_s
        self._left = float(burst)
        self._counted_at = float("-inf")

    def take(self, now: float) -> bool:
        """Return whether it may be done at `now` (seconds, monotonic); then it counts as done."""
        self._left = min(self._burst, self._left + (now - self._counted_at) / self._every_s)
        self._counted_at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True
