"""The commands and their flags, for Typer; what they do is in `commands`, one a file."""

from __future__ import annotations

import os
from collections.abc import Container, Sequence
from pathlib import Path
from typing import Annotated, Final

import typer

from collab_cli import __version__, completion
from collab_cli.arguments import admin, config, doctor, log_level, operator, relay, shell, store, top
from collab_cli.arguments.admin import ADMIN, admin_app
from collab_cli.arguments.config import CONFIG, ConfigFlag, config_app
from collab_cli.exits import ExitCode, run_command, say
from collab_cli.settings.flags import (
    COLOURS,
    DEFAULT_ACCEPT_RATE,
    DEFAULT_BYTES_PER_SECOND,
    DEFAULT_CONNECTIONS,
    DEFAULT_CONNECTIONS_PER_ADDRESS,
    DEFAULT_CONNECTIONS_PER_ROOM,
    DEFAULT_HOST,
    DEFAULT_LOADED_ROOMS,
    DEFAULT_MESSAGES_PER_SECOND,
    DEFAULT_PORT,
    DEFAULT_ROOMS,
    DEFAULT_ROOMS_PER_DAY,
    DEFAULT_SSH_GUESTS,
    DEFAULT_SSH_IDLE_S,
    DEFAULT_SSH_SESSION_S,
    JoinFlags,
    LogFormat,
    LogLevel,
    ServeFlags,
    Theme,
)
from collab_cli.settings.values import shown_duration, shown_size
from collab_protocol.limits import TEXT_BYTES

app: Final = typer.Typer(
    name="collab",
    help="Edit text together, in terminals.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def run(arguments: Sequence[str]) -> int:
    """Run the command that `arguments` name; returns its exit code."""
    if completion.is_asked(os.environ):
        completion.get_ready()
    try:
        return app(list(arguments), prog_name="collab", standalone_mode=False) or ExitCode.OK
    except typer.TyperException as error:
        said = error.format_message().rstrip(".")
        say(f"{said}{'' if said.endswith('?') else ';'} see: collab {_command(arguments)}--help")
        return ExitCode.USAGE


def _command(arguments: Sequence[str]) -> str:
    groups = {CONFIG: config_app, ADMIN: admin_app}
    within = _next(app, arguments[:1], groups)
    group = groups.get(within.strip())
    return within if group is None else within + _next(group, arguments[1:2], {})


def _next(group: typer.Typer, arguments: Sequence[str], more: Container[str]) -> str:
    """Return the command of `group`, or of `more`, that comes first in `arguments`; "" for none."""
    known = {command.name for command in group.registered_commands}
    return "".join(f"{name} " for name in arguments if name in known or name in more)


def _version(is_asked: bool) -> None:
    if is_asked:
        typer.echo(f"collab {__version__}")
        raise typer.Exit


@app.callback()
def _collab(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    pass


@app.command("join")
def _join(
    target: Annotated[
        str | None,
        typer.Argument(
            metavar="ROOM|URL",
            help="A room on this machine, ssh://[USER@]HOST/ROOM, ws://HOST[:PORT]/ROOM, "
            "wss://HOST[:PORT]/ROOM, an invite link or unix:///PATH.sock?room=ROOM. Without it: the room "
            "joined last.",
            show_default=False,
            autocompletion=completion.rooms_to_join,
        ),
    ] = None,
    server: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Where ROOM is: ssh://, ws://, wss:// or unix:///PATH.sock."),
    ] = None,
    name: Annotated[str | None, typer.Option(help="The name that others see (your account's).")] = None,
    colour: Annotated[
        int | None, typer.Option("--colour", "--color", help=f"Your colour, 1 to {COLOURS}.")
    ] = None,
    theme: Annotated[
        str | None,
        typer.Option(help=f"{', '.join(Theme)}.", autocompletion=completion.one_of(*Theme)),
    ] = None,
    read_only: Annotated[
        bool | None,
        typer.Option("--read-only/--no-read-only", help="Look, but change nothing.", show_default=False),
    ] = None,
    ascii_only: Annotated[
        bool | None,
        typer.Option("--ascii/--no-ascii", help="Draw with ASCII signs only.", show_default=False),
    ] = None,
    offline: Annotated[
        bool | None,
        typer.Option(
            "--offline/--no-offline",
            help="Leave the network alone; changes are kept on this machine.",
            show_default=False,
        ),
    ] = None,
    insecure: Annotated[
        bool, typer.Option("--insecure", help="Allow ws:// to another machine, readable on the way.")
    ] = False,
    token_file: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Where the token is that the server asks for; - for a prompt."),
    ] = None,
    follow: Annotated[
        str | None, typer.Option(metavar="NAME", help="Follow NAME from the start: what they see.")
    ] = None,
    announce: Annotated[
        str | None,
        typer.Option(
            metavar="FILE|FIFO|region",
            help="Write what happens there in plain lines; region: in a row of the screen.",
        ),
    ] = None,
) -> int:
    """Edit a room together. Starts a server for this account if none runs."""
    flags = JoinFlags(
        target=target,
        server=server,
        name=name,
        colour=colour,
        theme=theme,
        read_only=read_only,
        ascii=ascii_only,
        insecure=insecure,
        offline=offline,
        follow=follow,
        announce=announce,
        token_file=token_file,
    )

    def join() -> int:
        from collab_cli.commands import join

        return join.run(flags)

    return run_command(join)


