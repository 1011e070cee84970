"""How `ssh` is run to reach a server: the account's own, with its config, agent, jump hosts and masters."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from collab_cli.ssh.address import SshServer
from collab_protocol.versions import RELAY

_QUIET: Final = (
    "-T",  # no terminal there
    "-a",  # no agent there: nothing there needs one
    "-x",  # no X11 there
    # What a Host block may have, and would break a pipe, or take ports that another ssh has (ssh_config(5)).
    *("-o", "ClearAllForwardings=yes"),
    *("-o", "RemoteCommand=none"),
    *("-o", "RequestTTY=no"),
    *("-o", "ConnectTimeout=10"),
)
_NO_MASTER: Final = ("-o", "ControlMaster=no")
"""Without ControlPersist a master ends with us, and with it whatever others have come to do by it."""

_RELAY: Final = 'env PATH="$PATH"":$HOME/.local/bin:/usr/local/bin:/opt/homebrew/bin" collab'
"""A shell that is no login shell has a short PATH, without where pipx and uv put programs.

To csh ":$" behind a variable is a modifier, hence two strings; fish knows no ${PATH}.
"""

_IN: Final = f"echo {RELAY} ssh; echo ready"
"""Says of `ssh -W` what a relay says of itself: that all is asked, and bytes follow."""


@dataclass(frozen=True, slots=True)
class Manner:
    """How ssh is to connect: whether it `may_ask` on a terminal, goes `past_master` whatever is shared, or
    `may_be_master` itself."""

    may_ask: bool = False
    past_master: bool = False
    may_be_master: bool = False


def relay_command(program: Sequence[str], server: SshServer, manner: Manner) -> list[str]:
    """Return what runs a relay on the machine of `server`; `program` is what runs ssh."""
    unix = [] if server.unix is None else ["--unix", server.unix]
    there = shlex.join(["relay", *unix])
    return [*_begin(program, manner), *_end(server), f"{_RELAY} {there}"]


def version_command(program: Sequence[str], server: SshServer) -> list[str]:
    """Return what asks for the version of `collab` on the machine of `server`, and for nothing more."""
    return [*_begin(program, Manner()), *_end(server), f"{_RELAY} --version"]


def forward_command(
    program: Sequence[str], server: SshServer, manner: Manner, *, is_shared: bool
) -> list[str]:
    """Return what leads to the TCP port `server.via_tcp` there.

    `is_shared`: a master is there. It has asked all that there is to ask, and runs no LocalCommand, which is
    what else tells us that ssh is in (both seen with OpenSSH 9.2).
    """
    tell = [] if is_shared else ["-o", "PermitLocalCommand=yes", "-o", f"LocalCommand={_IN}"]
    way = ["-W", f"127.0.0.1:{server.via_tcp}"]
    return [*_begin(program, manner), *tell, *way, *_end(server)]


def master_command(program: Sequence[str], server: SshServer) -> list[str]:
    """Return what exits with 0 when a master is there to be shared."""
    return [*program, "-O", "check", *_end(server)]


def config_command(program: Sequence[str], server: SshServer) -> list[str]:
    """Return what prints the account's config for the machine of `server`."""
    return [*program, "-G", *_end(server)]


def persists(config: str) -> bool:
    """Tell whether a master that ssh becomes by this config, as `ssh -G` prints it, outlives who made it."""
    return _found(config, "controlpersist") not in ("", "no", "false")


def shares(config: str) -> bool:
    """Tell whether ssh looks for a master to share by this config."""
    return _found(config, "controlpath") not in ("", "none")


def _found(config: str, name: str) -> str:
    found = dict(line.partition(" ")[::2] for line in config.splitlines())
    return found.get(name, "").strip().lower()


def _begin(program: Sequence[str], manner: Manner) -> list[str]:
    asking = [] if manner.may_ask else ["-o", "BatchMode=yes"]
    own = ["-o", "ControlPath=none"] if manner.past_master else []
    master = [] if manner.may_be_master else _NO_MASTER
    return [*program, *_QUIET, *master, *asking, *own]


def _end(server: SshServer) -> list[str]:
    port = [] if server.port is None else ["-p", str(server.port)]
    return [*port, server.destination]
