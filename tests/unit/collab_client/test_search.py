from __future__ import annotations

import random
import re
import sys
import unicodedata
from collections.abc import Iterator
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collab_client import clusters, matching
from collab_client import search as module
from collab_client.buffer import Buffer, Change
from collab_client.lines import Lines, Position
from collab_client.matching import folded
from collab_client.search import BadPattern, Query, Search, SlowPattern, compile_query
from collab_protocol.text import Replica

Span = tuple[Position, Position]

texts = st.text("aaAbB_ .\n\n", max_size=60)
literals = st.builds(
    Query, st.text("aAb_ .", min_size=1, max_size=2), match_case=st.booleans(), whole_word=st.booleans()
)
regexes = st.builds(
    Query,
    st.sampled_from(["a+", "(a)(b)?", "^a", "b$", "a|ab", "a*", r"\w+", r"\ba", "(?r)ab|b", "[^a]+"]),
    match_case=st.booleans(),
    is_regex=st.just(True),
)
queries = literals | regexes


@pytest.fixture(autouse=True, scope="module", params=[(2, 1, -1.0), (4, 3, -1.0), (128, 8, 1.0)])
def _chunk_rows(request: pytest.FixtureRequest) -> Iterator[None]:
    rows, at_once, step_s = request.param
    with (
        patch.multiple(module, _CHUNK_ROWS=rows, _AT_ONCE_ROWS=at_once),
        patch.multiple(matching, STEP_S=step_s),  # a regular expression's step is one row, or all
    ):
        yield


def spans(line: str, text: str, **options: bool) -> list[tuple[int, int]]:
    return compile_query(Query(text, **options)).spans(line)


def once(search: Search) -> bool:
    return search.run(lambda: False)


def finished(search: Search) -> Search:
    while not once(search):
        pass
    return search


def naive_pattern(query: Query) -> re.Pattern[str]:
    """The same with the standard library, for ASCII."""
    source = query.text.removeprefix("(?r)") if query.is_regex else re.escape(query.text)
    if query.whole_word:
        source = rf"(?!(?<=\w)\w){source}(?!(?<=\w)\w)"
    return re.compile(source, 0 if query.match_case else re.IGNORECASE)


def naive(text: str, query: Query, scope: Span | None) -> list[Span]:
    return [
        span
        for row, line in enumerate(text.split("\n"))
        for match in naive_pattern(query).finditer(line)
        for span in [(Position(row, match.start()), Position(row, match.end()))]
        if match[0] and (scope is None or (scope[0] <= span[0] and span[1] <= scope[1]))
    ]


