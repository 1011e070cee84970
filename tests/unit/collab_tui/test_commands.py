"""Which key does what, what it types, and that every action does something somewhere."""

from __future__ import annotations

from typing import Final

import pytest
from textual import events

from collab_client.carets import Span
from collab_client.indentation import Indentation, detect
from collab_client.lines import Position
from collab_protocol.errors import EditError
from collab_tui.actions import ACTIONS, Keymap, shown_key, split_keys
from collab_tui.driver import KeyParser
from collab_tui.widgets.commands import command, go_to, select_by
from collab_tui.widgets.inbox import text_of
from tests.unit.collab_tui.stage import World

ELSEWHERE = {"copy", "cut", "cut_lines", "paste", "up", "down", "page_up", "page_down"}
"""What the editor does itself."""


@pytest.mark.parametrize(
    ("key", "character", "text"),
    [
        ("a", "a", "a"),
        ("A", "A", "A"),
        ("shift+space", " ", " "),
        ("no_break_space", "\u00a0", "\u00a0"),
        ("ideographic_space", "\u3000", "\u3000"),
        ("zero_width_joiner", "\u200d", "\u200d"),
        ("漢", "漢", "漢"),
        ("alt+x", "x", None),
        ("ctrl+a", "\x01", None),
        ("f5", None, None),
        ("escape", "\x1b", None),
        ("delete", "\x7f", None),
    ],
)
def test_what_keys_type(key: str, character: str | None, text: str | None) -> None:
    assert text_of(events.Key(key, character)) == text


def test_no_key_has_two_actions() -> None:
    keys = [key for action in ACTIONS for key in split_keys(action.keys)]
    assert len(keys) == len(set(keys))


BITS: Final = {"shift": 1, "alt": 2, "ctrl": 4, "super": 8}
CSI: Final = dict(
    entry.split(" ")
    for entry in (
        *("up 1;{}A", "down 1;{}B", "right 1;{}C", "left 1;{}D", "end 1;{}F", "home 1;{}H", "insert 2;{}~"),
        *(
            "delete 3;{}~",
            "pageup 5;{}~",
            "pagedown 6;{}~",
            "f1 1;{}P",
            "f2 1;{}Q",
            "f3 13;{}~",
            "f4 1;{}S",
            "f5 15;{}~",
            "f6 17;{}~",
            "f7 18;{}~",
            "f8 19;{}~",
            "f9 20;{}~",
            "f10 21;{}~",
        ),
        *(
            "f15 1;2R",
            "f16 1;2S",
            "f19 18;2~",
            "backspace 127;{}u",
            "enter 13;{}u",
            "tab 9;{}u",
            "escape 27;{}u",
        ),
        *("slash 47;{}u", "underscore 95;{}u", "right_square_bracket 93;{}u"),
    )
)
"""What is behind ESC [ for a key, with its modifiers: xterm's ctlseqs; kitty's protocol where it has "u"."""


def sent(key: str) -> str:
    """Return what a terminal sends for a key."""
    *modifiers, base = key.split("+")
    if base.isupper():
        return f"\x1b{base}"  # ESC before the key: alt+U
    code = CSI.get(base) or f"{ord(base)};{{}}u"
    return f"\x1b[{code.format(1 + sum(BITS[modifier] for modifier in modifiers))}"


def arrived(data: str) -> str:
    """Return the key that is made of what a terminal sends, when nothing follows."""
    parser = KeyParser()
    parser._answers_until = 0.0
    found = [*parser.feed(data)]
    while parser.is_waiting:
        found += parser.tick()
    (event,) = found
    assert isinstance(event, events.Key)
    return event.key


@pytest.mark.parametrize(
    ("id_", "key"), [(action.id, key) for action in ACTIONS for key in action.keys.split(",") if key]
)
def test_a_key_that_arrives_does_what_its_action_says(id_: str, key: str) -> None:
    assert Keymap().action(arrived(sent(key))) == id_


@pytest.mark.parametrize("written", ["ctrl+alt+up", "alt+ctrl+up"])
def test_modifiers_come_in_any_order(written: str) -> None:
    assert split_keys(f"{written}, alt+ctrl+up,f4") == ("alt+ctrl+up", "f4")
    keymap = Keymap({"save": written})
    assert keymap.action("alt+ctrl+up") == keymap.action("ctrl+alt+up") == "save"
    assert keymap.keys("add_caret_above") == ("alt+shift+up",)
    assert keymap.action(arrived("\x1b[1;7A")) == "save"


def test_every_action_of_the_buffer_runs() -> None:
    groups = {"Move", "Select", "Change", "Lines", "Clipboard"}
    for action in ACTIONS:
        name = action.id.removeprefix("select_")
        if action.group in groups and name not in ELSEWHERE and name != "go_to_line":
            world = World("some words\n  in (two) lines\n")
            world.buffer.move_to(Position(1, 4))
            made = command(action.id, detect)
            assert made is not None, action.id
            made(world.buffer)
            assert world.text == world.buffer.replica.text()


def test_a_keymap_moves_keys_and_takes_them_from_others() -> None:
    keymap = Keymap({"undo": "f4, ctrl+d", "redo": ""})
    assert keymap.action("f4") == keymap.action("ctrl+d") == "undo"
    assert keymap.action("ctrl+z") is None
    assert keymap.action("ctrl+y") is None
    assert keymap.keys("duplicate_lines") == ()
    assert keymap.shown("redo") == ""
    assert keymap.shown("undo") == "F4"


