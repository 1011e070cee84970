"""Three terminals in one room: people are seen, found, followed and heard of; nobody is there who is not."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path
from typing import Final

import pytest

from tests.e2e.home import Home
from tests.e2e.server import Server
from tests.e2e.terminal import Terminal, wait_until
from tests.e2e.test_two_people import SAVED, leave, shows

_F2, _F4, _F7, _F8, _F9 = "\x1bOQ", "\x1bOS", "\x1b[18~", "\x1b[19~", "\x1b[20~"
_PAGE_UP, _PAGE_DOWN, _DOWN, _END_OF_TEXT, _START_OF_TEXT = (
    "\x1b[5~",
    "\x1b[6~",
    "\x1b[B",
    "\x1b[1;5F",
    "\x1b[1;5H",
)
_GO_TO, _LOOK_HERE, _ESCAPE = "\x07", "\x14", "\x1b"
_LINES: Final = 100
_LONG_AGO_S: Final = 3600.0


def open_room(
    home: Home, *names: str, room: str = "notes", columns: int = 80, rows: int = 24
) -> list[Terminal]:
    """Open a room of a hundred lines in a window for each name; the first one has written them."""
    first, *others = names
    windows = [home.open("join", room, "--name", first, columns=columns, rows=rows)]
    windows[0].wait_for(SAVED)
    windows[0].paste("\n".join(f"this is line {number}" for number in range(1, _LINES + 1)))
    windows[0].wait_for(lambda t: shows(t, f"this is line {_LINES}") and SAVED in t.text)
    windows[0].send(_START_OF_TEXT)
    windows[0].wait_for(lambda t: "this is line 1" in top_line(t))
    for name in others:
        windows.append(home.open("join", room, "--name", name, columns=columns, rows=rows))
        windows[-1].wait_for(lambda t: "this is line 1" in t.text and SAVED in t.text)
    return windows


def top_line(terminal: Terminal) -> str:
    return terminal.screen.inner_lines[0]


def top_number(terminal: Terminal) -> int:
    found = re.match(r" *(\d+)", top_line(terminal))
    return int(found[1]) if found else 0


def edit_status(*terminals: Terminal, what: str) -> None:
    wait_until(terminals, lambda: all(shows(terminal, what) for terminal in terminals), what)


def test_following_goes_where_the_leader_goes_and_ends_with_my_own_move(home: Home) -> None:
    ana, bo, cy = open_room(home, "ana", "bo", "cy")
    bo.send(f"{_GO_TO}@ana\r")
    bo.send(_F8)
    bo.wait_for("Who is here")
    bo.wait_for(lambda t: re.search(r"ana \(account .+\) +line 1 ", t.text) is not None)
    bo.send(_F9)
    edit_status(bo, what="following ana (Esc)")
    edit_status(ana, what="1 follows you")
    cy.send(f"{_F8}{_F9}")
    edit_status(cy, what="following ana (Esc)")
    edit_status(ana, what="2 follow you")

    ana.send(_PAGE_DOWN + _PAGE_DOWN)
    wait_until(
        [ana, bo, cy],
        lambda: top_number(ana) > 20 and top_number(bo) == top_number(cy) == top_number(ana),
        "all at one place",
    )
    assert not shows(bo, "no longer following")
    bo.resize(100, 30)
    ana.send(_END_OF_TEXT)
    wait_until([ana, bo, cy], lambda: shows(bo, f"this is line {_LINES}"), "the end of the text")
    edit_status(bo, what="following ana (Esc)")

    ana.wheel(-20)  # scrolling without a move of the caret
    wait_until([ana, bo, cy], lambda: 1 <= top_number(cy) == top_number(ana) < 60, "the leader's view")

    cy.send("typed")
    wait_until([ana, bo, cy], lambda: not shows(cy, "following ana (Esc)"), "the end of following")
    edit_status(ana, what="1 follows you")
    edit_status(bo, what="following ana (Esc)")
    bo.send(_ESCAPE)
    wait_until([ana, bo, cy], lambda: not shows(bo, "following ana (Esc)"), "the end of following")
    wait_until([ana, bo, cy], lambda: not shows(ana, "follows you"), "nobody to follow ana")


def test_a_leader_who_drops_is_waited_for(home: Home) -> None:
    ana, bo, cy = open_room(home, "ana", "bo", "cy")
    bo.send(f"{_F8}{_F9}")
    edit_status(bo, what="following ana (Esc)")
    ana.signal(9)
    ana.wait_exit()
    bo.wait_for(lambda t: not shows(t, "following ana (Esc)") and shows(t, "waiting for ana"))
    again = home.open("join", "notes", "--name", "ana", columns=80, rows=24)
    again.wait_for(SAVED)
    again.send(_END_OF_TEXT)
    wait_until([bo, cy, again], lambda: shows(bo, f"this is line {_LINES}"), "the end of the text")
    edit_status(bo, what="following ana (Esc)")


def test_a_projector_follows_from_the_start_and_changes_nothing(home: Home) -> None:
    (ana,) = open_room(home, "ana")
    wall = home.open("join", "notes", "--name", "wall", "--follow", "ana", "--read-only", columns=80, rows=24)
    edit_status(wall, what="following ana (Esc)")
    ana.send(_END_OF_TEXT)
    wait_until([ana, wall], lambda: shows(wall, f"this is line {_LINES}"), "the end of the text")
    row, column = wall.find(f"this is line {_LINES}")
    wait_until(
        [ana, wall],
        lambda: wall.screen.cursor == (row, column + len(f"this is line {_LINES}")),
        "the terminal's cursor at the leader's",
    )


def test_one_goes_to_people_by_name_and_by_key(home: Home) -> None:
    ana, bo, cy = open_room(home, "ana", "bo", "cy")
    bo.send(_END_OF_TEXT)
    wait_until([ana, bo, cy], lambda: shows(cy, f"▼ bo {_LINES}"), "the chip of who is beyond the window")
    cy.send(f"{_GO_TO}@bo\r")
    wait_until([ana, bo, cy], lambda: f"{_LINES}:" in cy.status, "cy at the end")
    cy.send(f"{_GO_TO}@dora\r")
    cy.wait_for("nobody here is called dora")
    cy.send(_ESCAPE)
    cy.wait_for(lambda t: "Go to line" not in t.text)
    cy.send(_F7)
    wait_until([ana, bo, cy], lambda: " 1:1" in cy.status, "cy at ana's line")


@pytest.mark.deadline(120)
def test_comings_and_goings_are_told_and_a_lost_connection_only_later(home: Home) -> None:
    ana, bo = open_room(home, "ana", "bo")
    cy = home.open("join", "notes", "--name", "cy", columns=80, rows=24)
    edit_status(ana, bo, what="cy joined")
    cy.wait_for(SAVED)
    leave(cy)
    edit_status(ana, bo, what="cy left")

    cy = home.open("join", "notes", "--name", "cy", columns=80, rows=24)
    edit_status(ana, bo, what="cy joined")
    wait_until([ana, bo], lambda: not shows(ana, "cy joined"), "the end of the toast")
    killed_at = time.monotonic()
    cy.signal(9)
    cy.wait_exit()
    ana.send(_F8)
    wait_until([ana, bo], lambda: re.search(r"cy .*offline", ana.text) is not None, "cy to be offline")
    assert not shows(bo, "cy left")
    wait_until([ana, bo], lambda: not re.search(r"cy .*offline", ana.text), "cy to be gone", 20)
    edit_status(bo, what="cy left")
    assert time.monotonic() - killed_at > 9


def test_looking_is_asked_for_and_f9_goes_there(home: Home) -> None:
    ana, bo, cy = open_room(home, "ana", "bo", "cy")
    ana.send(_END_OF_TEXT)
    wait_until([ana, bo, cy], lambda: f"{_LINES}:" in ana.status, "ana at the end")
    ana.send(_LOOK_HERE)
    edit_status(ana, what="asked bo, cy to look")
    edit_status(bo, cy, what=f"ana asks you to look at line {_LINES} · F9 follows")
    cy.send(_F9)
    wait_until([ana, bo, cy], lambda: shows(cy, f"this is line {_LINES}"), "the end of the text")
    edit_status(cy, what="following ana (Esc)")


def test_what_others_changed_while_the_program_was_closed_is_told_and_gone_through(home: Home) -> None:
    with Server(home) as server, Home() as elsewhere:
        # Another machine: windows of one account share a journal, and what one has seen the other has.
        room = server.url("notes")
        (ana,) = open_room(home, "ana", room=room)
        bo = elsewhere.open("join", room, "--name", "bo", columns=80, rows=24)
        bo.wait_for(lambda t: shows(t, "this is line 9") and SAVED in t.text)
        leave(ana)
        _age(home)
        _go_through_changes(home, room, bo)


def _go_through_changes(home: Home, room: str, bo: Terminal) -> None:
    bo.send(f"{_GO_TO}40\rnew\r")
    bo.send(f"{_GO_TO}70\r\x0b")  # Ctrl-K cuts the line
    bo.wait_for(lambda t: SAVED in t.text and not shows(t, "this is line 69"))
    again = home.open("join", room, "--name", "ana", columns=80, rows=24)
    again.wait_for(lambda t: shows(t, "while you were away: +") and shows(t, "by bo"))
    again.send(_F4)
    again.wait_for(lambda t: shows(t, "this is line 40") and "40:" in t.status)
    row, _ = again.find("this is line 40")
    assert "▎" in again.screen.inner_lines[row - 1], "the new line is marked"
    again.send(_F4)
    again.wait_for(lambda t: shows(t, "this is line 70"))
    assert any("▔" in line for line in again.screen.inner_lines), "where a line went is marked"


def test_the_list_of_people_fits_a_small_window(home: Home) -> None:
    ana, bo, cy = open_room(home, "ana", "bo", "cy")
    bo.send(_END_OF_TEXT)
    cy.send("x")
    ana.send(_F8)
    ana.wait_for("Who is here")
    wait_until(
        [ana, bo, cy],
        lambda: (
            re.search(rf"bo \(account .+\) +line {_LINES} .*(admin)", ana.text) is not None
            and re.search(r"cy \(account .+\) +line 1 +typing", ana.text) is not None
            and re.search(r"\d ms", ana.text) is not None
        ),
        "who, where, what, role and round trip",
    )
    ana.send("\r")
    wait_until([ana, bo, cy], lambda: f"{_LINES}:" in ana.status, "ana at bo's line")


def test_a_line_of_chat_is_there_for_who_comes_later(home: Home) -> None:
    ana, bo = open_room(home, "ana", "bo")
    ana.send(f"{_F2}see you at noon\r")
    edit_status(bo, what="ana: see you at noon")
    edit_status(bo, what="chat 1")
    bo.send(_F2)
    bo.wait_for(lambda t: "ana" in t.text and "see you at noon" in t.text and "chat 1" not in t.text)
    leave(bo)
    bo = home.open("join", "notes", "--name", "bo", columns=80, rows=24)
    bo.wait_for(SAVED)
    bo.send(_F2)
    bo.wait_for("see you at noon")
    assert not shows(bo, "chat 1"), "it was read in this account"


def test_what_happens_is_announced_line_by_line(home: Home) -> None:
    (ana,) = open_room(home, "ana")
    told = home.path / "told.txt"
    bo = home.open("join", "notes", "--name", "bo", "--announce", str(told), columns=80, rows=24)
    bo.wait_for(SAVED)
    cy = home.open("join", "notes", "--name", "cy", columns=80, rows=24)
    cy.wait_for(SAVED)
    wait_until([ana, bo, cy], lambda: "cy joined\n" in _read(told), "the announcement of cy")
    wait_until([ana, bo, cy], lambda: "saved\n" in _read(told), "the announcement of how things stand")
    cy.send(f"{_GO_TO}42\rx")
    wait_until([ana, bo, cy], lambda: "cy typing at line 42\n" in _read(told), "the announcement of typing")
    bo.send("y")
    wait_until([ana, bo, cy], lambda: _read(told).count("saved\n") >= 2, "the announcement of saving")
    assert "\x1b" not in _read(told)


def _read(file: Path) -> str:
    return file.read_text() if file.exists() else ""


def _age(home: Home) -> None:
    """Make the journals look as if nobody had been here for an hour."""
    then = time.time() - _LONG_AGO_S
    for file in home.path.rglob("*"):
        if "journal" in str(file) and file.is_file():
            os.utime(file, (then, then))
