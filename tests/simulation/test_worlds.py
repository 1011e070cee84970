"""Seeded worlds; a failing one prints the command that replays it."""

from __future__ import annotations

import pytest

from tests.simulation.world import run

SEEDS = 400
GROUP = 50


@pytest.mark.parametrize("first", range(0, SEEDS, GROUP))
def test_worlds_keep_every_promise(first: int) -> None:
    for seed in range(first, first + GROUP):
        try:
            run(seed)
        except Exception as error:
            pytest.fail(f"python -m tests.simulation --seed {seed}: {error!r}")
