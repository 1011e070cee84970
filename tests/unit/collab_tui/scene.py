"""A scene: a screen that is brought into some state by a play, and drawn as text.

A row is followed by one letter for each of its cells; what the letters mean stands at the end:

    |  1   Minutes         |
    |aaaaa.................|
    . = #e1e4ea on #1b1d23
    a = #838a98 on #1b1d23

The clock stands still, so names stay at the carets and nothing moves by itself.
"""

from __future__ import annotations

import string
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from rich.cells import cell_len
from textual import events
from textual.pilot import Pilot
from textual.strip import Strip

from collab_tui.options import Options
from collab_tui.palette import Theme
from collab_tui.widgets.editor import Editor
from tests.unit.collab_tui.stage import Clock, Stage, until

SMALL: Final = (40, 10)
USUAL: Final = (80, 24)
LARGE: Final = (120, 40)
SIZES: Final = (SMALL, USUAL, LARGE)
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
    size: tuple[int, int] = USUAL
    theme: Theme = Theme.DARK
    options: Options = Options()  # noqa: RUF009  # a frozen value
    is_ascii: bool = False
    room: str = "notes"
    is_announced_here: bool = False

    async def draw(self) -> str:
        """Play the scene and return its screen."""
        stage = Stage(
            self.text,
            clock=Clock(),
            theme=self.theme,
            options=self.options,
            is_ascii=self.is_ascii,
            room=self.room,
            is_announced_here=self.is_announced_here,
        )
        async with stage.app.run_test(size=self.size) as pilot:
            await until(lambda: stage.app.query_one(Editor).view is not None)
            await self.play(stage, pilot)
            await pilot.pause()
            stage.show_surroundings()
            return drawing(stage.app.screen._compositor.render_strips())


def press(stage: Stage, *keys: str) -> None:
    """Type `keys` at once; a Pilot waits a tenth of a second for each."""
    for key in keys:
        stage.app.typed(events.Key(key, key if len(key) == 1 else None))


def in_all_looks(name: str, play: Play, text: str, options: Options = Options()) -> list[Scene]:  # noqa: B008
    """Return a scene in each of SIZES and THEMES."""
    plain = Scene(name, play, text, options=options)
    return [scene for size in SIZES for scene in in_looks(plain, size, *THEMES)]


def in_looks(plain: Scene, size: tuple[int, int], *themes: Theme) -> list[Scene]:
    """Return the scene at `size` in each of `themes`."""
    columns, rows = size
    return [
        replace(plain, name=f"{plain.name}-{columns}x{rows}-{theme.value}", size=size, theme=theme)
        for theme in themes
    ]


def in_ascii(plain: Scene, size: tuple[int, int]) -> Scene:
    """Return the scene at `size` as terminals without Unicode show it."""
    columns, rows = size
    return replace(plain, name=f"{plain.name}-{columns}x{rows}-ascii", size=size, is_ascii=True)


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
