"""Sizes and times as people say them."""

from __future__ import annotations

import time

import pytest

from collab_cli.humane import ago, size


@pytest.mark.parametrize(
    ("length", "said"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (9_940, "9.9 kB"),
        (9_950, "10 kB"),
        (999_499, "999 kB"),
        (999_600, "1.0 MB"),
        (1_400_000, "1.4 MB"),
        (10**9, "1.0 GB"),
        (10**16, "10000 TB"),
    ],
)
def test_sizes(length: int, said: str) -> None:
    assert size(length) == said


@pytest.mark.parametrize(
    ("passed_s", "said"),
    [
        (0, "just now"),
        (-30, "just now"),
        (59, "just now"),
        (60, "1 min ago"),
        (3599, "59 min ago"),
        (3600, "1 h ago"),
        (86_399, "23 h ago"),
        (86_400, "2023-11-13 22:13"),
        (-3600, "2023-11-14 23:13"),
    ],
)
def test_times(monkeypatch: pytest.MonkeyPatch, passed_s: int, said: str) -> None:
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "UTC")
        time.tzset()
        assert ago(1_700_000_000.0 - passed_s, 1_700_000_000.0) == said
    time.tzset()
