"""What the tests of bars and lists share: an app around one of them, keys as the editor hands them on."""

from __future__ import annotations

from typing import Protocol

from textual import events
from textual.app import App, ComposeResult
from textual.keys import _character_to_key
from textual.widget import Widget

from collab_tui.actions import Keymap

HOSTILE = "a\x1b[31mb\x9b1mc\u202ed\u2066e\x00f\x07g\U000e0041h\x7f\ud800i\u200bj"
"""Controls of C0 and C1, bidi, tags, a lone surrogate, a zero-width blank."""

KEYMAP = Keymap()


class Typing(Protocol):
    """A widget that the editor hands keys to."""

    def typed(self, event: events.Key | events.Paste, action: str | None) -> bool: ...


class Shown(App[None]):
    """Shows one widget; `css` is what the app's own style sheet says of it."""

    ENABLE_COMMAND_PALETTE = False

    def __init__(self, widget: Widget, css: str = "") -> None:
        super().__init__()
        self.widget = widget
        self.CSS = css  # type: ignore[misc]  # Textual reads it from the instance

    def compose(self) -> ComposeResult:
        yield self.widget


def press(widget: Typing, *keys: str) -> bool:
    """Hand `keys` to `widget`: names of the keymap, or characters. Returns what it says to the last one."""
    taken = False
    for key in keys:
        is_character = len(key) == 1
        name = _character_to_key(key) if is_character else key
        taken = widget.typed(events.Key(name, key if is_character else None), KEYMAP.action(name))
    return taken


def paste(widget: Typing, text: str) -> bool:
    return widget.typed(events.Paste(text), None)


def rows(widget: Widget) -> list[str]:
    """Return what the widget draws, row by row; each is as wide as it, and a terminal obeys nothing."""
    drawn = []
    for y in range(widget.size.height):
        strip = widget.render_line(y)
        assert strip.cell_length == widget.size.width
        text = "".join(segment.text for segment in strip if not segment.control)
        assert text.isprintable()
        drawn.append(text)
    return drawn
