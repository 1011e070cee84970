"""Where people's marks lie: carets, selections, names, signs beyond the edges."""

from __future__ import annotations

from itertools import pairwise

from rich.cells import cell_len

from collab_client.carets import Span
from collab_client.lines import Lines, Position
from collab_client.peer_carets import Peer
from collab_protocol.presence import Activity, Person, Role
from collab_tui.cells import Layouts
from collab_tui.initials import initials
from collab_tui.marks import NAME_SHOWN_S, Border, MarksLayout, OwnCaret, Window
from collab_tui.painting import Chip, RowMarks
from collab_tui.palette import Theme, palette_of
from collab_tui.visual_row import VisualRow

PALETTE = palette_of(Theme.DARK)
NOW = 100.0
FAR = Position(0, 0)


def peer(
    name: str,
    head: tuple[int, int],
    anchor: tuple[int, int] | None = None,
    *,
    session: int = 2,
    moved_at: float = NOW,
    activity: Activity = Activity.ACTIVE,
) -> Peer:
    person = Person(session, f"device:{session}", name, Role.WRITE, session % 12)
    return Peer(person, (Span(Position(*head), Position(*(anchor or head))),), activity, moved_at)


def lay_out(
    text: str,
    *peers: Peer,
    own: OwnCaret | None = None,
    top: int = 0,
    left: int = 0,
    height: int = 10,
    width: int = 40,
    now: float = NOW,
    is_ascii: bool = False,
    border: Chip | None = None,
) -> dict[int, RowMarks]:
    lines = Lines(text)
    rows = [visual_row(lines, row) for row in range(top, min(top + height, lines.row_count))]
    window = Window(rows, left, width, Layouts())
    own = own or OwnCaret(FAR, None)
    layout = MarksLayout(window, PALETTE, is_ascii=is_ascii, border=border)
    signs = initials(p.person for p in peers)
    marks = layout.lay_out(own, {p.person.session: p for p in peers}, signs, now)
    return {rows[y].row: of_row for y, of_row in marks.items()}


def visual_row(lines: Lines, row: int) -> VisualRow:
    line = lines.line(row)
    return VisualRow(row, line, 0, len(line), 0, is_last=True)


def chips(marks: dict[int, RowMarks], row: int) -> list[tuple[int, str]]:
    return [(chip.cell, chip.text) for chip in marks.get(row, RowMarks()).chips]


def test_a_caret_is_a_cell_in_the_persons_colour_with_a_sign_in_the_gutter() -> None:
    marks = lay_out("first\nsecond", peer("ana", (1, 2)))
    (span,) = marks[1].spans
    assert (span.start, span.end, span.ink) == (2, 3, PALETTE.person(2))
    assert marks[1].sign is not None
    assert marks[1].sign.text == "A"


def test_a_name_stands_above_where_that_is_blank() -> None:
    marks = lay_out("hi\nsecond line", peer("ana", (1, 8)))
    assert chips(marks, 0) == [(8, " ana ")]
    assert chips(marks, 1) == []


def test_a_name_never_covers_text() -> None:
    marks = lay_out("a line that is long\nsecond line", peer("ana", (1, 8)))
    assert chips(marks, 0) == []
    assert chips(marks, 1) == [(12, " ana ")]


def test_a_name_on_the_first_row_stands_past_the_end() -> None:
    assert chips(lay_out("first\nsecond", peer("ana", (0, 5)), own=OwnCaret(Position(1, 0), None)), 0) == [
        (7, " ana ")
    ]


def test_a_name_leaves_the_own_caret_free() -> None:
    marks = lay_out("\nsecond", peer("ana", (1, 0)), own=OwnCaret(Position(0, 0), None))
    assert chips(marks, 0) == []
    assert chips(marks, 1) == [(7, " ana ")]


def test_a_name_that_fits_nowhere_is_left_out() -> None:
    marks = lay_out("x" * 40 + "\n" + "y" * 38, peer("ana", (1, 3)))
    assert chips(marks, 0) == chips(marks, 1) == []
    assert marks[1].sign is not None


def test_a_name_goes_after_two_seconds_and_the_sign_stays() -> None:
    marks = lay_out("hi\nsecond", peer("ana", (1, 6)), now=NOW + NAME_SHOWN_S)
    assert chips(marks, 0) == []
    assert marks[1].sign is not None


def test_names_do_not_cover_each_other() -> None:
    marks = lay_out(
        "\nsecond", peer("ana", (1, 4)), peer("bo", (1, 6), session=3), own=OwnCaret(Position(1, 0), None)
    )
    placed = sorted([*chips(marks, 0), *((cell + 100, text) for cell, text in chips(marks, 1))])
    assert [text for _, text in placed] == [" bo ", " ana "] or [text for _, text in placed] == [
        " ana ",
        " bo ",
    ]
    for (cell, text), (next_cell, _) in pairwise(placed):
        assert cell + cell_len(text) < next_cell


