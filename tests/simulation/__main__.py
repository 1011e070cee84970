"""Run worlds from the command line: `python -m tests.simulation --seeds 100000` or `--seed 4711`."""

from __future__ import annotations

import argparse
import sys
import time
import traceback

from tests.simulation.world import run


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=1000, help="how many worlds")
    parser.add_argument("--first", type=int, default=0, help="seed of the first one")
    parser.add_argument("--seed", type=int, help="run only this one, and show where it breaks")
    parser.add_argument("--steps", type=int, default=160, help="steps before everything heals")
    options = parser.parse_args()
    seeds = (
        [options.seed] if options.seed is not None else range(options.first, options.first + options.seeds)
    )
    began, typed, broken = time.monotonic(), 0, 0
    for seed in seeds:
        try:
            typed += run(seed, options.steps)
        except Exception as error:
            broken += 1
            if options.seed is not None:
                traceback.print_exc()
            print(f"seed {seed}: {error}\n  python -m tests.simulation --seed {seed} --steps {options.steps}")
    print(f"{len(seeds)} worlds, {typed} markers typed, {broken} broken, {time.monotonic() - began:.1f} s")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
