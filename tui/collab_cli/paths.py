"""The folders that collab keeps things in, and the names of the files in them.

    data     the server's rooms, server.lock, server.json
    state    device secret, journals, copies, recent rooms, lines read, logs
    config   config.toml, credentials
    run      Unix sockets: 0700, ours, short

With COLLAB_HOME=DIR all four lie under DIR, so that a test or a demo touches nothing else.
COLLAB_CONFIG=FILE is read in place of config.toml.

Sockets do not go to XDG_RUNTIME_DIR: it is emptied when its owner logs out, and the private server
outlives that. They go where tmux puts its own, and nobody has to guess the path: server.json names it.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import platformdirs

from collab_cli.exits import UsageError

HOME_VARIABLE: Final = "COLLAB_HOME"
CONFIG_VARIABLE: Final = "COLLAB_CONFIG"

_SOCKET_PATH_BYTES: Final = 100
"""sun_path holds 108 bytes on Linux and 104 on macOS, with its final NUL (unix(7), sys/un.h)."""

_LONGEST_NAME: Final = len("/private-0123456789ab.sock")

_PRIVATE: Final = 0o700


@dataclass(frozen=True, slots=True)
class Folders:
    """Where things are kept; nothing is made until somebody asks for it."""

    data: Path
    state: Path
    config: Path
    run_choices: tuple[Path, ...]
    """Folders for sockets, best first."""
    named_config: Path | None = None
    """The file with the settings, where somebody has named one: it has to be there."""

    @property
    def config_file(self) -> Path:
        return self.named_config or self.config / "config.toml"

    @property
    def credentials_file(self) -> Path:
        return self.config / "credentials.json"

    @property
    def logs(self) -> Path:
        return self.state / "logs"

    @property
    def journals(self) -> Path:
        return self.state / "journals"

    @property
    def copies(self) -> Path:
        return self.state / "copies"

    @property
    def device_file(self) -> Path:
        return self.state / "device"

    @property
    def recent_file(self) -> Path:
        return self.state / "recent-rooms"

    @property
    def read_file(self) -> Path:
        return self.state / "read-lines"

    def run(self) -> Path:
        """Return the first choice for sockets that is short and can be made ours; make it.

        Raises:
            UsageError: there is none.
        """
        for folder in self.run_choices:
            if len(os.fsencode(folder)) + _LONGEST_NAME < _SOCKET_PATH_BYTES and _is_made_ours(folder):
                return folder
        tried = ", ".join(map(str, self.run_choices))
        raise UsageError(
            f"no folder for sockets: tried {tried}; each is too long or not yours: "
            f"set {HOME_VARIABLE} to a short path of your own"
        )

    def socket(self, data: Path, *, is_private: bool) -> Path:
        """Return the path of the socket of the server that keeps `data`.

        A private server (one that `join` started) has another name than one that somebody runs by
        hand, so that its clients know whose task it is to start it again.

        Raises:
            UsageError: there is no folder for sockets.
        """
        digest = hashlib.sha256(os.fsencode(data.resolve())).hexdigest()[:12]
        return self.run() / f"{'private' if is_private else 'serve'}-{digest}.sock"


def find_folders(environ: Mapping[str, str], *, user_id: int | None = None) -> Folders:
    """Return the folders of this account, as the environment and the platform have them.

    Raises:
        UsageError: COLLAB_HOME or COLLAB_CONFIG is no path.
    """
    user_id = os.getuid() if user_id is None else user_id
    shared = Path(f"/tmp/collab-{user_id}")  # noqa: S108  # `run` makes sure that it is ours
    named_config = _named(environ, CONFIG_VARIABLE)
    if root := _named(environ, HOME_VARIABLE):
        return Folders(root / "data", root / "state", root / "config", (root / "run", shared), named_config)
    state = platformdirs.user_state_path("collab", appauthor=False)
    return Folders(
        platformdirs.user_data_path("collab", appauthor=False),
        state,
        platformdirs.user_config_path("collab", appauthor=False),
        (shared, state / "run"),
        named_config,
    )


def _named(environ: Mapping[str, str], variable: str) -> Path | None:
    """Return the path that a variable names, if it does. Raises: UsageError: it is no path."""
    typed = environ.get(variable)
    if not typed:
        return None
    try:
        return full_path(Path(typed))
    except ValueError as error:
        raise UsageError(f"{variable}: {typed!r} is not {error}") from error


def own_program() -> str:
    """Return how this program is typed by an account whose PATH may not have it."""
    typed = Path(sys.argv[0])
    return str(typed.absolute()) if typed.name == "collab" and typed.is_absolute() else "collab"


def full_path(path: Path) -> Path:
    """Return `path` from the root on, with a "~" replaced.

    Raises:
        ValueError: no file can be there; the text says what a path must be.
    """
    if "\0" in str(path):
        raise ValueError("a path: it has a NUL character")
    try:
        return path.expanduser().absolute()
    except RuntimeError as error:
        raise ValueError("a path: there is no account of that name, or it has no home") from error


def make_folder(folder: Path) -> Path:
    """Make `folder` and what lies above it, new ones for us alone (0700); returns it.

    Raises:
        UsageError: it cannot be made, or nothing can be written there.
    """
    missing = [folder, *folder.parents]
    try:
        for each in reversed([f for f in missing if not f.exists()]):
            each.mkdir(mode=_PRIVATE, exist_ok=True)
        if not folder.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise UsageError(f"cannot keep anything in {folder}: {error.strerror or error}") from error
    return folder


def sync_folder(folder: Path) -> None:
    """Bring the names in `folder` to disk. Raises: OSError."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _is_made_ours(folder: Path) -> bool:
    """Make `folder` 0700; returns False when another account could reach into it."""
    try:
        make_folder(folder.parent)
        folder.mkdir(mode=_PRIVATE, exist_ok=True)
        found = folder.lstat()  # a symbolic link that another account laid is not followed
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
            return False
        if stat.S_IMODE(found.st_mode) != _PRIVATE:
            folder.chmod(_PRIVATE)
    except (OSError, UsageError):
        return False
    return True
