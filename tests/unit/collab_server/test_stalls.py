from __future__ import annotations

import asyncio

import pytest

from collab_server.meters import Histogram, Meters
from collab_server.monitoring.stalls import Recent, Stalls, quantile

from .wire import DEADLINE_S


class TestQuantile:
    @pytest.mark.parametrize(
        ("counts", "part", "expected"),
        [
            ([0, 0, 0], 0.5, None),
            ([4, 0, 0], 0.5, 0.5),
            ([0, 4, 0], 0.5, 1.5),
            ([2, 2, 0], 0.5, 1.0),
            ([1, 0, 1], 0.99, 2.0),  # beyond the last bound
            ([99, 1, 0], 0.99, 1.0),
        ],
    )
    def test_of_what_buckets_hold(self, counts: list[int], part: float, expected: float | None) -> None:
        assert quantile((1.0, 2.0), counts, part) == expected


class TestRecent:
    def test_what_is_older_than_a_minute_is_forgotten(self) -> None:
        histogram = Histogram((1.0, 2.0))
        recent = Recent(histogram)
        histogram.observe(0.5)
        for _ in range(5):
            recent.mark()
        assert recent.quantile(0.5) is not None
        recent.mark()
        assert recent.quantile(0.5) is None

    def test_what_was_before_does_not_count(self) -> None:
        histogram = Histogram((1.0, 2.0))
        histogram.observe(1.5)
        recent = Recent(histogram)
        histogram.observe(0.5)
        assert recent.quantile(1.0) == 1.0


class TestStalls:
    async def test_a_timer_that_comes_late_is_counted(self) -> None:
        noted = asyncio.Event()
        meters, times = Meters(), iter([100.0, 100.4])

        class Noting(Stalls):
            def note(self, late_s: float) -> None:
                super().note(late_s)
                noted.set()

        stalls = Noting(meters, lambda: next(times, 100.4))
        stalls.start()
        try:
            async with asyncio.timeout(DEADLINE_S):
                await noted.wait()
        finally:
            stalls.close()
        assert meters.stall_s.total == pytest.approx(0.3)
        assert meters.stall_worst == stalls.worst_s == pytest.approx(0.3)

    def test_the_worst_of_the_last_minute_is_forgotten_and_the_worst_ever_is_not(self) -> None:
        meters = Meters()
        stalls = Stalls(meters)
        stalls.note(2.5)
        for _ in range(500):
            stalls.note(0.001)
        assert stalls.worst_s == 2.5
        assert stalls.late.quantile(1.0) == 5.0
        for _ in range(200):
            stalls.note(0.001)
        assert stalls.worst_s == 0.001
        assert stalls.late.quantile(1.0) == 0.001
        assert meters.stall_worst == 2.5
