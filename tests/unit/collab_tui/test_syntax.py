"""The colours on the screen while a parser answers late: they follow the text, and come out right."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collab_client.buffer import Buffer
from collab_client.carets import Span
from collab_client.lines import Position
from collab_syntax import languages, parser_process
from collab_syntax.parser_process import Colours
from collab_tui.painting import Colour
from collab_tui.syntax import Syntax, _carried, _Row
from tests.unit.collab_tui.stage import World

WORD = 12


def kinds(line: str) -> list[Colour]:
    """Colour a line as a parser would that knows numbers alone."""
    found: list[Colour] = []
    for at, character in enumerate(line):
        if character.isdigit():
            found.append((at, at + 1, int(character) + 1))
    return found


class LateParser:
    """A parser that has the text of before, and answers when it is told to."""

    def __init__(
        self,
        language: str,
        *,
        text: Callable[[], str],
        on_colours: Callable[[Colours], None],
        on_failed: Callable[[str], None],
    ) -> None:
        self.answer, self.fail = on_colours, on_failed
        self.rows: list[str] = []
        self.versions: list[list[str]] = []
        self.seen: tuple[tuple[int, int], ...] = ()
        self.is_closed = False

    def start(self, text: str) -> None:
        self.rows = text.split("\n")
        self.versions = [self.rows.copy()]

    def edit(self, first_row: int, old_last_row: int, text: str) -> None:
        self.rows[first_row : old_last_row + 1] = text.split("\n")
        self.versions.append(self.rows.copy())

    def look_at(self, *stretches: tuple[int, int]) -> None:
        self.seen = stretches

    def say(self, version: int) -> None:
        rows = self.versions[version]
        self.answer(
            Colours(version, [(first, list(map(kinds, rows[first : last + 1]))) for first, last in self.seen])
        )

    def close(self) -> None:
        self.is_closed = True


def speaking(text: str, monkeypatch: pytest.MonkeyPatch) -> tuple[World, Syntax, LateParser]:
    monkeypatch.setattr(parser_process, "ParserProcess", LateParser)
    world = World(text)
    failures: list[str] = []
    syntax = Syntax(world.buffer.lines, on_colours=lambda: None, on_failed=failures.append)
    world.buffer.on_change = syntax.text_changed
    syntax.look_at(range(10))
    syntax.speak(languages.by_id["python"])
    parser = syntax.parser
    assert isinstance(parser, LateParser)
    return world, syntax, parser


def expected(buffer: Buffer) -> list[list[Colour]]:
    return [kinds(buffer.lines.line(row)) for row in range(buffer.lines.row_count)]


def shown(syntax: Syntax, buffer: Buffer) -> list[list[Colour]]:
    return [list(syntax.of(row)) for row in range(buffer.lines.row_count)]


edits = st.lists(
    st.tuples(
        st.integers(0, 60),
        st.integers(0, 9),
        st.sampled_from(["", "1", "x", "2\n", "\n\n", "3 4\n5"]),
        st.booleans(),
    ),
    max_size=12,
)


@given(edits, st.data())
def test_after_any_edits_and_answers_however_late_the_colours_are_those_of_the_text(
    changes: list[tuple[int, int, str, bool]], data: st.DataObject
) -> None:
    with pytest.MonkeyPatch.context() as monkeypatch:
        world, syntax, parser = speaking("a1 b2\n\n3 c\nd 4 5\n6", monkeypatch)
        said = 0
        parser.say(0)
        for offset, deleted, inserted, is_own in changes:
            size = world.buffer.replica.size_utf8
            start, end = min(offset, size), min(offset + deleted, size)
            if is_own:
                at = world.buffer.lines.position
                world.buffer.replace(at(start), at(end), inserted)
            else:
                world.edit_elsewhere(start, end - start, inserted)
            syntax.look_at(range(10))  # as the editor does whenever it draws
            if data.draw(st.booleans()):
                said = data.draw(st.integers(said, len(parser.versions) - 1))
                parser.say(said)
                check_old(syntax, world.buffer)
        parser.say(len(parser.versions) - 1)
        assert shown(syntax, world.buffer) == expected(world.buffer)


def check_old(syntax: Syntax, buffer: Buffer) -> None:
    """Colours that are behind lie within their lines, in order."""
    for row in range(buffer.lines.row_count):
        colours = syntax.of(row)
        flat = [edge for start, end, _ in colours for edge in (start, end)]
        assert flat == sorted(flat)
        assert not flat or (flat[0] >= 0 and flat[-1] <= len(buffer.lines.line(row)))


def test_an_edit_above_leaves_the_colours_of_other_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    world, syntax, parser = speaking("1\n2\n3", monkeypatch)
    parser.say(0)
    before = syntax.of(2)
    world.edit_elsewhere(0, 0, "new\nrows ")
    assert syntax.of(3) is before
    assert list(syntax.of(0)) == []
    parser.say(0)  # said before the edit came to it
    assert [list(syntax.of(row)) for row in (2, 3)] == [kinds("2"), kinds("3")]


def test_what_is_typed_in_or_behind_a_word_has_its_colour_at_once() -> None:
    known = _Row("def f", ((0, 3, WORD), (4, 5, 9)))
    assert _carried(known, "deff f") == ((0, 4, WORD), (5, 6, 9))
    assert _carried(known, "dexf f") == ((0, 4, WORD), (5, 6, 9))
    assert _carried(known, "xdef f") == ((1, 4, WORD), (5, 6, 9))
    assert _carried(known, "d f") == ((0, 1, WORD), (2, 3, 9))
    assert _carried(known, " f") == ((1, 2, 9),)
    assert _carried(known, "") == ()


def test_another_language_and_a_failure_let_the_parser_go(monkeypatch: pytest.MonkeyPatch) -> None:
    world, syntax, first = speaking("1\n2", monkeypatch)
    first.say(0)
    syntax.speak(languages.by_id["go"])
    second = syntax.parser
    assert isinstance(second, LateParser)
    assert first.is_closed
    assert list(syntax.of(0)) == kinds("1")  # the old colours stay until there are others
    world.buffer.type_text("x")
    second.fail("it died")
    assert syntax.parser is None
    assert list(syntax.of(0)) == []
    syntax.speak(languages.PLAIN)
    assert syntax.parser is None


def test_rows_around_what_is_seen_are_coloured_too(monkeypatch: pytest.MonkeyPatch) -> None:
    _, syntax, parser = speaking("\n" * 100, monkeypatch)
    syntax.look_at(range(40, 50))
    assert parser.seen == ((40, 49), (50, 59), (30, 39))
    syntax.look_at(range(95, 101))
    assert parser.seen == ((95, 100), (89, 94))
    syntax.look_at([0, 1, 40, 41, 90])  # the rest is folded
    assert parser.seen == ((0, 1), (40, 41), (90, 90), (91, 95))


def test_of_a_line_too_long_for_colours_the_parser_has_no_more_than_shows_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(parser_process, "ParserProcess", LateParser)
    buffer = World("x" * 150_000 + "\ny\n").buffer
    syntax = Syntax(buffer.lines, on_colours=lambda: None, on_failed=lambda _: None)
    buffer.on_change = syntax.text_changed
    syntax.speak(languages.by_id["python"])
    parser = syntax.parser
    assert isinstance(parser, LateParser)
    assert parser.rows == ["x" * 100_001, "y", ""]
    buffer.type_text("z")
    assert parser.rows == ["z" + "x" * 100_000, "y", ""]
    assert len(parser.versions) == 2


def test_a_row_is_sent_once_for_all_edits_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parser_process, "ParserProcess", LateParser)
    buffer = World("abc\nd\n").buffer
    syntax = Syntax(buffer.lines, on_colours=lambda: None, on_failed=lambda _: None)
    buffer.on_change = syntax.text_changed
    syntax.speak(languages.by_id["python"])
    parser = syntax.parser
    assert isinstance(parser, LateParser)
    buffer.set_spans([Span(Position(*at), Position(*at)) for at in ((0, 1), (0, 2), (1, 0))])
    buffer.type_text("x")
    assert parser.versions[1:] == [["abc", "xd", ""], ["axbxc", "xd", ""]]
