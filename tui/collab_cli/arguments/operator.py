"""The commands of whoever runs a server, and their flags, for Typer; what they do is in `commands`."""

from __future__ import annotations

from typing import Annotated

import typer

from collab_cli.arguments.options import AnyRoom, DataDir, Insecure, Json, Room, Server, TokenFile, Yes
from collab_cli.completion import one_of
from collab_cli.exits import run_command
from collab_cli.settings.flags import InviteFlags, OperatorFlags

ORDERS = ("changed", "name", "people", "rows", "size")


def add_commands(app: typer.Typer) -> None:
    """Give `app` all commands of this module."""
    app.command("invite")(_invite)
    app.command("invites")(_invites)
    app.command("revoke")(_revoke)
    app.command("rooms")(_rooms)
    app.command("who")(_who)
    app.command("delete")(_delete)
    app.command("forget")(_forget)


def _rooms(
    sort: Annotated[
        str, typer.Option(metavar="|".join(ORDERS), help="By what.", autocompletion=one_of(*ORDERS))
    ] = "changed",
    data_dir: DataDir = None,
    server: Server = None,
    token_file: TokenFile = None,
    insecure: Insecure = False,
    as_json: Json = False,
) -> int:
    """List the rooms of your server.

    Who is there, how much is kept, and when each changed.
    """
    place = OperatorFlags(data_dir, server, token_file, insecure)

    def rooms() -> int:
        from collab_cli.commands import rooms

        return rooms.run(place, sort=sort, as_json=as_json)

    return run_command(rooms)


def _who(
    room: Room,
    data_dir: DataDir = None,
    server: Server = None,
    token_file: TokenFile = None,
    insecure: Insecure = False,
    as_json: Json = False,
) -> int:
    """List who is in a room of your server.

    What they do, how they came, and how long a message takes to them and back.
    """
    place = OperatorFlags(data_dir, server, token_file, insecure)

    def who() -> int:
        from collab_cli.commands import who

        return who.run(place, room, as_json=as_json)

    return run_command(who)


def _invite(
    room: Room,
    role: Annotated[
        str,
        typer.Option(
            metavar="read|write|admin",
            help="What they may do.",
            autocompletion=one_of("read", "write", "admin"),
        ),
    ] = "write",
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
    ssh_key: Annotated[
        str | None,
        typer.Option(metavar="KEY|FILE", help="Print a line for authorized_keys instead, for this key."),
    ] = None,
    data_dir: DataDir = None,
    server: Server = None,
    token_file: TokenFile = None,
    insecure: Insecure = False,
    as_json: Json = False,
) -> int:
    """Print a link that lets somebody into a room.

    With --ssh-key, a line for authorized_keys that does.
    """
    place = OperatorFlags(data_dir, server, token_file, insecure)
    flags = InviteFlags(room, role, expires, reusable, name, url, place, as_json, ssh_key)

    def invite() -> int:
        from collab_cli.commands import invite

        return invite.invite(flags)

    return run_command(invite)


def _invites(
    room: AnyRoom = None,
    data_dir: DataDir = None,
    server: Server = None,
    token_file: TokenFile = None,
    insecure: Insecure = False,
    as_json: Json = False,
) -> int:
    """List invites, and the tokens of operators."""
    place = OperatorFlags(data_dir, server, token_file, insecure)

    def invites() -> int:
        from collab_cli.commands import invite

        return invite.invites(place, room, as_json=as_json)

    return run_command(invites)


def _revoke(
    invite_id: Annotated[
        str, typer.Argument(metavar="ID", help="As `collab invites` shows it.", show_default=False)
    ],
    room: Annotated[
        str | None,
        typer.Option(metavar="ROOM", help="With --server: the room that you are an admin of."),
    ] = None,
    data_dir: DataDir = None,
    server: Server = None,
    token_file: TokenFile = None,
    insecure: Insecure = False,
    as_json: Json = False,
) -> int:
    """Take an invite back, or an operator's token.

    The access of all who came by it ends.
    """
    place = OperatorFlags(data_dir, server, token_file, insecure)

    def revoke() -> int:
        from collab_cli.commands import invite

        return invite.revoke(place, invite_id, room, as_json=as_json)

    return run_command(revoke)


def _delete(
    room: Room,
    yes: Yes = False,
    data_dir: DataDir = None,
    server: Server = None,
    token_file: TokenFile = None,
    insecure: Insecure = False,
    as_json: Json = False,
) -> int:
    """Delete a room, with all that is kept of it."""
    place = OperatorFlags(data_dir, server, token_file, insecure)

    def delete() -> int:
        from collab_cli.commands import erase

        return erase.delete(place, room, is_sure=yes, as_json=as_json)

    return run_command(delete)


def _forget(
    room: Room,
    yes: Yes = False,
    data_dir: DataDir = None,
    server: Server = None,
    token_file: TokenFile = None,
    insecure: Insecure = False,
    as_json: Json = False,
) -> int:
    """Erase the history of a room; its text stays."""
    place = OperatorFlags(data_dir, server, token_file, insecure)

    def forget() -> int:
        from collab_cli.commands import erase

        return erase.forget(place, room, is_sure=yes, as_json=as_json)

    return run_command(forget)
