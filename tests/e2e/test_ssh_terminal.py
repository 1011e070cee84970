"""`ssh -t host collab join ROOM`: the screen is the far side's, the terminal is here, a real sshd between."""

from __future__ import annotations

import contextlib
import getpass
import os
import shlex
import signal
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import pytest

from tests.e2e.home import Home
from tests.e2e.screen import Screen, invisible_in
from tests.e2e.sshd import Sshd, needs_sshd
from tests.e2e.terminal import Terminal, TerminalFailure, pump, wait_until

pytestmark = needs_sshd

_SAVED: Final = "✓ saved"
_MANY: Final = 80
_SOME: Final = 20
_HUNG_UP_S: Final = 2.0
_ALL_GONE_S: Final = 15.0
"""For many at once, on a machine that was busy with starting them."""

_RGB: Final = b"48;2;"
_256: Final = b"48;5;"


@pytest.fixture
def sshd(home: Home) -> Iterator[Sshd]:
    with Sshd(home) as sshd:
        yield sshd
        sshd.cut()
        for pid in far_processes(sshd):  # what should have ended by itself, and has failed the test
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def open_over(
    sshd: Sshd,
    home: Home,
    *arguments: str,
    env: Mapping[str, str] | None = None,
    far_env: Mapping[str, str] | None = None,
    columns: int = 100,
    has_rgb: bool = True,
) -> Terminal:
    """Run `collab` on the far side, in a terminal here; `env` is the near side's, as the person has it."""
    far = [f"{name}={value}" for name, value in (far_env or {}).items()]
    command = shlex.join([*(["env", *far] if far else []), "collab", *arguments])
    return home.spawn([*sshd.ssh, "-t", sshd.host, command], env=env, columns=columns, has_rgb=has_rgb)


def far_processes(sshd: Sshd) -> dict[int, str]:
    """Return what runs on the far side but for the server there, by pid."""
    mark = f"COLLAB_HOME={sshd.far.path}\0".encode()
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (folder / "environ").read_bytes() + b"\0":
                found[int(folder.name)] = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:  # it has ended, or is another account's
            continue
    return {pid: command for pid, command in found.items() if " serve " not in command}


def wait_gone(sshd: Sshd, deadline_s: float, *terminals: Terminal) -> None:
    """Wait until nothing is left on the far side but the server."""
    ends_at = time.monotonic() + deadline_s
    while left := far_processes(sshd):
        if time.monotonic() > ends_at:
            raise TerminalFailure(f"left after {deadline_s:.0f} s: {left}")
        for terminal in terminals or (None,):
            if terminal is None or not terminal.pump(0.02):
                time.sleep(0.01)


def test_it_is_as_it_would_be_here(home: Home, sshd: Sshd) -> None:
    ana = open_over(sshd, home, "join", "notes")
    ana.wait_for(_SAVED)
    ana.send("é 漢字 🎉\x03\x04\r")  # ^C copies, ^D makes a second line of it: neither ends it
    ana.paste("pasted é 漢字 🎉 \x03\x04\nsecond")
    text = "é 漢字 🎉\né 漢字 🎉\npasted é 漢字 🎉 \x03\x04\nsecond"
    sshd.far.wait_stored("notes", text, ana)
    row, column = ana.find("second")
    ana.click(row, column)
    ana.send("the ")
    sshd.far.wait_stored("notes", text.replace("second", "the second"), ana)
    ana.resize(60, 18)
    ana.wait_for(lambda t: _SAVED in t.status and "é 漢字 🎉" in t.lines[0] and "the second" in t.lines[3])
    ana.send("\x11")
    assert ana.wait_exit() == 0
    assert ana.screen.modes == {7, 25}
    assert ana.attributes() == ana.initial_attributes
    assert ana.raw.count(b"\x1b[<u") >= ana.raw.count(b"\x1b[>25u")
    wait_gone(sshd, _HUNG_UP_S)


