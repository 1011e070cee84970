"""`collab admin limits`: how much a server takes on, what is in use of it, and setting it for now."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from collab_cli.exits import ExitCode, UsageError, say
from collab_cli.humane import size
from collab_cli.office.office import ask
from collab_cli.settings import values
from collab_cli.settings.flags import OperatorFlags
from collab_cli.settings.table import SETTINGS
from collab_cli.tables import print_json, print_table


def run(place: OperatorFlags, changes: Sequence[str], *, as_json: bool) -> int:
    """Print all limits, after setting those of `changes` (NAME=VALUE); returns the exit code.

    Raises:
        CollabError: nothing was set; the text says why.
    """
    wanted = dict(_change(typed) for typed in changes)
    limits: dict[str, dict[str, Any]] = ask(place, {"do": "limits", "set": wanted})["limits"]
    if as_json:
        print_json(limits)
    else:
        rows = [_row(name, each) for name, each in limits.items()]
        print_table([("", "limit", "in use", "before"), *rows], right=(1, 2, 3))
    if wanted:
        settings = {setting.key for setting in SETTINGS}
        kept = [name for name in wanted if f"serve.{name}" in settings]
        how = "" if not kept else f"; to keep it, say in config.toml: [serve] {_lines(kept, wanted)}"
        say(f"this holds until the server ends{how}")
    return ExitCode.OK


def _change(typed: str) -> tuple[str, int]:
    name, equals, value = typed.partition("=")
    if not equals:
        raise UsageError(f"{typed!r}: write NAME=VALUE, as in connections=500 or room_bytes=8M")
    name = name.strip().replace("-", "_")
    try:
        parse = values.size_bytes if _is_size(name) else values.number
        return name, parse(value)
    except ValueError as error:
        raise UsageError(f"{name}: {values.short_repr(value)} is not {error}") from error


def _lines(names: Sequence[str], wanted: dict[str, int]) -> str:
    return ", ".join(
        f'{name} = "{values.shown_size(wanted[name])}"' if _is_size(name) else f"{name} = {wanted[name]}"
        for name in names
    )


def _row(name: str, each: dict[str, Any]) -> tuple[str, ...]:
    def limit(value: int) -> str:
        return values.shown_size(value) if _is_size(name) else str(value)

    in_use, before = each["in_use"], each["before"]
    used = "-" if in_use is None else size(in_use) if _is_size(name) else str(in_use)
    return name, limit(each["limit"]), used, limit(before) if before != each["limit"] else ""


def _is_size(name: str) -> bool:
    return name.endswith("_bytes") or name.startswith("bytes_")
