from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collab_server.allowance import Allowance, Budget, Holdings, Pace


def test_a_burst_is_allowed_and_then_one_at_a_time() -> None:
    allowance = Allowance(burst=3, every_s=2.0)
    assert [allowance.take(100.0) for _ in range(4)] == [True, True, True, False]
    assert [allowance.take(now) for now in (101.9, 102.0, 103.9, 104.0)] == [False, True, False, True]


def test_what_was_not_used_adds_up_to_the_burst_and_no_further() -> None:
    allowance = Allowance(burst=3, every_s=2.0)
    assert allowance.take(100.0)
    assert [allowance.take(1_000_000.0) for _ in range(4)] == [True, True, True, False]


def test_asking_in_vain_does_not_put_it_off() -> None:
    allowance = Allowance(burst=1, every_s=1.0)
    assert allowance.take(10.0)
    assert not any(allowance.take(10.0 + step / 100) for step in range(1, 99))
    assert allowance.take(11.01)


def test_a_budget_is_shared_and_comes_back() -> None:
    budget = Budget(100)
    assert budget.take(60)
    assert not budget.take(41), "nothing is taken when it is not there"
    assert budget.take(40)
    budget.give_back(1)
    assert budget.take(1)
    assert not budget.take(1)


def test_what_many_hold_counts_once_and_until_the_last_lets_go() -> None:
    holdings = Holdings(100)
    shared, other = b"s" * 60, b"o" * 60
    assert holdings.hold(shared)
    assert holdings.hold(shared)
    assert not holdings.hold(other)
    holdings.let_go(shared)
    assert not holdings.hold(other)
    holdings.let_go(shared)
    assert holdings.hold(other)


def test_one_goes_on_at_the_pace_after_the_burst() -> None:
    pace = Pace(10, 1000, burst_s=2.0, now=0.0)
    assert sum(pace.take(1) for _ in range(30)) == 19
    rest_s = pace.rest_s(0.0)
    assert rest_s == pytest.approx(1.0)
    assert pace.rest_s(rest_s) == 0


def test_bytes_count_as_messages_do() -> None:
    pace = Pace(1000, 100, burst_s=2.0, now=0.0)
    assert pace.take(199)
    assert not pace.take(101)
    assert pace.rest_s(0.0) == pytest.approx(1.0)


@given(st.lists(st.tuples(st.integers(0, 500), st.floats(0, 0.5)), max_size=200))
def test_nobody_is_faster_than_the_rate_and_one_burst(steps: list[tuple[int, float]]) -> None:
    pace = Pace(100, 10_000, burst_s=1.0, now=0.0)
    now, size = 0.0, 0
    for messages, (bytes_, pause) in enumerate(steps, 1):
        now += pause
        now += pace.rest_s(now)
        pace.take(bytes_)
        size += bytes_
        assert messages <= 100 * (now + 1.0) + 1 + 1e-6
        assert size <= 10_000 * (now + 1.0) + 500 + 1e-3
