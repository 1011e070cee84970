"""Two people, two terminals, one document: the promises that the product is made of."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

import pytest

from tests.e2e.home import Home
from tests.e2e.peer import Peer
from tests.e2e.server import Server
from tests.e2e.terminal import Terminal, wait_until

SAVED: Final = "✓ saved"
QUIT: Final = "\x11"
_UNSAVED: Final = r"! offline – \d+ changes kept on this machine"
RECONNECT_DEADLINE_S: Final = 40.0
"""Two retries of the back-off at its longest, and what a busy machine adds."""


def shows(terminal: Terminal, text: str) -> bool:
    return unicodedata.normalize("NFC", text) in unicodedata.normalize("NFC", terminal.text)


def both_show(first: Terminal, second: Terminal, *texts: str, deadline_s: float = 15.0) -> None:
    wait_until(
        [first, second],
        lambda: all(shows(terminal, text) for terminal in (first, second) for text in texts),
        f"{texts} on both",
        deadline_s,
    )


def both_saved(first: Terminal, second: Terminal, deadline_s: float = 15.0) -> None:
    wait_until(
        [first, second],
        lambda: SAVED in first.text and SAVED in second.text,
        f"{SAVED!r} on both",
        deadline_s,
    )


def document(terminal: Terminal) -> list[str]:
    """Return the rows of text on the window, without line numbers and people's signs beside them."""
    numbered = (re.match(r" *\d+. (.*)", line.ljust(8)) for line in terminal.screen.inner_lines[:-2])
    return [unicodedata.normalize("NFC", row[1].rstrip()) for row in numbered if row]


def all_hold(text: str, *terminals: Terminal) -> None:
    """Wait until the windows show `text` and nothing else; names beside carets go after 2 s."""
    rows = unicodedata.normalize("NFC", text).split("\n")
    wait_until(terminals, lambda: all(document(terminal) == rows for terminal in terminals), f"{rows} on all")


def leave(terminal: Terminal) -> None:
    terminal.send(QUIT)
    assert terminal.wait_exit() == 0


def test_two_joins_share_one_private_server_and_see_each_other_type(home: Home) -> None:
    ana = home.open("join", "notes", "--name", "ana")
    ana.wait_for("new room")
    ana.wait_for(SAVED)
    bo = home.open("join", "notes", "--name", "bo")
    both_saved(ana, bo)
    assert home.servers() == [home.server_pid()]

    ana.send("plain ascii\r")
    both_show(ana, bo, "plain ascii")
    bo.send("\x1b[1;5F日本語と한국어\r")  # Ctrl-End, then type
    both_show(ana, bo, "日本語と한국어")
    ana.send("\x1b[1;5Femoji 🙂🎉 e\u0301 n\u0303 x\u0323 end")
    both_show(ana, bo, "emoji 🙂🎉 e\u0301 n\u0303 x\u0323 end")
    both_saved(ana, bo)

    text = "plain ascii\n日本語と한국어\nemoji 🙂🎉 e\u0301 n\u0303 x\u0323 end"
    all_hold(text, ana, bo)
    home.wait_stored("notes", text, ana, bo)
    leave(ana)
    leave(bo)


def test_the_others_caret_carries_their_name_and_goes_with_them(home: Home) -> None:
    ana = home.open("join", "notes", "--name", "ana-anders")
    ana.wait_for(SAVED)
    bo = home.open("join", "notes", "--name", "bo-berg")
    both_saved(ana, bo)
    bo.send("first\rsecond\rthird")
    both_show(ana, bo, "third")
    bo.send("\x1b[A")
    ana.wait_for(lambda t: "bo-berg" in "\n".join(t.lines[:-2]), 10)
    leave(bo)
    ana.wait_for(lambda t: "bo-berg" not in t.text, 10)
    leave(ana)


def test_two_first_joins_at_the_same_instant_start_one_server(home: Home) -> None:
    ana = home.open("join", "notes", "--name", "ana")
    bo = home.open("join", "notes", "--name", "bo")
    both_saved(ana, bo, 30)
    ana.send("from-ana ")
    bo.send("from-bo ")
    both_show(ana, bo, "from-ana", "from-bo")
    # One that lost the race for the folder may still be on its way out.
    wait_until([ana, bo], lambda: home.servers() == [home.server_pid()], "a single server")


def test_keys_typed_before_the_room_is_there_are_not_lost(home: Home) -> None:
    ana = home.open("join", "notes")
    ana.wait_for(lambda t: 1049 in t.screen.modes)
    ana.send("typed early")
    ana.wait_for("typed early")
    ana.wait_for(SAVED)
    home.wait_stored("notes", "typed early", ana)


