"""config.toml as values, and a complaint with its line for each entry that is wrong; those are left out.

What a wrong entry leads to is for the command to say: an editor opens without it, a server does not start.
"""

from __future__ import annotations

import re
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from collab_cli.exits import UsageError
from collab_cli.paths import Folders, full_path
from collab_cli.settings.key_names import arrives_as, parse_key
from collab_cli.settings.table import SETTINGS
from collab_cli.settings.values import short_repr

KEYS_TABLE: Final = "keys"
_ESCAPE_ROUTES: Final = ("quit", "commands")
"""Without a key for one of these nobody finds the way out of the editor."""

_LAST_QUIT_KEY: Final = "f10"

_TYPING_KEYS: Final = frozenset(
    ("enter", "tab", "backspace", "delete", "escape", "up", "down", "left", "right")
)

_LONGEST_NAME: Final = 200
"""Characters of a key or table that are looked at to find its line."""

_TABLES: Final = (KEYS_TABLE, *{setting.table for setting in SETTINGS if setting.table})
_SERVE: Final = "serve"
_IGNORED: Final = "; it is ignored"
_NEAR: Final = 0.75
"""What difflib calls alike: "prot" and "port" are, "plugins" and "ruler" are not."""


@dataclass(frozen=True, slots=True)
class Complaint:
    """One thing that is wrong in the file, with its place; `key` is the entry, "" for the whole file."""

    key: str
    text: str
    is_ignored: bool = False
    """The entry has no effect."""
    is_known: bool = True
    """False: nobody knows the key."""

    def __str__(self) -> str:
        return f"{self.text}{_IGNORED if self.is_ignored else ''}"

    @property
    def concerns_serving(self) -> bool:
        """Whether a server may be served otherwise than was meant."""
        is_top = "." not in self.key
        table = self.key.partition(".")[0]
        return not self.key or table == _SERVE or (is_top and not self.is_known)


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """What config.toml says."""

    path: Path
    lines: Mapping[str, int] = field(default_factory=dict)
    """Where keys and tables are given first, counted from 1; "serve." is the inline table serve."""
    values: Mapping[str, object] = field(default_factory=dict)
    """As TOML has them, by key ("name", "serve.port"); only those that are right."""
    keys: Mapping[str, str] = field(default_factory=dict)
    """Keys of actions by id: Textual's names with commas between; "" for none."""
    wrong: Mapping[str, str] = field(default_factory=dict)
    """What is wrong, by key, for values that are."""
    found_wrong: tuple[Complaint, ...] = ()
    """All that is wrong."""
    is_broken: bool = False
    """It is no TOML, or cannot be read: nothing in it counts."""
    is_unread: bool = False
    """It cannot be read: it might say anything."""

    @property
    def complaints(self) -> tuple[str, ...]:
        """All that is wrong, each with its place, and what comes of it."""
        return tuple(map(str, self.found_wrong))

    @property
    def serving_complaints(self) -> tuple[str, ...]:
        """What keeps a server from being served as was meant, each with its place."""
        return tuple(each.text for each in self.found_wrong if each.concerns_serving)

    def place(self, key: str) -> str:
        """Return where `key` stands, for a message."""
        line = self._line(key)
        return str(self.path) if line is None else f"{self.path}:{line}"

    def wrong_at(self, key: str) -> str | None:
        """Return what is wrong with `key`; None if it is right or not given, as far as can be seen."""
        if self.is_broken and (self.is_unread or self._line(key) is not None):
            return self.found_wrong[0].text
        return self.wrong.get(key)

    def _line(self, key: str) -> int | None:
        """Return the line on which `key` is given; None if it is not, or is written unusually."""
        return self.lines.get(key) or self.lines.get(f"{key.partition('.')[0]}.")


def read_settings(folders: Folders) -> ConfigFile:
    """Return what this account's config.toml says, or the file that was named in its place."""
    return read_config(folders.config_file, must_exist=folders.named_config is not None)


def with_config(folders: Folders, typed: Path | None) -> Folders:
    """Return `folders` with the file that was typed after --config, if one was.

    Raises:
        UsageError: it is no path.
    """
    if typed is None:
        return folders
    try:
        return replace(folders, named_config=full_path(typed))
    except ValueError as error:
        raise UsageError(f"--config: {short_repr(typed)} is not {error}") from error


