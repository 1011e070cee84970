"""The columns of the table: which there is room for, and how rooms are sorted."""

from __future__ import annotations

import pytest

from collab_tui.top import columns
from collab_tui.top.columns import Sort, fitting, in_order
from collab_tui.top.figures import Figures
from collab_tui.top.rates import Rates, RoomRates
from tests.unit.collab_tui.top.played import figures, room

ROOMS = Figures.parse(
    figures(
        rooms=[
            room("b", people=3, lagging=0, text_bytes=10, oldest_unsettled_s=2),
            room("A", people=3, lagging=2, text_bytes=30),
            room("c", people=9, lagging=1, text_bytes=20),
        ]
    )
).rooms
RATES = Rates(rooms={"b": RoomRates(5, 1), "c": RoomRates(2, 9)})


@pytest.mark.parametrize(
    ("sort", "order"),
    [
        (Sort.NAME, "Abc"),
        (Sort.UPDATES, "bcA"),
        (Sort.PEOPLE, "cAb"),
        (Sort.LAGGING, "Acb"),
        (Sort.SIZE, "Acb"),
        (Sort.BYTES, "cbA"),
        (Sort.WAIT, "bAc"),
    ],
)
def test_the_largest_comes_first_and_equal_ones_by_name(sort: Sort, order: str) -> None:
    assert "".join(each.room for each in in_order(ROOMS, RATES, sort, is_reversed=False)) == order


def test_the_other_way_round_equal_ones_stay_by_name() -> None:
    assert "".join(each.room for each in in_order(ROOMS, RATES, Sort.PEOPLE, is_reversed=True)) == "Abc"
    assert "".join(each.room for each in in_order(ROOMS, RATES, Sort.NAME, is_reversed=True)) == "cbA"


@pytest.mark.parametrize("width", [1, 10, 38, 78, 118, 300])
def test_columns_and_names_fit(width: int) -> None:
    name, shown = fitting(width)
    assert name >= 1
    assert name + sum(columns.GAP + each.cells for each in shown) <= max(width, 1)


def test_a_wider_window_only_adds_columns() -> None:
    before: set[str] = set()
    for width in range(1, 200):
        shown = {each.title for each in fitting(width)[1]}
        assert shown >= before
        before = shown
    assert before == {each.title for each in columns.ALL}


def test_small_windows_keep_what_matters() -> None:
    assert [each.title for each in fitting(38)[1]] == ["people", "upd/s", "lag"]


def test_heads_fit_their_columns_with_the_arrow() -> None:
    assert all(len(each.title) + (each.sort is not None) <= each.cells for each in columns.ALL)
