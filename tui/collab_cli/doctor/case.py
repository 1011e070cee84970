"""What is looked at: settings and places, found without making any of them."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from collab_cli.exits import UsageError
from collab_cli.paths import Folders, find_folders, full_path
from collab_cli.settings import serve_table
from collab_cli.settings.file import ConfigFile, read_settings, with_config
from collab_cli.settings.layers import Layers
from collab_cli.settings.serving import find_data_dir
from collab_cli.settings.setting import Setting

T = TypeVar("T")

MOUNTS: Final = Path("/proc/self/mountinfo")


@dataclass(frozen=True, slots=True)
class Case:
    """What is looked at, by whom (`user_id`) and when (`now`, UTC seconds)."""

    environ: Mapping[str, str]
    folders: Folders
    file: ConfigFile
    data_dir: Path
    is_data_dir_typed: bool
    server: str | None
    """The one that was typed after --server."""
    now: float
    user_id: int
    mounts: Path = MOUNTS
    """Where Linux says what is mounted where, proc_pid_mountinfo(5); missing on other systems."""

    @property
    def store_file(self) -> Path:
        return self.data_dir / "rooms.sqlite3"

    @property
    def keys_file(self) -> Path:
        return self.data_dir / "keys"

    @property
    def is_hidden(self) -> bool:
        """Tell whether we may not look into the data folder at all, which is told with the folders."""
        try:
            self.keys_file.lstat()
        except PermissionError:
            return True
        except OSError:
            return False
        return False

    def value(self, setting: Setting[T]) -> T | None:
        """Return a setting; None where it is wrong, which is told by itself."""
        try:
            return Layers(self.environ, self.file).find(setting).value
        except UsageError:
            return None

    @property
    def serves_tcp(self) -> bool:
        return self.value(serve_table.HOST) is not None or self.value(serve_table.PORT) is not None


def open_case(
    environ: Mapping[str, str], *, data_dir: Path | None, config: Path | None, server: str | None
) -> Case:
    """Return what to look at. Raises: UsageError: what was typed is no path."""
    folders = with_config(find_folders(environ), config)
    try:
        found = find_data_dir(data_dir, folders, environ)
    except UsageError:
        if data_dir is not None:
            raise
        found = full_path(folders.data)  # what is wrong in the settings is told with the settings
    return Case(
        environ=environ,
        folders=folders,
        file=read_settings(folders),
        data_dir=found,
        is_data_dir_typed=data_dir is not None,
        server=server,
        now=time.time(),
        user_id=os.geteuid(),
    )