def test_a_selection_goes_over_rows_and_line_ends() -> None:
    marks = lay_out("one\ntwo\nthree", peer("ana", (2, 2), (0, 1)), now=NOW + 9)
    ink = PALETTE.person_selection(2)
    assert [(s.start, s.end) for s in marks[0].spans if s.ink == ink] == [(1, 4)]
    assert [(s.start, s.end) for s in marks[1].spans if s.ink == ink] == [(0, 4)]
    assert [(s.start, s.end) for s in marks[2].spans if s.ink == ink] == [(0, 2)]


def test_idle_people_are_faint_and_stay() -> None:
    marks = lay_out("one", peer("ana", (0, 1), activity=Activity.IDLE), own=OwnCaret(Position(0, 3), None))
    assert marks[0].spans[0].ink == PALETTE.person(2, is_faint=True)


def test_people_beyond_the_edges_are_named_there() -> None:
    text = "\n".join(["row"] * 50)
    marks = lay_out(
        text,
        peer("ana", (2, 0)),
        peer("cyd", (5, 0), session=3),
        peer("bo", (40, 0), session=4),
        top=10,
        own=OwnCaret(Position(12, 0), None),
    )
    assert chips(marks, 10) == [(22, " ▲ ana 3 "), (32, " ▲ cyd 6 ")] or chips(marks, 10) == [
        (21, " ▲ ana 3 "),
        (31, " ▲ cyd 6 "),
    ]
    assert chips(marks, 19) == [(31, " ▼ bo 41 ")]


def test_edge_signs_give_way_to_text_and_are_ascii_where_asked() -> None:
    text = "\n".join(["r" * 35] * 50)
    assert chips(lay_out(text, peer("bo", (40, 0))), 9) == []
    text = "\n".join(["row"] * 50)
    assert chips(lay_out(text, peer("bo", (40, 0)), is_ascii=True), 9) == [(31, " v bo 41 ")]


def test_a_caret_whose_place_is_unknown_is_not_drawn() -> None:
    unknown = Peer(Person(2, "device:2", "ana", Role.WRITE, 2), (), Activity.ACTIVE, NOW)
    marks = lay_out("one\ntwo", unknown)
    assert set(marks) == {0}


def test_hostile_names_are_harmless() -> None:
    marks = lay_out("one\ntwo", peer("\x1b[31m\u202e\n", (1, 1)), own=OwnCaret(Position(0, 0), None))
    texts = [chip.text for row in marks.values() for chip in row.chips]
    assert texts
    assert all(text.isprintable() for text in texts)


def test_marks_of_a_row_are_equal_when_nothing_moved() -> None:
    assert lay_out("hi\nsecond", peer("ana", (1, 6))) == lay_out("hi\nsecond", peer("ana", (1, 6)))


def test_signs_differ_and_last() -> None:
    def person(session: int, name: str) -> Person:
        return Person(session, f"p{session}", name, Role.WRITE, 0)

    assert initials([person(1, "ana")]) == {"p1": "A"}
    assert initials([person(2, "andy"), person(1, "ana")]) == {"p1": "A", "p2": "N"}
    assert initials([person(1, "a"), person(2, "a")]) == {"p1": "A", "p2": "1"}
    assert initials([person(1, "漢字")]) == {"p1": "1"}
    assert initials([Person(1, "x", "bo", Role.WRITE, 0), Person(2, "x", "bo", Role.WRITE, 0)]) == {"x": "B"}


def test_who_is_away_leaves_no_mark() -> None:
    text = "one\ntwo\n" + "\n" * 30
    away = [
        peer("ana", (1, 2), (0, 0), activity=Activity.AWAY),
        peer("bo", (25, 0), session=3, activity=Activity.AWAY),
    ]
    assert lay_out(text, *away) == lay_out(text)


def test_a_border_stands_in_every_row_that_has_no_sign() -> None:
    border = Border(4).chip(PALETTE, is_ascii=False)
    marks = lay_out("one\ntwo\nthree", peer("ana", (1, 2)), border=border)
    signs = [of_row.sign for _, of_row in sorted(marks.items())]
    assert [sign.text for sign in signs if sign] == [" ", "A", " "]
    assert signs[0] == signs[2] == border
    assert border.ink == PALETTE.person(4)


def test_a_border_that_is_no_surface_has_a_sign() -> None:
    for theme in Theme:
        palette = palette_of(theme)
        for is_faint in (False, True):
            chip = Border(2, is_faint).chip(palette, is_ascii=True)
            is_surface = chip.ink.bg not in (None, "default", palette.background)
            assert chip.text == (" " if is_surface else "|")
            assert Border(2, is_faint).edge(palette).bg is None
