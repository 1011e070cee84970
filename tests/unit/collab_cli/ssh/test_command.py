"""Tests of `collab_cli.ssh.command`: how ssh is run."""

from __future__ import annotations

import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from collab_cli.ssh.address import SshServer
from collab_cli.ssh.command import (
    Manner,
    config_command,
    forward_command,
    master_command,
    persists,
    relay_command,
    shares,
    version_command,
)

PROGRAM = ("ssh", "-F", "/c")


def test_ssh_runs_a_relay_and_nothing_of_a_users_config_gets_in_the_way() -> None:
    argv = relay_command(PROGRAM, SshServer("ana@pair", 2222), Manner(may_ask=True))
    assert argv[:3] == ["ssh", "-F", "/c"]
    assert {"-T", "-a", "-x", "ClearAllForwardings=yes", "RemoteCommand=none", "RequestTTY=no"} <= {*argv}
    assert "BatchMode=yes" not in argv
    *_, option, port, destination, command = argv
    assert (option, port, destination) == ("-p", "2222", "ana@pair")
    assert command.endswith(" collab relay")


def test_who_may_be_typing_is_not_asked_and_a_dead_master_is_gone_past() -> None:
    argv = relay_command(PROGRAM, SshServer("pair"), Manner(past_master=True))
    assert {"BatchMode=yes", "ControlPath=none"} <= {*argv}


@pytest.mark.parametrize("shell", ["sh", "bash", "dash", "zsh", "fish", "tcsh", "rbash"])
def test_the_account_there_finds_its_own_programs_and_a_path_is_one_word(tmp_path: Path, shell: str) -> None:
    if (program := shutil.which(shell)) is None:
        pytest.skip(f"there is no {shell} on this machine")
    (tmp_path / ".local" / "bin").mkdir(parents=True)
    collab = tmp_path / ".local" / "bin" / "collab"
    collab.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    collab.chmod(0o755)
    path = "/run/it's $(id); a.sock"
    command = relay_command(PROGRAM, SshServer("pair", unix=path), Manner())[-1]
    done = subprocess.run(
        [program, "-c", command],
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines() == ["relay", "--unix", path]


def test_a_port_there_is_reached_without_collab() -> None:
    server = SshServer("pair", via_tcp=99)
    argv = forward_command(PROGRAM, server, Manner(), is_shared=False)
    assert argv[-3:] == ["-W", "127.0.0.1:99", "pair"]
    (local,) = [each for each in argv if each.startswith("LocalCommand=")]
    said = subprocess.run(["sh", "-c", local.partition("=")[2]], capture_output=True, check=True)
    assert said.stdout == b"collab-relay/1 ssh\nready\n"
    shared = forward_command(PROGRAM, server, Manner(), is_shared=True)
    assert not [each for each in shared if "LocalCommand" in each]


def test_other_questions_to_ssh() -> None:
    assert master_command(PROGRAM, SshServer("pair", 22)) == [*PROGRAM, "-O", "check", "-p", "22", "pair"]
    assert config_command(PROGRAM, SshServer("pair")) == [*PROGRAM, "-G", "pair"]
    version = version_command(PROGRAM, SshServer("pair"))
    assert shlex.split(version[-1])[-2:] == ["collab", "--version"]
    assert "BatchMode=yes" in version


def test_a_master_that_would_end_with_us_is_never_made() -> None:
    assert "ControlMaster=no" in relay_command(PROGRAM, SshServer("pair"), Manner())
    assert "ControlMaster=no" not in relay_command(PROGRAM, SshServer("pair"), Manner(may_be_master=True))
    assert persists("controlmaster auto\ncontrolpersist 60\n")
    assert persists("controlpersist yes\n")
    assert not persists("controlmaster auto\ncontrolpersist no\n")
    assert not persists("")
    assert shares("controlpath /home/ana/.ssh/Master\n")
    assert not shares("controlpath none\n")
    assert not shares("")