def read_config(path: Path, *, must_exist: bool = False) -> ConfigFile:
    """Return what the file says; one that is not there says nothing, and neither does one that is no TOML."""
    try:
        mode = path.stat().st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):  # a pipe would be waited for; a folder is an error
            return _unread(path, "it is not a file")
        data = path.read_bytes()
    except FileNotFoundError:
        return _unread(path, "there is no such file") if must_exist else ConfigFile(path)
    except OSError as error:
        return _unread(path, str(error.strerror))
    try:
        text = data.decode("utf-8-sig")  # some editors write a BOM
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        return _broken(
            path,
            data.decode(errors="replace"),
            f"{path}:{line}: this is not UTF-8; nothing in the file counts",
        )
    import tomllib  # most people have no config.toml, and need not wait for its parser

    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = re.search(r"at line (\d+)", str(error))
        line_number = found[1] if found else text.rstrip().count("\n") + 1
        return _broken(path, text, f"{path}:{line_number}: {error}; nothing in the file counts")
    except (ValueError, RecursionError):
        return _broken(
            path,
            text,
            f"{path}: this is no TOML: a number too long or brackets too deep; nothing in the file counts",
        )
    return _Check(ConfigFile(path, _lines(text)), table).checked()


def _unread(path: Path, why: str) -> ConfigFile:
    return ConfigFile(
        path, found_wrong=(Complaint("", f"cannot read {path}: {why}"),), is_broken=True, is_unread=True
    )


def _broken(path: Path, text: str, complaint: str) -> ConfigFile:
    return ConfigFile(path, _lines(text), found_wrong=(Complaint("", complaint),), is_broken=True)


class _Check:
    """Goes through one file and gathers what is right and what is wrong."""

    def __init__(self, file: ConfigFile, table: Mapping[str, object]) -> None:
        self._file = file
        self._table = table
        self._values: dict[str, object] = {}
        self._wrong: dict[str, str] = {}
        self._complaints: list[Complaint] = []

    def checked(self) -> ConfigFile:
        """Return the file with all that is known of it."""
        settings = {setting.key: setting for setting in SETTINGS}
        keys: dict[str, str] = {}
        for key, value in self._entries():
            if key == KEYS_TABLE:
                keys = self._moved_keys(value)
            elif (setting := settings.get(key)) is None:
                self._complain(
                    key,
                    f"nobody knows the key {short_repr(key)}{_meant(key)}",
                    is_ignored=True,
                    is_known=False,
                )
            else:
                try:
                    setting.parse(value)
                    self._values[key] = value
                except ValueError as error:
                    self._wrong[key] = f"{self._file.place(key)}: {short_repr(value)} is not {error}"
                    self._complaints.append(Complaint(key, self._wrong[key], is_ignored=True))
        return ConfigFile(
            self._file.path, self._file.lines, self._values, keys, self._wrong, tuple(self._complaints)
        )

    def _complain(self, key: str, what: str, *, is_ignored: bool = False, is_known: bool = True) -> None:
        text = f"{self._file.place(key)}: {what}"
        self._complaints.append(Complaint(key, text, is_ignored, is_known))

    def _entries(self) -> Iterator[tuple[str, object]]:
        for key, value in self._table.items():
            if key == KEYS_TABLE or key not in _TABLES:
                yield key, value
            elif isinstance(value, dict):
                yield from ((f"{key}.{inner}", inner_value) for inner, inner_value in value.items())
            else:
                self._complain(key, f"{key!r} is a table, written [{key}]", is_ignored=True)

    def _moved_keys(self, table: object) -> dict[str, str]:
        if not isinstance(table, dict):
            self._complain(KEYS_TABLE, f"{KEYS_TABLE!r} is a table, written [{KEYS_TABLE}]", is_ignored=True)
            return {}
        from collab_tui.actions import ACTIONS, split_keys

        default_keys = {action.id: split_keys(action.keys) for action in ACTIONS}
        moved: dict[str, str] = {}
        taken: dict[str, str] = {}
        for id_, value in table.items():
            place = f"{KEYS_TABLE}.{id_}"
            if id_ not in default_keys:
                near = _near(id_, default_keys)
                self._complain(
                    place,
                    f"there is no action {short_repr(id_)} "
                    + (f"(did you mean {near!r}?)" if near else "(`collab config edit` lists them)"),
                    is_ignored=True,
                )
            elif (written := _written_keys(value)) is None:
                self._complain(place, f'{short_repr(value)} is not keys, as in "ctrl+d, f4"', is_ignored=True)
            else:
                own = self._own_keys(id_, written, default_keys[id_], taken)
                if own or not written:
                    moved[id_] = ",".join(own)
        self._keep_a_way_out(moved)
        return moved

    def _keep_a_way_out(self, moved: dict[str, str]) -> None:
        """Give `quit` a key, taken from the action that has it, when nothing leads to it any more."""
        from collab_tui.actions import Keymap, split_keys

        keymap = Keymap(moved)
        if any(keymap.keys(id_) for id_ in _ESCAPE_ROUTES):
            return
        given = next((id_ for id_ in _ESCAPE_ROUTES if id_ in moved), None)
        self._complain(
            f"{KEYS_TABLE}.{given}" if given else KEYS_TABLE,
            f"no key is left for any of {', '.join(_ESCAPE_ROUTES)}: {_LAST_QUIT_KEY} is for 'quit' again",
        )
        for id_, keys in moved.items():
            moved[id_] = ",".join(key for key in split_keys(keys) if key != _LAST_QUIT_KEY)
        moved["quit"] = _LAST_QUIT_KEY

    def _own_keys(
        self, id_: str, written: list[str], default_keys: tuple[str, ...], taken: dict[str, str]
    ) -> list[str]:
        """Return the names of the keys that the action may have, and note them in `taken`, with its id."""
        place = f"{KEYS_TABLE}.{id_}"
        own: list[str] = []
        for each in written:
            try:
                first, *also = parse_key(each)
            except ValueError as error:
                self._complain(place, f"{short_repr(each)} is not {error}", is_ignored=True)
                continue
            if (owner := taken.get(first, id_)) != id_:
                self._complain(place, f"{each!r} is already for {owner!r}", is_ignored=True)
                continue
            if (same := arrives_as(first)) and same not in default_keys:
                self._complain(place, f"{each!r} arrives as {same!r} from most terminals")
            if first in _TYPING_KEYS and first not in default_keys:
                self._complain(place, f"{each!r} is needed for typing; it is now for {id_!r}")
            for name in (first, *also):
                if taken.setdefault(name, id_) == id_ and name not in own:
                    own.append(name)
        return own


