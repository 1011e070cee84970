"""Whole screens as text, kept in `snapshots/` and compared: what changes on the screen shows in a diff.

    python -m tests.unit.collab_tui.snapshots            say which screens differ, and how
    python -m tests.unit.collab_tui.snapshots --write    keep the screens as they are now

A row is followed by one letter for each of its cells; what the letters mean stands at the end:

    |  1   Minutes         |
    |aaaaa.................|
    . = #e1e4ea on #1b1d23
    a = #838a98 on #1b1d23

A new scene is a function that gets a Stage and a Pilot, and a line in SCENES. The clock stands still, so
names stay at the carets and nothing moves by itself.
"""

from __future__ import annotations

import argparse
import asyncio
import difflib
import string
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rich.cells import cell_len
from textual import events
from textual.pilot import Pilot
from textual.strip import Strip

from collab_client import status as say
from collab_protocol.presence import Activity
from collab_tui.options import Options
from collab_tui.palette import Theme
from collab_tui.widgets.editor import Editor
from tests.unit.collab_tui.stage import Clock, Stage, until

FOLDER: Final = Path(__file__).with_suffix("")
REWRITE: Final = "python -m tests.unit.collab_tui.snapshots --write"

SIZES: Final = ((40, 10), (80, 24), (120, 40))
THEMES: Final = (Theme.DARK, Theme.LIGHT, Theme.ANSI, Theme.MONO)

_MOST_FREQUENT: Final = "."
_LETTERS: Final = string.ascii_letters + string.digits

Play = Callable[[Stage, "Pilot[object]"], Awaitable[None]]
"""Brings a screen into the state that is kept."""


@dataclass(frozen=True, slots=True)
class Scene:
    """One screen: a text, a look, and what happens until it is kept as `name`."""

    name: str
    play: Play
    text: str
    size: tuple[int, int]
    theme: Theme = Theme.DARK
    options: Options = Options()  # noqa: RUF009  # a frozen value
    is_ascii: bool = False
    room: str = "notes"

    async def draw(self) -> str:
        """Play the scene and return its screen."""
        stage = Stage(
            self.text,
            clock=Clock(),
            theme=self.theme,
            options=self.options,
            is_ascii=self.is_ascii,
            room=self.room,
        )
        async with stage.app.run_test(size=self.size) as pilot:
            await until(lambda: stage.app.query_one(Editor).view is not None)
            await self.play(stage, pilot)
            await pilot.pause()
            stage.app._show_surroundings()  # what a timer would bring in a moment
            return drawing(stage.app.screen._compositor.render_strips())


def press(stage: Stage, *keys: str) -> None:
    """Type `keys` at once; a Pilot waits a tenth of a second for each."""
    for key in keys:
        stage.app.typed(events.Key(key, key if len(key) == 1 else None))


def in_all_looks(name: str, play: Play, text: str, options: Options = Options()) -> list[Scene]:  # noqa: B008
    """Return a scene in each of SIZES and THEMES."""
    return [
        Scene(f"{name}-{columns}x{rows}-{theme.value}", play, text, (columns, rows), theme, options)
        for columns, rows in SIZES
        for theme in THEMES
    ]


def drawing(strips: Sequence[Strip]) -> str:
    """Return rows as text with letters for styles, and what the letters mean.

    Raises:
        ValueError: there are more styles than letters.
    """
    rows = [[(s.text, str(s.style or "none")) for s in strip if not s.control] for strip in strips]
    letters = _letters(part for row in rows for part in row)
    lines: list[str] = []
    for row in rows:
        lines.append("|" + "".join(text for text, _ in row) + "|")
        lines.append("|" + "".join(letters[style] * cell_len(text) for text, style in row) + "|")
    legend = [f"{letter} = {style}" for style, letter in letters.items()]
    return "\n".join([*lines, *legend, ""])


