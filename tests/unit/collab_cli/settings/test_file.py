"""Tests of `collab_cli.settings.file`: what is wrong is told with its line, and all else counts."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collab_cli.settings import file as config_file
from collab_cli.settings.file import ConfigFile, read_config
from collab_tui.actions import ACTIONS, Keymap


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "config.toml"


def read(path: Path, text: str) -> ConfigFile:
    path.write_text(text, encoding="utf-8")
    return read_config(path)


def lines(file: ConfigFile) -> list[str]:
    """Return the line of each complaint."""
    found = [re.match(rf"{re.escape(str(file.path))}:(\d+): ", complaint) for complaint in file.complaints]
    return [each[1] if each else "" for each in found]


def test_no_file_says_nothing(path: Path) -> None:
    assert read_config(path) == ConfigFile(path)


def test_unknown_keys_are_told_with_their_line(path: Path) -> None:
    file = read(
        path,
        'nmae = "ana"\nname = "bo"\nplugins = { a = 1 }\n\n'
        "[serve]\nport = 1\nprot = 2\n\n[keymap.editor]\nundo = 'x'\n",
    )
    assert file.values == {"name": "bo", "serve.port": 1}
    assert lines(file) == ["1", "3", "7", "9"]
    for key, complaint in zip(("nmae", "plugins", "serve.prot", "keymap"), file.complaints, strict=True):
        assert f"nobody knows the key {key!r}" in complaint


@pytest.mark.parametrize(
    ("entry", "meant"),
    [
        ("lin_numbers = true", "line_numbers"),
        ("port = 1", "serve.port"),
        ("serve.prot = 1", "serve.port"),
        ("serve.historysize = 1", "serve.history_size"),
        ("serve.theme = 1", "theme"),
        ("srve.port = 1", "serve"),
        ("key.undo = 1", "keys"),
        ("plugins = 1", None),
        ("serve.plugins = 1", None),
        ("keys.qit = 'f4'", "quit"),
    ],
)
def test_what_may_have_been_meant(path: Path, entry: str, meant: str | None) -> None:
    (complaint,) = read(path, f"{entry}\n").complaints
    assert (f"(did you mean {meant!r}?)" in complaint) if meant else ("did you mean" not in complaint)


@pytest.mark.parametrize(
    ("text", "concerns"),
    [
        ("[serve]\nprot = 1\n", True),
        ("[serve]\nport = 'x'\n", True),
        ("serve = 1\n", True),
        ("unknown = 1\n", True),
        ("[unknown]\nx = 1\n", True),
        ("x = = 1\n", True),
        ("theme = 'pink'\n", False),
        ("keys = 1\n", False),
        ("[keys]\nfly = 'f4'\n", False),
    ],
)
def test_which_complaints_concern_a_server(path: Path, text: str, concerns: bool) -> None:
    file = read(path, text)
    assert len(file.complaints) == 1
    assert file.serving_complaints == (
        (file.complaints[0].removesuffix("; it is ignored"),) if concerns else ()
    )


def test_a_file_that_was_named_has_to_be_there(path: Path) -> None:
    assert read_config(path, must_exist=True).complaints == (f"cannot read {path}: there is no such file",)


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ('colour = "red"', "'red' is not a whole number"),
        ("colour = 13", "13 is not one of 1 to 12"),
        ("colour = true", "True is not a whole number"),
        ('theme = "pink"', "'pink' is not one of auto, dark, light, high-contrast, 16-colour, mono"),
        ("wrap = 1", "1 is not true or false"),
        ('hints = "perhaps"', "'perhaps' is not true or false"),
        ("ruler = 1001", "1001 is not a column from 1 to 1000, true or false"),
        ("ruler = -1", "-1 is not a column"),
        ("indent = 0", '0 is not "auto", "tabs" or 1 to 16'),
        ("indent = true", 'True is not "auto", "tabs" or 1 to 16'),
        ('name = "\\u202e"', "is not a name that others can read"),
        ('server = "example.org"', "is not a server: 'example.org' is no address"),
        ("serve = 3", "'serve' is a table, written [serve]"),
        ("keys = 3", "'keys' is a table, written [keys]"),
    ],
)
def test_a_wrong_value_is_told_with_its_line_and_the_rest_counts(path: Path, entry: str, words: str) -> None:
    file = read(path, f"# mine\nascii = true\n\n{entry}\nline_numbers = false\n")
    assert file.values == {"ascii": True, "line_numbers": False}
    assert lines(file) == ["4"]
    assert words in file.complaints[0]
    assert file.complaints[0].endswith("it is ignored")


@pytest.mark.parametrize(
    ("text", "line"),
    [('name = "ana"\ncolour = = 3\n', "2"), ('name = "ana', "1"), ("a = 1\n\na = 2\n", "3"), ("[x\n", "1")],
)
def test_what_is_no_toml_is_one_complaint(path: Path, text: str, line: str) -> None:
    file = read(path, text)
    assert (file.values, file.is_broken, lines(file)) == ({}, True, [line])


def test_what_cannot_be_read_is_one_complaint(path: Path) -> None:
    path.write_bytes(b'colour = 3\nname = "\xff"')
    assert read_config(path).complaints == (f"{path}:2: this is not UTF-8; nothing in the file counts",)
    path.unlink()
    path.mkdir()
    assert read_config(path).complaints == (f"cannot read {path}: Is a directory",)


def test_keys_are_moved(path: Path) -> None:
    file = read(
        path,
        '[keys]\nundo = "Ctrl-D, f4"\nredo = ["ctrl+,", "Alt-Shift-U"]\nquit = ""\nfind = []\n'
        'bracket = "Ctrl-]"\n',
    )
    assert file.complaints == ()
    assert file.keys == {
        "undo": "ctrl+d,f4",
        "redo": "ctrl+comma,alt+shift+u,alt+U",
        "quit": "",
        "find": "",
        "bracket": "ctrl+right_square_bracket",
    }
    assert Keymap(file.keys).action("f4") == "undo"


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ('fly = "f4"', "there is no action 'fly'"),
        ('redo = "ctrl+foo"', "'ctrl+foo' is not a key"),
        ('redo = "u"', "'u' is not a key that can be given away, it types a character"),
        ("redo = 3", "3 is not keys"),
        ("redo = [3]", "[3] is not keys"),
        ('redo = "Ctrl-D"', "'Ctrl-D' is already for 'undo'"),
    ],
)
def test_wrong_keys_are_told_with_their_line_and_the_rest_counts(path: Path, entry: str, words: str) -> None:
    file = read(path, f'[keys]\nundo = "ctrl+d"\n{entry}\nfind = "f9"\n')
    assert file.keys == {"undo": "ctrl+d", "find": "f9"}
    assert lines(file) == ["3"]
    assert words in file.complaints[0]


def test_a_wrong_key_leaves_the_action_its_other_keys(path: Path) -> None:
    file = read(path, '[keys]\nundo = "ctrl+foo, f4, F4"\n')
    assert file.keys == {"undo": "f4"}
    assert len(file.complaints) == 1


def test_a_key_that_arrives_as_another_is_told(path: Path) -> None:
    file = read(path, '[keys]\nundo = "Ctrl-I"\ntab = "tab, ctrl+i"\nbackspace = "backspace, ctrl+h"\n')
    assert file.keys["undo"] == "ctrl+i"
    assert "'Ctrl-I' arrives as 'tab' from most terminals" in file.complaints[0]
    assert lines(file) == ["2", "3"]  # the second: it is taken


@given(
    st.dictionaries(
        st.sampled_from([action.id for action in ACTIONS]),
        st.lists(
            st.sampled_from(["f2", "f3", "Ctrl-D", "ctrl+d", "alt+x", "x", "nonsense", "Ctrl-I"]), max_size=3
        ),
    )
)
def test_no_key_is_for_two_actions(
    tmp_path_factory: pytest.TempPathFactory, moved: dict[str, list[str]]
) -> None:
    path = tmp_path_factory.getbasetemp() / "moved.toml"
    text = "[keys]\n" + "".join(f"{id_} = {keys!r}\n" for id_, keys in moved.items())
    keys = read(path, text).keys
    given_away = [key for own in keys.values() for key in own.split(",") if key]
    assert len(given_away) == len(set(given_away))
    keymap = Keymap(keys)
    assert all(keymap.action(key) == id_ for id_, own in keys.items() for key in own.split(",") if key)


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        (f"colour = 0x{'f' * 5000}", "a very long number is not one of 1 to 12"),
        (f"ruler = 0x{'f' * 5000}", "a very long number is not a column"),
        (f"theme.{'.'.join('a' * 3000)} = 1", "is not one of auto"),
        (f"name.{'.'.join('a' * 3000)} = 1", "is not a text"),
        (f"{'x' * 5000} = 0x{'f' * 5000}", "nobody knows the key 'xxx"),
        (f"keys.undo = 0x{'f' * 5000}", "a very long number is not keys"),
    ],
)
def test_huge_values_are_told_shortly_and_the_rest_counts(path: Path, entry: str, words: str) -> None:
    file = read(path, f"ascii = true\n{entry}\n")
    assert file.values == {"ascii": True}
    (complaint,) = file.complaints
    assert words in complaint
    assert len(complaint) < len(str(path)) + 250


@pytest.mark.parametrize("value", ["1" * 5000, "[" * 3000 + "]" * 3000])
def test_what_python_cannot_parse_is_no_toml(path: Path, value: str) -> None:
    file = read(path, f"ascii = true\nserver = {value}\n")
    assert (file.values, file.is_broken) == ({}, True)
    assert "this is no TOML" in file.complaints[0]
    assert file.wrong_at("server")
    assert file.wrong_at("name") is None


def test_lines_are_those_of_toml(path: Path) -> None:
    file = read(
        path, "# a\u2028b = 1\r\n  [[[[x]]]\n" + " " * 100_000 + "\n" + "[" * 100_000 + "\nnaem = 1\n"
    )
    assert file.lines["x"] == 2
    assert file.lines["x.naem"] == 5


def test_lines_of_keys_in_tables_of_every_kind(path: Path) -> None:
    file = read(
        path,
        '"nmae" = 1\nserve = { prot = 1 }\nkeys.fly = "f4"\n# colour = 1\nplugins.a.b.c = 1\n[ other ]\n',
    )
    assert [file.place(key).rpartition(":")[2] for key in ("serve.prot", "keys.fly", "plugins")] == list(
        "235"
    )
    assert file.place("colour") == str(path)
    assert sorted(lines(file)) == ["1", "2", "3", "5", "6"]


def test_the_file_is_gone_through_once(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []

    def counted(text: str) -> dict[str, int]:
        calls.append(text)
        return find_lines(text)

    find_lines = config_file._lines
    monkeypatch.setattr(config_file, "_lines", counted)
    file = read(path, "".join(f"unknown{number} = 1\n" for number in range(1, 101)))
    assert lines(file) == [str(number) for number in range(1, 101)]
    assert len(calls) == 1


def test_a_byte_order_mark_is_no_part_of_the_text(path: Path) -> None:
    path.write_bytes(b"\xef\xbb\xbfname = 'ana'\n")
    assert read_config(path).values == {"name": "ana"}
    path.write_bytes(b"\xef\xbb\xbfa=1\n'\xff'")
    assert lines(read_config(path)) == ["2"]


def test_what_is_no_file_is_one_complaint(path: Path) -> None:
    path.symlink_to("/dev/zero")
    file = read_config(path)
    assert file.complaints == (f"cannot read {path}: it is not a file",)
    assert file.wrong_at("server") == file.complaints[0]


@pytest.mark.parametrize(
    ("entries", "keys", "line"),
    [
        ('quit = ""\ncommands = ""\n', {"quit": "f10", "commands": ""}, "2"),
        ('commands = ""\nundo = "ctrl+q, f10"\n', {"commands": "", "undo": "ctrl+q", "quit": "f10"}, "2"),
        (
            'undo = "ctrl+q, f10"\nredo = "ctrl+p, ctrl+e"\n',
            {"undo": "ctrl+q", "redo": "ctrl+p,ctrl+e", "quit": "f10"},
            "1",
        ),
    ],
)
def test_there_is_always_a_way_out(path: Path, entries: str, keys: dict[str, str], line: str) -> None:
    file = read(path, f"[keys]\n{entries}")
    assert file.keys == keys
    assert Keymap(file.keys).action("f10") == "quit"
    assert lines(file) == [line]
    assert "f10 is for 'quit' again" in file.complaints[0]


def test_one_way_out_is_enough(path: Path) -> None:
    for entry in ('quit = ""', 'commands = ""', 'quit = ""\ncommands = "f4"'):
        assert read(path, f"[keys]\n{entry}\n").complaints == ()


@pytest.mark.parametrize(
    "key", ["enter", "tab", "backspace", "delete", "up", "down", "left", "right", "escape"]
)
def test_a_key_that_typing_needs_may_be_moved_and_is_told(path: Path, key: str) -> None:
    file = read(path, f'[keys]\nredo = "f4"\nundo = "{key}"\n')
    assert file.keys["undo"] == key
    assert lines(file) == ["3"]
    assert f"{key!r} is needed for typing; it is now for 'undo'" in file.complaints[0]
    own = next(action.id for action in ACTIONS if key in action.keys.split(","))
    assert read(path, f'[keys]\n{own} = "{key}, f4"\n').complaints == ()
