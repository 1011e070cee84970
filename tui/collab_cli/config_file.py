"""config.toml as values, and a complaint with its line for each entry that is wrong; those are left out."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from collab_cli.key_names import arrives_as, parse_key
from collab_cli.settings_table import SETTINGS

KEYS_TABLE: Final = "keys"
_TABLES: Final = (KEYS_TABLE, *{setting.table for setting in SETTINGS if setting.table})


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """What config.toml says."""

    path: Path
    text: str = ""
    values: Mapping[str, object] = field(default_factory=dict)
    """As TOML has them, by key ("name", "serve.port"); only those that are right."""
    keys: Mapping[str, str] = field(default_factory=dict)
    """Keys of actions by id: Textual's names with commas between; "" for none."""
    wrong: Mapping[str, str] = field(default_factory=dict)
    """What is wrong, by key, for values that are."""
    complaints: tuple[str, ...] = ()
    """All that is wrong, each with its place."""
    is_broken: bool = False
    """It is no TOML, or cannot be read: nothing in it counts."""

    def place(self, key: str) -> str:
        """Return where `key` stands, for a message."""
        line = _line_of(self.text, key)
        return str(self.path) if line is None else f"{self.path}:{line}"

    def wrong_at(self, key: str) -> str | None:
        """Return what is wrong with `key`; None if it is right or not given, as far as can be seen."""
        if self.is_broken and (not self.text or _line_of(self.text, key) is not None):
            return self.complaints[0]
        return self.wrong.get(key)


def read_config(path: Path) -> ConfigFile:
    """Return what the file says; one that is not there says nothing, and neither does one that is no TOML."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return ConfigFile(path)
    except OSError as error:
        return _broken(path, "", f"cannot read {path}: {error.strerror}")
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
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
        place = f"{path}:{found[1] if found else len(text.splitlines())}"
        return _broken(path, text, f"{place}: {error}; nothing in the file counts")
    return _Check(ConfigFile(path, text), table).checked()


def _broken(path: Path, text: str, complaint: str) -> ConfigFile:
    return ConfigFile(path, text, complaints=(complaint,), is_broken=True)


class _Check:
    """Goes through one file and gathers what is right and what is wrong."""

    def __init__(self, file: ConfigFile, table: Mapping[str, object]) -> None:
        self._file = file
        self._table = table
        self._values: dict[str, object] = {}
        self._wrong: dict[str, str] = {}
        self._complaints: list[str] = []

    def checked(self) -> ConfigFile:
        """Return the file with all that is known of it."""
        settings = {setting.key: setting for setting in SETTINGS}
        keys: dict[str, str] = {}
        for key, value in self._entries():
            if key == KEYS_TABLE:
                keys = self._moved_keys(value)
            elif (setting := settings.get(key)) is None:
                self._complain(key, f"nobody knows the key {key!r}; it is ignored")
            else:
                try:
                    setting.parse(value)
                    self._values[key] = value
                except ValueError as error:
                    self._wrong[key] = f"{self._file.place(key)}: {value!r} is not {error}"
                    self._complaints.append(f"{self._wrong[key]}; it is ignored")
        return ConfigFile(
            self._file.path, self._file.text, self._values, keys, self._wrong, tuple(self._complaints)
        )

    def _complain(self, key: str, what: str) -> None:
        self._complaints.append(f"{self._file.place(key)}: {what}")

    def _entries(self) -> Iterator[tuple[str, object]]:
        for key, value in self._table.items():
            if key == KEYS_TABLE or key not in _TABLES:
                yield key, value
            elif isinstance(value, dict):
                yield from ((f"{key}.{inner}", inner_value) for inner, inner_value in value.items())
            else:
                self._complain(key, f"{key!r} is a table, written [{key}]; it is ignored")

    def _moved_keys(self, table: object) -> dict[str, str]:
        if not isinstance(table, dict):
            self._complain(KEYS_TABLE, f"{KEYS_TABLE!r} is a table, written [{KEYS_TABLE}]; it is ignored")
            return {}
        from collab_tui.actions import ACTIONS, split_keys

        default_keys = {action.id: split_keys(action.keys) for action in ACTIONS}
        moved: dict[str, str] = {}
        taken: dict[str, str] = {}
        for id_, value in table.items():
            place = f"{KEYS_TABLE}.{id_}"
            if id_ not in default_keys:
                self._complain(
                    place, f"there is no action {id_!r} (`collab config edit` lists them); it is ignored"
                )
            elif (written := _written_keys(value)) is None:
                self._complain(place, f'{value!r} is not keys, as in "ctrl+d, f4"; it is ignored')
            else:
                own = self._own_keys(id_, written, default_keys[id_], taken)
                if own or not written:
                    moved[id_] = ",".join(own)
        return moved

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
                self._complain(place, f"{each!r} is not {error}; it is ignored")
                continue
            if (owner := taken.get(first, id_)) != id_:
                self._complain(place, f"{each!r} is already for {owner!r}; it is ignored")
                continue
            if (same := arrives_as(first)) and same not in default_keys:
                self._complain(place, f"{each!r} arrives as {same!r} from most terminals")
            for name in (first, *also):
                if taken.setdefault(name, id_) == id_ and name not in own:
                    own.append(name)
        return own


def _written_keys(value: object) -> list[str] | None:
    """Return the keys of one action as they are written; None if that is no way to write them."""
    if isinstance(value, str):
        return [each for each in value.split(",") if each.strip()]
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return list(value)
    return None


def _line_of(text: str, key: str) -> int | None:
    """Return the line on which `key` ("name", "serve.port") is given; None if it is written unusually."""
    table = ""
    for number, line in enumerate(text.splitlines(), 1):
        if header := re.match(r"\s*\[+([^\]]+)\]", line):
            written = table = _bare(header[1])
        elif given := re.match(r"""\s*([\w."' -]+?)\s*=""", line):
            written = f"{table}.{_bare(given[1])}" if table else _bare(given[1])
            if key.startswith(f"{written}."):  # an inline table
                return number
        else:
            continue
        if written == key or written.startswith(f"{key}."):
            return number
    return None


def _bare(key: str) -> str:
    return ".".join(part.strip().strip("\"'") for part in key.split("."))
