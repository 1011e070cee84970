"""The terminal that the command was started in: whether `collab join` can draw there, and how well."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping
from typing import Final

from collab_cli.clipboard import clipboard_tool
from collab_cli.doctor.case import Case
from collab_cli.doctor.findings import Findings, fine, warning, wrong
from collab_cli.exits import UsageError
from collab_cli.settings.flags import Theme
from collab_cli.terminal import can_draw_unicode, check_terminal
from collab_cli.terminal_traits import TerminalQuery, Traits, has_all_colours, has_many_colours

_TMUX_S: Final = 1.0
_SLOW_ESCAPE_MS: Final = 100
_OLDEST_TMUX: Final = (3, 2)


def look_at_terminal(case: Case) -> Findings:
    """Say nothing that asks the terminal: what it answers would be typed into the shell."""
    if not (os.isatty(0) and os.isatty(1)):
        yield fine("no terminal here: not looked at")
        return
    try:
        check_terminal(case.environ)
    except UsageError as error:
        yield wrong(str(error), "do so before `collab join`")
        return
    with TerminalQuery(Theme.MONO, case.environ, can_draw_unicode=can_draw_unicode()) as query:
        traits = query.traits()  # with a theme that is set nothing is asked
    yield from describe(traits, case.environ)


def describe(traits: Traits, environ: Mapping[str, str]) -> Findings:
    """Say what a terminal is good for."""
    if traits.is_linux_console:
        yield fine("the Linux console: drawn in ASCII and 16 colours")
    elif traits.is_ascii:
        yield warning(
            "the locale is not UTF-8: collab draws in ASCII, and shows no other letters",
            "set LANG, as in: export LANG=C.UTF-8",
        )
    colours = "no colours (NO_COLOR)" if environ.get("NO_COLOR") else _colours(environ)
    size = os.get_terminal_size(1) if os.isatty(1) else None
    cells = f", {size.columns} by {size.lines} cells" if size is not None and size.columns else ""
    yield fine(f"TERM is {environ.get('TERM', '')}, {colours}{cells}")
    way = clipboard_tool(traits, environ)
    if way:
        yield fine(f"what is copied goes to the clipboard by {way}")
    elif not traits.is_linux_console:
        yield fine("what is copied goes to the terminal's clipboard, if the terminal allows it (OSC 52)")
    if traits.multiplexer == "tmux":
        yield from _tmux(environ)


def _colours(environ: Mapping[str, str]) -> str:
    if has_all_colours(environ):
        return "all colours"
    return "256 colours" if has_many_colours(environ) else "16 colours"


def _tmux(environ: Mapping[str, str]) -> Findings:
    version = re.search(r"(\d+)\.(\d+)", _run_tmux(environ, "-V"))
    if version is not None and (int(version[1]), int(version[2])) < _OLDEST_TMUX:
        yield warning(
            f"tmux {version[0]} cannot hand what is copied to the terminal's clipboard", "upgrade it to 3.2"
        )
    waits = _run_tmux(environ, "show-options", "-sv", "escape-time")
    if waits.isdecimal() and int(waits) > _SLOW_ESCAPE_MS:
        yield warning(
            f"tmux waits {waits} ms after Escape: Escape and Alt keys come late",
            "put into ~/.tmux.conf: set -sg escape-time 10",
        )


def _run_tmux(environ: Mapping[str, str], *arguments: str) -> str:
    """Return what tmux prints; "" where it cannot be asked."""
    try:
        done = subprocess.run(  # noqa: S603
            ["tmux", *arguments],  # noqa: S607  # the person's own
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_TMUX_S,
            check=False,
        )
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return ""
    return done.stdout.strip()
