"""The commands and their flags, for Typer; what they do is in `commands`, one a file."""

from __future__ import annotations

from collections.abc import Container, Sequence
from pathlib import Path
from typing import Annotated, Final

import typer

from collab_cli import __version__
from collab_cli.admin_commands import ADMIN, add_commands, admin_app
from collab_cli.exits import ExitCode, run_command, say
from collab_cli.flags import (
    COLOURS,
    DEFAULT_ACCEPT_RATE,
    DEFAULT_CONNECTIONS,
    DEFAULT_CONNECTIONS_PER_ADDRESS,
    DEFAULT_CONNECTIONS_PER_ROOM,
    DEFAULT_HOST,
    DEFAULT_PORT,
    DEFAULT_ROOMS,
    JoinFlags,
    ServeFlags,
    Theme,
)

app: Final = typer.Typer(
    name="collab",
    help="Edit text together, in terminals.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

_CONFIG: Final = "config"

config_app: Final = typer.Typer(help="Show or change the settings in config.toml.", rich_markup_mode=None)
app.add_typer(config_app, name=_CONFIG)


def run(arguments: Sequence[str]) -> int:
    """Run the command that `arguments` name; returns its exit code."""
    try:
        return app(list(arguments), prog_name="collab", standalone_mode=False) or ExitCode.OK
    except typer.TyperException as error:
        say(f"{error.format_message().rstrip('.')}; see: collab {_command(arguments)}--help")
        return ExitCode.USAGE


def _command(arguments: Sequence[str]) -> str:
    groups = {_CONFIG: config_app, ADMIN: admin_app}
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
            help="A room on this machine, ws://HOST[:PORT]/ROOM, wss://HOST[:PORT]/ROOM, an invite link or "
            "unix:///PATH.sock?room=ROOM. Without it: the room joined last.",
            show_default=False,
        ),
    ] = None,
    server: Annotated[
        str | None, typer.Option(metavar="URL", help="Where ROOM is: ws://, wss:// or unix:///PATH.sock.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="The name that others see (your account's).")] = None,
    colour: Annotated[
        int | None, typer.Option("--colour", "--color", help=f"Your colour, 1 to {COLOURS}.")
    ] = None,
    theme: Annotated[str | None, typer.Option(help=f"{', '.join(Theme)}.")] = None,
    read_only: Annotated[bool, typer.Option("--read-only", help="Look, but change nothing.")] = False,
    ascii_only: Annotated[bool, typer.Option("--ascii", help="Draw with ASCII signs only.")] = False,
    offline: Annotated[
        bool, typer.Option("--offline", help="Leave the network alone; changes are kept on this machine.")
    ] = False,
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
    insecure: Annotated[
        bool,
        typer.Option(
            "--insecure", help="Serve TCP, and let in whoever comes: every account of this machine."
        ),
    ] = False,
    auth: Annotated[
        bool, typer.Option("--auth", help="Who comes over TCP needs a token: see `collab invite`.")
    ] = False,
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
    memory: Annotated[
        bool, typer.Option("--memory", help="Keep nothing on disk: all is gone when the server stops.")
    ] = False,
    private: Annotated[bool, typer.Option("--private", hidden=True)] = False,
    idle_exit: Annotated[float | None, typer.Option("--idle-exit", metavar="SECONDS", hidden=True)] = None,
) -> int:
    """Serve rooms until stopped."""
    flags = ServeFlags(
        data_dir=data_dir,
        host=host,
        port=port,
        unix=unix,
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
        memory=memory,
        private=private,
        idle_exit_s=idle_exit,
    )

    def serve() -> int:
        from collab_cli.commands import serve

        return serve.run(flags)

    return run_command(serve)


add_commands(app)


@config_app.command("path")
def _config_path() -> int:
    """Print where config.toml is, or would be."""

    def config_path() -> int:
        from collab_cli.commands import config

        return config.print_path()

    return run_command(config_path)


@config_app.command("show")
def _config_show(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead.")] = False,
) -> int:
    """Print every setting, and where it comes from."""

    def config_show() -> int:
        from collab_cli.commands import config

        return config.show(as_json=as_json)

    return run_command(config_show)


@config_app.command("edit")
def _config_edit() -> int:
    """Open config.toml in $VISUAL or $EDITOR, and check it afterwards."""

    def config_edit() -> int:
        from collab_cli.commands import config

        return config.edit()

    return run_command(config_edit)
