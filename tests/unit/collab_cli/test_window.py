"""Tests of `collab_cli.window` on a terminal that goes away: it ends in time, and what was typed is kept."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from signal import SIGHUP

import pytest

from tests.e2e.home import Home
from tests.e2e.terminal import Terminal

_PROMISED_S = 2.0
_FOR_EVER = 600

PROGRAM = """
import asyncio, os, sys, time
import collab_cli.window as window

original = window.start_session

async def start(*arguments, **more):
    os.write(1, b"here")
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
    terminal.wait_for(lambda t: "here" in t.text)
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
