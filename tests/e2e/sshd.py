"""A real OpenSSH server on a loopback port for one test, with keys and a far side of its own."""

from __future__ import annotations

import contextlib
import getpass
import os
import select
import shlex
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Final, Self

import pytest

from tests.e2e.home import Home, collab_command

_SSHD: Final = shutil.which("sshd", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
_READY_S: Final = 15.0
_END_S: Final = 5.0
_PRIVILEGE_SEPARATION: Final = Path("/run/sshd")
"""Has to be there when root starts sshd (sshd(8)); Debian's package leaves it to its service to make it."""

HOST: Final = "pair"

needs_sshd: Final = pytest.mark.skipif(
    _SSHD is None or shutil.which("ssh") is None,
    reason="there is no sshd on this machine: install openssh-server to have this tested",
)


class Sshd:
    """An sshd that knows one key, for this account; closing it ends it, and all that came by it."""

    def __init__(self, home: Home) -> None:
        """Start it; `home` is the near side, and is left alone but for a folder `ssh`."""
        self.folder = home.path / "ssh"
        self.folder.mkdir(mode=0o700)
        self.far = Home()
        """What `collab` keeps on the far side, and the home folder there."""
        self.host = HOST
        self.port = free_port()
        self.log = self.folder / "sshd.log"
        self.config = self.folder / "config"
        """What `ssh -F` of the near side reads; a test may write more into it."""
        self.known_hosts = self.folder / "known_hosts"
        self.authorized_keys = self.folder / "authorized_keys"
        self.ssh: list[str] = ["ssh", "-F", str(self.config)]
        self.env: dict[str, str] = {"COLLAB_SSH": shlex.join(self.ssh)}
        """To be added to the environment of the near side."""
        self._process: subprocess.Popen[bytes] | None = None
        try:
            self.key = self.new_key("id")
            self.authorized_keys.touch(mode=0o600)
            self.authorize(self.public_key(self.key))
            self._write_known_hosts(self.new_key("host"))
            self._write_far_side()
            self.config.write_text(self._client_config())
            self.start()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # Keys

    def new_key(self, name: str) -> Path:
        """Return a new private key without a passphrase; the public one lies beside it, as `NAME.pub`."""
        path = self.folder / name
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(path)]
        subprocess.run(command, check=True, timeout=_READY_S, stdin=subprocess.DEVNULL)
        return path

    def public_key(self, key: Path) -> str:
        """Return a key as `authorized_keys` has it."""
        return key.with_name(f"{key.name}.pub").read_text().strip()

    def authorize(self, line: str) -> None:
        """Add a line to `authorized_keys`."""
        with self.authorized_keys.open("a") as file:
            file.write(f"{line}\n")

    def ssh_with(self, key: Path) -> dict[str, str]:
        """Return an environment in which somebody comes with another key, as `env` is for ours."""
        only = ["-o", "IdentitiesOnly=yes", "-i", str(key)]
        config = self.folder / f"config-{key.name}"
        config.write_text(self._client_config(key))
        return {"COLLAB_SSH": shlex.join(["ssh", "-F", str(config), *only])}

    # The far side

    def far_rc(self, text: str) -> None:
        """Write what every shell of the far side runs at its start."""
        (self.far.path / ".bashrc").write_text(text)

    # Its life

    def start(self) -> None:
        """Start it, and return when it takes connections."""
        assert _SSHD is not None
        if os.geteuid() == 0:
            _PRIVILEGE_SEPARATION.mkdir(mode=0o755, exist_ok=True)
        server = self.folder / "sshd_config"
        server.write_text(self._server_config())
        command = [_SSHD, "-D", "-f", str(server), "-E", str(self.log), *_unpunished(server)]
        self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, env={"PATH": os.environ["PATH"]})
        ends_at = time.monotonic() + _READY_S
        while not _answers(self.port):
            if self._process.poll() is not None or time.monotonic() > ends_at:
                said = self.log.read_text() if self.log.exists() else ""
                raise AssertionError(f"sshd is not ready (exit code {self._process.poll()})\n{said}")
            select.select([], [], [], 0.02)

    def stop(self) -> None:
        """Take nobody any more; those who are in stay until `cut`."""
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(signal.SIGCONT)
            process.terminate()
            process.wait(_END_S)

    def sessions(self) -> list[int]:
        """Return the processes of sshd that have connections; what runs in these is not among them."""
        if self._process is None:
            return []
        return [pid for pid in descendants(self._process.pid) if _name(pid).startswith("sshd")]

    def cut(self) -> None:
        """End all connections, as a network that is gone for good and says so."""
        for pid in self.sessions():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def freeze(self) -> None:
        """Become a black hole: what is sent is taken by the kernel, and nothing is answered."""
        self._signal_all(signal.SIGSTOP)

    def thaw(self) -> None:
        """Go on after `freeze`."""
        self._signal_all(signal.SIGCONT)

    def close(self) -> None:
        self.thaw()
        self.cut()
        self.stop()
        self.far.close()

    def _signal_all(self, number: int) -> None:
        if self._process is not None:
            for pid in (self._process.pid, *self.sessions()):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)

    def _write_known_hosts(self, key: Path) -> None:
        self.known_hosts.write_text(f"[127.0.0.1]:{self.port} {self.public_key(key)}\n")

    def _write_far_side(self) -> None:
        programs = self.far.path / "bin"
        programs.mkdir()
        collab = programs / "collab"  # the only one there: the near side's may be in its PATH
        collab.write_text(f'#!/bin/sh\nexec {shlex.join(collab_command())} "$@"\n')
        collab.chmod(0o755)
        self.far.env["PATH"] = f"{programs}:/usr/local/bin:/usr/bin:/bin"

    def _client_config(self, key: Path | None = None) -> str:
        return f"""\
Host {HOST}
  HostName 127.0.0.1
  Port {self.port}
  User {getpass.getuser()}
  IdentityFile {key or self.key}
  IdentitiesOnly yes
  IdentityAgent none
  UserKnownHostsFile {self.known_hosts}
  GlobalKnownHostsFile none
  StrictHostKeyChecking ask
  SendEnv LANG LC_*
"""

    def _server_config(self) -> str:
        # The terminal's own variables come from the near side, as does LANG, which Debian lets pass.
        kept = {k: v for k, v in self.far.env.items() if k not in ("TERM", "COLORTERM", "LANG", "LC_ALL")}
        variables = " ".join(f'"{name}={value}"' for name, value in kept.items())
        return f"""\
ListenAddress 127.0.0.1
Port {self.port}
HostKey {self.folder}/host
AuthorizedKeysFile {self.authorized_keys}
PidFile none
StrictModes no
UsePAM no
PermitRootLogin yes
PasswordAuthentication no
KbdInteractiveAuthentication no
AcceptEnv LANG LC_*
PrintMotd no
PrintLastLog no
MaxStartups 200
MaxSessions 200
SetEnv {variables}
Subsystem sftp internal-sftp
"""


def _unpunished(config: Path) -> list[str]:
    """Return what has an sshd that shuts out whoever breaks off often (from 9.8 on) not do so."""
    option = ["-o", "PerSourcePenalties=no"]
    assert _SSHD is not None
    command = [_SSHD, "-t", "-f", str(config), *option]
    tried = subprocess.run(command, capture_output=True, timeout=_READY_S, check=False)
    return option if tried.returncode == 0 else []


def free_port() -> int:
    """Return a port of loopback that nobody has at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1.0) as probe:
            return probe.recv(4) == b"SSH-"
    except OSError:
        return False


def descendants(pid: int) -> list[int]:
    """Return the children of a process, of all its threads, theirs, and so on (proc_pid_task_children(5))."""
    children: list[int] = []
    with contextlib.suppress(OSError):  # it may end at any moment
        for task in Path(f"/proc/{pid}/task").iterdir():
            with contextlib.suppress(OSError):
                children += map(int, (task / "children").read_text().split())
    return [*children, *(below for child in children for below in descendants(child))]


def _name(pid: int) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/comm").read_text().strip()
    return ""
