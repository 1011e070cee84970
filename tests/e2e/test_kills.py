"""kill -9, twenty of each kind: what was said to be saved or kept arrives, once.

Longer ones: python -m tests.e2e.kills --server 200 --client 200
"""

from __future__ import annotations

import signal
from typing import Final

import pytest

from tests.e2e.home import Home
from tests.e2e.kills import kill_servers, kill_writers
from tests.e2e.server import Server
from tests.e2e.terminal import wait_until

pytestmark = pytest.mark.campaign

_KILLS: Final = 20


@pytest.mark.deadline(150)
@pytest.mark.parametrize("seed", [1])
def test_a_server_that_is_killed_loses_and_doubles_nothing(hard_deadline: None, seed: int) -> None:
    tally = kill_servers(_KILLS, seed)
    assert tally.arrived == tally.typed == tally.promised


@pytest.mark.deadline(150)
@pytest.mark.parametrize("seed", [2])
def test_a_writer_that_is_killed_loses_and_doubles_nothing_it_promised(
    hard_deadline: None, seed: int
) -> None:
    tally = kill_writers(_KILLS, seed)
    assert tally.promised <= tally.arrived


def test_a_window_that_is_killed_offline_brings_its_text_back(home: Home) -> None:
    with Server(home) as server:
        ana = home.open("join", server.url("notes"))
        ana.wait_for("✓ saved")
        ana.send("shared, ")
        wait_until([ana], lambda: home.stored_text("notes") == "shared, ", "it to be stored")
        ana.wait_for("✓ saved")
        server.kill()
        ana.wait_for("! offline")
        ana.send("and kept")
        ana.wait_for(f"{len('and kept')} changes kept on this machine")
        ana.signal(signal.SIGKILL)
        assert ana.wait_exit() == -signal.SIGKILL

        again = home.open("join", server.url("notes"))
        again.wait_for("shared, and kept")
        again.wait_for("! offline")
        again.send("\x1b[1;5F, twice")
        again.wait_for(f"{len('and kept, twice')} changes kept on this machine")
        again.signal(signal.SIGKILL)
        assert again.wait_exit() == -signal.SIGKILL

        server.start()
        third = home.open("join", server.url("notes"))
        third.wait_for("✓ saved")
        third.wait_for("shared, and kept, twice")
        assert home.stored_text("notes") == "shared, and kept, twice"
