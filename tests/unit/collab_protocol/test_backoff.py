from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from collab_protocol.backoff import CAP_S, Backoff

dice = st.floats(0, 1, exclude_max=True)


@given(st.lists(dice, min_size=1, max_size=30))
def test_delays_lie_under_a_doubling_cap(rolls: list[float]) -> None:
    left = iter(rolls)
    backoff = Backoff(lambda: next(left))
    for tries, roll in enumerate(rolls):
        assert backoff.next_delay_s() == roll * min(CAP_S, 2.0**tries)


@given(dice, st.floats(0.1, 100))
def test_a_hint_is_honoured_and_spread(roll: float, hint_s: float) -> None:
    delay_s = Backoff(lambda: roll).next_delay_s(hint_s)
    assert hint_s <= delay_s <= 2 * hint_s


def test_only_health_starts_over() -> None:
    backoff = Backoff(lambda: 0.5)
    delays = [backoff.next_delay_s() for _ in range(3)]
    backoff.was_up(for_s=29.9)
    delays.append(backoff.next_delay_s())
    backoff.was_up(for_s=30)
    delays.append(backoff.next_delay_s())
    assert delays == [0.5, 1.0, 2.0, 4.0, 0.5]
