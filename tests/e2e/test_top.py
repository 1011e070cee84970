"""`collab top` in a real terminal, on a real server with people who type."""

from __future__ import annotations

import re
import signal

from tests.e2e.home import Home
from tests.e2e.server import Server
from tests.e2e.terminal import wait_until
from tests.e2e.test_two_people import SAVED


def test_a_server_is_watched_while_people_type_and_while_it_is_gone(home: Home) -> None:
    with Server(home) as server:
        ana = home.open("join", server.url("notes"), "--name", "ana")
        ana.wait_for(SAVED)
        top = home.open("top", "--interval", "0.5", columns=80, rows=24)
        top.wait_for("✓ ready")
        top.wait_for("notes")
        ana.send("some words\r")
        ana.wait_for(SAVED)
        wait_until(
            [ana, top], lambda: re.search(r"receipt +[0-9.]+ ms, p99", top.text), "a receipt's latency", 15
        )
        top.send("\r")
        top.wait_for("notes: 1 connected")
        top.wait_for("ana")
        top.send("\x1b")
        top.wait_for("Enter Who")

        server.kill()
        top.wait_for("✗ figures")
        assert "notes" in top.text
        server.start()
        top.wait_for("✓ ready", 30)
        ana.wait_for(SAVED, 40)

        top.resize(40, 12)
        top.wait_for(lambda it: it.lines[-1].startswith(" ? Help") and len(it.lines) == 12)
        top.send("q")
        assert top.wait_exit() == 0
        assert top.attributes() == top.initial_attributes

        watched = home.open("top", "--no-ascii", env={"NO_COLOR": "1"})
        watched.wait_for("✓ ready")
        watched.signal(signal.SIGTERM)
        assert watched.wait_exit() == 128 + signal.SIGTERM
        assert "ended by SIGTERM" in watched.text
        ana.send("\x11")
        assert ana.wait_exit() == 0
