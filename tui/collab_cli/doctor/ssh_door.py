"""Guests over SSH: whether they can come as the settings say, and which keys let somebody in."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from shlex import quote
from typing import Final

from collab_cli.doctor.case import Case
from collab_cli.doctor.findings import Findings, fine, warning, wrong
from collab_cli.humane import counted
from collab_cli.settings import serve_table
from collab_cli.ssh.authorized_keys import parse_line
from collab_cli.ssh.public_key import KeyRefused
from collab_cli.ssh_door.plan import keys_file

_SHOWN: Final = 3
_OTHERS_WRITE: Final = 0o022


def look_at_ssh_door(case: Case) -> Findings:
    address = case.value(serve_table.SERVE_SSH)
    if address is not None and importlib.util.find_spec("asyncssh") is None:
        yield wrong(
            f"guests cannot come over SSH to {address}: what speaks it is not installed",
            "pip install 'collab-editor[ssh]'",
        )
    file = keys_file(case.data_dir)
    try:
        lines = file.read_text("utf-8", "replace").splitlines()
        mode = file.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        if address is not None and not case.value(serve_table.AUTH):
            yield warning(f"nobody can come over SSH to {address}: {file} is not there", _let_in(file))
        return
    if mode & _OTHERS_WRITE:
        yield wrong(
            f"others may write to {file}, and so let in whom they want", f"chmod 600 {quote(str(file))}"
        )
    yield from _keys(file, lines)


def _keys(file: Path, lines: list[str]) -> Findings:
    good, refused = 0, []
    for number, line in enumerate(lines, 1):
        try:
            good += parse_line(line) is not None
        except KeyRefused as error:
            refused.append(f"{file}:{number}: {error}")
    for each in refused[:_SHOWN]:
        yield warning(f"a key lets nobody in: {each}", "put the line right, or remove it")
    if len(refused) > _SHOWN:
        yield warning(f"{counted(len(refused) - _SHOWN, 'key')} more let nobody in", f"see {file}")
    if good or not refused:
        yield fine(f"{file} has {counted(good, 'key')} that guests come by over SSH")


def _let_in(file: Path) -> str:
    return f"collab invite ROOM --ssh-key FILE.pub >> {quote(str(file))}"
