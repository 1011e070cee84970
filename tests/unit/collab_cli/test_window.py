"""Tests of `collab_cli.window` on a terminal that goes away: it ends in time, and what was typed is kept."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from signal import SIGHUP
from typing import cast

import pytest

from collab_cli import terminal, window
from collab_cli.settings.flags import JoinFlags, Theme
from collab_cli.settings.joining import join_settings
from collab_cli.ssh.dialling import SshDialler
from collab_cli.targets import parse_target
from collab_cli.terminal import Screen
from collab_cli.terminal_traits import TerminalQuery
from collab_cli.window import Window
from collab_client.session import CLOSE_JOURNAL_S
from tests.e2e.home import Home
from tests.e2e.terminal import Terminal

_PROMISED_S = 2.0
_FOR_EVER = 600

PROGRAM = """
import asyncio, os, sys, time
import collab_cli.window as window

original = window.start_session

async def start(*arguments, **more):
    os.write(1, b"<here>")
    {body}
    return await original(*arguments, **more)

window.start_session = start
sys.argv = ["collab", "join", "notes"]
from collab_cli.__main__ import main
sys.exit(main())
"""


@pytest.fixture
def home() -> Iterator[Home]:
    with Home() as home:
        yield home


def opened(home: Home, body: str) -> Terminal:
    """Return a terminal in which `start` has come to `body`."""
    terminal = home.spawn([sys.executable, "-P", "-c", PROGRAM.format(body=body)])
    terminal.wait_for(lambda t: b"<here>" in t.raw)  # on the screen the app may draw over it
    return terminal


@pytest.mark.parametrize(
    "body",
    [
        f"await asyncio.to_thread(time.sleep, {_FOR_EVER})",
        f"time.sleep({_FOR_EVER})",
    ],
)
def test_whatever_it_waits_for_a_hangup_ends_it(home: Home, body: str) -> None:
    ana = opened(home, body)
    ana.send("typed for nobody")
    ana.hang_up()
    assert ana.wait_exit(_PROMISED_S + 1) == 128 + SIGHUP


def test_what_was_typed_before_there_is_a_text_is_kept(home: Home) -> None:
    ana = opened(home, "await asyncio.sleep(0.3)")
    ana.send("typed early")
    ana.read(0.1)  # what it has not read when the terminal goes is the kernel's to drop
    ana.hang_up()
    assert ana.wait_exit() == 128 + SIGHUP
    with home.open("join", "notes") as bo:
        bo.wait_for("typed early")


def test_nobody_who_typed_nothing_waits_for_a_text(home: Home) -> None:
    ana = opened(home, f"await asyncio.sleep({_FOR_EVER})")
    ana.hang_up()
    assert ana.wait_exit() == 128 + SIGHUP


def test_what_is_wrong_with_the_settings_hides_not_why_ssh_failed(tmp_path: Path) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "config.toml").write_text("wrp = true\n")
    settings = join_settings(JoinFlags(), {"COLLAB_HOME": str(tmp_path)})
    target = parse_target("ssh://pair/notes")
    assert target.server is not None
    assert target.server.ssh is not None
    dialler = SshDialler(target.server.ssh, ("ssh",), {})
    dialler.trouble = "pair does not let you in"
    traits = TerminalQuery(Theme.DARK, {}, can_draw_unicode=True).traits()
    window = Window(target, settings, traits, b"", cast(Screen, None), None, dialler)
    (complaint,) = settings.complaints
    assert window._app._config.greeting == f"{complaint}; pair does not let you in"


def test_a_slow_disk_is_waited_for_as_long_in_good_order_as_by_force() -> None:
    """Whichever of the two ends the process: the shorter one would lose what the other waits for."""
    in_order_s = window._SETTLE_HANGUP_S + window._GOODBYE_HANGUP_S + CLOSE_JOURNAL_S
    assert terminal._KEEP_S <= CLOSE_JOURNAL_S
    assert in_order_s <= terminal.HANGUP_S + terminal._KEEP_S
