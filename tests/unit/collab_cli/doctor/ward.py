"""A set-up on which nothing is wrong, for tests to break one thing of."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from dataclasses import replace
from pathlib import Path

from collab_cli.doctor.case import Case, open_case
from collab_cli.doctor.checks import look_at_all
from collab_cli.doctor.findings import State
from collab_server.keys import load_keys
from collab_server.store.sqlite import SqliteStore

NOW = 1_767_268_800.0
"""2026-01-01 12:00 UTC."""


class Ward:
    """The files of somebody who serves, under `home`; `environ` is what their shell has."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.environ = {"COLLAB_HOME": str(home), "PATH": os.environ["PATH"], "TERM": "xterm-256color"}
        self.data = home / "data"
        self.store = self.data / "rooms.sqlite3"
        self.keys = self.data / "keys"
        self.config = home / "config" / "config.toml"
        self.mounts = home / "mounts"
        self.now = NOW
        self.server: str | None = None

    def set_up(self) -> None:
        self.data.mkdir(mode=0o700, parents=True)
        store = SqliteStore(self.store)
        store.create("notes", b"l" * 16, NOW - 60)
        store.close()
        os.utime(self.store, (NOW - 60, NOW - 60))
        load_keys(self.keys)
        os.utime(self.keys, (NOW - 60, NOW - 60))
        self.configure("auth = true\nport = 8765\n")
        self.mounts.write_text("22 1 8:1 / / rw - ext4 /dev/sda1 rw\n")

    def configure(self, serve: str, top: str = "") -> None:
        self.config.parent.mkdir(mode=0o700, exist_ok=True)
        self.config.write_text(f"{top}[serve]\n{serve}")
        self.config.chmod(0o600)

    def change_store(self, *statements: str) -> None:
        with contextlib.closing(sqlite3.connect(self.store, isolation_level=None)) as db:
            for statement in statements:
                db.execute(statement)
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        os.utime(self.store, (NOW - 60, NOW - 60))

    def case(self) -> Case:
        case = open_case(self.environ, data_dir=None, config=None, server=self.server)
        return replace(case, now=self.now, mounts=self.mounts)

    def ails(self) -> list[str]:
        """Return what is found that is not fine: "group: state: what → todo"."""
        return [
            f"{group}: {finding.state}: {finding.what} → {finding.todo}"
            for group, finding in look_at_all(self.case())
            if finding.state is not State.OK
        ]
