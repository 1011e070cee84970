"""Folders and files: whose they are, who else can reach them, and what kind of disk they are on."""

from __future__ import annotations

import os
import pwd
import re
import stat
from pathlib import Path
from shlex import join, quote
from typing import Final

from collab_cli.doctor.case import Case
from collab_cli.doctor.findings import Finding, Findings, fine, warning, wrong
from collab_cli.humane import size
from collab_cli.paths import own_program
from collab_cli.ssh_door.plan import ssh_folder
from collab_server.store.migrations import list_backups

_OTHERS_WRITE: Final = 0o022
_OTHERS: Final = 0o077

_NO_SPACE_BYTES: Final = 64_000_000
"""A log (WAL) of a busy minute and a snapshot need as much."""

_LITTLE_SPACE_BYTES: Final = 1_000_000_000

_OF_THE_NET: Final = (
    "nfs",
    "nfs4",
    "cifs",
    "smb3",
    "smbfs",
    "9p",
    "afs",
    "ceph",
    "fuse.sshfs",
    "fuse.glusterfs",
)
"""Memory that several processes share does not work there, and locks may not: sqlite.org/wal.html."""

_GONE_AT_REBOOT: Final = ("tmpfs", "ramfs")
_LONGEST_SOCKET_PATH: Final = 100


def look_at_places(case: Case) -> Findings:
    yield from _data_folder(case)
    yield from _own_files(case)
    yield from _disk(case)
    yield from _sockets(case)


def account(user_id: int) -> str:
    """Return the name of an account, or its number."""
    try:
        return pwd.getpwuid(user_id).pw_name
    except KeyError:
        return f"uid {user_id}"


def _data_folder(case: Case) -> Findings:
    folder = case.data_dir
    try:
        found = folder.stat()
    except FileNotFoundError:
        yield _missing(case, folder)
        return
    except OSError as error:
        yield wrong(f"{folder} cannot be looked at: {error.strerror}", f"run it as {_owner_above(folder)}")
        return
    if not stat.S_ISDIR(found.st_mode):
        yield wrong(f"{folder} is no folder", "move it away, or name another with data_dir in [serve]")
        return
    if found.st_uid != case.user_id:
        name = account(found.st_uid)
        yield warning(
            f"{folder} belongs to {name}, and you are {account(case.user_id)}",
            f"run what is for this server as {name}: sudo -u {name} {_same(case)}",
        )
    mode = stat.S_IMODE(found.st_mode)
    if mode & _OTHERS_WRITE:
        yield wrong(
            f"others on this machine may write to {folder} ({mode:04o})", f"chmod 700 {quote(str(folder))}"
        )
    elif mode & _OTHERS:
        yield warning(
            f"others on this machine can look into {folder} ({mode:04o})", f"chmod 700 {quote(str(folder))}"
        )
    elif mode & 0o300 != 0o300:
        yield wrong(f"nothing can be written to {folder} ({mode:04o})", f"chmod 700 {quote(str(folder))}")
    troubles = [
        trouble
        for file in _files_of_server(case)
        for trouble in _private(file, found.st_uid, is_server=True, is_reached=bool(mode & 0o011))
    ]
    yield from troubles
    if not troubles and not mode & _OTHERS and found.st_uid == case.user_id and mode & 0o300 == 0o300:
        yield fine(f"{folder} is yours alone, and so is what lies in it")


def _same(case: Case) -> str:
    """Return the command that looks at the same once more: sudo hands on no variables."""
    named = case.folders.named_config
    config = [] if named is None else ["--config", str(named)]
    return join([own_program(), "doctor", "--data-dir", str(case.data_dir), *config])


def _missing(case: Case, folder: Path) -> Finding:
    above = next((each for each in folder.parents if each.exists()), Path("/"))
    if above.is_dir() and os.access(above, os.W_OK | os.X_OK, effective_ids=_HAS_EFFECTIVE):
        return fine(f"{folder} is not there yet: the first server makes it")
    return wrong(
        f"{folder} is not there, and cannot be made: {above} is not yours to write to",
        f"sudo install -d -m 700 -o {account(case.user_id)} {quote(str(folder))}",
    )


_HAS_EFFECTIVE: Final = os.access in os.supports_effective_ids


def _owner_above(folder: Path) -> str:
    for each in folder.parents:
        try:
            return account(each.stat().st_uid)
        except OSError:
            continue
    return "its owner"


def _files_of_server(case: Case) -> list[Path]:
    store = case.store_file
    names = [store, *(store.with_name(f"{store.name}-{end}") for end in ("wal", "shm"))]
    names += [case.keys_file, case.data_dir / "server.lock", ssh_folder(case.data_dir) / "host_key"]
    return [*names, *list_backups(store)]


