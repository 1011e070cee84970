"""A widget that draws its rows itself, keeps them, and can put them on the terminal at once.

Textual repaints at most TEXTUAL_FPS times a second and composes all widgets of a row anew. While other
people type, one's own keystroke waits for the next tick (8 busy peers: p95 19.8 ms at 60 fps, 3.7 ms painted
directly), and composing costs as much as the key itself. So rows that changed are `touch`ed, and `paint`
writes them where they stand; where it may not (a layout is due, something lies over them, this Textual lacks
a name that is needed), Textual paints them a few milliseconds later.

Private names of Textual 8.2: `App._driver`, `App._batch_count`, `App._sync_available` and
`Screen._layout_required`.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final, Self

from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

_FRAME_S: Final = 1 / 60

_SYNC: Final = ("\x1b[?2026h", "\x1b[?2026l")
"""Between these a terminal that knows them shows nothing half done."""


class RowsWidget(Widget):
    """Draws by `render_line` alone; a row is drawn anew when it was touched."""

    ALLOW_SELECT = False

    is_covered: bool = False
    """Something lies over this widget: only Textual can tell what of it shows."""

    def __init__(self) -> None:
        super().__init__()
        self._kept: dict[int, Strip] = {}
        self._kept_width = 0
        self._touched: set[int] = set()
        self._on_screen: dict[int, Strip] = {}
        self._frame: asyncio.TimerHandle | None = None

    def touch(self, first: int, end: int) -> None:
        """Note that rows `first` to before `end` of the widget have changed."""
        for y in range(max(0, first), min(end, self.outer_size.height)):
            self._kept.pop(y, None)
            self._touched.add(y)

    def touch_all(self) -> None:
        """Note that every row has changed."""
        self.touch(0, self.outer_size.height)

    def paint(self) -> None:
        """Put the rows that were touched on the terminal now, or have Textual do it soon."""
        if self._touched and not self._write():
            self.paint_soon()

    def paint_within_frame(self) -> None:
        """Put them there together with what changes until the next frame, if they differ then."""
        if self._frame is None and self._touched:
            self._frame = asyncio.get_running_loop().call_later(_FRAME_S, self._paint_frame)

    def _paint_frame(self) -> None:
        self._frame = None
        if self.is_attached:
            self.paint()

    def paint_soon(self) -> None:
        """Have Textual paint the rows that were touched at its next tick."""
        if self._touched:
            width = self.outer_size.width
            super().refresh(*(Region(0, y, width, 1) for y in sorted(self._touched)))
            self._touched.clear()

    def refresh(
        self, *regions: Region, repaint: bool = True, layout: bool = False, recompose: bool = False
    ) -> Self:
        if repaint and regions:
            for region in regions:
                for y in region.line_range:
                    self._kept.pop(y, None)
        elif repaint:
            self._kept.clear()
        return super().refresh(*regions, repaint=repaint, layout=layout, recompose=recompose)

    def render_lines(self, crop: Region) -> list[Strip]:
        # Without Textual's styles, filters and caches: there is no border here, and the inks are final.
        width = self.outer_size.width
        rows = [self._strip(y) for y in crop.line_range]
        # Textual asks for all rows and paints those that it was told of; of a touched one it was not.
        self._on_screen.update(
            (y, row) for y, row in zip(crop.line_range, rows, strict=True) if y not in self._touched
        )
        return rows if crop.column_span == (0, width) else [row.crop(crop.x, crop.right) for row in rows]

    def _strip(self, y: int) -> Strip:
        width = self.outer_size.width
        if self._kept_width != width:
            self._kept_width = width
            self._kept.clear()
        strip = self._kept.get(y)
        if strip is None:
            strip = self._kept[y] = self.render_line(y)
        return strip

    def _write(self) -> bool:
        """Write the touched rows; returns whether that may be done."""
        app, screen = self.app, self.screen
        driver: Any = getattr(app, "_driver", None)
        if (
            driver is None
            or self.is_covered
            or not self.display
            or not screen.is_current
            or getattr(screen, "_layout_required", True)
            or getattr(app, "_batch_count", 1)
            or app.is_headless
        ):
            return False
        rows = [(row, self._strip(row)) for row in sorted(self._touched)]
        self._touched.clear()
        rows = [(row, strip) for row, strip in rows if strip != self._on_screen.get(row)]
        if not rows:
            return True
        self._on_screen.update(rows)
        x, y = self.region.offset
        console = app.console
        parts = [f"\x1b[{y + row + 1};{x + 1}H{strip.render(console)}" for row, strip in rows]
        column, line = app.cursor_position
        parts.append(f"\x1b[{line + 1};{column + 1}H")
        if len(rows) > 1 and getattr(app, "_sync_available", False):
            parts = [_SYNC[0], *parts, _SYNC[1]]
        driver.write("".join(parts))
        return True
