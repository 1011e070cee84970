"""Which key does what, and what it types."""

from __future__ import annotations

import pytest
from textual import events

from collab_tui.widgets import keys
from tests.unit.collab_tui.stage import World


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
    assert keys.text_of(events.Key(key, character)) == text


def test_every_action_has_a_key_that_is_not_only_alt_or_ctrl_shift() -> None:
    by_action: dict[str, list[str]] = {}
    for key, action in keys.actions_by_key({}).items():
        by_action.setdefault(action, []).append(key)
    for action, found in by_action.items():
        if not action.startswith("select_word") and not action.startswith("select_document"):
            assert any("alt" not in key and "ctrl+shift" not in key for key in found), action


def test_every_action_runs() -> None:
    for action in set(keys.actions_by_key({}).values()) - {keys.QUIT, keys.COPY, keys.CUT, keys.PASTE}:
        keys.run(action, World("some words\nin two lines").buffer, 10)


def test_a_keymap_moves_keys() -> None:
    actions = keys.actions_by_key({"editor.undo": "f4"})
    assert actions["f4"] == "undo"
    assert "ctrl+z" not in actions


def test_words_are_deleted() -> None:
    world = World("some  words here")
    world.buffer.line_end()
    keys.run("delete_word_left", world.buffer, 10)
    assert world.text == "some  words "
    world.buffer.line_start()
    keys.run("delete_word_right", world.buffer, 10)
    assert world.text == "  words "


def test_without_a_selection_the_line_is_copied_and_cut() -> None:
    world = World("one\ntwo\nthree")
    world.buffer.move_rows(1)
    assert keys.copied(world.buffer) == "two\n"
    assert keys.cut(world.buffer) == "two\n"
    assert world.text == "one\nthree"
    assert keys.cut(world.buffer) == "three"
    assert world.text == "one\n"


def test_words_blanks_and_signs_are_selected() -> None:
    world = World("def greet(name)")
    position = world.buffer.head
    keys.select_word(world.buffer, position._replace(column=6))
    assert world.buffer.selected_text == "greet"
    keys.select_word(world.buffer, position._replace(column=9))
    assert world.buffer.selected_text == "("
    keys.select_word(world.buffer, position._replace(column=3))
    assert world.buffer.selected_text == " "
