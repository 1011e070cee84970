"""The simulated worlds notice what they claim to: with a planted bug one fails, without it all is well."""

from __future__ import annotations

import pytest

from tests.simulation.plans import Plan, read_plans
from tests.simulation.planted import BUGS, Bug, failure
from tests.simulation.world import run

_AROUND = 6
"""So many seeds after the kept one are tried too: the dice may have fallen a little otherwise since."""

PLANS = {plan.bug: plan for plan in read_plans() if plan.bug}


def test_every_planted_bug_has_a_plan() -> None:
    assert set(PLANS) == {bug.name for bug in BUGS}


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_the_world_fails_with_the_bug_and_passes_without(bug: Bug) -> None:
    plan = PLANS[bug.name]
    found = _first_failing(bug, plan)
    assert found is not None, f"python -m tests.simulation.planted --only {bug.name} --write"
    run(found, plan.steps)


def _first_failing(bug: Bug, plan: Plan) -> int | None:
    for seed in bug.seeds(plan.seed, plan.seed + _AROUND * bug.every):
        if failure(bug, seed, plan.steps) is not None:
            return seed
    return None
