"""A server as `ssh` reaches it: whether ssh gets in without asking, and what there is behind it."""

from __future__ import annotations

import shlex
import subprocess
from typing import Final

from collab_cli.doctor.case import Case
from collab_cli.doctor.findings import Findings, fine, warning, wrong
from collab_cli.settings import join_table
from collab_cli.ssh.address import SshServer
from collab_cli.ssh.command import Manner, forward_command, version_command
from collab_protocol.versions import RELAY

_REQUEST: Final = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
_SAYS: Final = ("collab ", f"{RELAY} ")
"""How `collab --version` begins, and what comes in its place where a key runs a relay and nothing else."""


def look_over_ssh(case: Case, server: SshServer, for_s: float) -> Findings:
    """Run ssh as a reconnect does, which may ask nothing; no server is started by it."""
    host = server.destination
    command: str | None = case.value(join_table.SSH)
    program = shlex.split(command or "ssh")
    try:
        done = _asked(case, program, server, for_s)
    except subprocess.TimeoutExpired:
        yield wrong(f"ssh to {host} does not come through", f"see what it does: ssh -v {host}")
    except OSError as error:
        yield wrong(
            f"cannot run {program[0]}: {error.strerror or error}",
            "install an SSH client, or put the setting `ssh` right",
        )
    else:
        yield from _heard(server, done)


def _asked(
    case: Case, program: list[str], server: SshServer, for_s: float
) -> subprocess.CompletedProcess[bytes]:
    """Return what ssh brings back. Raises: OSError, TimeoutExpired."""
    if server.via_tcp is None:
        argv, request = version_command(program, server), b""
    else:
        argv, request = forward_command(program, server, Manner(), is_shared=True), _REQUEST
    return subprocess.run(  # noqa: S603  # what the settings have for it
        argv,
        env={**case.environ, "SSH_ASKPASS_REQUIRE": "never"},
        input=request,
        capture_output=True,
        start_new_session=True,
        timeout=for_s,
        check=False,
    )


def _heard(server: SshServer, done: subprocess.CompletedProcess[bytes]) -> Findings:
    from collab_cli.ssh.dialling import link_error
    from collab_client.ssh_pipe import Ending

    host = server.destination
    lines = done.stdout.decode("utf-8", "replace").splitlines()
    said = next((line for line in lines if line.startswith(_SAYS)), None)
    if server.via_tcp is not None and done.stdout.startswith(b"HTTP/"):
        yield fine(f"ssh reaches {host}, and a server answers at its port {server.via_tcp}")
        return
    if server.via_tcp is None and done.returncode == 0 and said is not None:
        yield fine(f"ssh reaches {host}, which has collab {said.split()[1]}")
        return
    errors = tuple(done.stderr.decode("utf-8", "replace").splitlines())
    trouble = link_error(server, Ending(done.returncode, said=errors), may_ask=False)
    try_it = f"see that this works: ssh {host}"
    if trouble.asks_person:
        yield warning(f"ssh has to ask before it gets in: {trouble}", try_it)
    else:
        at_port = "start the server there, or put the port right"
        yield wrong(str(trouble), try_it if server.via_tcp is None else at_port)
