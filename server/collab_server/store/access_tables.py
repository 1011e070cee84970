"""Who may come in, in SQLite: statements on a connection whose transactions are somebody else's."""

from __future__ import annotations

import sqlite3

from collab_server.store.base import Ban, Invite, StoredAccess


def load(db: sqlite3.Connection) -> StoredAccess:
    """Return all of it."""
    invites = [
        Invite(id_, room, role, name, made_at, expires, use_by, bool(is_reusable), revoked_at)
        for id_, room, role, name, made_at, expires, use_by, is_reusable, revoked_at in db.execute(
            "SELECT id, room, role, name, made_at, expires, use_by, is_reusable, revoked_at FROM invite"
            " ORDER BY made_at, id"
        )
    ]
    uses: dict[str, tuple[bytes, ...]] = {}
    for invite_id, device_hash in db.execute("SELECT invite, device_hash FROM invite_use ORDER BY at"):
        uses[invite_id] = (*uses.get(invite_id, ()), device_hash)
    bans = [Ban(*ban) for ban in db.execute("SELECT room, who, name, until FROM ban ORDER BY room, who")]
    closed = frozenset(room for (room,) in db.execute("SELECT room FROM closed"))
    return StoredAccess(tuple(invites), uses, tuple(bans), closed)


def add_invite(db: sqlite3.Connection, invite: Invite) -> None:
    """Keep a new invite."""
    db.execute(
        "INSERT INTO invite VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            invite.id,
            invite.room,
            invite.role,
            invite.name,
            invite.made_at,
            invite.expires,
            invite.use_by,
            invite.is_reusable,
            invite.revoked_at,
        ),
    )


def use_invite(db: sqlite3.Connection, invite_id: str, device_hash: bytes, at: float) -> bool:
    """Note a use unless the invite was revoked or is another's; returns whether this device may use it."""
    db.execute(
        "INSERT INTO invite_use SELECT id, ?, ? FROM invite WHERE id = ? AND (is_reusable OR NOT EXISTS"
        " (SELECT 1 FROM invite_use WHERE invite = invite.id)) ON CONFLICT DO NOTHING",
        (device_hash, at, invite_id),
    )
    found = db.execute(
        "SELECT 1 FROM invite_use JOIN invite ON id = invite"
        " WHERE invite = ? AND device_hash = ? AND revoked_at IS NULL",
        (invite_id, device_hash),
    )
    return found.fetchone() is not None


def revoke_invite(db: sqlite3.Connection, invite_id: str, at: float) -> None:
    """Note that an invite is good for nothing since `at`, unless that is noted already."""
    db.execute("UPDATE invite SET revoked_at = ? WHERE id = ? AND revoked_at IS NULL", (at, invite_id))


def put_ban(db: sqlite3.Connection, ban: Ban) -> None:
    """Keep somebody out, in place of an earlier ban of the same."""
    db.execute(
        "INSERT INTO ban VALUES (?, ?, ?, ?)"
        " ON CONFLICT DO UPDATE SET name = excluded.name, until = excluded.until",
        (ban.room, ban.who, ban.name, ban.until),
    )


def drop_ban(db: sqlite3.Connection, room: str, who: str) -> None:
    """Let somebody in again."""
    db.execute("DELETE FROM ban WHERE room = ? AND who = ?", (room, who))


def set_closed(db: sqlite3.Connection, room: str, is_closed: bool) -> None:
    """Note whether only admins may come in."""
    if is_closed:
        db.execute("INSERT INTO closed VALUES (?) ON CONFLICT DO NOTHING", (room,))
    else:
        db.execute("DELETE FROM closed WHERE room = ?", (room,))


def prune(db: sqlite3.Connection, before: float) -> None:
    """Remove what ended before then."""
    db.execute(
        "DELETE FROM invite WHERE expires < :before OR revoked_at < :before OR (use_by < :before"
        " AND NOT EXISTS (SELECT 1 FROM invite_use WHERE invite = invite.id))",
        {"before": before},
    )
    db.execute("DELETE FROM invite_use WHERE invite NOT IN (SELECT id FROM invite)")
    db.execute("DELETE FROM ban WHERE until < ?", (before,))


def delete_room(db: sqlite3.Connection, room: str) -> None:
    """Remove all that is about a room."""
    db.execute("DELETE FROM invite_use WHERE invite IN (SELECT id FROM invite WHERE room = ?)", (room,))
    db.execute("DELETE FROM invite WHERE room = ?", (room,))
    db.execute("DELETE FROM ban WHERE room = ?", (room,))
    db.execute("DELETE FROM closed WHERE room = ?", (room,))
