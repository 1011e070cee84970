"""Tests of `settings.key_names`: spellings of people become what Textual calls the key that arrives."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual._ansi_sequences import ANSI_SEQUENCES_KEYS
from textual._xterm_parser import XTermParser
from textual.keys import Keys, _character_to_key

from collab_cli.settings.key_names import arrives_as, parse_key
from collab_tui.actions import ACTIONS, split_keys


@pytest.mark.parametrize(
    ("written", "keys"),
    [
        ("ctrl+d", ("ctrl+d",)),
        ("Ctrl-D", ("ctrl+d",)),
        (" CTRL+D ", ("ctrl+d",)),
        ("Control-Left", ("ctrl+left",)),
        ("Shift-Ctrl-PgUp", ("ctrl+shift+pageup",)),
        ("Ctrl-Alt-Del", ("alt+ctrl+delete",)),
        ("Ctrl-]", ("ctrl+right_square_bracket",)),
        ("ctrl+right_square_bracket", ("ctrl+right_square_bracket",)),
        ("Ctrl--", ("ctrl+minus",)),
        ("ctrl++", ("ctrl+plus",)),
        ("ctrl+,", ("ctrl+comma",)),
        ("Ctrl-Comma", ("ctrl+comma",)),
        ("Alt-U", ("alt+u",)),
        ("alt+U", ("alt+shift+u", "alt+U")),
        ("Alt-Shift-U", ("alt+shift+u", "alt+U")),
        ("Ctrl-Space", ("ctrl+space", "ctrl+@")),
        ("ctrl+/", ("ctrl+slash", "ctrl+underscore")),
        ("Cmd-Z", ("super+z",)),
        ("F4", ("f4",)),
        ("Shift-Tab", ("shift+tab",)),
        ("Esc", ("escape",)),
        ("Ctrl-Ü", ("ctrl+ü",)),
    ],
)
def test_spellings(written: str, keys: tuple[str, ...]) -> None:
    assert parse_key(written) == keys


@pytest.mark.parametrize(
    "written", ["", "ctrl+", "ctrl", "ctrl+foo", "hyper+a", "f25", "ctrl d", "ctrl+\x07", "f0"]
)
def test_what_is_no_key(written: str) -> None:
    with pytest.raises(ValueError, match="a key: write it like"):
        parse_key(written)


@pytest.mark.parametrize(
    "written", ["u", "U", "shift+u", "7", "comma", "space", "shift+space", "-", "é", "]"]
)
def test_what_types_a_character_is_not_given_away(written: str) -> None:
    with pytest.raises(ValueError, match="types a character"):
        parse_key(written)


@pytest.mark.parametrize("key", [key for action in ACTIONS for key in split_keys(action.keys)])
def test_every_key_that_actions_have_by_themselves_is_one(key: str) -> None:
    assert key in parse_key(key)


def names_in_textual() -> list[str]:
    names = set()
    for keys in ANSI_SEQUENCES_KEYS.values():
        if isinstance(keys, tuple):
            names |= {key.value for key in keys}
    base = {name for name in names if "+" in name[1:] or len(name) > 1}
    return sorted(name for name in base - {Keys.Ignore.value, "space"} if "scroll" not in name)


@pytest.mark.parametrize("name", names_in_textual())
def test_every_key_that_older_terminals_send_can_be_given(name: str) -> None:
    if name == "ctrl+@":
        assert name in parse_key("ctrl+space")
    else:
        assert parse_key(name)[0] == name


@pytest.mark.parametrize("character", string.punctuation)
def test_names_of_characters_are_those_of_textual(character: str) -> None:
    assert parse_key(f"ctrl+{character}")[0] == f"ctrl+{_character_to_key(character)}"


@given(
    st.sampled_from(string.ascii_lowercase + string.digits),
    st.sets(st.sampled_from([("alt", 2), ("ctrl", 4), ("super", 8)]), min_size=1),
    st.booleans(),
    st.sampled_from("+-"),
    st.booleans(),
)
def test_what_is_written_is_what_arrives_by_the_kitty_protocol(
    base: str, modifiers: set[tuple[str, int]], is_shifted: bool, separator: str, is_capital: bool
) -> None:
    held = modifiers | ({("shift", 1)} if is_shifted else set())
    written = separator.join([*(name.capitalize() if is_capital else name for name, _ in held), base])
    arrived = list(XTermParser().feed(f"\x1b[{ord(base)};{1 + sum(bit for _, bit in held)}u"))
    assert [event.key for event in arrived] == [parse_key(written)[0]]  # type: ignore[attr-defined]


def test_keys_that_are_one_to_most_terminals() -> None:
    assert arrives_as("ctrl+i") == "tab"
    assert arrives_as("ctrl+d") is None
    for byte, name in (
        ("\t", "ctrl+i"),
        ("\r", "ctrl+m"),
        ("\x08", "ctrl+h"),
        ("\x1b", "ctrl+left_square_bracket"),
    ):
        keys = ANSI_SEQUENCES_KEYS[byte]
        assert isinstance(keys, tuple)
        assert keys[0].value == arrives_as(name)


def test_letters_that_are_two_characters_in_the_other_case() -> None:
    assert parse_key("ctrl+İ") == ("ctrl+İ",)
    assert parse_key("alt+shift+ß") == ("alt+shift+ß",)
