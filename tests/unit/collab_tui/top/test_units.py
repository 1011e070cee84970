"""Figures as people read them: short, and never wider than their column."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collab_tui.top import units


@pytest.mark.parametrize(
    ("value", "shown"),
    [(None, "–"), (0, "0"), (999, "999"), (12_345, "12,345"), (100_000, "100k"), (1_234_567, "1.23M")],
)
def test_counts(value: float | None, shown: str) -> None:
    assert units.count(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"), [(0, "0"), (0.02, "0.1"), (0.34, "0.3"), (9.96, "10"), (1234, "1,234")]
)
def test_what_is_rare_is_not_shown_as_nothing(value: float, shown: str) -> None:
    assert units.rate(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.00 kB"), (999_900, "1.00 MB"), (34_500_000_000, "34.5 GB")],
)
def test_sizes(value: float, shown: str) -> None:
    assert units.size(value) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(None, "–"), (0, "0 ms"), (0.0031, "3.1 ms"), (0.12, "120 ms"), (1.25, "1.2 s"), (200, "3 min")],
)
def test_latencies(seconds: float | None, shown: str) -> None:
    assert units.latency(seconds) == shown


@pytest.mark.parametrize(
    ("seconds", "span", "age"),
    [
        (-5, "0 s", "0 s"),
        (59.9, "59 s", "59 s"),
        (3599, "59 min", "59 min"),
        (3600, "1 h", "1 h"),
        (7500, "2 h 5 min", "2 h"),
        (273_600, "3 d 4 h", "3 d"),
    ],
)
def test_spans_and_ages(seconds: float, span: str, age: str) -> None:
    assert (units.span(seconds), units.age(seconds)) == (span, age)


@given(st.floats(0, 999e12))
def test_nothing_is_wider_than_its_column(value: float) -> None:
    assert len(units.size(value)) <= 8
    assert len(units.count(min(value, 999e9))) <= 6
    assert len(units.rate(min(value, 999e9))) <= 6


@given(st.floats(0, 5_000_000))
def test_no_latency_is_wider_than_its_column(seconds: float) -> None:
    assert len(units.latency(seconds)) <= len("99 h 59 min")
    assert len(units.latency(min(seconds, 3599))) <= 7