@app.command("status")
def _status(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON array instead.")] = False,
) -> int:
    """List rooms with changes that no server has yet."""

    def status() -> int:
        from collab_cli.commands import status

        return status.run(as_json=as_json)

    return run_command(status)


@app.command("serve")
def _serve(
    data_dir: Annotated[
        Path | None,
        typer.Argument(
            metavar="DATA_DIR", help="Where rooms are kept (this account's folder).", show_default=False
        ),
    ] = None,
    host: Annotated[
        str | None,
        typer.Option(help=f"Serve TCP on this address ({DEFAULT_HOST}); needs --auth or --insecure."),
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(help=f"Serve TCP on this port ({DEFAULT_PORT}; 0 takes a free one)."),
    ] = None,
    unix: Annotated[Path | None, typer.Option(help="Where the Unix socket is; it is always served.")] = None,
    group: Annotated[
        str | None, typer.Option(metavar="NAME", help="Let the accounts of this group open it, too.")
    ] = None,
    ssh: Annotated[
        str | None,
        typer.Option(
            metavar="[HOST]:PORT",
            help="Let in guests who have nothing but an ssh client, as :2222; needs collab-editor[ssh].",
        ),
    ] = None,
    ssh_guests: Annotated[
        int | None, typer.Option(help=f"Such guests at most ({DEFAULT_SSH_GUESTS}).")
    ] = None,
    ssh_idle: Annotated[
        str | None,
        typer.Option(
            metavar="TIME", help=f"How long one may type nothing ({shown_duration(DEFAULT_SSH_IDLE_S)})."
        ),
    ] = None,
    ssh_session: Annotated[
        str | None,
        typer.Option(
            metavar="TIME", help=f"How long one may stay ({shown_duration(DEFAULT_SSH_SESSION_S)})."
        ),
    ] = None,
    insecure: Annotated[
        bool | None,
        typer.Option(
            "--insecure/--no-insecure",
            help="Serve TCP, and let in whoever comes: every account of this machine.",
            show_default=False,
        ),
    ] = None,
    auth: Annotated[
        bool | None,
        typer.Option(
            "--auth/--no-auth",
            help="Who comes over TCP needs a token: see `collab invite`.",
            show_default=False,
        ),
    ] = None,
    tls_cert: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Certificate with its chain, in PEM: serve wss://.")
    ] = None,
    tls_key: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Its key, when that is in another file.")
    ] = None,
    trusted_proxy: Annotated[
        list[str] | None,
        typer.Option(metavar="ADDRESS", help="A proxy that has the certificate; once for each."),
    ] = None,
    origin: Annotated[
        list[str] | None,
        typer.Option(metavar="URL", help="A web page that may connect; once for each."),
    ] = None,
    url: Annotated[
        str | None, typer.Option(metavar="URL", help="How people reach it: what invite links begin with.")
    ] = None,
    accept_rate: Annotated[
        int | None, typer.Option(help=f"Connections taken in a second at most ({DEFAULT_ACCEPT_RATE}).")
    ] = None,
    connections: Annotated[
        int | None, typer.Option(help=f"Connections at most ({DEFAULT_CONNECTIONS}).")
    ] = None,
    connections_per_address: Annotated[
        int | None, typer.Option(help=f"The same, from one address ({DEFAULT_CONNECTIONS_PER_ADDRESS}).")
    ] = None,
    connections_per_room: Annotated[
        int | None, typer.Option(help=f"The same, in one room ({DEFAULT_CONNECTIONS_PER_ROOM}).")
    ] = None,
    rooms: Annotated[int | None, typer.Option(help=f"Rooms kept at most ({DEFAULT_ROOMS}).")] = None,
    loaded_rooms: Annotated[
        int | None, typer.Option(help=f"Rooms in memory at most ({DEFAULT_LOADED_ROOMS}).")
    ] = None,
    rooms_per_day: Annotated[
        int | None, typer.Option(help=f"New rooms of one person in a day ({DEFAULT_ROOMS_PER_DAY}).")
    ] = None,
    messages_per_second: Annotated[
        int | None, typer.Option(help=f"Messages of one connection ({DEFAULT_MESSAGES_PER_SECOND}).")
    ] = None,
    bytes_per_second: Annotated[
        str | None,
        typer.Option(
            metavar="SIZE", help=f"Bytes of one connection ({shown_size(DEFAULT_BYTES_PER_SECOND)})."
        ),
    ] = None,
    room_bytes: Annotated[
        str | None,
        typer.Option(metavar="SIZE", help=f"How long a room's text may be ({shown_size(TEXT_BYTES)})."),
    ] = None,
    history_age: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Remove history that is older, as 90d; texts stay (never)."),
    ] = None,
    history_size: Annotated[
        str | None,
        typer.Option(metavar="SIZE", help="History kept of each room, as 100M; texts stay (all)."),
    ] = None,
    monitor: Annotated[
        str | None,
        typer.Option(metavar="[HOST:]PORT", help="Serve /healthz, /readyz and /metrics there."),
    ] = None,
    log_level: Annotated[
        str | None,
        typer.Option(
            metavar="|".join(LogLevel),
            help="What is logged (info).",
            autocompletion=completion.one_of(*LogLevel),
        ),
    ] = None,
    log_format: Annotated[
        str | None,
        typer.Option(
            metavar="|".join(LogFormat),
            help="How it is logged (text).",
            autocompletion=completion.one_of(*LogFormat),
        ),
    ] = None,
    memory: Annotated[
        bool | None,
        typer.Option(
            "--memory/--no-memory",
            help="Keep nothing on disk: all is gone when the server stops.",
            show_default=False,
        ),
    ] = None,
    config: ConfigFlag = None,
    private: Annotated[bool, typer.Option("--private", hidden=True)] = False,
    idle_exit: Annotated[float | None, typer.Option("--idle-exit", metavar="SECONDS", hidden=True)] = None,
) -> int:
    """Serve rooms until stopped."""
    flags = ServeFlags(
        config=config,
        data_dir=data_dir,
        host=host,
        port=port,
        unix=unix,
        group=group,
        ssh=ssh,
        ssh_guests=ssh_guests,
        ssh_idle=ssh_idle,
        ssh_session=ssh_session,
        insecure=insecure,
        auth=auth,
        tls_cert=tls_cert,
        tls_key=tls_key,
        trusted_proxies=tuple(trusted_proxy or ()),
        origins=tuple(origin or ()),
        url=url,
        accept_rate=accept_rate,
        connections=connections,
        connections_per_address=connections_per_address,
        connections_per_room=connections_per_room,
        rooms=rooms,
        loaded_rooms=loaded_rooms,
        rooms_per_day=rooms_per_day,
        messages_per_second=messages_per_second,
        bytes_per_second=bytes_per_second,
        room_bytes=room_bytes,
        history_age=history_age,
        history_size=history_size,
        monitor=monitor,
        log_level=log_level,
        log_format=log_format,
        memory=memory,
        private=private,
        idle_exit_s=idle_exit,
    )

    def serve() -> int:
        from collab_cli.commands import serve

        return serve.run(flags)

    return run_command(serve)


log_level.add_commands(admin_app)
for each in (doctor, operator, relay, top, store, shell, admin, config):  # in the order of the help
    each.add_commands(app)
