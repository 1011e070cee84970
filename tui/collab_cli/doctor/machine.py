"""Programs that collab is made of, and how much of this machine it may have."""

from __future__ import annotations

import platform
import re
import resource
import sqlite3
import ssl
from importlib import metadata
from typing import Final

from collab_cli import __version__
from collab_cli.doctor.case import Case
from collab_cli.doctor.findings import Findings, fine, warning, wrong
from collab_cli.settings import serve_table

_DISTRIBUTION: Final = "collab-editor"
_LIBRARIES: Final = ("textual", "websockets", "pycrdt")
_PINNED: Final = re.compile(r"([A-Za-z0-9_.-]+)==([^;\s]+)")
_FILES_BESIDE: Final = 512
"""Open beside the connections: as `collab_server.app` has it."""


def look_at_versions(case: Case) -> Findings:
    del case
    yield fine(f"collab {__version__}, Python {platform.python_version()} on {platform.system()}")
    shown = [f"{name} {_version(name) or 'missing'}" for name in _LIBRARIES]
    yield fine(f"{', '.join(shown)}, SQLite {sqlite3.sqlite_version}, {ssl.OPENSSL_VERSION.rsplit('  ')[0]}")
    for requirement in _requirements():
        pinned = _PINNED.match(requirement)
        if pinned is None or ";" in requirement:
            continue
        name, wanted = pinned.groups()
        found = _version(name)
        if found != wanted:
            yield wrong(
                f"{name} is {found or 'missing'}, and collab {__version__} works with {wanted} alone",
                f"install collab anew, in an environment of its own: pip install {_DISTRIBUTION}",
            )


def look_at_files_limit(case: Case) -> Findings:
    """Compare how many files may be open with how many connections may come."""
    if not case.serves_tcp:
        return
    connections = case.value(serve_table.CONNECTIONS) or 0
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard == resource.RLIM_INFINITY or hard >= connections + _FILES_BESIDE:
        yield fine(f"enough files may be open for {connections} connections")
    else:
        yield warning(
            f"{hard} files may be open, and {connections} connections may come",
            f"allow {connections + _FILES_BESIDE} (LimitNOFILE=, ulimit -n), or set connections lower",
        )


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _requirements() -> list[str]:
    try:
        return metadata.requires(_DISTRIBUTION) or []
    except metadata.PackageNotFoundError:  # run from its source
        return []
