"""Code in real terminals: colours, a language for everybody, several carets, a parser that dies."""

from __future__ import annotations

import os
import select
import signal
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from tests.e2e.home import Home
from tests.e2e.terminal import Terminal, wait_until
from tests.e2e.test_two_people import SAVED, all_hold, both_saved, leave

pytestmark = pytest.mark.deadline(90)

_KEYWORD = "cdb0f5"
_GONE_S = 15.0
_PALETTE = "\x10"
_NEXT_OCCURRENCE = "\x0e"
_DOCUMENT_START = "\x1b[1;5H"


def colour_of(terminal: Terminal, word: str) -> str:
    """Return the colour of the first letter of `word` where it stands first; empty when it is not there."""
    screen = terminal.screen
    for y, line in enumerate(screen.inner_lines):
        at = line.find(word)
        if at >= 0:
            return screen.foreground(y, at)
    return ""


def parser(terminal: Terminal, *, but: int = 0) -> int:
    """Wait until one process, other than `but`, parses for this terminal's program; return it.

    The kernel's list of children may leave some out while they come and go, so it is read until it says so.
    """
    found: list[int] = []

    def is_there() -> bool:
        children = Path(f"/proc/{terminal.pid}/task").glob("*/children")
        found[:] = [
            child
            for task in children
            for child in map(int, task.read_text().split())
            if child != but and b"collab_syntax" in Path(f"/proc/{child}/cmdline").read_bytes()
        ]
        return len(found) == 1

    def is_one(_: Terminal) -> bool:
        with suppress(FileNotFoundError, ProcessLookupError):  # one that ended just now
            return is_there()
        return False

    terminal.wait_for(is_one)
    return found[0]


def test_a_language_that_one_sets_colours_the_text_for_all(home: Home) -> None:
    ana = home.open("join", "notes", "--name", "ana")
    ana.wait_for(SAVED)
    bo = home.open("join", "notes", "--name", "bo")
    both_saved(ana, bo)
    ana.send("def f():\r")
    wait_until([ana, bo], lambda: all(colour_of(t, "ef f") for t in (ana, bo)), "the text on both")
    plain = colour_of(bo, "ef f")
    ana.send(_PALETTE + "Language of" + "\r")
    ana.wait_for("Language of the room: Plain text")
    ana.send("python\r")
    wait_until(
        [ana, bo], lambda: colour_of(ana, "ef f") == colour_of(bo, "ef f") == _KEYWORD, "colours on both"
    )
    assert plain != _KEYWORD
    ana.send("x")
    all_hold("def f():\nx", ana, bo)
    leave(bo)
    bo = home.open("join", "notes", "--name", "bo")
    wait_until([ana, bo], lambda: colour_of(bo, "ef f") == _KEYWORD, "colours for one who comes back")
    leave(ana)
    leave(bo)


def test_several_carets_type_at_once_and_the_other_sees_them_all(home: Home) -> None:
    ana = home.open("join", "code.py", "--name", "ana")
    ana.wait_for(SAVED)
    bo = home.open("join", "code.py", "--name", "bo")
    both_saved(ana, bo)
    ana.send("old = 1\rold += old\r" + _DOCUMENT_START + _NEXT_OCCURRENCE * 3)
    ana.wait_for("3 carets")
    ana.send("new")
    all_hold("new = 1\nnew += new\n", ana, bo)
    both_saved(ana, bo)
    ana.send("\x1a")
    all_hold("old = 1\nold += old\n", ana, bo)
    leave(ana)
    leave(bo)


@pytest.mark.skipif(sys.platform != "linux", reason="finds the parser's process in /proc")
def test_a_parser_that_is_killed_comes_again_and_at_last_leaves_plain_text(home: Home) -> None:
    ana = home.open("join", "code.py")
    ana.wait_for(SAVED)
    ana.send("def f():\r")
    ana.wait_for(lambda t: colour_of(t, "ef f") == _KEYWORD)
    pid = parser(ana)
    for _ in range(2):
        os.kill(pid, signal.SIGKILL)
        pid = parser(ana, but=pid)
        ana.send("x")
    os.kill(pid, signal.SIGKILL)
    ana.wait_for("no colours for Python")
    ana.wait_for(lambda t: colour_of(t, "ef f") != _KEYWORD)
    ana.send(" typed on")
    ana.wait_for("typed on")
    ana.wait_for(SAVED)
    leave(ana)


@pytest.mark.skipif(sys.platform != "linux", reason="finds the parser's process in /proc")
def test_a_program_that_is_killed_leaves_no_parser(home: Home) -> None:
    ana = home.open("join", "code.py")
    ana.wait_for(SAVED)
    ana.send("def f():\r")
    ana.wait_for(lambda t: colour_of(t, "ef f") == _KEYWORD)
    handle = os.pidfd_open(parser(ana))  # readable once the process has ended
    try:
        ana.signal(signal.SIGKILL)
        ana.wait_exit()
        ended, _, _ = select.select([handle], [], [], _GONE_S)
        assert ended, "the parser lives on"
    finally:
        os.close(handle)
