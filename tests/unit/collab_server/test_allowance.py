from __future__ import annotations

from collab_server.allowance import Allowance


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
