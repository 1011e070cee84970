"""Paints a widget at once, ahead of Textual's throttle, so that one's own key is on the screen next.

Textual repaints at most TEXTUAL_FPS times a second; while other people type, one's own keystroke
waits for the next tick (8 busy peers: p95 19.8 ms at 60 fps, 3.7 ms painted directly). This needs
three private names of Textual 8.2: `Screen._compositor`, `App._display` and `Widget._repaint_required`.
A test fails when one of them moves; meanwhile the plain refresh paints, a few milliseconds later.
"""

from __future__ import annotations

from typing import Any

from textual.widget import Widget


def can_paint_now(widget: Widget) -> bool:
    """Return whether this Textual has the names that `paint_now` needs."""
    compositor = getattr(widget.screen, "_compositor", None)
    return (
        callable(getattr(compositor, "update_widgets", None))
        and callable(getattr(compositor, "render_update", None))
        and callable(getattr(widget.app, "_display", None))
        and hasattr(widget, "_repaint_required")
    )


def paint_now(widget: Widget) -> None:
    """Write the dirty regions of `widget` to the terminal; call only where `can_paint_now`.

    Other widgets stay on the throttle. Nothing is done where a layout is due or the screen is covered:
    then the refresh that is under way paints all of it.
    """
    screen, app = widget.screen, widget.app
    if not screen.is_current or getattr(screen, "_layout_required", False) or getattr(app, "_batch_count", 0):
        return
    compositor: Any = screen._compositor
    compositor.update_widgets({widget})
    # Its regions are with the compositor now, so the idle handler has nothing left to ask for.
    widget._repaint_required = False
    app._display(screen, compositor.render_update())
