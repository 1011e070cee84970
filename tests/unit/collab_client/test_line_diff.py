from __future__ import annotations

from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collab_client import stretches as stretches_module
from collab_client.line_diff import LineDiff
from collab_client.lines import Lines
from collab_client.stretches import Side, Stretch, Stretches

edits = st.tuples(
    st.floats(0, 1),
    st.floats(0, 0.3),
    st.sampled_from(["", "x", "\n", "x\n", "\nx", "a\nb", "a\n\nb\n"]),
    st.sampled_from([Side.MINE, Side.THEIRS]),
)
texts = st.text("ab\n\n\n", max_size=60)


def edit(lines: Lines, diff: LineDiff, share: float, length: float, text: str, side: Side) -> None:
    size = lines.size_utf8
    start = lines.position(round(share * size))
    end = lines.position(min(size, round((share + length) * size)))
    new_end = lines.replace(start, end, text)
    diff.change(start.row, end.row + 1, new_end.row + 1, side)


def undone(stretches: list[Stretch], after: list[str], before: list[str]) -> list[str]:
    """Return the lines of before, as far as they stand outside of the stretches, and those they replaced."""
    rebuilt: list[str] = []
    row = 0
    for stretch in stretches:
        assert stretch.first >= row
        assert not stretch.is_nothing
        rebuilt += after[row : stretch.first]
        rebuilt += before[len(rebuilt) : len(rebuilt) + stretch.was]
        row = stretch.end
    assert row <= len(after)
    return rebuilt + after[row:]


@pytest.mark.parametrize("most", [3, 2_000])
@settings(max_examples=300)
@given(text=texts, script=st.lists(edits, max_size=25))
def test_what_lies_outside_of_the_stretches_is_as_it_was(
    most: int, text: str, script: list[tuple[float, float, str, Side]]
) -> None:
    with patch.object(stretches_module, "MOST", most):
        lines = Lines(text)
        before = text.split("\n")
        diff = LineDiff(lines)
        for step in script:
            edit(lines, diff, *step)
        after = lines.text().split("\n")
        stretches = list(diff.stretches)
        assert undone(stretches, after, before) == before
        grown = 0
        for stretch in stretches:
            assert stretch.alike <= min(stretch.rows, stretch.was)
            was_first = stretch.first - grown
            grown += stretch.rows - stretch.was
            if stretch.rows and stretch.was and not stretch.alike:
                assert after[stretch.first] != before[was_first]
                assert after[stretch.end - 1] != before[was_first + stretch.was - 1]


@settings(max_examples=200)
@given(
    st.lists(st.integers(0, 40), min_size=1, max_size=8, unique=True),
    st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), max_size=12),
)
def test_between_finds_what_touches_on_either_side_of_the_gap(
    firsts: list[int], asked: list[tuple[int, int]]
) -> None:
    stretches = Stretches(50)
    for first in sorted(firsts):
        stretches.put(Stretch(2 * first // 2, first % 2, 1, Side.THEIRS))
    all_of_them = [(each.first, each.end) for each in stretches]
    for one, other in asked:
        start, end = min(one, other), max(one, other)
        for stretch in stretches.take(end, end):
            stretches.put(stretch)
        expected = [(first, behind) for first, behind in all_of_them if first <= end and behind >= start]
        assert [(first, first + s.rows) for first, s in stretches.between(start, end)] == expected
