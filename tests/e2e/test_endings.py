"""Whatever ends `collab`: the terminal is given back, one line says why, the exit code too."""

from __future__ import annotations

import os
import signal
import socket
from pathlib import Path
from typing import Final

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin, Subprotocol

from collab_protocol.versions import SUBPROTOCOL
from tests.e2e.home import Home
from tests.e2e.server import Server
from tests.e2e.terminal import Terminal

_SAVED: Final = "✓ saved"

_CRASH_ON_SIGNAL: Final = """
import signal


def fail_from_now_on(*_):
    from collab_tui.widgets.editor import Editor

    def render_line(self, y):
        raise RuntimeError("provoked")

    Editor.render_line = render_line


signal.signal(signal.SIGUSR1, fail_from_now_on)
"""


def assert_given_back(terminal: Terminal) -> None:
    """The terminal is as the program found it: normal screen, cursor, no mouse, line discipline."""
    assert terminal.screen.modes == {7, 25}
    assert terminal.attributes() == terminal.initial_attributes
    pushed, popped = terminal.raw.count(b"\x1b[>1u"), terminal.raw.count(b"\x1b[<u")
    assert popped >= pushed


def last_words(terminal: Terminal) -> str:
    """Return what was written after the normal screen came back."""
    return terminal.raw.rpartition(b"\x1b[?1049l")[2].decode()


def test_quitting_gives_the_terminal_back(home: Home) -> None:
    ana = home.open("join", "notes")
    ana.wait_for(_SAVED)
    assert 1049 in ana.screen.modes
    ana.send("\x11")
    assert ana.wait_exit() == 0
    assert_given_back(ana)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_gives_the_terminal_back_and_keeps_the_text(home: Home, number: signal.Signals) -> None:
    ana = home.open("join", "notes")
    ana.wait_for(_SAVED)
    ana.send("ł")
    ana.wait_raw("ł".encode(), 0)
    ana.signal(number)  # before the receipt can have come
    assert ana.wait_exit() == 128 + number
    assert_given_back(ana)
    assert home.stored_text("notes") == "ł"


def test_a_crash_gives_the_terminal_back_and_names_the_log(home: Home) -> None:
    hook = home.path / "hook"
    hook.mkdir()
    (hook / "sitecustomize.py").write_text(_CRASH_ON_SIGNAL)
    paths = [str(hook), *filter(None, [home.env.get("PYTHONPATH")])]
    ana = home.open("join", "notes", env={"PYTHONPATH": os.pathsep.join(paths)})
    ana.wait_for(_SAVED)
    ana.signal(signal.SIGUSR1)
    ana.send("x")
    ana.resize(80, 20)
    assert ana.wait_exit() == 1
    assert_given_back(ana)
    words = last_words(ana)
    (log,) = (home.path / "state" / "logs").glob("client.log")
    assert str(log) in words.replace("\r\n", "")
    assert "Traceback" not in words
    assert "provoked" in log.read_text()


def test_quitting_offline_says_what_is_kept_and_where(home: Home) -> None:
    with Server(home) as server:
        ana = home.open("join", server.url("notes"))
        ana.wait_for(_SAVED)
        server.kill()
        ana.wait_for("! offline")
        ana.send("never saved")
        ana.wait_for("11 changes kept on this machine")
        ana.send("\x11")
        ana.wait_for("Quit with 11 unsaved changes?")
        ana.send("n")
        ana.wait_for("! offline")
        ana.send("!\x11")
        ana.wait_for("Quit with 12 unsaved changes?")
        ana.send("y")
        assert ana.wait_exit() == 5
        assert_given_back(ana)
        assert f"12 changes in notes are kept in {home.path}/state/journals" in last_words(ana)