def _letters(parts: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return a letter for each style: a dot for the most frequent one, then in order of appearance."""
    cells: Counter[str] = Counter()
    for text, style in parts:
        cells[style] += cell_len(text)
    most = max(cells, key=lambda style: cells[style])
    others = [style for style in cells if style != most]
    if len(others) > len(_LETTERS):
        raise ValueError(f"{len(others)} styles on one screen")
    return {most: _MOST_FREQUENT} | dict(zip(others, _LETTERS, strict=False))


def difference(name: str, drawn: str, folder: Path = FOLDER) -> str:
    """Return how `drawn` differs from what is kept as `name`; nothing when it does not."""
    path = folder / f"{name}.txt"
    kept = path.read_text(encoding="utf-8") if path.exists() else ""
    lines = difflib.unified_diff(
        kept.splitlines(), drawn.splitlines(), f"{name}.txt", "the screen now", lineterm="", n=2
    )
    shown = "\n".join(lines)
    return f"{shown}\n\nIf it is meant to look like that: {REWRITE}" if shown else ""


def leftovers(scenes: Iterable[Scene], folder: Path = FOLDER) -> list[Path]:
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


# -- the scenes

_MINUTES: Final = """\
# Minutes of the meeting

Present: Ana, Bo, and 川端さん
\tagenda:\tbudget, office, summer party

The budget was agreed on. It is the same as last year's, but for the office, where we need two more desks \
and a table that can be stood at.
Nobody knows who waters the plants.

## Next steps

- ask about desks
- find out about the plants
- the café is closed on Mondays
"""


async def _others_at_work(stage: Stage, pilot: Pilot[object]) -> None:
    """Two select, one with a long name is idle, one is off the screen or at the end."""
    world = stage.world
    world.place("ana", (0, 9), (0, 2), session=7, colour=0)
    world.place("bo", (2, 20), (3, 1), session=8, colour=1)
    world.place("Maximiliane von und zu Hohenstein", (4, 0), session=9, colour=5, activity=Activity.IDLE)
    world.place("cy", (12, 5), session=10, colour=6)
    press(stage, *["down"] * 5, *["right"] * 4)


async def _selecting(stage: Stage, pilot: Pilot[object]) -> None:
    """The own selection lies over somebody else's."""
    stage.world.place("ana", (5, 24), (5, 4), session=7, colour=2)
    press(stage, *["down"] * 5, "shift+down", "shift+right", "shift+right")


async def _finding(stage: Stage, pilot: Pilot[object]) -> None:
    await _others_at_work(stage, pilot)
    press(stage, "ctrl+f", *"the")
    await until(lambda: " of " in "".join(stage.rows()))


async def _replacing(stage: Stage, pilot: Pilot[object]) -> None:
    press(stage, "ctrl+r", *"the", "alt+c", "tab", *"that")
    await until(lambda: " of " in "".join(stage.rows()))


async def _choosing(stage: Stage, pilot: Pilot[object]) -> None:
    await _others_at_work(stage, pilot)
    press(stage, "ctrl+p", *"line", "down")


async def _reading_help(stage: Stage, pilot: Pilot[object]) -> None:
    press(stage, "f1")


async def _offline_with_blanks_shown(stage: Stage, pilot: Pilot[object]) -> None:
    stage.session.say(say.offline(12, 7, kept=12), kept=12)
    press(stage, "ctrl+end", "alt+z", "ctrl+g", *"4:x", "enter")


async def _coloured(stage: Stage, pilot: Pilot[object]) -> None:
    """Others are in the code, and one has two carets; the parser has said all that it has to say."""
    world = stage.world
    world.place("ana", (2, 6), (2, 2), session=7, colour=0)
    world.place("bo", (4, 0), session=8, colour=1)
    press(stage, "ctrl+end", "up", "up", "alt+shift+up")
    await _settled(stage)


async def _folded(stage: Stage, pilot: Pilot[object]) -> None:
    """Folded code, with somebody's caret in it."""
    stage.world.place("ana", (8, 6), session=7, colour=0)
    await _settled(stage)
    press(stage, *["down"] * 7, "f6")
    await until(lambda: "5 lines" in "".join(stage.rows()), deadline_s=_PARSED_S)


async def _listing_symbols(stage: Stage, pilot: Pilot[object]) -> None:
    await _settled(stage)
    press(stage, "ctrl+o")
    await until(lambda: "Symbols" in "".join(stage.rows()), deadline_s=_PARSED_S)


async def _settled(stage: Stage) -> None:
    syntax = stage.app.query_one(Editor).syntax
    await until(lambda: syntax is not None and any(map(syntax.of, range(5))), deadline_s=_PARSED_S)


_PARSED_S: Final = 30.0

_PYTHON: Final = """\
\"\"\"Greets people, one after the other.\"\"\"

import re
from typing import Final

_MOST: Final = 0x10  # of them

class Greeter(Base):
    def greet(self, name: str = "you", *, loud: bool = False) -> str:
        if not re.fullmatch(r"\\w+", name):
            raise ValueError(f"no name: {name!r}\\n")
        text = f"hello {name}"
        return text.upper() if loud else text


@cache
async def main() -> None:
    for n in range(_MOST):
        print(await Greeter().greet("ana", loud=n % 2 == 1))
"""

_MARKDOWN: Final = """\
# Minutes *of the* meeting

Present: **Ana**, `bo`, and [the others](https://example.org/who).

- [x] ask about desks
- [ ] the café
  1. tables

> Nobody knows who waters the plants.

```python
def water(plants: list[str]) -> None:
    return None  # yet
```

| item | price |
|------|------:|
| desk | 120   |
"""

_TYPESCRIPT: Final = """\
// A queue that forgets.
import { Item } from "./item";
export interface Queue<T> {
  readonly size: number;
  push(item: T): Promise<void>;
}

export class Forgetful<T extends Item> implements Queue<T> {
  private items: T[] = [];

  async push(item: T): Promise<void> {
    if (this.items.length >= 10) {
      throw new Error(`full: ${item.name}\\n`);
    }
    this.items = [...this.items, item];
  }
}
"""

_CODE: Final = (("code.py", _PYTHON), ("notes.md", _MARKDOWN), ("queue.ts", _TYPESCRIPT))

SCENES: Final[Sequence[Scene]] = (
    *in_all_looks("people", _others_at_work, _MINUTES),
    *in_all_looks("find", _finding, _MINUTES),
    *in_all_looks("commands", _choosing, _MINUTES),
    *in_all_looks("help", _reading_help, _MINUTES),
    *(
        Scene(f"{name}-{theme.value}", play, _MINUTES, (60, 16), theme, Options(whitespace=True, ruler=40))
        for name, play in (("replace", _replacing), ("offline", _offline_with_blanks_shown))
        for theme in Theme
    ),
    Scene("ascii", _finding, _MINUTES, (60, 16), is_ascii=True),
    *(
        Scene(f"selection-{theme.value}", _selecting, _MINUTES, (60, 16), theme, Options(hints=False))
        for theme in Theme
    ),
    *(
        Scene(f"{room.partition('.')[2]}-{theme.value}", _coloured, text, (80, 24), theme, room=room)
        for room, text in _CODE
        for theme in Theme
    ),
    Scene("folded-dark", _folded, _PYTHON, (60, 16), room="code.py"),
    Scene("folded-mono", _folded, _PYTHON, (60, 16), Theme.MONO, room="code.py"),
    Scene("symbols-dark", _listing_symbols, _PYTHON, (60, 16), room="code.py"),
)

if __name__ == "__main__":
    raise SystemExit(main())
