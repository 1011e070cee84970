"""Where guests come by ssh, as `collab serve` was told."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass

from collab_cli.exits import UsageError
from collab_cli.settings.flags import ServeFlags
from collab_cli.settings.layers import Layers
from collab_cli.settings.serve_table import SERVE_SSH, SSH_GUESTS, SSH_IDLE, SSH_SESSION
from collab_cli.settings.values import Address


@dataclass(frozen=True, slots=True)
class SshDoor:
    """Where guests come by ssh, how many, and for how long; a host of "" is every address."""

    address: Address
    guests: int
    idle_s: int
    session_s: int


def find_ssh_door(flags: ServeFlags, layers: Layers) -> SshDoor | None:
    """Return where guests come by ssh, if they do.

    Raises:
        UsageError: a value is wrong, or what speaks SSH is not installed.
    """
    found = layers.find(SERVE_SSH, flags.ssh)
    limits = ((SSH_GUESTS, flags.ssh_guests), (SSH_IDLE, flags.ssh_idle), (SSH_SESSION, flags.ssh_session))
    guests, idle_s, session_s = (layers.find(*each).value or 0 for each in limits)  # each has a default
    if found.value is None:
        for setting, typed in limits:
            if typed is not None:
                raise UsageError(f"{setting.flag} is for guests over SSH: add --ssh [HOST]:PORT")
        return None
    if importlib.util.find_spec("asyncssh") is None:
        raise UsageError(f"{found.source} needs what is not installed: pip install 'collab-editor[ssh]'")
    return SshDoor(found.value, guests, idle_s, session_s)
