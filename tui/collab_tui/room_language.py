"""What the room's text is written in: its language, how it is indented, how wide a tab is.

What somebody in the room has set comes first, then what a modeline in the text says, then the room's name,
then what the text looks like. The first two everybody has alike.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from collab_client.code_edits import CodeStyle
from collab_client.indentation import DEFAULT, Indentation, detect, parse
from collab_client.lines import Lines
from collab_client.room_settings import INDENT, LANGUAGE, TAB_WIDTH, RoomSettings
from collab_syntax import detecting, languages
from collab_syntax.languages import PLAIN, Language
from collab_tui.cells import TAB_CELLS

MODELINE_ROWS: Final = 5
"""Rows at either end of the text in which a modeline is looked for."""

_DETECTED_S: Final = 1.0
"""How long what the text is indented with is taken to be what it was: finding out looks at 2,000 rows."""

_WIDTHS: Final = {str(cells): cells for cells in range(1, 17)}
"""Widths of a tab, as the setting says them."""


class RoomLanguage:
    """Knows the three for one text. `decide` after what they come from has changed."""

    def __init__(
        self,
        room: str,
        lines: Lines,
        settings: RoomSettings,
        *,
        indent: str,
        closes: Callable[[], bool],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`indent` is this person's wish, for where nothing else says; `closes` whether brackets close."""
        self._room = room
        self._lines = lines
        self._settings = settings
        self._indent = indent
        self._closes = closes
        self._clock = clock
        self._detected: tuple[float, Indentation] | None = None
        self.language: Language = PLAIN
        self.tab_cells = TAB_CELLS
        self._said: Indentation | None = None
        self._styles: dict[tuple[str, bool], CodeStyle] = {}
        self.decide()

    def decide(self) -> bool:
        """Find out what holds now; returns whether the language or the width of tabs is another."""
        before = self.language, self.tab_cells
        count = self._lines.row_count
        first = [self._lines.line(row) for row in range(min(MODELINE_ROWS, count))]
        last = [self._lines.line(row) for row in range(max(0, count - MODELINE_ROWS), count)]
        modeline = detecting.modeline(first, last)
        self.language = (
            languages.find(self._settings.get(LANGUAGE))
            or modeline.language
            or detecting.detect(self._room, first, last)
        )
        said = self._settings.get(TAB_WIDTH)
        self.tab_cells = _WIDTHS.get(said) or modeline.tab_width or TAB_CELLS
        self._said = parse(self._settings.get(INDENT)) or parse(modeline.indent or "")
        return before != (self.language, self.tab_cells)

    def indentation(self, lines: Lines) -> Indentation:
        """Return one step of indentation."""
        if self._said is not None:
            return self._said
        own = parse(self._indent)
        if own is not None:
            return own
        now = self._clock()
        if self._detected is None or now - self._detected[0] > _DETECTED_S:
            self._detected = now, detect(lines)
        found = self._detected[1]
        return Indentation("\t") if found is DEFAULT and self.language.id in _WITH_TABS else found

    @property
    def style(self) -> CodeStyle:
        """How keys write in this language."""
        key = self.language.id, self._closes()
        style = self._styles.get(key)
        if style is None:
            language = self.language
            style = self._styles[key] = CodeStyle(
                line_comment=language.line_comment,
                block_comment=language.block_comment,
                pairs=language.pairs if key[1] else (),
                indent_after=language.indent_after,
                dedent_at=language.dedent_at,
                is_markdown=language.id == "markdown",
            )
        return style


_WITH_TABS: Final = frozenset({"go", "make", "gitconfig"})
"""Languages that are indented with tabs by custom."""
