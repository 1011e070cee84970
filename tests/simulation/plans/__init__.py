"""Worlds that once showed something, one TOML file each; `test_worlds` replays them all.

    name = "what to call it"
    seed = 4711
    steps = 160
    showed = "what broke, in one line"
    bug = "name of a planted bug"     only where `tests.simulation.planted` found it

A world is its seed and the code that rolls the dice: when that changes, the seed means another world.
"""

from __future__ import annotations

import json
import tomllib
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Plan:
    """One world to be replayed."""

    name: str
    seed: int
    steps: int
    showed: str
    bug: str = ""

    def write(self, path: Path) -> None:
        """Write it to `path`."""
        fields = {"name": self.name, "seed": self.seed, "steps": self.steps, "showed": self.showed}
        if self.bug:
            fields["bug"] = self.bug
        # A JSON string is a TOML string, as long as it has no DEL in it (toml.io, basic strings).
        lines = [f"{key} = {json.dumps(value, ensure_ascii=False)}\n" for key, value in fields.items()]
        path.write_text("".join(lines), encoding="utf-8")


def read_plans() -> list[Plan]:
    """Return every plan, by file name."""
    return [Plan(**tomllib.loads(path.read_text(encoding="utf-8"))) for path in sorted(FOLDER.glob("*.toml"))]
