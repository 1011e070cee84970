"""`collab config`: where the settings are, what they are and where from; checks and changes them."""

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
from typing import Any, Final

from collab_cli.exits import ExitCode, UsageError, printable, say
from collab_cli.identity import account_name
from collab_cli.paths import CONFIG_VARIABLE, Folders, find_folders, full_path, make_folder
from collab_cli.settings.file import KEYS_TABLE, ConfigFile, read_config, read_settings, with_config
from collab_cli.settings.flags import ServeFlags
from collab_cli.settings.join_table import NAME
from collab_cli.settings.layers import Found, Layers
from collab_cli.settings.serve_table import SERVE_SETTINGS
from collab_cli.settings.serving import find_doors
from collab_cli.settings.setting import Setting
from collab_cli.settings.table import SETTINGS
from collab_cli.settings.values import Address, short_repr
from collab_cli.token_sources import take_token
from collab_tui.actions import ACTIONS

_EDITORS: Final = ("editor", "nano", "vi")
"""Tried where no variable names one; `editor` is what Debian's people chose with update-alternatives."""

_PRIVATE: Final = 0o600
_FILE: Final = "(file)"
_WRONG: Final = "wrong"


def print_path(config: Path | None = None) -> int:
    """Print where config.toml is, or would be; returns the exit code. Raises: UsageError: it is no path."""
    sys.stdout.write(f"{with_config(find_folders(os.environ), config).config_file}\n")
    return ExitCode.OK


def show(*, as_json: bool, config: Path | None = None) -> int:
    """Print every setting with its source, and the keys that were moved; returns the exit code.

    That is 2 when something is wrong, and the rest is shown all the same.

    Raises:
        UsageError: the file has no path.
    """
    folders = with_config(find_folders(os.environ), config)
    file = read_settings(folders)
    layers = Layers(os.environ, file)
    complaints = list(file.complaints)
    found: dict[str, Found[object]] = {}
    for setting in SETTINGS:
        try:
            found[setting.key] = _found(layers, setting)
        except UsageError as error:
            found[setting.key] = Found(None, f"{_WRONG}: {_place(layers, setting)}")
            if not any(complaint.startswith(str(error)) for complaint in complaints):
                complaints.append(str(error))
    source = _source(folders, config)
    text = _as_json(file, source, found) if as_json else _as_lines(file, source, found)
    for complaint in complaints:
        say(complaint)
    encoding = sys.stdout.encoding or "utf-8"
    sys.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding))  # ASCII has no é
    return ExitCode.USAGE if complaints else ExitCode.OK


def check(typed: Path | None, *, as_json: bool) -> int:
    """Say all that is wrong in a file, the one that is used without another; returns the exit code.

    Raises:
        UsageError: it is no path.
    """
    folders = find_folders(os.environ)
    if typed is None:
        file = read_settings(folders)
    else:
        try:
            file = read_config(full_path(typed), must_exist=True)
        except ValueError as error:
            raise UsageError(f"{short_repr(typed)} is not {error}") from error
    complaints = [*(complaint.text for complaint in file.found_wrong), *wrong_together(file)]
    if as_json:
        sys.stdout.write(json.dumps({"file": str(file.path), "wrong": complaints}) + "\n")
        return ExitCode.USAGE if complaints else ExitCode.OK
    for complaint in complaints:
        say(complaint)
    if complaints:
        return ExitCode.USAGE
    state = "nothing is wrong in it" if file.path.exists() else "there is no such file, and none is needed"
    sys.stdout.write(f"{printable(str(file.path))}: {state}\n")
    return ExitCode.OK


def wrong_together(file: ConfigFile) -> list[str]:
    """Return what of the file's ways to serve does not go together, though each value is right."""
    if file.serving_complaints or not any(setting.key in file.values for setting in SERVE_SETTINGS):
        return []
    try:
        find_doors(ServeFlags(), Layers({}, file))
    except UsageError as error:
        return [f"{file.path}: [serve]: {error}"]
    return []


def edit(config: Path | None = None) -> int:
    """Have the person edit config.toml, made with a template when missing; returns the exit code.

    Raises:
        UsageError: there is no editor, it could not be run, or the file cannot be made.
    """
    take_token(os.environ)  # the editor has no business with it
    path = with_config(find_folders(os.environ), config).config_file
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


def _place(layers: Layers, setting: Setting[Any]) -> str:
    """Return where the wrong value of a setting stands."""
    has_variable = setting.has_variable and setting.variable in os.environ
    return setting.variable if has_variable else layers.file.place(setting.key)


def _source(folders: Folders, config: Path | None) -> str:
    """Return who named the file that is read."""
    if config is not None:
        return "--config"
    return "default" if folders.named_config is None else CONFIG_VARIABLE


def _found(layers: Layers, setting: Setting[object]) -> Found[object]:
    found = layers.find(setting)
    return Found(account_name(), found.source) if found.value is None and setting.key == NAME.key else found


def _as_lines(file: ConfigFile, source: str, found: Mapping[str, Found[object]]) -> str:
    rows = [(_FILE, str(file.path), source)]
    rows += [
        (setting.key, _shown(setting, found[setting.key]), found[setting.key].source) for setting in SETTINGS
    ]
    rows += [
        (f"{KEYS_TABLE}.{id_}", keys.replace(",", ", ") or "no key", file.place(f"{KEYS_TABLE}.{id_}"))
        for id_, keys in file.keys.items()
    ]
    rows = [(key, printable(value), printable(source)) for key, value, source in rows]
    first, second = (max(len(row[column]) for row in rows) for column in (0, 1))
    return "".join(f"{key:{first}}  {value:{second}}  {source}\n" for key, value, source in rows)


def _as_json(file: ConfigFile, source: str, found: Mapping[str, Found[object]]) -> str:
    settings = {
        key: {
            "value": str(each.value) if isinstance(each.value, (Path, Address)) else each.value,
            "source": each.source,
        }
        for key, each in found.items()
    }
    keys = {
        id_: {"value": own, "source": file.place(f"{KEYS_TABLE}.{id_}")} for id_, own in file.keys.items()
    }
    return (
        json.dumps({"file": str(file.path), "file_source": source, "settings": settings, "keys": keys}) + "\n"
    )


def _shown(setting: Setting[Any], found: Found[object]) -> str:
    if found.value is None:
        return "-"
    if isinstance(found.value, bool):
        return str(found.value).lower()
    if isinstance(found.value, tuple) and not isinstance(found.value, Address):
        return ", ".join(map(str, found.value))
    return setting.shown(found.value)


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
