"""How the text is shown: what config.toml says, and what the person changes while it runs."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Options:
    """What can be turned on and off. `ruler` is a column from 1 that gets a line, 0 for none."""

    wrap: bool = True
    ruler: int = 0
    whitespace: bool = False
    line_numbers: bool = True
    hints: bool = True
    auto_close: bool = True
    """Whether brackets and quotes close themselves in code."""

    join_messages: bool = True
    """Whether it is told who comes and goes."""

    bell: bool = False
    """Whether the terminal's bell rings when somebody asks to look."""

    indent: str = "auto"
    """What Tab inserts: "tabs", a number of blanks as digits, or "auto", whatever the text has."""
