"""Run fuzzers from the command line: `python -m tests.fuzz --mutants 2000000 --seed 7`, or `--valid 100000`.

Each runs in child processes; one that a signal ends is reported with its seed and the last input.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.fuzz.gate import fuzz_mutants, fuzz_valid

_FUZZERS = {"mutants": fuzz_mutants, "valid": fuzz_valid}


def fuzz(kind: str, count: int, seed: int, jobs: int = 2) -> tuple[Counter[str], list[str]]:
    """Run a fuzzer in `jobs` child processes, seeds from `seed` on; return what they met and what broke."""
    met: Counter[str] = Counter()
    failures: list[str] = []
    with tempfile.TemporaryDirectory(prefix="collab-fuzz-") as folder:
        children = []
        for job in range(jobs):
            share = count // jobs + (job < count % jobs)
            last = Path(folder) / str(job)
            argv = [
                sys.executable,
                "-m",
                "tests.fuzz",
                "--child",
                kind,
                str(share),
                str(seed + job),
                str(last),
            ]
            child = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            children.append((child, seed + job, last))
        for child, its_seed, last in children:
            out, err = child.communicate()
            if child.returncode == 0:
                met.update(json.loads(out))
                continue
            data = last.read_bytes() if last.exists() else b""
            cause = f"signal {-child.returncode}" if child.returncode < 0 else err.strip().splitlines()[-1:]
            failures.append(f"{kind} seed {its_seed}: {cause}; last input {data.decode()}")
    return met, failures


def _run_child(kind: str, count: int, seed: int, last: str) -> None:
    file = os.open(last, os.O_RDWR | os.O_CREAT, 0o600)

    def trace(data: bytes) -> None:
        text = data.hex().encode()
        os.pwrite(file, text, 0)
        os.ftruncate(file, len(text))

    print(json.dumps(_FUZZERS[kind](count, seed, trace)))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--mutants", type=int, default=0, help="how many mutated updates")
    parser.add_argument("--valid", type=int, default=0, help="how many valid edits")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--jobs", type=int, default=2, help="child processes; seeds count up from --seed")
    parser.add_argument("--child", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        kind, count, seed, last = options.child
        _run_child(kind, int(count), int(seed), last)
        return 0
    broken = False
    for kind in _FUZZERS:
        count = getattr(options, kind)
        if count:
            began = time.monotonic()
            met, failures = fuzz(kind, count, options.seed, options.jobs)
            print(
                f"{kind}, seed {options.seed}: {dict(met)}, {time.monotonic() - began:.1f} s",
                *failures,
                sep="\n",
            )
            broken |= bool(failures)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