def check(search: Search, lines: Lines, query: Query) -> None:
    """Compare a finished search with a fresh look at the text."""
    wanted = naive(lines.text(), query, search.scope)
    assert search.is_complete and not search.is_slow
    assert search.total == len(wanted)
    assert [search.index_of(span) for span in wanted] == list(range(1, len(wanted) + 1))
    rows = lines.row_count
    for row in range(rows):
        columns = [(start.column, end.column) for start, end in wanted if start.row == row]
        assert search.in_row(row) == columns
    for buckets in (1, 3, 2 * rows):
        assert search.marks(buckets) == {start.row * buckets // rows for start, _ in wanted}


def place(text: str, at: int) -> Position:
    return Position(text.count("\n", 0, at), at - (text.rfind("\n", 0, at) + 1))


def gives_up_running(search: Search) -> None:
    assert search.run(lambda: True)


def gives_up_looking(search: Search) -> None:
    assert search.next_after(Position(0, 0)) is None
    assert search.previous_before(Position(0, 0)) is None


def gives_up_drawing(search: Search) -> None:
    assert search.in_row(1) == []
    assert search.in_row(0) == []  # not even tried


def scope_in(text: str, data: st.DataObject) -> Span | None:
    if data.draw(st.booleans()):
        return None
    start, end = sorted(data.draw(st.tuples(*[st.integers(0, len(text))] * 2)))
    return place(text, start), place(text, end)


@settings(max_examples=300)
@given(texts, queries, st.data())
def test_a_search_in_a_text_that_is_edited_equals_a_fresh_one(
    text: str, query: Query, data: st.DataObject
) -> None:
    lines = Lines(text)
    search = Search(lines, compile_query(query), scope_in(text, data))
    for _ in range(data.draw(st.integers(0, 8))):
        for _ in range(data.draw(st.integers(0, 4))):
            once(search)
        if data.draw(st.booleans()):
            search.next_after(place(text, data.draw(st.integers(0, len(text)))))
        start, end = sorted(data.draw(st.tuples(*[st.integers(0, len(text))] * 2)))
        inserted = data.draw(texts)
        first, last = place(text, start), place(text, end)
        new_end = lines.replace(first, last, inserted)
        text = text[:start] + inserted + text[end:]
        search.splice(first.row, last.row, new_end.row)
        for row in range(lines.row_count):  # what is drawn is right before it is counted
            wanted = [span for span in naive(text, query, search.scope) if span[0].row == row]
            assert search.in_row(row) == [(low.column, high.column) for low, high in wanted]
    check(finished(search), lines, query)


@given(texts, queries, st.data())
def test_next_and_previous_go_through_all_matches_and_around(
    text: str, query: Query, data: st.DataObject
) -> None:
    scope = scope_in(text, data)
    wanted = naive(text, query, scope)
    at = place(text, data.draw(st.integers(0, len(text))))
    for steps in range(3):  # however much is counted
        search = Search(Lines(text), compile_query(query), scope)
        for _ in range(steps):
            once(search)
        assert search.next_after(at) == next(
            (span for span in wanted if span[0] >= at), wanted[0] if wanted else None
        )
        before = [span for span in wanted if span[1] <= at]
        assert search.previous_before(at) == (before or wanted or [None])[-1]
    if wanted:
        here = wanted[0]
        for span in [*wanted[1:], wanted[0]]:
            here = search.next_after(here[1]) or here
            assert here == span
        for span in reversed(wanted):
            here = search.previous_before(here[0]) or here
            assert here == span


@given(texts, literals | regexes.filter(lambda query: "(?r)" not in query.text), st.data())
def test_replacing_all_does_what_re_sub_does_to_each_line(
    text: str, query: Query, data: st.DataObject
) -> None:
    template = data.draw(st.sampled_from(["", "xy", r"<\g<0>\n>"] if query.is_regex else ["", "a", r"\1"]))
    buffer = Buffer(Replica(1, has_undo=True))
    buffer.paste(text)
    search = Search(buffer.lines, compile_query(query))
    edits = search.replace_all(template)
    pattern = naive_pattern(query)

    def put(match: re.Match[str]) -> str:
        if not match[0]:
            return ""
        return match.expand(template) if query.is_regex else template

    wanted = "\n".join(pattern.sub(put, line) for line in text.split("\n"))

    def changed(change: Change) -> None:
        search.splice(change.first_row, change.old_last_row, change.new_last_row)

    buffer.on_change = changed
    if edits:
        buffer.edit_all(edits)
    assert buffer.lines.text() == wanted
    check(finished(search), buffer.lines, query)
    if edits:
        buffer.undo()
        assert buffer.lines.text() == text
        check(finished(search), buffer.lines, query)
    buffer.close()


def test_replacing_keeps_to_the_scope_and_the_scope_to_what_was_replaced() -> None:
    lines = Lines("aa aa\naa aa")
    search = Search(lines, compile_query(Query("aa")), (Position(0, 3), Position(1, 2)))
    edits = search.replace_all("b")
    assert edits == [(Position(0, 3), Position(0, 5), "b"), (Position(1, 0), Position(1, 2), "b")]
    for start, end, text in reversed(edits):
        lines.replace(start, end, text)
        search.splice(start.row, end.row, end.row)
    assert search.scope == (Position(0, 3), Position(1, 1))
    assert lines.text() == "aa b\nb aa"


@pytest.mark.parametrize(
    ("edit", "scope"),
    [
        ((Position(0, 0), Position(0, 0), "xyz"), (Position(1, 2), Position(2, 3))),
        ((Position(0, 0), Position(0, 0), "x\ny\n"), (Position(3, 2), Position(4, 3))),
        ((Position(1, 0), Position(1, 0), "xyz"), (Position(1, 5), Position(2, 3))),
        ((Position(1, 1), Position(1, 1), "x\ny"), (Position(2, 2), Position(3, 3))),
        ((Position(1, 2), Position(1, 2), "x"), (Position(1, 2), Position(2, 3))),  # at its start: in it
        ((Position(1, 4), Position(2, 1), ""), (Position(1, 2), Position(1, 6))),
        ((Position(2, 3), Position(2, 3), "x\nyz"), (Position(1, 2), Position(3, 2))),  # at its end: in it
        ((Position(2, 4), Position(2, 5), "x"), (Position(1, 2), Position(2, 3))),
        ((Position(0, 2), Position(3, 2), "x"), (Position(0, 7), Position(0, 7))),  # all of it is gone
    ],
)
def test_the_scope_moves_with_the_text(edit: tuple[Position, Position, str], scope: Span) -> None:
    lines = Lines("abcdef\nghijkl\nmnopqr\nstuvwx")
    search = Search(lines, compile_query(Query("q")), (Position(1, 2), Position(2, 3)))
    new_end = lines.replace(*edit)
    search.splice(edit[0].row, edit[1].row, new_end.row)
    assert search.scope == scope


def test_counting_goes_on_in_slices_and_tells_what_it_knows() -> None:
    lines = Lines("\n".join(["a"] * 300))
    search = Search(lines, compile_query(Query("a")))
    assert (search.total, search.is_complete) == (0, False)
    assert search.index_of((Position(299, 0), Position(299, 1))) is None
    assert search.next_after(Position(299, 1)) == (Position(0, 0), Position(0, 1))
    assert search.previous_before(Position(0, 0)) == (Position(299, 0), Position(299, 1))
    assert not search.is_complete
    assert search.index_of((Position(299, 0), Position(299, 1))) is None
    finished(search)
    assert (search.total, search.is_complete) == (300, True)
    assert search.index_of((Position(299, 0), Position(299, 1))) == 300
    assert search.index_of((Position(299, 0), Position(299, 0))) is None
    assert search.index_of((Position(298, 0), Position(299, 1))) is None


def test_counting_stops_when_there_are_very_many() -> None:
    with patch.multiple(module, MOST_MATCHES=5):
        lines = Lines("\n".join(["aa"] * 300))
        search = finished(Search(lines, compile_query(Query("a"))))
        assert (search.total, search.is_full, search.is_complete) == (5, True, module._CHUNK_ROWS > 300)
        assert search.next_after(Position(250, 1)) == (Position(250, 1), Position(250, 2))
        assert len(search.replace_all("b")) == 5
        search = finished(Search(lines, compile_query(Query("a")), (Position(1, 0), Position(2, 2))))
        assert (search.total, search.is_full, search.is_complete) == (4, False, True)


def test_looking_for_the_next_match_ends_after_its_time_and_goes_on_from_there() -> None:
    seconds = 0.0

    def clock() -> float:
        nonlocal seconds
        seconds += 0.04
        return seconds

    search = Search(Lines("\n" * 1000 + "a"), compile_query(Query("a")), clock=clock)
    tries = 1
    while (span := search.next_after(Position(0, 0))) is None:
        assert not search.is_complete
        tries += 1
    assert span == (Position(1000, 0), Position(1000, 1))
    assert tries > 2


def test_a_line_break_and_an_empty_text_match_nothing() -> None:
    for query in (
        Query(""),
        Query("", is_regex=True),
        Query("a\nb"),
        Query("\n"),
        Query(r"a\nb", is_regex=True),
    ):
        assert finished(Search(Lines("a\nb"), compile_query(query))).total == 0


def test_case_is_folded_without_moving_columns() -> None:
    assert spans("İİ istanbul İSTANBUL", "istanbul") == [(3, 11), (12, 20)]
    assert spans("ẞß ss", "ß") == [(0, 1), (1, 2)]
    assert spans("ΟΔΟΣ οδος", "οδοσ") == spans("ΟΔΟΣ οδος", "ΟΔΟΣ") == [(0, 4), (5, 9)]
    assert spans("Ab ab", "Ab", match_case=True) == [(0, 2)]
    assert spans("Ab ab", "Ab", match_case=True, is_regex=True) == [(0, 2)]
    assert spans("İß Ab ab", "ab", is_regex=True) == [(3, 5), (6, 8)]


def test_folding_keeps_every_character_one_character() -> None:
    for code in range(sys.maxunicode + 1):
        assert len(folded(chr(code))) == 1
    assert folded("aΣ") == folded("aΣb")[:2] == "aσ"


def test_a_literal_never_cuts_a_cluster() -> None:
    assert spans("e\u0301 e", "e") == [(3, 4)]
    assert spans("e\u0301 e", "\u0301") == []
    assert spans("e\u0301 e", "e\u0301") == [(0, 2)]
    assert spans("👍🏽👍", "👍") == [(2, 3)]
    assert spans("👨\u200d👩", "👩") == []
    assert spans("🇩🇪🇩🇪", "🇪🇩") == []
    assert spans("a" + "\u0301" * 400 + "a", "a") == [(401, 402)]
    assert spans("e\u0301", r"\p{M}", is_regex=True) == [(1, 2)]


def test_words_are_those_of_the_cursor() -> None:
    assert spans("foo foo_ xfoo foo.", "foo", whole_word=True) == [(0, 3), (14, 17)]
    assert spans("xa a a", "a a", whole_word=True) == [(3, 6)]
    assert spans(".a .a", ".a", whole_word=True) == [(0, 2), (3, 5)]
    assert spans("née né", "né", whole_word=True) == [(4, 6)]
    assert spans("foobar foo", "foo|foobar", whole_word=True, is_regex=True) == [(0, 6), (7, 10)]


def test_both_kinds_of_query_agree_with_the_cursor_about_words() -> None:
    word = compile_query(Query("a", whole_word=True, is_regex=True))
    random_codes = random.Random(1).sample(range(0x80, sys.maxunicode + 1), 20_000)
    for code in [*range(0x400), *range(0x2000, 0x2800), *random_codes]:
        character = chr(code)
        if character == "\n" or unicodedata.category(character) in ("Cs", "Cn", "Co"):
            continue  # not in texts, or newer in one table than in the other
        assert bool(word.spans(character + "a")) != clusters.is_word(character), hex(code)


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("ab)", "unbalanced parenthesis at 3"),
        ("(a", "missing ) at 3"),
        ("[a", "unterminated character set at 3"),
        ("*a", "nothing to repeat at 1"),
        ("(?V1)a", "mutually incompatible"),
        ("a" * 301, "longer than 300 characters"),
        ("(" * 150 + "a" + ")" * 149, "missing"),
        ("((((a{50}){50}){50}){50}){50}", "repeats make it longer than 10000 characters"),
        ("([)]{200}){200}", "repeats make it longer"),
        (r"(\){200}){200}", "repeats make it longer"),
    ],
)
def test_a_wrong_pattern_says_what_is_wrong(pattern: str, message: str) -> None:
    with pytest.raises(BadPattern, match=re.escape(message)):
        compile_query(Query(pattern, is_regex=True))