@pytest.mark.parametrize(
    ("key", "shown"),
    [
        ("ctrl+left", "Ctrl-Left"),
        ("alt+shift+u", "Alt-Shift-U"),
        ("ctrl+right_square_bracket", "Ctrl-]"),
        ("pagedown", "PageDown"),
        ("f3", "F3"),
    ],
)
def test_how_keys_are_written(key: str, shown: str) -> None:
    assert shown_key(key) == shown


def test_words_are_deleted() -> None:
    world = World("some  words here")
    world.buffer.line_end()
    run(world, "delete_word_left")
    assert world.text == "some  words "
    world.buffer.line_start()
    run(world, "delete_word_right")
    assert world.text == "  words "


def test_tab_inserts_or_indents() -> None:
    world = World("def f():\n    x\ny")
    world.buffer.move_to(Position(2, 1))
    run(world, "tab")
    assert world.text == "def f():\n    x\ny   "
    world.buffer.select_all()
    run(world, "tab")
    assert world.text == "    def f():\n        x\n    y   "
    run(world, "dedent")
    assert world.text == "def f():\n    x\ny   "


def test_going_to_a_place_never_ends_within_a_character() -> None:
    world = World("one\ntwo 👨‍👩‍👧 three")
    go_to(world.buffer, 1, 6)
    assert world.head == (1, 4)
    go_to(world.buffer, 1, 10**6)
    assert world.head == (1, 15)
    go_to(world.buffer, 10**6, 0)
    assert world.head == (1, 15)


def test_a_drag_selects_whole_words_and_lines_either_way() -> None:
    world = World("one two three\nfour\nfive")
    select_by(world.buffer, "word", Position(0, 5), Position(0, 9))
    assert world.buffer.selected_text == "two three"
    select_by(world.buffer, "word", Position(0, 9), Position(0, 1))
    assert (world.buffer.selected_text, world.head) == ("one two three", (0, 0))
    select_by(world.buffer, "line", Position(1, 2), Position(0, 1))
    assert world.buffer.selected_text == "one two three\nfour\n"
    select_by(world.buffer, "line", Position(2, 2), Position(2, 2))
    assert world.buffer.selected_text == "five"


def run(world: World, action: str) -> None:
    made = command(action, detect)
    assert made is not None
    made(world.buffer)


def do(action: str, text: str, *spans: tuple[int, int, int, int]) -> World:
    """Do `action` at carets of (row, column) that select from (row, column)."""
    world = World(text)
    world.buffer.set_spans([Span(Position(*span[:2]), Position(*span[2:])) for span in spans], 0)
    made = command(action, lambda _: Indentation("    "))
    assert made is not None
    made(world.buffer)
    return world


@pytest.mark.parametrize(
    ("action", "text", "spans", "after"),
    [
        ("delete_word_right", "hello world", [(0, 11, 0, 11)], "hello world"),
        ("delete_word_left", "hello world", [(0, 0, 0, 0)], "hello world"),
        ("delete_word_right", "aa bb", [(0, 0, 0, 0), (0, 5, 0, 5)], " bb"),
        ("delete_word_left", "aa bb", [(0, 0, 0, 0), (0, 5, 0, 5)], "aa "),
        ("delete_word_left", "hello", [(0, 2, 0, 2), (0, 4, 0, 4)], "o"),
        ("delete_word_right", "hello", [(0, 1, 0, 1), (0, 3, 0, 3)], "h"),
        ("delete_word_right", "aa bb cc", [(0, 0, 0, 1), (0, 3, 0, 3)], "a  cc"),
        ("delete_word_right", "aa bb", [(0, 0, 0, 0), (0, 1, 0, 4)], "b"),
        ("tab", "a\nabc\n", [(0, 1, 0, 1), (1, 3, 1, 3)], "a   \nabc \n"),
        ("tab", "a\nabc\n", [(0, 1, 0, 1), (1, 3, 1, 1)], "a   \na   \n"),
        ("tab", "aa\nbb\nc", [(2, 0, 2, 0), (1, 2, 0, 0)], "    aa\n    bb\n    c"),
    ],
)
def test_what_is_done_at_each_caret(
    action: str, text: str, spans: list[tuple[int, int, int, int]], after: str
) -> None:
    world = do(action, text, *spans)
    assert world.buffer.lines.text() == world.buffer.replica.text() == after
    world.buffer.undo()
    assert world.buffer.lines.text() == text


def test_a_word_that_may_not_be_deleted_is_not_selected() -> None:
    world = World("hello")
    world.buffer.document_end()
    world.buffer.read_only = True
    made = command("delete_word_left", detect)
    assert made is not None
    with pytest.raises(EditError, match="read-only"):
        made(world.buffer)
    assert world.buffer.selection is None


def test_it_is_told_that_not_all_that_is_alike_is_selected() -> None:
    made = command("select_all_occurrences", detect)
    assert made is not None
    assert made(World("x\n" * 1000).buffer) is None
    assert made(World("x\n" * 1001).buffer) == "1,000 of more selected; Ctrl-R replaces all"
