"""Screens of one's own doing: prose and code, finding, commands, help; and others in it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from textual.pilot import Pilot

from collab_client import status as say
from collab_protocol.presence import Activity
from collab_tui.options import Options
from collab_tui.palette import Theme
from collab_tui.widgets.editor import Editor
from tests.unit.collab_tui.scene import Scene, in_all_looks, press
from tests.unit.collab_tui.stage import Stage, until

MINUTES: Final = """\
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
    await settled(stage)


async def _folded(stage: Stage, pilot: Pilot[object]) -> None:
    """Folded code, with somebody's caret in it."""
    stage.world.place("ana", (8, 6), session=7, colour=0)
    await settled(stage)
    press(stage, *["down"] * 7, "f6")
    await until(lambda: "5 lines" in "".join(stage.rows()), deadline_s=_PARSED_S)
    stage.app._toasts.clear_news()


async def _listing_symbols(stage: Stage, pilot: Pilot[object]) -> None:
    await settled(stage)
    press(stage, "ctrl+o")
    await until(lambda: "Symbols" in "".join(stage.rows()), deadline_s=_PARSED_S)


async def settled(stage: Stage) -> None:
    syntax = stage.app.query_one(Editor).syntax
    await until(lambda: syntax is not None and any(map(syntax.of, range(5))), deadline_s=_PARSED_S)
    stage.app._toasts.clear_news()  # the parser took its time, and who came may be told by now


_PARSED_S: Final = 30.0

PYTHON: Final = """\
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

_CODE: Final = (("code.py", PYTHON), ("notes.md", _MARKDOWN), ("queue.ts", _TYPESCRIPT))

TEXT_SCENES: Final[Sequence[Scene]] = (
    *in_all_looks("people", _others_at_work, MINUTES),
    *in_all_looks("find", _finding, MINUTES),
    *in_all_looks("commands", _choosing, MINUTES),
    *in_all_looks("help", _reading_help, MINUTES),
    *(
        Scene(f"{name}-{theme.value}", play, MINUTES, (60, 16), theme, Options(whitespace=True, ruler=40))
        for name, play in (("replace", _replacing), ("offline", _offline_with_blanks_shown))
        for theme in Theme
    ),
    Scene("ascii", _finding, MINUTES, (60, 16), is_ascii=True),
    *(
        Scene(f"selection-{theme.value}", _selecting, MINUTES, (60, 16), theme, Options(hints=False))
        for theme in Theme
    ),
    *(
        Scene(f"{room.partition('.')[2]}-{theme.value}", _coloured, text, (80, 24), theme, room=room)
        for room, text in _CODE
        for theme in Theme
    ),
    Scene("folded-dark", _folded, PYTHON, (60, 16), room="code.py"),
    Scene("folded-mono", _folded, PYTHON, (60, 16), Theme.MONO, room="code.py"),
    Scene("symbols-dark", _listing_symbols, PYTHON, (60, 16), room="code.py"),
)