@pytest.mark.deadline(120)
def test_a_killed_server_stops_nobody_and_loses_nothing(home: Home) -> None:
    with Server(home) as server:
        ana = home.open("join", server.url("notes"), "--name", "ana")
        bo = home.open("join", server.url("notes"), "--name", "bo")
        both_saved(ana, bo)
        ana.send("together\r")
        both_show(ana, bo, "together")
        both_saved(ana, bo)

        server.kill()
        wait_until([ana, bo], lambda: "! offline" in ana.text and "! offline" in bo.text, "offline on both")
        ana.send("\x1b[1;5Fana-alone")
        bo.send("\x1b[1;5Fbo-alone-日")
        wait_until([ana, bo], lambda: shows(ana, "ana-alone") and shows(bo, "bo-alone-日"), "own text")
        wait_until(
            [ana, bo],
            lambda: all(re.search(_UNSAVED, terminal.text) for terminal in (ana, bo)),
            "how much is unsaved on both",
        )
        assert not shows(ana, "bo-alone") and not shows(bo, "ana-alone")

        server.start()
        both_saved(ana, bo, RECONNECT_DEADLINE_S)
        both_show(ana, bo, "together", "ana-alone", "bo-alone-日")
        ana.send(" again")
        both_show(ana, bo, "again")
        wait_until([ana, bo], lambda: "again" in home.stored_text("notes"), "it to be stored")
        stored = home.stored_text("notes")
        all_hold(stored, ana, bo)
        assert all(stored.count(text) == 1 for text in ("together", "ana-alone", "bo-alone-日", "again"))
        leave(ana)
        leave(bo)


@pytest.mark.deadline(120)
def test_a_private_server_that_dies_is_started_again_by_those_it_served(home: Home) -> None:
    ana = home.open("join", "notes", "--name", "ana")
    ana.wait_for(SAVED)
    bo = home.open("join", "notes", "--name", "bo")
    both_saved(ana, bo)
    ana.send("before ")
    both_show(ana, bo, "before")
    both_saved(ana, bo)
    first = home.server_pid()
    home.kill_server()
    ana.send("after ")
    both_show(ana, bo, "after", deadline_s=RECONNECT_DEADLINE_S)
    both_saved(ana, bo, RECONNECT_DEADLINE_S)
    assert home.server_pid() not in (None, first)
    assert home.stored_text("notes").count("before ") == home.stored_text("notes").count("after ") == 1


def test_what_was_typed_is_there_after_quitting_and_joining_again(home: Home) -> None:
    ana = home.open("join", "notes")
    ana.wait_for("new room")
    ana.send("kept for later" + QUIT)  # in one go: leaving waits for the receipt
    assert ana.wait_exit() == 0
    assert home.stored_text("notes") == "kept for later"
    again = home.open("join")
    again.wait_for("kept for later")
    again.wait_for(SAVED)
    leave(again)


def test_undo_takes_back_my_own_words_only(home: Home) -> None:
    ana = home.open("join", "notes", "--name", "ana")
    ana.wait_for(SAVED)
    bo = home.open("join", "notes", "--name", "bo")
    both_saved(ana, bo)
    ana.send("mine ")
    both_show(ana, bo, "mine")
    bo.send("\x1b[1;5Ftheirs")
    both_show(ana, bo, "mine theirs")
    ana.send("\x1a")
    wait_until([ana, bo], lambda: not shows(ana, "mine") and not shows(bo, "mine"), "the undo on both")
    both_show(ana, bo, "theirs")
    ana.send("\x19")
    both_show(ana, bo, "mine theirs")


def test_a_remote_text_cannot_steer_my_terminal(home: Home) -> None:
    hostile = (
        "start \x1b]0;pwned\x07 \x1b[31m \x9b5m \x1b]52;c;cHduZWQ=\x1b\\ \x1bP+q544e\x1b\\ \u202egnp.exe end"
    )
    with Server(home) as server:
        ana = home.open("join", server.url("notes"))
        ana.wait_for(SAVED)
        with Peer("notes", server.port, name="\x1b[31mevil\u202e") as peer:
            peer.insert(0, hostile)
            ana.wait_for(lambda t: "start" in t.text and "end" in t.text)
            ana.wait_for("pwned")  # drawn, as text
        ana.drain(0.2)
        written = bytes(ana.raw)
        for sequence in ("\x1b]0;pwned", "\x1b]52", "\x9b5m", "\x1bP+q544e", "\u202e"):
            assert sequence.encode() not in written
        leave(ana)


def test_a_paste_is_one_edit_and_brings_no_escapes(home: Home) -> None:
    ana = home.open("join", "notes")
    ana.wait_for(SAVED)
    ana.paste("one\ntwo\nthree")
    ana.wait_for(lambda t: document(t)[:3] == ["one", "two", "three"])
    home.wait_stored("notes", "one\ntwo\nthree", ana)
    ana.send("\x1a")
    ana.wait_for(lambda t: "one" not in t.text)


def test_a_resized_window_shows_all_of_its_text(home: Home) -> None:
    ana = home.open("join", "notes", columns=100, rows=24)
    ana.wait_for(SAVED)
    ana.send("here")
    ana.resize(60, 12)
    ana.wait_for(lambda t: "here" in t.text and SAVED in t.status)
    ana.resize(120, 40)
    ana.wait_for(lambda t: "here" in t.text and SAVED in t.status)
