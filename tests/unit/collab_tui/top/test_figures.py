"""What a server says is taken as a whole or not at all, whoever the server is."""

from __future__ import annotations

import math
from typing import Any

import pytest

from collab_tui.top.figures import Figures, FiguresError, Spread, parse_people
from tests.unit.collab_tui.top.played import figures, person, room


def test_an_answer_as_values() -> None:
    said = Figures.parse(figures(rooms=[room("notes", people=4)], updates=7))
    assert (said.version, said.pid, said.is_ready, said.rooms_stored) == ("0.9.0", 4711, True, 1203)
    assert said.counters["collab_updates_total"] == 7
    assert said.stall == Spread(0.0001, 0.0021, 0.12)
    assert (said.rooms[0].room, said.rooms[0].people) == ("notes", 4)


def test_what_a_server_may_not_know() -> None:
    unknown = {"p50": None, "p99": None}
    said = Figures.parse(
        figures(rooms_stored=None, store_bytes=None, free_bytes=None, receipt_s=None, commit_s=unknown)
    )
    assert (said.rooms_stored, said.store_bytes, said.free_bytes) == (None, None, None)
    assert said.receipt == said.commit == Spread()


def test_numbers_are_not_believed_to_be_small() -> None:
    huge = 10**400
    said = Figures.parse(
        figures(rooms=[room("notes", people=huge)], updates=huge, memory_bytes=huge, now=1e300, up_s=huge)
    )
    assert (said.memory_bytes, said.now, said.up_s) == (10**18, 1e18, 1e18)
    assert (said.counters["collab_updates_total"], said.rooms[0].people) == (1e18, 10**18)


def test_names_are_not_believed_to_be_short() -> None:
    said = Figures.parse(figures(rooms=[room("x" * 100_000)] * 600, version="v" * 100_000))
    assert len(said.rooms) == 500
    assert len(said.rooms[0].room) < 1000
    assert len(said.version) < 1000


@pytest.mark.parametrize(
    "wrong",
    [
        {"pid": "4711"},
        {"pid": True},
        {"cpu_s": math.nan},
        {"cpu_s": math.inf},
        {"up_s": None},
        {"memory_bytes": -1},
        {"memory_bytes": None},
        {"version": None},
        {"counters": []},
        {"counters": {"collab_updates_total": "7"}},
        {"receipt_s": 3},
        {"rooms": 3},
        {"rooms": [3]},
        {"rooms": [{}]},
        {"rooms": [room("notes", people=None)]},
    ],
)
def test_an_answer_of_another_shape_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(FiguresError, match="make no sense: upgrade collab"):
        Figures.parse(figures() | wrong)


def test_an_answer_that_lacks_something_is_refused() -> None:
    for name in figures():
        lacking = figures()
        del lacking[name]
        with pytest.raises(FiguresError):
            Figures.parse(lacking)


def test_huge_numbers_are_numbers() -> None:
    assert Figures.parse(figures(memory_bytes=10**300)).memory_bytes == 10**18


def test_people_as_values() -> None:
    ana, bo = parse_people({"people": [person("ana"), person("bo", activity=None, round_trip_ms=None)]})
    assert (ana.name, ana.role, ana.activity, ana.round_trip_s) == ("ana", "write", "active", 0.041)
    assert (bo.activity, bo.round_trip_s) == ("", None)


@pytest.mark.parametrize("wrong", [{}, {"people": 3}, {"people": [3]}, {"people": [{"name": "ana"}]}])
def test_people_of_another_shape_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(FiguresError):
        parse_people(wrong)
