"""The group whose accounts may open a server's Unix socket, and whether they get as far as there."""

from __future__ import annotations

import grp
import os
import stat
from pathlib import Path
from typing import NamedTuple


class Group(NamedTuple):
    """A group of accounts on this machine."""

    number: int
    name: str

    def __str__(self) -> str:
        return self.name

    @property
    def is_ours_to_give(self) -> bool:
        """Whether this process may give a file to it: chown(2) takes a group that one is in, root any."""
        return os.geteuid() == 0 or self.number in (os.getegid(), *os.getgroups())


def group_called(text: str) -> Group:
    """Return the group with that name or number. Raises: ValueError: there is none; the text completes
    "… is not …".
    """
    try:
        found = grp.getgrgid(int(text)) if text.isascii() and text.isdecimal() else grp.getgrnam(text)
    except (KeyError, OverflowError) as error:
        raise ValueError("a group of this machine: getent group lists them") from error
    return Group(found.gr_gid, found.gr_name)


def closed_folder(path: Path, group: Group) -> Path | None:
    """Return the first folder above `path` that accounts of `group` cannot enter, as far as its mode says."""
    for folder in reversed(path.absolute().parents):
        try:
            found = folder.stat()
        except OSError:
            return folder
        may_enter = stat.S_IXGRP if found.st_gid == group.number else stat.S_IXOTH
        if not found.st_mode & may_enter:
            return folder
    return None
