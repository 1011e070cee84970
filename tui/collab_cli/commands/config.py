"""`collab config`: where the settings are, what they are and where from, and a way to change them."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from collab_cli.config_file import KEYS_TABLE, ConfigFile, read_config
from collab_cli.exits import ExitCode, UsageError, printable, say
from collab_cli.identity import account_name
from collab_cli.layers import Found, Layers
from collab_cli.paths import find_folders, make_folder
from collab_cli.settings_table import NAME, SETTINGS, Setting
from collab_cli.token_sources import take_token
from collab_tui.actions import ACTIONS

_EDITORS: Final = ("editor", "nano", "vi")
"""Tried where no variable names one; `editor` is what Debian's people chose with update-alternatives."""

_PRIVATE: Final = 0o600


def print_path() -> int:
    """Print where config.toml is, or would be; returns the exit code."""
    sys.stdout.write(f"{find_folders(os.environ).config_file}\n")
    return ExitCode.OK


def show(*, as_json: bool) -> int:
    """Print every setting with its source, and the keys that were moved; returns the exit code.

    Raises:
        UsageError: a value that counts is wrong.
    """
    file = read_config(find_folders(os.environ).config_file)
    layers = Layers(os.environ, file)
    found = {setting.key: _found(layers, setting) for setting in SETTINGS}
    for complaint in file.complaints:
        say(complaint)
    text = _as_json(file, found) if as_json else _as_lines(file, found)
    encoding = sys.stdout.encoding or "utf-8"
    sys.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding))  # ASCII has no é
    return ExitCode.OK


def edit() -> int:
    """Have the person edit config.toml, made with a template when missing; returns the exit code.

    Raises:
        UsageError: there is no editor, it could not be run, or the file cannot be made.
    """
    take_token(os.environ)  # the editor has no business with it
    path = find_folders(os.environ).config_file
    editor = _editor(os.environ)
    _make_file(path)
    try:
        code = subprocess.run([*editor, str(path)], check=False).returncode  # noqa: S603  # their own choice
    except OSError as error:
        raise UsageError(f"cannot run {editor[0]}: {error.strerror or error}; set EDITOR") from error
    complaints = [*read_config(path).complaints]
    if code != 0:
        complaints.append(f"{editor[0]} ended with exit code {code}")
    for complaint in complaints:
        say(complaint)
    return ExitCode.USAGE if complaints else ExitCode.OK


def template() -> str:
    """Return a config.toml with all settings and keys, each commented out."""
    lines = [
        "# Settings of collab. A line that begins with # has no effect: take the # away to change a setting.",
        "# What is typed as a flag (--name) or set as a variable (COLLAB_NAME) wins over what stands here.",
    ]
    table = ""
    for setting in SETTINGS:
        if setting.table != table:
            table = setting.table
            lines += ["", f"[{table}]"]
        lines += ["", f"# {setting.about}", f"#{setting.name} = {setting.example}"]
    lines += [
        "",
        f"[{KEYS_TABLE}]",
        "",
        '# Keys of actions, as in "ctrl+d, f4"; "" for none. These are what they have by themselves.',
        "# A key that is given to one action here is taken from the one that had it.",
    ]
    group = None
    for action in ACTIONS:
        if action.group is not group:
            group = action.group
            lines += ["", f"# {group}"]
        lines.append(f'#{action.id} = "{action.keys.replace(",", ", ")}"')
    return "\n".join(lines) + "\n"


def _found(layers: Layers, setting: Setting[object]) -> Found[object]:
    found = layers.find(setting)
    return Found(account_name(), found.source) if found.value is None and setting.key == NAME.key else found


def _as_lines(file: ConfigFile, found: Mapping[str, Found[object]]) -> str:
    rows = [(key, _shown(each.value), each.source) for key, each in found.items()]
    rows += [
        (f"{KEYS_TABLE}.{id_}", keys.replace(",", ", ") or "no key", file.place(f"{KEYS_TABLE}.{id_}"))
        for id_, keys in file.keys.items()
    ]
    rows = [(key, printable(value), printable(source)) for key, value, source in rows]
    first, second = (max(len(row[column]) for row in rows) for column in (0, 1))
    return "".join(f"{key:{first}}  {value:{second}}  {source}\n" for key, value, source in rows)


def _as_json(file: ConfigFile, found: Mapping[str, Found[object]]) -> str:
    settings = {
        key: {"value": str(each.value) if isinstance(each.value, Path) else each.value, "source": each.source}
        for key, each in found.items()
    }
    keys = {
        id_: {"value": own, "source": file.place(f"{KEYS_TABLE}.{id_}")} for id_, own in file.keys.items()
    }
    return json.dumps({"file": str(file.path), "settings": settings, "keys": keys}) + "\n"


def _shown(value: object) -> str:
    if value is None:
        return "-"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _editor(environ: Mapping[str, str]) -> list[str]:
    """Return the command that edits a file, without the file.

    Raises:
        UsageError: there is none.
    """
    for variable in ("VISUAL", "EDITOR"):
        if environ.get(variable, "").strip():
            try:
                return shlex.split(environ[variable])
            except ValueError as error:
                raise UsageError(f"{variable}: {environ[variable]!r} is no command: {error}") from error
    for name in _EDITORS:
        if shutil.which(name, path=environ.get("PATH")):
            return [name]
    raise UsageError(f"no editor found ({', '.join(_EDITORS)}): set EDITOR to one")


def _make_file(path: Path) -> None:
    """Make the file with the template, for us alone (0600), if there is none."""
    make_folder(path.parent)
    try:
        with contextlib.suppress(FileExistsError):
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE)
            with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
                stream.write(template())
    except OSError as error:
        raise UsageError(f"cannot make {path}: {error.strerror or error}") from error
