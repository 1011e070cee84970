"""The group `collab admin`, and its flags, for Typer; what its commands do is in `commands`."""

from __future__ import annotations

from itertools import islice
from typing import Annotated, Any, Final

import typer
from typer.core import TyperGroup

from collab_cli.arguments.options import AnyRoom, DataDir, Insecure, Json, Room, Server, TokenFile, place
from collab_cli.exits import run_command
from collab_cli.settings.flags import OperatorFlags

ADMIN: Final = "admin"

_WITH_VALUE: Final = ("--server", "--token-file")
_INSECURE: Final = "--insecure"

_Who = Annotated[
    str,
    typer.Argument(
        metavar="WHO", help="A name, or the number that `collab admin sessions` shows.", show_default=False
    ),
]


class _AnyOrder(TyperGroup):
    """Takes the group's own options behind its commands, too: which server it is, one thinks of last."""

    # `ctx`: Typer does not export the type.
    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        own: list[str] = []
        rest: list[str] = []
        left = iter(args)
        for argument in left:
            name, equals, _ = argument.partition("=")
            if argument == "--":
                rest += [argument, *left]
            elif name in _WITH_VALUE:
                value = [] if equals else [*islice(left, 1)]
                if not (equals or value):
                    raise typer.BadParameter(f"{argument} requires an argument")
                own += [argument, *value]
            else:
                (own if argument == _INSECURE else rest).append(argument)
        return super().parse_args(ctx, own + rest)


admin_app: Final = typer.Typer(
    help="Manage people, limits and keys of your server.", rich_markup_mode=None, cls=_AnyOrder
)


def add_commands(app: typer.Typer) -> None:
    """Give `app` the group."""
    app.add_typer(admin_app, name=ADMIN)


@admin_app.callback()
def _admin(
    context: typer.Context, server: Server = None, token_file: TokenFile = None, insecure: Insecure = False
) -> None:
    """Manage people, limits and keys of your server."""
    context.obj = OperatorFlags(None, server, token_file, insecure)


@admin_app.command("sessions")
def _sessions(
    context: typer.Context, room: AnyRoom = None, data_dir: DataDir = None, as_json: Json = False
) -> int:
    """List who is connected."""

    def sessions() -> int:
        from collab_cli.commands import admin

        return admin.sessions(place(context, data_dir), room, as_json=as_json)

    return run_command(sessions)


@admin_app.command("kick")
def _kick(
    context: typer.Context, room: Room, who: _Who, data_dir: DataDir = None, as_json: Json = False
) -> int:
    """Send somebody away; they may come back."""

    def kick() -> int:
        from collab_cli.commands import admin

        return admin.kick(place(context, data_dir), room, who, ban_for=None, as_json=as_json)

    return run_command(kick)


@admin_app.command("ban")
def _ban(
    context: typer.Context,
    room: Room,
    who: _Who,
    ban_for: Annotated[str, typer.Option("--for", metavar="TIME", help="How long: 30m, 2h, 7d.")] = "1d",
    data_dir: DataDir = None,
    as_json: Json = False,
) -> int:
    """Send somebody away for a time."""

    def ban() -> int:
        from collab_cli.commands import admin

        return admin.kick(place(context, data_dir), room, who, ban_for=ban_for, as_json=as_json)

    return run_command(ban)


@admin_app.command("unban")
def _unban(
    context: typer.Context,
    room: Room,
    who: Annotated[
        str,
        typer.Argument(
            metavar="WHO", help="A name, or who, as `collab admin bans` shows it.", show_default=False
        ),
    ],
    data_dir: DataDir = None,
    as_json: Json = False,
) -> int:
    """Let somebody in again."""

    def unban() -> int:
        from collab_cli.commands import admin

        return admin.unban(place(context, data_dir), room, who, as_json=as_json)

    return run_command(unban)


@admin_app.command("bans")
def _bans(
    context: typer.Context, room: AnyRoom = None, data_dir: DataDir = None, as_json: Json = False
) -> int:
    """List who may not come in for a time."""

    def bans() -> int:
        from collab_cli.commands import admin

        return admin.bans(place(context, data_dir), room, as_json=as_json)

    return run_command(bans)


@admin_app.command("close")
def _close(context: typer.Context, room: Room, data_dir: DataDir = None, as_json: Json = False) -> int:
    """Close a room to all but its admins.

    Whoever else is in it is sent away.
    """

    def close() -> int:
        from collab_cli.commands import admin

        return admin.set_closed(place(context, data_dir), room, is_closed=True, as_json=as_json)

    return run_command(close)


@admin_app.command("open")
def _open(context: typer.Context, room: Room, data_dir: DataDir = None, as_json: Json = False) -> int:
    """Open a room again that was closed."""

    def open_() -> int:
        from collab_cli.commands import admin

        return admin.set_closed(place(context, data_dir), room, is_closed=False, as_json=as_json)

    return run_command(open_)


@admin_app.command("limits")
def _limits(
    context: typer.Context,
    changes: Annotated[
        list[str] | None,
        typer.Argument(metavar="NAME=VALUE", help="Set this one, until the server ends.", show_default=False),
    ] = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> int:
    """List limits and what is in use, or set them.

    What is set holds until the server ends.
    """

    def limits() -> int:
        from collab_cli.commands import limits

        return limits.run(place(context, data_dir), changes or [], as_json=as_json)

    return run_command(limits)


@admin_app.command("token")
def _token(
    context: typer.Context,
    expires: Annotated[
        str | None, typer.Option(metavar="TIME", help="How long it is good: 2h, 7d (until revoked).")
    ] = None,
    name: Annotated[str | None, typer.Option(help="Whose it is, for `collab invites`.")] = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> int:
    """Print a token for an operator on another machine."""

    def token() -> int:
        from collab_cli.commands import admin

        return admin.token(place(context, data_dir), expires=expires, name=name, as_json=as_json)

    return run_command(token)


@admin_app.command("rotate-keys")
def _rotate_keys(context: typer.Context, data_dir: DataDir = None, as_json: Json = False) -> int:
    """Sign tokens with a new key from now on."""

    def rotate_keys() -> int:
        from collab_cli.commands import admin

        return admin.rotate_keys(place(context, data_dir), as_json=as_json)

    return run_command(rotate_keys)
