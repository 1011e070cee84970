"""Whether the tables of a file are those that a collab makes, and what is in them of the kind it has to be.

SQLite takes any value in any column; a server that needs a number and reads a text serves nothing.
"""

from __future__ import annotations

import contextlib
import sqlite3
from typing import Final

from collab_server.store.schema import SCHEMA, VERSION

_KINDS: Final = {"INTEGER": "integer", "TEXT": "text", "REAL": "real", "BLOB": "blob"}
"""How a value is stored of a column that is declared as that (sqlite.org/datatype3.html)."""


def check_shape(db: sqlite3.Connection) -> list[str]:
    """Return which tables are not as this collab makes them, a line each; of an older format, none."""
    if db.execute("PRAGMA user_version").fetchone()[0] != VERSION:
        return []
    with contextlib.closing(sqlite3.connect(":memory:")) as fresh:
        fresh.executescript(SCHEMA)
        names = [name for (name,) in fresh.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return [
            f"{name}: the table is another than collab makes"
            for name in names
            if _columns(db, name) != _columns(fresh, name)
        ]


def odd_values(db: sqlite3.Connection, table: str, key: str = "", value: str = "") -> list[str]:
    """Return which columns of a table have something that is not of their kind, a line each.

    Of the rows alone whose `key` is `value`, when there is a `key`. O(rows); large values are not read.

    Raises:
        sqlite3.Error: a text in it is none, or it cannot be read.
    """
    columns = _columns(db, table)
    if not columns:
        return []
    # Names that are quoted, and kinds of ours.
    odd = [
        f"total(typeof({_quoted(name)}) NOT IN ('{_KINDS.get(kind)}', '{'null' if may_be_null else ''}'))"
        for name, kind, may_be_null in columns
    ]
    where, values = (f" WHERE {_quoted(key)} = ?", (value,)) if key else ("", ())
    counts = db.execute(f"SELECT {', '.join(odd)} FROM {_quoted(table)}{where}", values).fetchone()  # noqa: S608
    texts = ", ".join(_quoted(name) for name, kind, _ in columns if kind == "TEXT")
    if texts:
        for _ in db.execute(f"SELECT {texts} FROM {_quoted(table)}{where}", values):  # noqa: S608
            pass
    return [
        f"{table}: {name} is not of its kind in {count:.0f} of its rows"
        for (name, _, _), count in zip(columns, counts, strict=True)
        if count
    ]


def _columns(db: sqlite3.Connection, table: str) -> list[tuple[str, str, bool]]:
    """Return name and kind of each column, and whether it may be empty."""
    found = db.execute(f"PRAGMA table_xinfo({_quoted(table)})").fetchall()
    return [
        (name, kind if not hidden else f"{kind} hidden", not (is_needed or key))
        for _, name, kind, is_needed, _, key, hidden in found
    ]


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
