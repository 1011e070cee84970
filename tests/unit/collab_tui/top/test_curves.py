"""Curves: stretches of time that stay where they are, and gaps where nothing is known."""

from __future__ import annotations

from collab_tui.top.curves import History, curve
from collab_tui.top.rates import Measure, Rates


def history(*points: tuple[float, float | None]) -> History:
    made = History()
    for at, value in points:
        made.add(at, Rates({Measure.UPDATES: value}))
    return made


def test_the_newest_is_at_the_end_and_a_stretch_shows_its_largest() -> None:
    made = history((0, 1), (10, 3), (29, 2), (30, 7), (31, 5))
    assert made.peaks(Measure.UPDATES, 31, 4, 1.0) == [None, None, 3, 7]


def test_a_stretch_does_not_change_when_time_goes_on() -> None:
    made = history(*((float(at), float(at % 7)) for at in range(600)))
    for now in range(300, 330):  # stretches of 12 s
        before, after = (made.peaks(Measure.UPDATES, now + step, 10, 1.0) for step in (0, 12))
        assert before[1:-1] == after[:-2]


def test_what_is_not_known_is_a_gap() -> None:
    made = history((0, 1), (35, None), (65, 2))
    assert made.peaks(Measure.UPDATES, 65, 4, 1.0) == [None, 1, None, 2]
    assert made.peaks(Measure.HOSTILE, 65, 4, 1.0) == [None] * 4


def test_seldom_answers_have_a_stretch_each() -> None:
    made = history((0, 1), (60, 2), (120, 3))
    assert made.peaks(Measure.UPDATES, 120, 20, 60.0)[-3:] == [1, 2, 3]


def test_a_curve_is_full_at_its_largest_or_at_what_is_much() -> None:
    assert curve([0, 5, 10, None], 10, is_ascii=False) == "▁▅█ "
    assert curve([0, 20, 40, None], 10, is_ascii=False) == "▁▅█ "
    assert curve([0, 1], 100, is_ascii=False) == "▁▂"
    assert curve([0, 5, 10, None], 10, is_ascii=True).isascii()
    assert curve([], 10, is_ascii=False) == ""
