"""What the mouse is doing in the editor: pressed or not, where, and how fast a drag scrolls."""

from __future__ import annotations


class Mouse:
    """The state of one drag; cells are those of the widget."""

    def __init__(self) -> None:
        self.is_down = False
        self.at = (0, 0)
        self.scroll_rows = 0
        """Rows to scroll at each tick while the pointer is beyond the upper or lower edge."""

    def press(self) -> None:
        self.is_down = True
        self.scroll_rows = 0

    def drag(self, x: int, y: int, height: int) -> None:
        """Note where the pointer is; the further outside, the faster it scrolls."""
        self.at = (x, y)
        if y < 0:
            self.scroll_rows = y
        elif y >= height:
            self.scroll_rows = y - height + 1
        else:
            self.scroll_rows = 0

    def release(self) -> None:
        self.is_down = False
        self.scroll_rows = 0
