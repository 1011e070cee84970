"""The commands of whoever runs a server, and their flags, for Typer; what they do is in `commands`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

from collab_cli.exits import run_command
from collab_cli.flags import InviteFlags

ADMIN: Final = "admin"

_Room = Annotated[str, typer.Argument(metavar="ROOM", show_default=False)]
_AnyRoom = Annotated[
    str | None, typer.Argument(metavar="ROOM", help="Of this room alone.", show_default=False)
]
_Who = Annotated[
    str,
    typer.Argument(
        metavar="WHO", help="A name, or the number that `collab admin sessions` shows.", show_default=False
    ),
]
_DataDir = Annotated[
    Path | None, typer.Option(metavar="DIR", help="The server's folder (this account's).", show_default=False)
]
_Json = Annotated[bool, typer.Option("--json", help="Print JSON instead.")]
_Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]

admin_app: Final = typer.Typer(
    help="See who is in the rooms of your server, and who may be.", rich_markup_mode=None
)


def add_commands(app: typer.Typer) -> None:
    """Give `app` all commands of this module."""
    app.command("invite")(_invite)
    app.command("invites")(_invites)
    app.command("revoke")(_revoke)
    app.command("delete")(_delete)
    app.command("forget")(_forget)
    app.add_typer(admin_app, name=ADMIN)


def _invite(
    room: _Room,
    role: Annotated[str, typer.Option(metavar="read|write|admin", help="What they may do.")] = "write",
    expires: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="How long they may: 90s, 30m, 2h, 7d, 1w (until revoked)."),
    ] = None,
    reusable: Annotated[
        bool, typer.Option("--reusable", help="For any number of people, and not for the first alone.")
    ] = False,
    name: Annotated[str | None, typer.Option(help="What they are called there, whatever they say.")] = None,
    url: Annotated[
        str | None, typer.Option(metavar="URL", help="How people reach this server: wss://HOST[:PORT].")
    ] = None,
    data_dir: _DataDir = None,
    as_json: _Json = False,
) -> int:
    """Print a link that lets somebody into a room of your server."""
    flags = InviteFlags(room, role, expires, reusable, name, url, data_dir, as_json)

    def invite() -> int:
        from collab_cli.commands import invite

        return invite.invite(flags)

    return run_command(invite)


def _invites(room: _AnyRoom = None, data_dir: _DataDir = None, as_json: _Json = False) -> int:
    """List the invites that were made."""

    def invites() -> int:
        from collab_cli.commands import invite

        return invite.invites(room, data_dir=data_dir, as_json=as_json)

    return run_command(invites)


def _revoke(
    invite_id: Annotated[
        str, typer.Argument(metavar="ID", help="As `collab invites` shows it.", show_default=False)
    ],
    data_dir: _DataDir = None,
) -> int:
    """Take an invite back, and the access of all who came by it."""

    def revoke() -> int:
        from collab_cli.commands import invite

        return invite.revoke(invite_id, data_dir=data_dir)

    return run_command(revoke)


def _delete(room: _Room, yes: _Yes = False, data_dir: _DataDir = None) -> int:
    """Delete a room of your server, with all that is kept of it."""

    def delete() -> int:
        from collab_cli.commands import erase

        return erase.delete(room, is_sure=yes, data_dir=data_dir)

    return run_command(delete)


def _forget(room: _Room, yes: _Yes = False, data_dir: _DataDir = None) -> int:
    """Erase the history of a room, and keep its text."""

    def forget() -> int:
        from collab_cli.commands import erase

        return erase.forget(room, is_sure=yes, data_dir=data_dir)

    return run_command(forget)


@admin_app.command("sessions")
def _sessions(room: _AnyRoom = None, data_dir: _DataDir = None, as_json: _Json = False) -> int:
    """List who is connected."""

    def sessions() -> int:
        from collab_cli.commands import admin

        return admin.sessions(room, data_dir=data_dir, as_json=as_json)

    return run_command(sessions)


@admin_app.command("kick")
def _kick(room: _Room, who: _Who, data_dir: _DataDir = None) -> int:
    """Send somebody away; they may come back."""

    def kick() -> int:
        from collab_cli.commands import admin

        return admin.kick(room, who, ban_for=None, data_dir=data_dir)

    return run_command(kick)


@admin_app.command("ban")
def _ban(
    room: _Room,
    who: _Who,
    ban_for: Annotated[str, typer.Option("--for", metavar="TIME", help="How long: 30m, 2h, 7d.")] = "1d",
    data_dir: _DataDir = None,
) -> int:
    """Send somebody away, and let them in again only after a time."""

    def ban() -> int:
        from collab_cli.commands import admin

        return admin.kick(room, who, ban_for=ban_for, data_dir=data_dir)

    return run_command(ban)


@admin_app.command("unban")
def _unban(
    room: _Room,
    who: Annotated[
        str,
        typer.Argument(
            metavar="WHO", help="A name, or who, as `collab admin bans` shows it.", show_default=False
        ),
    ],
    data_dir: _DataDir = None,
) -> int:
    """Let somebody in again."""

    def unban() -> int:
        from collab_cli.commands import admin

        return admin.unban(room, who, data_dir=data_dir)

    return run_command(unban)


@admin_app.command("bans")
def _bans(room: _AnyRoom = None, data_dir: _DataDir = None, as_json: _Json = False) -> int:
    """List who may not come in for a time."""

    def bans() -> int:
        from collab_cli.commands import admin

        return admin.bans(room, data_dir=data_dir, as_json=as_json)

    return run_command(bans)


@admin_app.command("close")
def _close(room: _Room, data_dir: _DataDir = None) -> int:
    """Send all but admins away from a room, and let in none but them."""

    def close() -> int:
        from collab_cli.commands import admin

        return admin.set_closed(room, is_closed=True, data_dir=data_dir)

    return run_command(close)


@admin_app.command("open")
def _open(room: _Room, data_dir: _DataDir = None) -> int:
    """Open a room again that was closed."""

    def open_() -> int:
        from collab_cli.commands import admin

        return admin.set_closed(room, is_closed=False, data_dir=data_dir)

    return run_command(open_)


@admin_app.command("rotate-keys")
def _rotate_keys(data_dir: _DataDir = None) -> int:
    """Sign tokens with a new key from now on."""

    def rotate_keys() -> int:
        from collab_cli.commands import admin

        return admin.rotate_keys(data_dir=data_dir)

    return run_command(rotate_keys)
