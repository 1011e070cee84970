"""Which key does what, what it types, and that every action does something somewhere."""

from __future__ import annotations

import pytest
from textual import events

from collab_client.indentation import detect
from collab_client.lines import Position
from collab_tui.actions import ACTIONS, Keymap, shown_key, split_keys
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
