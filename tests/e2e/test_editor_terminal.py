"""The editor in a real terminal: mouse, pastes, sizes, clipboard, hostile text, a window that is closed."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import pytest

from tests.e2e.home import Home, collab_command
from tests.e2e.peer import Peer
from tests.e2e.screen import invisible_in, strings_in
from tests.e2e.server import Server
from tests.e2e.terminal import Terminal, wait_until

_SAVED: Final = "✓ saved"
_END: Final = "\x1b[1;5F"
_HOME: Final = "\x1b[1;5H"
_COPY: Final = "\x03"
_SELECT_ALL: Final = "\x01"
_UNDO: Final = "\x1a"
_REDO: Final = "\x19"
_RECONNECT_S: Final = 40.0

_SIZES: Final = (
    (120, 40),
    (80, 24),
    (61, 17),
    (40, 10),
    (39, 9),
    (20, 5),
    (3, 2),
    (1, 1),
    (40, 10),
    (200, 50),
)
_SMALLEST: Final = (40, 10)
"""Of what is smaller only survival is asked."""

_ATTACKS: Final = (
    "\x1b]0;pwned\x07",
    "\x1b]0;pwned\x1b\\",
    "\x1b]52;c;cHduZWQ=\x07",
    "\x1b[31;47;5m",
    "\x1b[2J\x1b[3J",
    "\x1b[?1049l",
    "\x1b[6n",
    "\x1bP+q544e\x1b\\",
    "\x1b_Gpwned\x1b\\",
    "\x1bc",
    "\u009b31;47;5m",
    "\u009d0;pwned\u009c",
    "\u0090+q544e\u009c",
    "\u202egnp.exe\u202c",
    "\u2066\u2067\u2068\u2069\u200e\u200f\u061c",
    "\u200b\ufeff\u2060\u00ad\u2028\u2029\u0085",
    "\U000e0001\U000e0041\U000e007f",
    "\0\a\b\v\f\x7f",
)
"""What drives a terminal, or hides text from a reader: C0, C1, their sequences, bidi, zero width, tags."""


def joined(home: Home, *arguments: str, columns: int = 100, rows: int = 24) -> Terminal:
    """Join, and return when the room is there."""
    terminal = home.open("join", *(arguments or ("notes",)), columns=columns, rows=rows)
    terminal.wait_for(_SAVED)
    return terminal


def numbered(terminal: Terminal) -> dict[int, str]:
    """Return the rows of text on the window by their line numbers."""
    rows = (re.match(r" *(\d+). (.*)", line.ljust(8)) for line in terminal.screen.inner_lines)
    return {int(row[1]): row[2].rstrip() for row in rows if row}


def is_at_cursor(terminal: Terminal, text: str) -> bool:
    """Tell whether the terminal's cursor, where input methods look for the caret, is behind `text`."""
    row, column = terminal.screen.cursor
    return terminal.lines[row].ljust(column)[:column].endswith(text)


# -- mouse


@pytest.fixture
def clicked(home: Home) -> Terminal:
    """A window with three lines of words."""
    terminal = joined(home)
    terminal.paste("first line here\nsecond line here\nthird line here")
    terminal.wait_for("third line here")
    return terminal


def test_a_click_places_the_caret(home: Home, clicked: Terminal) -> None:
    row, column = clicked.find("second")
    clicked.click(row, column + 3)
    clicked.send("X")
    home.wait_stored("notes", "first line here\nsecXond line here\nthird line here", clicked)
    clicked.click(row + 10, column)  # below the text: its last line
    clicked.send("Y")
    home.wait_stored("notes", "first line here\nsecXond line here\nYthird line here", clicked)


def test_a_drag_selects_in_either_direction(home: Home, clicked: Terminal) -> None:
    row, column = clicked.find("first")
    clicked.drag(row, column + 6, row + 1, column + 7)
    clicked.send("X")
    home.wait_stored("notes", "first Xline here\nthird line here", clicked)
    clicked.drag(row + 1, column + 5, row, column + 7)
    clicked.send("Y")
    home.wait_stored("notes", "first XY line here", clicked)


def test_a_double_click_selects_a_word_and_a_third_the_line(home: Home, clicked: Terminal) -> None:
    row, column = clicked.find("second")
    clicked.click(row, column + 2)
    clicked.click(row, column + 2)
    clicked.send("X")
    home.wait_stored("notes", "first line here\nX line here\nthird line here", clicked)
    row, column = clicked.find("third")
    for _ in range(3):
        clicked.click(row, column + 8)
    clicked.send("Z")
    home.wait_stored("notes", "first line here\nX line here\nZ", clicked)