def _meant(key: str) -> str:
    """Return a guess at what was meant by a key that nobody knows; "" without one."""
    table, _, name = key.rpartition(".")
    near = next((each.key for each in SETTINGS if each.name == name), "")  # it is in another table
    if not near:
        beside = {each.name: each.key for each in SETTINGS if each.table == table}
        if not table:
            beside.update({each: each for each in _TABLES})
        near = beside.get(_near(name, beside), "")
    return f" (did you mean {near!r}?)" if near else ""


def _near(written: str, known: Iterable[str]) -> str:
    """Return which of `known` is written nearly so; "" for none."""
    import difflib  # most files have no such slip

    found = difflib.get_close_matches(written[:_LONGEST_NAME], known, 1, _NEAR)
    return found[0] if found else ""


def _written_keys(value: object) -> list[str] | None:
    """Return the keys of one action as they are written; None if that is no way to write them."""
    if isinstance(value, str):
        return [each for each in value.split(",") if each.strip()]
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return list(value)
    return None


def _lines(text: str) -> dict[str, int]:
    """Return the line on which each key and table is given first, as far as it is written as usual."""
    lines: dict[str, int] = {}
    table = ""
    for number, line in enumerate(text.split("\n"), 1):  # TOML has no other ends of lines, as U+2028
        entry = line.strip()
        if entry.startswith("["):
            header, closing, _ = entry.lstrip("[").partition("]")
            if not closing:
                continue
            written = table = _bare(header)
        else:
            name, equals, _ = entry.partition("=")
            if not equals or name.startswith("#"):
                continue
            written = f"{table}.{_bare(name)}" if table else _bare(name)
            lines.setdefault(f"{written}.", number)
        first, *more = written.split(".", 2)
        for key in (written, first, ".".join((first, *more[:1]))):
            lines.setdefault(key, number)
    return lines


def _bare(key: str) -> str:
    return ".".join(part.strip().strip("\"'") for part in key.split("."))[:_LONGEST_NAME]