def test_usual_patterns_are_not_too_large() -> None:
    uuid = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
    line = "id 123e4567-e89b-12d3-a456-426614174000"
    assert spans(line, uuid, is_regex=True) == [(3, 39)]
    assert spans("1.2.3.4", r"(?:\d{1,3}\.){3}\d{1,3}", is_regex=True) == [(0, 7)]
    assert spans("x" * 999, "x{1,9999}", is_regex=True) == [(0, 999)]


def test_a_template_is_expanded_for_a_regex_only() -> None:
    regex = compile_query(Query(r"(?P<first>\w)(\w)", is_regex=True))
    assert regex.replacement("abcd", (2, 4), r"\2\1\t\g<first>\n\\") == "dc\tc\n\\"
    assert compile_query(Query("ab")).replacement("ab", (0, 2), r"\1") == r"\1"
    with pytest.raises(ValueError, match="no match"):
        regex.replacement("abcd", (1, 3), "")
    for template in (r"\3", r"\g<second>", r"\g<", "\\", r"\q"):
        with pytest.raises(BadPattern):
            regex.replacement("ab", (0, 2), template)
        with pytest.raises(BadPattern):
            Search(Lines("ab"), regex).replace_all(template)


def test_a_pattern_that_takes_for_ever_is_given_up() -> None:
    text = "a" * 5000 + "b"
    matcher = compile_query(Query("(a|a)*$", is_regex=True))
    with pytest.raises(SlowPattern):
        matcher.spans(text)
    for give_up in (gives_up_running, gives_up_looking, gives_up_drawing):
        search = Search(Lines(f"a\n{text}"), matcher)
        give_up(search)
        assert search.is_slow and not search.is_complete
        assert search.run(lambda: True)
        search.splice(1, 1, 1)
        with pytest.raises(SlowPattern):
            search.replace_all("")


def test_a_long_line_is_searched_by_a_regex_as_far_as_a_step_stays_short() -> None:
    line = "é" * 50_000 + "1"
    assert spans(line, "1") == [(50_000, 50_001)]
    assert spans(line, "1", is_regex=True) == []
    assert spans(line[-matching._REGEX_CHARACTERS :], "1", is_regex=True) != []


@given(st.text(r"ab(){}[]\|*+?^$.,1<>=!:PR", max_size=12), texts)
def test_any_pattern_is_refused_or_searches(pattern: str, text: str) -> None:
    try:
        matcher = compile_query(Query(pattern, is_regex=True))
    except BadPattern as error:
        assert str(error)
        return
    search = Search(Lines(text), matcher)
    while not once(search):
        pass
    assert search.is_complete or search.is_slow
