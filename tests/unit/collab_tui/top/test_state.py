"""What is known, which of it is shown, and where a person is in it."""

from __future__ import annotations

from collab_tui.top.columns import Sort
from collab_tui.top.figures import Figures, parse_people
from collab_tui.top.rates import Measure
from collab_tui.top.state import Page, TopState
from tests.unit.collab_tui.top.played import figures, person, room


def hear(state: TopState, at: float, *names: str, updates: float = 0) -> None:
    rooms = [room(name, people=9 - n) for n, name in enumerate(names)]
    state.heard(Figures.parse(figures(rooms=rooms, updates=updates)), at, "14:03:22")


def names(state: TopState) -> list[str]:
    return [each.room for each in state.rooms()]


def test_rates_are_those_of_the_time_between() -> None:
    state = TopState()
    hear(state, 10, updates=0)
    hear(state, 14, updates=100)
    assert state.latest is not None
    assert state.latest.rates.of(Measure.UPDATES) == 25


def test_figures_grow_old() -> None:
    state = TopState(interval_s=2)
    assert not state.is_old(100)
    hear(state, 100)
    assert not state.is_old(104)
    assert state.is_old(105)
    hear(state, 105)
    state.failed("the server is gone")
    assert state.is_old(105)
    hear(state, 106)
    assert not state.is_old(106)
    assert state.trouble == ""


def test_a_pause_holds_what_is_shown_and_not_what_is_known() -> None:
    state = TopState()
    hear(state, 1, "a")
    state.toggle_pause()
    hear(state, 2, "b")
    assert names(state) == ["a"]
    assert state.latest is not None
    assert state.latest.at == 2
    state.toggle_pause()
    assert names(state) == ["b"]


def test_a_filter_finds_names_and_ids() -> None:
    state = TopState()
    hear(state, 1, "Notes", "plan")
    state.filter = "NOT"
    assert names(state) == ["Notes"]
    state.filter = "1a2b"
    assert names(state) == ["Notes", "plan"]
    state.filter = "nowhere"
    assert names(state) == []
    state.move(1)
    assert not state.open_room()


def test_whoever_chose_a_room_stays_with_it() -> None:
    state = TopState()
    state.sort = Sort.PEOPLE
    hear(state, 1, "a", "b", "c")
    state.move(1)
    hear(state, 2, "c", "a", "b")
    assert state.chosen == "b"
    assert state.chosen_at(state.rooms()) == 2
    state.move(5)
    assert state.chosen == "b"
    hear(state, 3, "c", "a")
    assert state.chosen_at(state.rooms()) == 0


def test_the_first_row_is_whichever_room_is_first() -> None:
    state = TopState()
    state.sort = Sort.PEOPLE
    hear(state, 1, "a", "b")
    hear(state, 2, "b", "a")
    assert state.chosen_at(state.rooms()) == 0
    state.move(1)
    state.move(-1)
    hear(state, 3, "a", "b")
    assert state.chosen_at(state.rooms()) == 0


def test_the_same_sort_again_is_the_other_way_round() -> None:
    state = TopState()
    state.sort_by(Sort.NAME)
    assert not state.is_reversed
    state.sort_by(Sort.NAME)
    assert state.is_reversed
    state.sort_by(Sort.NAME)
    assert not state.is_reversed
    state.sort_by(Sort.NAME)
    state.sort_by(Sort.PEOPLE)
    assert not state.is_reversed


def test_people_of_another_room_come_too_late() -> None:
    state = TopState()
    hear(state, 1, "a")
    assert state.open_room()
    assert state.page is Page.PEOPLE
    people = parse_people({"people": [person("bo"), person("Ana")]})
    state.heard_people("b", people)
    assert state.people is None
    state.heard_people("a", people)
    assert state.people is not None
    assert [each.name for each in state.people] == ["Ana", "bo"]


def test_intervals() -> None:
    state = TopState(interval_s=1.0)
    state.change_interval(-1)
    assert state.interval_s == 0.5
    state.change_interval(-1)
    assert state.interval_s == 0.5
    for _ in range(20):
        state.change_interval(1)
    assert state.interval_s == 60
