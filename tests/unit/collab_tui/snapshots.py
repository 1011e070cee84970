"""Whole screens as text, kept in `snapshots/` and compared: what changes on the screen shows in a diff.

    python -m tests.unit.collab_tui.snapshots            say which screens differ, and how
    python -m tests.unit.collab_tui.snapshots --write    keep the screens as they are now

A new scene is a function in one of `scenes_*` that gets a Stage and a Pilot, and a line in the list there.
"""

from __future__ import annotations

import argparse
import asyncio
import difflib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from tests.unit.collab_tui.scene import Scene, drawing, press
from tests.unit.collab_tui.scenes_access import ACCESS_SCENES
from tests.unit.collab_tui.scenes_people import PEOPLE_SCENES
from tests.unit.collab_tui.scenes_room import ROOM_SCENES
from tests.unit.collab_tui.scenes_text import TEXT_SCENES
from tests.unit.collab_tui.scenes_top import TOP_SCENES, TopScene

__all__ = ["REWRITE", "SCENES", "Scene", "difference", "drawing", "leftovers", "press"]

FOLDER: Final = Path(__file__).with_suffix("")
REWRITE: Final = "python -m tests.unit.collab_tui.snapshots --write"

SCENES: Final[Sequence[Scene | TopScene]] = (
    *TEXT_SCENES,
    *PEOPLE_SCENES,
    *ROOM_SCENES,
    *ACCESS_SCENES,
    *TOP_SCENES,
)


def difference(name: str, drawn: str, folder: Path = FOLDER) -> str:
    """Return how `drawn` differs from what is kept as `name`; nothing when it does not."""
    path = folder / f"{name}.txt"
    kept = path.read_text(encoding="utf-8") if path.exists() else ""
    lines = difflib.unified_diff(
        kept.splitlines(), drawn.splitlines(), f"{name}.txt", "the screen now", lineterm="", n=2
    )
    shown = "\n".join(lines)
    return f"{shown}\n\nIf it is meant to look like that: {REWRITE}" if shown else ""


def leftovers(scenes: Iterable[Scene | TopScene], folder: Path = FOLDER) -> list[Path]:
    """Return the files that no scene is kept in."""
    names = {scene.name for scene in scenes}
    return sorted(path for path in folder.glob("*.txt") if path.stem not in names)


def main() -> int:
    """Compare all scenes, or write them anew; returns the exit code."""
    parser = argparse.ArgumentParser(prog=REWRITE.removesuffix(" --write"))
    parser.add_argument("--write", action="store_true", help="keep the screens as they are now")
    is_writing = parser.parse_args().write
    differing = 0
    for scene in SCENES:
        drawn = asyncio.run(scene.draw())
        told = difference(scene.name, drawn)
        if not told:
            continue
        differing += 1
        if is_writing:
            FOLDER.mkdir(exist_ok=True)
            (FOLDER / f"{scene.name}.txt").write_text(drawn, encoding="utf-8")
        else:
            print(told)
    stale = leftovers(SCENES)
    if is_writing:
        for path in stale:
            path.unlink()
    print(
        f"{len(SCENES)} screens, {differing} {'written' if is_writing else 'differ'}, {len(stale)} left over"
    )
    return 0 if is_writing else min(1, differing + len(stale))


if __name__ == "__main__":
    raise SystemExit(main())
