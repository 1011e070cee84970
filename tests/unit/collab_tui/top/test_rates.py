"""What happened between two answers, by the second."""

from __future__ import annotations

import pytest

from collab_tui.top.figures import Figures
from collab_tui.top.rates import COUNTERS, Measure, RoomRates, rates_between
from tests.unit.collab_tui.top.played import figures, room


def said(**more: object) -> Figures:
    return Figures.parse(figures(**more))  # type: ignore[arg-type]  # as they come


def test_counters_and_rooms_by_the_second() -> None:
    before = said(updates=100, cpu_s=10.0, rooms=[room("notes", updates=10, bytes_in=0)])
    after = said(updates=150, cpu_s=11.0, rooms=[room("notes", updates=30, bytes_in=500)])
    rates = rates_between(before, after, 2.0)
    assert rates.of(Measure.UPDATES) == 25
    assert rates.of(Measure.BYTES_IN) == 3500
    assert rates.cpu == 0.5
    assert rates.of_room("notes") == RoomRates(10, 250)


def test_latencies_are_those_of_the_last_answer() -> None:
    rates = rates_between(None, said(rooms=[room("a", lagging=2), room("b", lagging=1)]), 0.0)
    assert rates.of(Measure.RECEIPT_P99) == 0.0124
    assert rates.of(Measure.STALL) == 0.12
    assert rates.of(Measure.LAGGING) == 3


def test_one_answer_has_no_rates() -> None:
    rates = rates_between(None, said(updates=100, rooms=[room("notes", updates=5)]), 1.0)
    assert all(rates.of(measure) is None for measure in COUNTERS)
    assert rates.cpu is None
    assert rates.of_room("notes") == RoomRates()


@pytest.mark.parametrize("anew", [{"pid": 4712}, {"started": 1_700_000_500.0}])
def test_a_server_that_was_started_anew_has_no_rates(anew: dict[str, float]) -> None:
    rates = rates_between(said(updates=100), said(updates=150, **anew), 1.0)
    assert rates.of(Measure.UPDATES) is None
    assert rates.cpu is None


def test_a_counter_that_is_not_there_is_not_nought() -> None:
    assert rates_between(said(counters={}), said(counters={}), 1.0).of(Measure.HOSTILE) is None
    assert rates_between(said(updates=9), said(updates=3), 1.0).of(Measure.UPDATES) is None


def test_a_room_that_was_loaded_meanwhile_counts_from_nought() -> None:
    rates = rates_between(said(), said(rooms=[room("notes", updates=4, bytes_in=8)]), 2.0)
    assert rates.of_room("notes") == RoomRates(2, 4)


def test_a_room_that_was_loaded_anew_counts_from_nought() -> None:
    before, after = said(rooms=[room("notes", updates=400)]), said(rooms=[room("notes", updates=6)])
    assert rates_between(before, after, 2.0).of_room("notes").updates == 3


def test_a_room_that_was_among_those_not_told_has_no_rates() -> None:
    before = said(rooms=[room("a")], rooms_loaded=900)
    after = said(rooms=[room("a", updates=2), room("b", updates=100_000)], rooms_loaded=900)
    rates = rates_between(before, after, 1.0)
    assert rates.of_room("a").updates == 2
    assert rates.of_room("b") == RoomRates()


def test_no_time_between_two_answers() -> None:
    assert rates_between(said(updates=1), said(updates=2), 0.0).of(Measure.UPDATES) is None