def test_the_wheel_scrolls_and_leaves_the_caret(home: Home) -> None:
    ana = joined(home)
    text = "\n".join(f"line {number}" for number in range(1, 201))
    ana.paste(text)
    ana.wait_for("line 200")
    ana.send(_HOME)
    ana.wait_for(lambda t: min(numbered(t)) == 1)
    ana.wheel(5)
    rows = dict(enumerate(text.split("\n"), 1))
    ana.wait_for(lambda t: min(numbered(t)) > 5 and numbered(t).items() <= rows.items())
    ana.wheel(-50)
    ana.wait_for(lambda t: min(numbered(t)) == 1)
    ana.wheel(50)
    ana.wait_for(lambda t: min(numbered(t)) > 50)
    ana.send("X")
    ana.wait_for(lambda t: numbered(t).get(1) == "Xline 1")
    home.wait_stored("notes", "X" + text, ana)


# -- pastes


def test_a_paste_of_200_lines_is_one_step_of_undo(home: Home) -> None:
    ana = joined(home)
    pasted = "\n".join(f"pasted {number}" for number in range(200))
    ana.send("before")  # all in one go: what is typed around a paste is no part of it
    ana.paste(pasted)
    ana.send("after")
    home.wait_stored("notes", f"before{pasted}after", ana)
    for key, text in (
        (_UNDO, f"before{pasted}"),
        (_UNDO, "before"),
        (_REDO, f"before{pasted}"),
        (_REDO, f"before{pasted}after"),
    ):
        ana.send(key)
        home.wait_stored("notes", text, ana)


def test_escapes_in_a_paste_stay_text_or_go(home: Home) -> None:
    ana = joined(home)
    for number, attack in enumerate(_ATTACKS):
        ana.send(f"\x1b[200~begin{number} {attack} end{number}\x1b[201~")
        ana.wait_for(lambda t, end=f"end{number}": end in t.text)  # type: ignore[misc]
        ana.send("\r")
    ana.send("typed")
    ana.wait_for("typed")
    ana.wait_for(_SAVED)
    assert_clean(ana, *_ATTACKS)


# -- sizes


def test_text_and_caret_are_right_at_every_size(home: Home) -> None:
    ana = joined(home)
    lines = [f"line {number} of 60" for number in range(1, 61)]
    ana.paste("\n".join(lines))
    ana.wait_for("line 60 of 60")
    ana.send("\x1b[A" * 30 + "\x1b[D" * 3)
    typed = ""
    for size in _SIZES:
        ana.resize(*size)
        if size < _SMALLEST:
            ana.drain(0.05)
            continue
        typed += "x"
        ana.send("x")
        lines[29] = f"line 30 of{typed} 60"
        ana.wait_for(lambda t, line=lines[29]: numbered(t).get(30) == line)  # type: ignore[misc]
        ana.wait_for(lambda t: "saved" in t.status)
        ana.wait_for(lambda t, rows=tuple(lines): numbered(t).items() <= dict(enumerate(rows, 1)).items())  # type: ignore[misc]
        ana.wait_for(lambda t, left=f"line 30 of{typed}": is_at_cursor(t, left))  # type: ignore[misc]
    home.wait_stored("notes", "\n".join(lines), ana)


def test_resizes_while_typing_lose_no_key(home: Home) -> None:
    ana = home.open("join", "notes")
    ana.wait_for(lambda t: 1049 in t.screen.modes)
    typed = ""
    for turn, size in enumerate(_SIZES * 3):
        ana.resize(*size)
        ana.send(f"{turn} ")
        typed += f"{turn} "
        ana.pump(0)
    ana.resize(100, 24)
    ana.wait_for(_SAVED)
    home.wait_stored("notes", typed, ana)
    ana.wait_for(typed.rstrip()[-30:])


def test_a_long_line_is_wrapped_and_whole_at_every_width(home: Home) -> None:
    ana = joined(home)
    words = " ".join(f"w{number:03}" for number in range(60))
    ana.paste(words)
    for columns in (120, 77, 50, 120):
        ana.resize(columns, 24)
        ana.wait_for(lambda t: re.findall(r"w\d\d\d", t.text) == words.split())


# -- clipboard


