"""Tests of `collab_server.log_level`: how much is told can be changed while the server runs."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from collab_protocol.errors import CollabError
from collab_server.asked import Asked
from collab_server.log_level import LEVELS, level, requests, set_level


@pytest.fixture(autouse=True)
def _levels_as_before() -> Iterator[None]:
    loggers = [logging.getLogger(name) for name in (None, "collab_server", "collab_cli")]
    before = [each.level for each in loggers]
    yield
    for each, was in zip(loggers, before, strict=True):
        each.setLevel(was)


@pytest.mark.parametrize("name", LEVELS)
def test_a_level_is_what_it_was_set_to(name: str) -> None:
    set_level(name)
    assert level() == name
    assert logging.getLogger("collab_server.room").isEnabledFor(LEVELS[name])


def test_debugging_is_about_collab_alone() -> None:
    set_level("debug")
    assert not logging.getLogger("somebody.else").isEnabledFor(logging.DEBUG)
    assert logging.getLogger("collab_server.room").isEnabledFor(logging.DEBUG)


async def test_an_operator_asks_and_sets() -> None:
    do = requests()["log-level"]
    set_level("info")
    assert await do(Asked({"do": "log-level"})) == {"level": "info", "before": "info"}
    assert await do(Asked({"do": "log-level", "level": "error"})) == {"level": "error", "before": "info"}
    assert not logging.getLogger("collab_server").isEnabledFor(logging.WARNING)
    with pytest.raises(CollabError, match="'loud' is no level of the log: use debug, info, warning, error"):
        await do(Asked({"do": "log-level", "level": "loud"}))
    assert level() == "error"
