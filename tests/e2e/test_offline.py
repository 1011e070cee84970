"""Text that no server has yet, in real terminals: on a train, in a room not yet there, after a disaster."""

from __future__ import annotations

import json
import shutil
import signal
import socket
import subprocess
from typing import Final

import pytest

from tests.e2e.home import COMMAND_DEADLINE_S, Home, collab_command
from tests.e2e.peer import Peer
from tests.e2e.server import Server
from tests.e2e.terminal import Terminal, wait_until

SAVED: Final = "✓ saved"
RECONNECT_DEADLINE_S: Final = 40.0
QUIT: Final = "\x11"


def status(home: Home) -> list[dict[str, object]]:
    """Return what `collab status --json` says."""
    done = subprocess.run(
        [*collab_command(), "status", "--json"],
        env=home.env,
        capture_output=True,
        text=True,
        timeout=COMMAND_DEADLINE_S,
        check=True,
    )
    found: list[dict[str, object]] = json.loads(done.stdout)
    return found


def leave(terminal: Terminal, code: int = 0) -> None:
    terminal.send(QUIT)
    if code:
        terminal.wait_for("y / n")
        terminal.send("y")
    assert terminal.wait_exit() == code


@pytest.mark.deadline(120)
def test_what_was_typed_on_a_train_outlives_the_terminal_and_goes_up_later(home: Home) -> None:
    with Server(home) as server:
        url = server.url("notes")
        ana = home.open("join", url, "--name", "ana")
        ana.wait_for(SAVED)
        ana.send("at the station\r")
        wait_until([ana], lambda: "station" in home.stored_text("notes"), "it to be stored")
        ana.wait_for(SAVED)
        server.kill()
        ana.wait_for("! offline")
        ana.send("on the train")
        ana.wait_for("12 changes kept on this machine")
        ana.signal(signal.SIGKILL)
        assert ana.wait_exit() == -signal.SIGKILL

        (left,) = status(home)
        assert (left["room"], left["changes"]) == ("notes", 12)

        again = home.open("join", url, "--name", "ana")
        again.wait_for("on the train")
        again.wait_for("12 changes kept on this machine")
        again.send(", still")
        again.wait_for("19 changes kept on this machine")
        server.start()
        again.wait_for(SAVED, RECONNECT_DEADLINE_S)
        assert status(home) == []
        with Peer("notes", server.port) as reader:
            # The new window's caret stands at the start of the text.
            assert reader.text == ", stillat the station\non the train"
        leave(again)


def test_offline_leaves_the_network_alone(home: Home) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setblocking(False)
        url = f"ws://127.0.0.1:{listening.getsockname()[1]}/notes"
        ana = home.open("join", url, "--offline")
        ana.wait_for("! offline")
        ana.send("alone")
        ana.wait_for("5 changes kept on this machine")
        ana.send("\x1b[15~")  # F5
        leave(ana, code=5)
        assert str(home.path / "state" / "journals") in ana.raw.decode("utf-8", "replace")
        with pytest.raises(BlockingIOError):
            listening.accept()
    assert [(each["room"], each["changes"]) for each in status(home)] == [("notes", 5)]


@pytest.mark.deadline(120)
def test_a_room_begun_offline_is_merged_into_the_one_that_others_began(home: Home) -> None:
    with Server(home) as server:
        ana = home.open("join", server.url("notes"), "--offline")
        ana.wait_for("! offline")
        ana.send("ana was here\r")
        ana.wait_for("13 changes kept on this machine")
        leave(ana, code=5)
        with Peer("notes", server.port) as bo:
            bo.append("bo was here\n")
            again = home.open("join", server.url("notes"))
            again.wait_for("the room already existed; your text was added")
            again.wait_for(SAVED)
            bo.wait_for("ana was here\n")
            assert sorted(bo.text.splitlines()) == ["ana was here", "bo was here"]
            leave(again)


@pytest.mark.deadline(120)
def test_a_room_made_anew_is_not_mixed_with_the_text_of_before(home: Home) -> None:
    with Server(home) as server:
        ana = home.open("join", server.url("notes"), columns=200)
        ana.wait_for(SAVED)
        ana.send("of before")
        wait_until([ana], lambda: "of before" in home.stored_text("notes"), "it to be stored")
        ana.wait_for(SAVED)
        server.kill()
        ana.wait_for("! offline")
        ana.send(", and more")
        ana.wait_for("10 changes kept on this machine")
        for file in home.data.glob("rooms.sqlite3*"):
            file.unlink()
        server.start()
        ana.wait_for("the room was made anew: your text of before is in", RECONNECT_DEADLINE_S)
        ana.wait_for(SAVED)
        wait_until([ana], lambda: "of before, and more" not in ana.text, "the text of before to go")
        (copy,) = (home.path / "state" / "copies").iterdir()
        assert copy.read_text() == "of before, and more"
        assert copy.stat().st_mode & 0o077 == 0
        ana.send("new")
        with Peer("notes", server.port) as reader:
            reader.wait_for("new")
            assert reader.text == "new"
        leave(ana)
        assert str(copy) in ana.raw.decode("utf-8", "replace").rpartition("\x1b[?1049l")[2]


@pytest.mark.deadline(120)
def test_a_server_that_comes_back_from_a_backup_gets_the_lost_text_again_once(home: Home) -> None:
    with Server(home) as server:
        ana = home.open("join", server.url("notes"))
        ana.wait_for(SAVED)
        ana.send("kept by the backup\r")
        wait_until([ana], lambda: "backup" in home.stored_text("notes"), "it to be stored")
        ana.wait_for(SAVED)
        server.stop()
        backup = home.path / "backup"
        shutil.copytree(home.data, backup)
        server.start()
        ana.wait_for(SAVED, RECONNECT_DEADLINE_S)
        ana.send("after it")
        wait_until([ana], lambda: "after it" in home.stored_text("notes"), "it to be stored")
        ana.wait_for(SAVED)
        server.kill()
        ana.wait_for("! offline")
        for file in home.data.glob("rooms.sqlite3*"):
            file.unlink()
        for file in backup.glob("rooms.sqlite3*"):
            shutil.copy(file, home.data)
        server.start()
        ana.wait_for(SAVED, RECONNECT_DEADLINE_S)
        wait_until([ana], lambda: home.stored_text("notes").count("after it") == 1, "it to be stored again")
        with Peer("notes", server.port) as reader:
            assert reader.text == "kept by the backup\nafter it"
        leave(ana)
