"""How often one may do what costs others something: a token bucket."""

from __future__ import annotations


class Allowance:
    """Allows something `burst` times at once, and from then on once each `every_s`."""

    __slots__ = ("_burst", "_counted_at", "_every_s", "_left")

    def __init__(self, burst: int, every_s: float) -> None:
        self._burst = burst
        self._every_s = every_s
        self._left = float(burst)
        self._counted_at = float("-inf")

    def change(self, burst: int, every_s: float) -> None:
        """Allow so much from now on; what more may be done at once may be done at once now."""
        self._left += max(0, burst - self._burst)
        self._burst, self._every_s = burst, every_s

    def take(self, now: float) -> bool:
        """Return whether it may be done at `now` (seconds, monotonic); then it counts as done."""
        self._left = min(self._burst, self._left + (now - self._counted_at) / self._every_s)
        self._counted_at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


class Budget:
    """What all connections together may hold of something at one time."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._left = most

    @property
    def used(self) -> int:
        """How much of it is taken."""
        return self.most - self._left

    def take(self, amount: int) -> bool:
        """Return whether so much was still to be had; then it is taken."""
        if amount > self._left:
            return False
        self._left -= amount
        return True

    def change(self, most: int) -> None:
        """Let so much be held from now on; what is held beyond it stays."""
        self._left += most - self.most
        self.most = most

    def give_back(self, amount: int) -> None:
        """Note that so much is free again."""
        self._left += amount


class Holdings:
    """What all connections together have waiting of large messages, each counted once for all who get it."""

    def __init__(self, most: int) -> None:
        """`most` bytes; may be set at any time."""
        self.most = most
        self._bytes = 0
        self._holders: dict[int, int] = {}  # by id(): what is held stays alive

    @property
    def used(self) -> int:
        """How many bytes wait."""
        return self._bytes

    def hold(self, data: bytes) -> bool:
        """Return whether `data` may wait for one more connection; then it counts until `let_go`."""
        holders = self._holders.get(id(data), 0)
        if not holders:
            if self._bytes + len(data) > self.most:
                return False
            self._bytes += len(data)
        self._holders[id(data)] = holders + 1
        return True

    def let_go(self, data: bytes) -> None:
        """Note that `data` waits for one connection less."""
        self._holders[id(data)] -= 1
        if not self._holders[id(data)]:
            del self._holders[id(data)]
            self._bytes -= len(data)


class Pace:
    """How fast one may go on: `messages` and `bytes` a second, after a burst of so many at once."""

    __slots__ = ("_burst_s", "_bytes", "_counted_at", "_messages", "_rates")

    def __init__(self, messages_per_s: float, bytes_per_s: float, *, burst_s: float, now: float) -> None:
        """`burst_s`: how many seconds' worth may come at once. `now` is in seconds, monotonic."""
        self._rates = (messages_per_s, bytes_per_s)
        self._burst_s = burst_s
        self._messages = messages_per_s * burst_s
        self._bytes = bytes_per_s * burst_s
        self._counted_at = now

    def change(self, messages_per_s: float, bytes_per_s: float) -> None:
        """Go on at these rates; a burst that is left over from before may be used up."""
        self._rates = (messages_per_s, bytes_per_s)

    def take(self, size: int) -> bool:
        """Count one message of `size` bytes; returns whether more may come at once."""
        self._messages -= 1
        self._bytes -= size
        return self._messages > 0 and self._bytes > 0

    def rest_s(self, now: float) -> float:
        """Return how long to wait before more may come; 0 when it may at once."""
        elapsed, self._counted_at = now - self._counted_at, now
        messages_per_s, bytes_per_s = self._rates
        self._messages = min(messages_per_s * self._burst_s, self._messages + elapsed * messages_per_s)
        self._bytes = min(bytes_per_s * self._burst_s, self._bytes + elapsed * bytes_per_s)
        return max(0.0, -self._messages / messages_per_s, -self._bytes / bytes_per_s)