@pytest.mark.parametrize(
    ("env", "has_rgb", "colours"),
    [
        ({"TERM": "xterm-256color"}, True, _RGB),
        ({"TERM": "xterm-256color"}, False, _256),
        ({"TERM": "alacritty"}, False, _RGB),
    ],
)
def test_all_colours_though_ssh_loses_colorterm(
    home: Home, sshd: Sshd, env: dict[str, str], has_rgb: bool, colours: bytes
) -> None:
    ana = open_over(sshd, home, "join", "notes", env=env, has_rgb=has_rgb)
    ana.wait_for(_SAVED)
    assert (colours in ana.raw, ({_RGB, _256} - {colours}).pop() in ana.raw) == (True, False)
    ana.send("\x11")
    assert ana.wait_exit() == 0
    assert sshd.far.stored_text("notes") == ""
    before = Screen(100, 24)
    before.feed(b"$ " + ana.raw.partition(b"\x1b[?1049h")[0])
    assert "".join(before.lines) == "$"  # pyte shows what it takes for no sequence: that was wiped off


@pytest.mark.parametrize(
    ("lang", "far_env"),
    [
        ("", {}),
        ("C", {}),
        ("POSIX", {}),
        ("xx_XX.UTF-8", {}),  # not installed
        ("", {"LC_ALL": "C"}),
        ("", {"PYTHONIOENCODING": "iso-8859-1"}),  # as a locale of that encoding has it
        ("", {"PYTHONIOENCODING": "euc_jp"}),
    ],
)
def test_a_utf8_terminal_is_one_whatever_lang_says(
    home: Home, sshd: Sshd, lang: str, far_env: dict[str, str]
) -> None:
    ana = open_over(sshd, home, "join", "notes", env={"LANG": lang, "LC_ALL": ""}, far_env=far_env)
    ana.wait_for(_SAVED)
    ana.send("é漢字🎉ł")
    sshd.far.wait_stored("notes", "é漢字🎉ł", ana)
    ana.wait_for(lambda t: "é漢字🎉ł" in "".join(t.text.split()))
    assert not invisible_in(bytes(ana.raw))
    ana.send("\x11")
    assert ana.wait_exit() == 0


@pytest.mark.parametrize("how", ["connection", "client"])
def test_a_line_that_is_cut_ends_the_far_side_and_keeps_the_text(home: Home, sshd: Sshd, how: str) -> None:
    ana = open_over(sshd, home, "join", "notes")
    ana.wait_for(_SAVED)
    ana.send("kept")
    ana.wait_for("kept")
    if how == "connection":
        sshd.cut()
    else:
        ana.signal(signal.SIGKILL)
    wait_gone(sshd, _HUNG_UP_S, ana)
    sshd.far.wait_stored("notes", "kept")


def test_a_line_that_is_cut_with_no_server_to_say_it_to_keeps_the_text(home: Home, sshd: Sshd) -> None:
    ana = open_over(sshd, home, "join", "notes")
    ana.wait_for(_SAVED)
    sshd.far.kill_server()
    ana.wait_for("! offline")
    ana.send("only here")
    ana.wait_for("only here")
    sshd.cut()
    wait_gone(sshd, _HUNG_UP_S, ana)
    bo = open_over(sshd, home, "join", "notes")
    bo.wait_for("only here")
    sshd.far.wait_stored("notes", "only here", bo)


@pytest.mark.deadline(90)
def test_many_that_are_cut_while_they_start_leave_nothing_behind(home: Home, sshd: Sshd) -> None:
    opened = [open_over(sshd, home, "join", "notes") for _ in range(_MANY)]

    def some_are_drawing() -> bool:
        return sum(b"\x1b[?1049h" in terminal.raw for terminal in opened) >= _SOME

    wait_until(opened, some_are_drawing, "some to draw", 60)  # the others are just before, or just after
    while any(terminal.poll() is None for terminal in opened):  # some may be coming in only now
        sshd.cut()
        pump(opened, 0.05)
    wait_gone(sshd, _ALL_GONE_S, *opened)


def test_f8_tells_the_account_behind_a_name(home: Home, sshd: Sshd) -> None:
    account = getpass.getuser()
    ana = open_over(sshd, home, "join", "notes")
    ana.wait_for(_SAVED)
    bo = open_over(sshd, home, "join", "notes", "--name", f"{account}s")
    bo.wait_for(_SAVED)
    ana.send("\x1b[19~")  # F8
    ana.wait_for(f"{account}s (account {account})")
    assert ana.text.count("(account ") == 1