def _own_files(case: Case) -> Findings:
    """Look at what only this account's own programs read: settings, credentials, the device's secret."""
    folders = case.folders
    for file in (folders.credentials_file, folders.device_file):
        yield from _private(file, case.user_id, is_server=False, is_reached=True)
    try:
        config = folders.config_file.stat()
    except OSError:
        return  # told with the settings
    if config.st_mode & _OTHERS_WRITE:
        yield wrong(
            f"others may write to {folders.config_file}, and so say where your text goes",
            f"chmod go-w {quote(str(folders.config_file))}",
        )


def _private(file: Path, owner_id: int, *, is_server: bool, is_reached: bool) -> Findings:
    """Look at one file that has to be its owner's alone. `is_reached`: others can get to it."""
    try:
        found = file.lstat()
    except OSError:
        return
    mode = stat.S_IMODE(found.st_mode)
    if not stat.S_ISREG(found.st_mode):
        yield wrong(f"{file} is no plain file", "move it away")
    elif found.st_uid != owner_id:
        owner, name = account(owner_id), account(found.st_uid)
        who = f"the server, which is {owner}," if is_server else owner
        yield wrong(
            f"{file} belongs to {name}: {who} cannot use it", f"sudo chown {owner} {quote(str(file))}"
        )
    elif mode & _OTHERS_WRITE and is_reached:
        yield wrong(
            f"others on this machine may write to {file} ({mode:04o})", f"chmod 600 {quote(str(file))}"
        )
    elif mode & _OTHERS:
        state = wrong if is_reached else warning
        yield state(f"others on this machine could read {file} ({mode:04o})", f"chmod 600 {quote(str(file))}")
    elif mode & 0o600 != 0o600 and is_server:
        yield wrong(f"{file} cannot be written by its owner ({mode:04o})", f"chmod 600 {quote(str(file))}")


def _disk(case: Case) -> Findings:
    there = _nearest(case.data_dir)
    kind = _filesystem(case.mounts, there)
    if kind in _OF_THE_NET:
        yield warning(
            f"{case.data_dir} is on a disk of the network ({kind}): a store may be damaged there",
            "put it on a disk of this machine: data_dir in [serve]",
        )
    elif kind in _GONE_AT_REBOOT:
        yield warning(
            f"{case.data_dir} is in memory ({kind}): all rooms are gone when the machine restarts",
            "put it on a disk: data_dir in [serve]",
        )
    yield from _space(case, there, case.data_dir)
    state = _nearest(case.folders.state)
    if state.stat().st_dev != there.stat().st_dev:
        yield from _space(case, state, case.folders.state)


def _space(case: Case, there: Path, folder: Path) -> Findings:
    found = os.statvfs(there)
    free = found.f_bavail * found.f_frsize
    kept = _size(case.store_file) if folder == case.data_dir else 0
    if found.f_flag & os.ST_RDONLY:
        yield wrong(f"the disk of {folder} is mounted read-only", "see dmesg: a failing disk is often why")
    elif found.f_files and not found.f_favail:
        yield wrong(f"the disk of {folder} can take no more files", "remove files that nobody needs")
    elif free < _NO_SPACE_BYTES:
        yield wrong(
            f"the disk of {folder} is full: {size(free)} free", "make room: nothing can be saved soon"
        )
    elif free < _LITTLE_SPACE_BYTES:
        yield warning(f"the disk of {folder} is nearly full: {size(free)} free", "make room")
    elif free < kept:
        yield warning(
            f"{size(free)} are free on the disk of {folder}, where rooms take {size(kept)}",
            "make room: an upgrade copies them first, and so does a backup to this disk",
        )
    else:
        yield fine(f"{size(free)} free on the disk of {folder}")


def _sockets(case: Case) -> Findings:
    """Look where sockets would go, as `Folders.run` does, without making anything."""
    for folder in case.folders.run_choices:
        is_short = len(os.fsencode(folder)) + len("/private-0123456789ab.sock") < _LONGEST_SOCKET_PATH
        try:
            found = folder.lstat()
            is_ours = stat.S_ISDIR(found.st_mode) and found.st_uid == case.user_id
        except OSError:
            is_ours = os.access(_nearest(folder.parent), os.W_OK | os.X_OK)
        if is_short and is_ours:
            return
    tried = ", ".join(map(str, case.folders.run_choices))
    yield wrong(
        f"there is no folder for sockets: of {tried} each is too long or another's",
        "set COLLAB_HOME to a short path of your own, or unix in [serve]",
    )


def _nearest(path: Path) -> Path:
    return next((each for each in (path, *path.parents) if each.exists()), Path("/"))


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:
        return 0


def _filesystem(mounts: Path, path: Path) -> str:
    """Return the kind of file system that `path` is on; "" where that cannot be known."""
    try:
        lines = mounts.read_text(errors="surrogateescape").splitlines()
    except OSError:
        return ""
    resolved = path.resolve()
    kind, longest = "", -1
    for line in lines:  # 36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw
        before, dash, after = line.partition(" - ")
        fields = before.split(" ")
        if not dash or len(fields) < 5:
            continue
        point = Path(re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), fields[4]))
        if len(point.parts) >= longest and resolved.is_relative_to(point):
            kind, longest = after.split(" ")[0], len(point.parts)
    return kind
