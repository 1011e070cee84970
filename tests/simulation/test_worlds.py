"""Seeded worlds; a failing one prints the command that replays it.

`COLLAB_SEEDS` says how many; some 60 ms each on one core. They run in one process for each core.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest

from tests.simulation.plans import Plan, read_plans
from tests.simulation.world import run

SEEDS = int(os.environ.get("COLLAB_SEEDS", "1500"))
GROUP = 100
_SLICE = 10


@pytest.fixture(scope="module")
def pool() -> Iterator[ProcessPoolExecutor]:
    """Processes to run worlds in: fresh ones, since pycrdt's threads do not survive a fork."""
    with ProcessPoolExecutor(mp_context=get_context("spawn"), initializer=_be_quiet) as processes:
        yield processes


@pytest.mark.parametrize("first", range(0, SEEDS, GROUP))
def test_worlds_keep_every_promise(first: int, pool: ProcessPoolExecutor) -> None:
    last = min(first + GROUP, SEEDS)
    slices = [range(begin, min(begin + _SLICE, last)) for begin in range(first, last, _SLICE)]
    broken = [line for lines in pool.map(_broken, slices) for line in lines]
    assert not broken, "\n".join(broken)


@pytest.mark.parametrize("plan", read_plans(), ids=lambda plan: plan.name)
def test_plans_keep_every_promise(plan: Plan) -> None:
    run(plan.seed, plan.steps)


def _be_quiet() -> None:
    logging.disable(logging.CRITICAL)


def _broken(seeds: range) -> list[str]:
    """Return a line for each of `seeds` whose world breaks a promise."""
    lines: list[str] = []
    for seed in seeds:
        try:
            run(seed)
        except Exception as error:
            lines.append(f"python -m tests.simulation --seed {seed}: {error!r}")
    return lines