def test_what_is_copied_reaches_the_terminals_clipboard(home: Home) -> None:
    ana = joined(home)
    text = "one\nzwei ä\n三 🙂"
    ana.paste(text)
    ana.wait_for("三")
    ana.send(_SELECT_ALL + _COPY)
    ana.wait_for(lambda t: t.clipboard == text)
    ana.send(_HOME + "\x1b[1;2F" + _COPY)  # Shift-End
    ana.wait_for(lambda t: t.clipboard == "one")
    home.wait_stored("notes", text, ana)


def test_what_is_copied_inside_tmux_reaches_tmux_and_the_terminal_around_it(home: Home) -> None:
    text = "one\nzwei ä\n三 🙂"
    with _tmux(home, "set -g set-clipboard on\n") as (ana, tmux):
        ana.wait_for(_SAVED)
        ana.paste(text)
        ana.wait_for("三")
        ana.send(_SELECT_ALL + _COPY)

        def buffer() -> str:
            shown = subprocess.run([*tmux, "show-buffer"], capture_output=True, timeout=5, check=False)
            return shown.stdout.decode()

        wait_until([ana], lambda: buffer() == text, "the text in tmux's buffer")
        ana.wait_for(lambda t: t.clipboard == text)
        assert home.stored_text("notes") == text


@contextmanager
def _tmux(home: Home, settings: str) -> Iterator[tuple[Terminal, list[str]]]:
    """Run `collab join notes` in a tmux of its own; yield the terminal around it, and what talks to it."""
    program = shutil.which("tmux")
    if program is None:
        pytest.skip("there is no tmux here")
    file = home.path / "tmux.conf"
    file.write_text(settings)
    tmux = [program, "-S", str(home.path / "tmux"), "-f", str(file)]
    try:
        yield home.spawn([*tmux, "new-session", *collab_command(), "join", "notes"]), tmux
    finally:
        subprocess.run([*tmux, "kill-server"], capture_output=True, timeout=5, check=False)


# -- hostile text and names


def test_hostile_text_and_names_are_drawn_and_never_obeyed(home: Home) -> None:
    rows = [f"begin{number} {attack} end{number}" for number, attack in enumerate(_ATTACKS)]
    every = "".join(map(chr, [*range(1, 10), *range(11, 32), *range(0x7F, 0xA0)]))
    rows.append(f"begin-all {every} end-all")
    with Server(home) as server:
        ana = joined(home, server.url("notes"), columns=140)
        with (
            Peer("notes", server.port, name="eve\x1b]0;pwned\x07\u202e\u009b31m") as eve,
            Peer("notes", server.port, name="mal\U000e0041\u200b\u2066lory\x1bc") as mallory,
        ):
            eve.insert(0, "\n".join(rows))
            mallory.wait_for("end-all")
            for name, peer in (("eve", eve), ("mal", mallory)):
                peer.show_caret(60)
                # Beside the caret at once and for 2 s; in the status line once it has nothing else to say.
                ana.wait_for(lambda t, name=name: name in "\n".join(t.lines[:-2]))  # type: ignore[misc]
            ana.wait_for(lambda t: "eve" in t.status and "mal" in t.status)
            ends = [f"end{number}" for number in range(len(_ATTACKS))] + ["end-all"]
            ana.wait_for(lambda t: all(end in t.text for end in ends))
            ana.send("\x1b[B" * len(rows))  # each line as the caret's, too
            ana.wait_for(lambda t: numbered(t).get(1, "").startswith("begin0"))
        ana.wait_for(lambda t: "eve" not in t.status)
        assert_clean(ana, *_ATTACKS)


def assert_clean(terminal: Terminal, *attacks: str) -> None:
    """Nothing of `attacks`, and nothing invisible, has reached the terminal."""
    raw = bytes(terminal.raw)
    assert invisible_in(raw) == set()
    assert not [string for string in strings_in(raw) if b"pwned" in string or b"cHduZWQ=" in string]
    written = [attack for attack in attacks if "\x1b" in attack and attack.encode() in raw]
    assert written == []


# -- a window that is closed


@pytest.mark.deadline(90)
def test_a_window_closed_offline_leaves_its_work_in_the_journal_and_no_process(home: Home) -> None:
    with Server(home) as server:
        ana = joined(home, server.url("notes"))
        server.kill()
        ana.wait_for("! offline")
        ana.send("kept ł")
        ana.wait_raw("ł".encode(), 0)
        ana.hang_up()
        assert ana.wait_exit() == 128 + signal.SIGHUP
        with pytest.raises(ProcessLookupError):
            os.killpg(ana.pid, 0)
        server.start()
        again = joined(home, server.url("notes"))
        again.wait_for("kept ł")
        home.wait_stored("notes", "kept ł", again)
