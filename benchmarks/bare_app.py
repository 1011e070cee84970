"""The least that a Textual app does before it shows something: what first paint is compared with."""

from __future__ import annotations

from textual.app import App, ComposeResult
from textual.widgets import Static


class BareApp(App[None]):
    """One line of text."""

    def compose(self) -> ComposeResult:
        yield Static("bare-textual-app")


if __name__ == "__main__":
    BareApp().run()
