"""The tables of rooms.sqlite3, as a new file has them."""

from __future__ import annotations

from typing import Final

VERSION: Final = 4
"""`user_version` of the files that this code writes."""

SCHEMA: Final = """
CREATE TABLE store (epoch BLOB NOT NULL);
CREATE TABLE room (name TEXT PRIMARY KEY, lineage BLOB NOT NULL, created REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE row (
    room TEXT NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
    author INTEGER NOT NULL, at REAL NOT NULL, data BLOB NOT NULL,
    PRIMARY KEY (room, first)
) WITHOUT ROWID;
CREATE TABLE author (
    id INTEGER PRIMARY KEY, room TEXT NOT NULL, session INTEGER NOT NULL,
    device_hash BLOB NOT NULL, principal TEXT NOT NULL, name TEXT NOT NULL,
    newest_row INTEGER NOT NULL DEFAULT 0,
    UNIQUE (room, session, device_hash, principal, name)
);
CREATE TABLE snapshot (
    room TEXT NOT NULL, covered INTEGER NOT NULL, data BLOB NOT NULL, sha256 BLOB NOT NULL,
    PRIMARY KEY (room, covered)
) WITHOUT ROWID;
CREATE TABLE setting (
    room TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, seq INTEGER NOT NULL,
    PRIMARY KEY (room, key)
) WITHOUT ROWID;
CREATE TABLE binding (
    room TEXT NOT NULL, client_id INTEGER NOT NULL, device_hash BLOB NOT NULL,
    principal TEXT, name TEXT,
    PRIMARY KEY (room, client_id)
) WITHOUT ROWID;
CREATE TABLE probe (data BLOB NOT NULL);
CREATE TABLE chat (
    room TEXT NOT NULL, n INTEGER NOT NULL, at REAL NOT NULL,
    principal TEXT NOT NULL, name TEXT NOT NULL, colour INTEGER NOT NULL, text TEXT NOT NULL,
    PRIMARY KEY (room, n)
) WITHOUT ROWID;
CREATE TABLE invite (
    id TEXT PRIMARY KEY, room TEXT NOT NULL, role TEXT NOT NULL, name TEXT NOT NULL, made_at REAL NOT NULL,
    expires REAL, use_by REAL, is_reusable INTEGER NOT NULL, revoked_at REAL
) WITHOUT ROWID;
CREATE TABLE invite_use (
    invite TEXT NOT NULL, device_hash BLOB NOT NULL, at REAL NOT NULL,
    PRIMARY KEY (invite, device_hash)
) WITHOUT ROWID;
CREATE TABLE ban (
    room TEXT NOT NULL, who TEXT NOT NULL, name TEXT NOT NULL, until REAL NOT NULL,
    PRIMARY KEY (room, who)
) WITHOUT ROWID;
CREATE TABLE closed (room TEXT PRIMARY KEY) WITHOUT ROWID;
"""
"""`author.newest_row` is the last one that they wrote; `binding.principal` and `name` say who wrote under the
id first, and are NULL where an older collab had not noted it."""
