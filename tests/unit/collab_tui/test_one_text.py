"""Lines, CRDT, wrap index, window and search are one text, whatever edits, undoes or comes from others."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from collab_client import line_edits
from collab_client.buffer import Change
from collab_client.clusters import next_boundary
from collab_client.indentation import Indentation
from collab_client.lines import Edit, Position
from collab_client.matching import Query, compile_query
from collab_client.search import Search
from collab_tui.cells import Layouts
from collab_tui.widgets.view import View
from collab_tui.wrap import WrapIndex
from tests.unit.collab_tui.stage import World

PIECES = st.lists(
    st.sampled_from(
        ["word ", "a", " ", "\n", "\t", "漢字", "é", "e\u0301", "👨‍👩‍👧", "x" * 30, "\r", "\u202e"]
    ),
    max_size=12,
).map("".join)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("type"), PIECES),
        st.tuples(st.just("paste"), PIECES),
        st.tuples(st.just("remote"), st.tuples(st.integers(0, 200), st.integers(0, 40), PIECES)),
        st.tuples(
            st.sampled_from(["undo", "redo", "duplicate", "move_up", "move_down", "indent", "join"]),
            st.none(),
        ),
        st.tuples(st.just("many"), st.sampled_from(["", "Q", "two\nlines"])),
        st.tuples(st.just("move"), st.tuples(st.integers(0, 12), st.integers(0, 40), st.booleans())),
        st.tuples(st.just("resize"), st.tuples(st.integers(4, 60), st.integers(1, 12), st.booleans())),
        st.tuples(st.just("scroll"), st.integers(-9, 9)),
    ),
    max_size=25,
)


@settings(max_examples=150)
@given(PIECES, STEPS)
def test_all_that_is_kept_of_a_text_agrees(text: str, steps: list[tuple[str, object]]) -> None:
    world = World(text)
    buffer = world.buffer
    layouts = Layouts()
    view = View(buffer.lines, layouts, is_wrapped=True)
    view.resize(20, 6)
    matcher = compile_query(Query("a"))
    search = Search(buffer.lines, matcher)

    def changed(change: Change) -> None:
        view.splice(change.first_row, change.old_last_row, change.new_last_row)
        search.splice(change.first_row, change.old_last_row, change.new_last_row)
        if not change.is_local:
            view.follow_edit(change.first_row, change.old_last_row, change.new_last_row)

    buffer.on_change = changed
    for name, what in steps:
        do(world, view, name, what)
        view.settle()
        view.reveal(buffer.head)
        lines = buffer.lines
        assert lines.text() == buffer.replica.text()
        fresh = WrapIndex(lines, view.width if view.is_wrapped else None)
        starts = [list(fresh.starts(row)) for row in range(lines.row_count)]
        assert [list(view.wrap.starts(row)) for row in range(lines.row_count)] == starts
        while not view.wrap.measure_some(1000):
            pass
        assert view.wrap.total == sum(map(len, starts))
        rows = view.rows()
        assert rows == View.rows(fresh_view(view, lines, layouts))
        assert any(row.holds(buffer.head.row, buffer.head.column) for row in rows)
        assert found(search) == found(Search(lines, matcher)) == letters(lines.text())


def found(search: Search) -> int:
    while not search.run(lambda: True):
        pass
    return search.total


def letters(text: str) -> int:
    """Return how many a's stand alone; one with an accent of its own is another letter."""
    count = 0
    for line in text.split("\n"):
        column = 0
        while column < len(line):
            after = next_boundary(line, column)
            count += line[column:after].lower() == "a"
            column = after
    return count


def fresh_view(view: View, lines: object, layouts: Layouts) -> View:
    made = View(lines, layouts, is_wrapped=view.is_wrapped)  # type: ignore[arg-type]
    made.resize(view.width, view.height)
    made.top, made.left = view.top, view.left
    return made


def do(world: World, view: View, name: str, what: object) -> None:
    buffer = world.buffer
    match name, what:
        case "type", str(text):
            buffer.type_text(text)
        case "paste", str(text):
            buffer.paste(text)
        case "remote", (int(offset), int(deleted), str(text)):
            here = buffer.lines.text()
            offset = min(offset, len(here))
            before, gone = here[:offset], here[offset : offset + deleted]
            world.edit_elsewhere(len(before.encode()), len(gone.encode()), text)
        case "undo", _:
            buffer.undo()
        case "redo", _:
            buffer.redo()
        case "duplicate", _:
            line_edits.duplicate_lines(buffer)
        case "move_up" | "move_down", _:
            line_edits.move_lines(buffer, -1 if name == "move_up" else 1)
        case "indent", _:
            line_edits.indent(buffer, Indentation("\t"))
        case "join", _:
            line_edits.join_lines(buffer)
        case "many", str(text):
            rows = range(buffer.lines.row_count)
            buffer.edit_all([Edit(Position(row, 0), Position(row, 0), text) for row in rows])
        case "move", (int(row), int(column), bool(extend)):
            place = buffer.lines.clamp(Position(row, column))
            buffer.move_to(view.place(0, 0) if column % 2 else place._replace(column=0), extend)
        case "resize", (int(width), int(height), bool(is_wrapped)):
            view.resize(width, height)
            view.set_wrap(is_wrapped)
        case "scroll", int(rows_):
            view.scroll(rows_)
