"""`collab top`: how a server is, on the whole terminal and again and again, or printed once."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from types import FrameType
from typing import TYPE_CHECKING, Any, Final

from collab_cli.arguments.top import TopFlags
from collab_cli.durations import utc_time
from collab_cli.exits import SIGNAL, ExitCode, UsageError, say
from collab_cli.logs import log_to_file
from collab_cli.office.link import OfficeLink
from collab_cli.office.office import link_maker
from collab_cli.paths import find_folders
from collab_cli.settings import join_table
from collab_cli.settings.file import read_settings
from collab_cli.settings.flags import Theme
from collab_cli.settings.layers import Layers
from collab_cli.tables import print_table, write
from collab_cli.terminal import Screen, can_draw_unicode, check_terminal, take_screen
from collab_cli.terminal_traits import TerminalQuery, tell_textual

if TYPE_CHECKING:
    from collab_tui.top.app import TopApp
    from collab_tui.top.figures import Figures
    from collab_tui.top.rates import Rates

_LOG: Final = "client.log"
_SIGNALS: Final = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
_FIGURES: Final = {"do": "figures"}


def run(flags: TopFlags) -> int:
    """Show how a server is; returns the exit code.

    Raises:
        CommandError: it cannot be done; the text says what to do.
    """
    if flags.as_json or flags.once:
        link = link_maker(flags.place)()
        return asyncio.run(_print_json(link) if flags.as_json else _print_once(link, flags.interval_s))
    if not (os.isatty(0) and os.isatty(1)):
        raise UsageError("top needs a terminal for its input and output: without one add --once or --json")
    check_terminal(os.environ)
    make_link = link_maker(flags.place)
    asyncio.run(_try(make_link()))
    return _show(flags, make_link())


async def _try(link: OfficeLink) -> None:
    """Ask once, before the screen is taken: what is wrong from the start is said in a line.

    Raises:
        CommandError: there is no server, or it does not answer this.
    """
    async with link:
        await link.ask(_FIGURES)


# -- printed


async def _print_json(link: OfficeLink) -> int:
    """Print the server's figures as they are; times in ISO 8601."""
    async with link:
        answer: dict[str, Any] = await link.ask(_FIGURES)
    for name in ("started", "now"):
        answer[name] = utc_time(answer.get(name))
    sys.stdout.write(json.dumps(answer) + "\n")
    return ExitCode.OK


async def _print_once(link: OfficeLink, interval_s: float) -> int:
    """Print figures, with the rates of one interval."""
    from collab_tui.top.figures import Figures
    from collab_tui.top.rates import rates_between

    async with link:
        before = Figures.parse(await link.ask(_FIGURES))
        began_at = time.monotonic()
        await asyncio.sleep(interval_s)
        figures = Figures.parse(await link.ask(_FIGURES))
        rates = rates_between(before, figures, time.monotonic() - began_at)
    for line in _summary(figures, rates):
        write(line)
    if figures.rooms:
        write("")
        print_table(_room_rows(figures, rates))
    return ExitCode.OK


def _summary(figures: Figures, rates: Rates) -> list[str]:
    from collab_tui.safe_text import safe_text
    from collab_tui.top import units
    from collab_tui.top.head import facts_of, gauges_of

    state = safe_text(figures.trouble) or ("ready" if figures.is_ready else "not ready")
    up = units.span(figures.up_s)
    told = [("state", state), ("version", f"collab {safe_text(figures.version)}, pid {figures.pid}, up {up}")]
    told += [(label, value) for label, value, _ in facts_of(figures, rates)]
    told += gauges_of(figures, rates)
    widest = max(len(label) for label, _ in told)
    return [f"{label:<{widest}}  {value}" for label, value in told]


def _room_rows(figures: Figures, rates: Rates) -> list[tuple[str, ...]]:
    from collab_tui.safe_text import safe_name
    from collab_tui.top.columns import ALL, Sort, in_order

    rows = [("room", *(column.title for column in ALL))]
    for room in in_order(figures.rooms, rates, Sort.UPDATES, is_reversed=False):
        own = rates.of_room(room.room)
        rows.append((safe_name(room.room, 64), *(column.draw(room, own) for column in ALL)))
    return rows


# -- on the screen


def _show(flags: TopFlags, link: OfficeLink) -> int:
    """Show it until the person leaves; returns the exit code."""
    folders = find_folders(os.environ)
    layers = Layers(os.environ, read_settings(folders))
    theme = layers.find(join_table.THEME, flags.theme).value or Theme.AUTO
    is_ascii = bool(layers.find(join_table.ASCII, flags.ascii).value)
    os.umask(0o077)
    log_file = folders.logs / _LOG
    log_to_file(log_file)
    os.environ.setdefault("TEXTUAL_ANIMATIONS", "none")  # read when textual is imported
    with take_screen(log_file) as screen:
        with TerminalQuery(theme, os.environ, can_draw_unicode=can_draw_unicode()) as query:
            from collab_tui.palette import Theme as Inks  # loads while the terminal answers
            from collab_tui.top.app import TopApp, TopConfig

            traits = query.traits()
        tell_textual(traits, os.environ)
        if traits.is_utf8:
            screen.speak_utf8()
        app = TopApp(
            TopConfig(
                ask=link.ask,
                close=link.close,
                interval_s=flags.interval_s,
                theme=Inks(traits.theme),
                is_ascii=is_ascii or traits.is_ascii,
                typed=traits.typed,
            )
        )
        gc.freeze()  # all that was loaded stays
        gc.enable()
        code = _Run(app, screen).until_it_ends()
    if code == ExitCode.INTERNAL:
        say(f"collab broke; the log is {log_file}")
    elif code > SIGNAL:
        say(f"ended by {signal.Signals(code - SIGNAL).name}")
    return code


class _Run:
    """The app from start to end, whatever ends it."""

    def __init__(self, app: TopApp, screen: Screen) -> None:
        self._app = app
        self._screen = screen
        self._ended_by: int = 0

    def until_it_ends(self) -> int:
        """Return the exit code."""
        kept: dict[int, Callable[[int, FrameType | None], Any] | int | None] = {
            number: signal.signal(number, self._stop_by) for number in _SIGNALS
        }
        try:
            self._app.run()
        except KeyboardInterrupt:
            pass
        finally:
            for number, handler in kept.items():
                signal.signal(number, handler)
        if self._ended_by:
            return SIGNAL + self._ended_by
        return ExitCode.INTERNAL if self._app.return_code else ExitCode.OK

    def _stop_by(self, number: int, _: FrameType | None) -> None:
        if self._ended_by:
            return
        self._ended_by = number
        self._screen.end_by_force(number)
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError as error:  # the app is only starting, or has ended
            raise KeyboardInterrupt from error
        loop.call_soon_threadsafe(self._app.exit)