def test_a_terminal_window_that_is_closed_ends_the_program(home: Home) -> None:
    ana = home.open("join", "notes")
    ana.wait_for(_SAVED)
    ana.send("ł")
    ana.wait_raw("ł".encode(), 0)
    ana.hang_up()
    assert ana.wait_exit() == 128 + signal.SIGHUP
    assert home.stored_text("notes") == "ł"


def test_quitting_before_the_room_is_there_loses_no_key(home: Home) -> None:
    ana = home.open("join", "notes")
    ana.wait_for(lambda t: 1049 in t.screen.modes)
    ana.send("typed early\x11")
    assert ana.wait_exit() == 0
    assert home.stored_text("notes") == "typed early"


def test_a_mistake_is_answered_with_one_line_and_code_2(home: Home) -> None:
    for arguments in (
        ("join", "no/such name"),
        ("join", ".."),
        ("join", "notes"),  # there is no terminal
        ("join", "http://127.0.0.1/notes"),
        ("join", "--no-such-flag"),
        ("no-such-command",),
        ("serve", "--port", "8765"),  # without --insecure
        ("serve", "--port", "8765", "--insecure", "--host", "0.0.0.0"),
    ):
        ended = home.run(*arguments)
        assert (ended.returncode, ended.stdout) == (2, ""), arguments
        assert ended.stderr.startswith("collab: "), arguments
        assert ended.stderr.count("\n") == 1, arguments


def test_a_bad_room_name_is_refused_before_the_screen_is_touched(home: Home) -> None:
    ana = home.open("join", "a b")
    assert ana.wait_exit() == 2
    assert b"\x1b" not in ana.raw
    assert "cannot name a room" in ana.text


def test_a_window_that_is_too_small_is_refused(home: Home) -> None:
    ana = home.open("join", "notes", columns=20, rows=5)
    assert ana.wait_exit() == 2
    assert b"\x1b[?1049h" not in ana.raw


def test_nothing_at_an_address_is_code_4(home: Home) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, but nobody listens
        port = taken.getsockname()[1]
        ana = home.open("join", f"ws://127.0.0.1:{port}/notes")
        assert ana.wait_exit() == 4
    assert_given_back(ana)
    assert last_words(ana).strip().count("\n") == 0
    assert f"127.0.0.1:{port}" in last_words(ana)


def test_a_port_or_folder_that_is_taken_is_code_3(home: Home) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        ended = home.run("serve", "--port", str(port), "--insecure")
        assert (ended.returncode, ended.stdout) == (3, "")
        said = [line for line in ended.stderr.splitlines() if line.startswith("collab: ")]
        assert len(said) == 1 and str(port) in said[0]
        assert "Traceback" not in ended.stderr
    with Server(home):
        ended = home.run("serve")
        assert (ended.returncode, ended.stdout) == (3, "")
        assert "Traceback" not in ended.stderr
        assert str(home.server_pid()) in ended.stderr


def test_a_web_page_cannot_open_a_room(home: Home) -> None:
    with Server(home) as server:
        with pytest.raises(InvalidStatus) as refused:
            connect(
                f"ws://127.0.0.1:{server.port}/rooms/notes",
                subprotocols=[Subprotocol(SUBPROTOCOL)],
                origin=Origin("http://127.0.0.1"),
                proxy=None,
            )
        assert refused.value.response.status_code == 403


def test_a_server_told_to_stop_keeps_what_it_acknowledged(home: Home) -> None:
    with Server(home) as server:
        ana = home.open("join", server.url("notes"))
        ana.wait_for(_SAVED)
        ana.send("acknowledged")
        home.wait_stored("notes", "acknowledged", ana)
        assert server.stop() == 128 + signal.SIGTERM
        assert home.stored_text("notes") == "acknowledged"
        ana.wait_for("! offline")


def test_collab_alone_shows_what_to_type(home: Home) -> None:
    ended = home.run()
    assert ended.returncode == 0
    assert "collab join notes" in ended.stdout
    assert home.run("--version").stdout.startswith("collab ")
    assert list(Path(home.path).iterdir()) == []
