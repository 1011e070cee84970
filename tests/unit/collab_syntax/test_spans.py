"""Nested spans become runs of rows."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from collab_syntax.kinds import Kind
from collab_syntax.spans import Span, flatten, rows_of

KINDS = [Kind.NONE, Kind.COMMENT, Kind.STRING, Kind.NUMBER]


@st.composite
def nested(draw: st.DrawFn, start: int = 0, end: int = 30, depth: int = 0) -> list[Span]:
    """Draw spans each of which lies in another or beside it."""
    spans: list[Span] = []
    at = start
    while at < end and depth < 4 and draw(st.booleans()):
        first = draw(st.integers(at, end - 1))
        last = draw(st.integers(first + 1, end))
        spans.append(
            (first, last, draw(st.integers(depth * 10, depth * 10 + 9)), draw(st.sampled_from(KINDS)))
        )
        spans += draw(nested(first, last, depth + 1))
        at = last
    return spans


@given(nested(), st.integers(0, 30), st.integers(0, 30))
def test_each_byte_has_the_kind_of_the_innermost_span(spans: list[Span], start: int, end: int) -> None:
    expected = [Kind.NONE] * 30
    for first, last, _, kind in sorted(spans, key=lambda span: (span[0] - span[1], span[2])):
        expected[first:last] = [kind] * (last - first)
    found = [Kind.NONE] * 30
    at = start
    for first, last, kind in flatten(spans, start, end):
        assert at <= first < last <= end
        assert kind is not Kind.NONE
        found[first:last] = [kind] * (last - first)
        at = last
    assert found[start:end] == expected[start:end]


@given(nested(), st.text(st.sampled_from("aé€😀\n"), min_size=30, max_size=30))
def test_runs_count_code_points_and_end_with_their_rows(spans: list[Span], text: str) -> None:
    content = text.encode()
    offsets = [len(text[:column].encode()) for column in range(31)]
    spans = [(offsets[first], offsets[last], rank, kind) for first, last, rank, kind in spans]
    rows = rows_of(content, flatten(spans, 0, len(content)), 0)
    by_byte = {at: kind for first, last, kind in flatten(spans, 0, len(content)) for at in range(first, last)}
    at = 0
    for line, runs in zip(text.split("\n"), rows, strict=True):
        kinds = [kind for column in range(len(line)) for start, end, kind in runs if start <= column < end]
        expected = [by_byte.get(at + len(line[:column].encode()), Kind.NONE) for column in range(len(line))]
        assert kinds == [kind for kind in expected if kind is not Kind.NONE]
        assert all(first[1] < then[0] or first[2] != then[2] for first, then in itertools.pairwise(runs))
        at += len(line.encode()) + 1
