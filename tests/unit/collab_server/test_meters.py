from __future__ import annotations

from collab_server.meters import Histogram, Meters, Reason


def test_a_bound_belongs_to_the_bucket_that_it_ends() -> None:
    histogram = Histogram((0.1, 0.2))
    for value in (0.0, 0.1, 0.15, 0.2, 0.21, 7.0):
        histogram.observe(value)
    assert histogram.counts == [2, 2, 2]
    assert abs(histogram.total - 7.66) < 1e-9


def test_one_of_them_counts_for_itself_alone() -> None:
    ours, others = Meters(), Meters()
    ours.refuse(Reason.ORIGIN)
    ours.stall_s.observe(1.0)
    assert ours.refusals[Reason.ORIGIN] == 1
    assert others.refusals[Reason.ORIGIN] == sum(others.stall_s.counts) == 0


def test_how_long_a_commit_takes_is_known_while_it_does() -> None:
    meters = Meters()
    assert meters.commit_age_s(lambda: 50.0) == 0
    meters.commit_began = 40.0
    assert meters.commit_age_s(lambda: 50.0) == 10.0
