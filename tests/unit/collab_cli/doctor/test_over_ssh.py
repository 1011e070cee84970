"""Tests of `collab_cli.doctor.over_ssh`: a server behind ssh, with a script in ssh's place."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from collab_cli.doctor import reaching
from collab_cli.doctor.findings import Finding
from tests.unit.collab_cli.doctor.ward import Ward


def found(ward: Ward, tmp_path: Path, script: str, server: str = "ssh://pair") -> Finding:
    program = tmp_path / "ssh"
    program.write_text(f'echo "$@" > {tmp_path}/call\n{script}\n')
    ward.environ["COLLAB_SSH"] = shlex.join(["sh", str(program)])
    ward.server = server
    (finding,) = reaching.look_at_servers(ward.case())
    return finding


def test_a_machine_that_has_collab(ward: Ward, tmp_path: Path) -> None:
    finding = found(ward, tmp_path, "echo Welcome; echo collab 9.9")
    assert (finding.state.name, finding.what) == ("OK", "ssh reaches pair, which has collab 9.9")
    call = (tmp_path / "call").read_text()
    assert "BatchMode=yes" in call
    assert call.endswith("collab --version\n"), "no relay is run, which might start a server"


def test_a_key_that_runs_a_relay_and_nothing_else(ward: Ward, tmp_path: Path) -> None:
    assert "which has collab 9.9" in found(ward, tmp_path, "echo collab-relay/1 9.9; echo ready").what


def test_a_port_there(ward: Ward, tmp_path: Path) -> None:
    finding = found(ward, tmp_path, "read line; echo HTTP/1.1 404 Not Found", "ssh://pair?via=tcp:9")
    assert finding.state.name == "OK"
    assert finding.what == "ssh reaches pair, and a server answers at its port 9"


@pytest.mark.parametrize(
    ("script", "state", "words"),
    [
        ("echo 'ana@pair: Permission denied (publickey).' >&2; exit 255", "WARNING", "ssh has to ask"),
        ("echo 'ssh: Could not resolve hostname pair: x' >&2; exit 255", "WRONG", "ssh cannot reach pair"),
        ("exit 127", "WRONG", "collab is not installed on pair"),
        ("exit 0", "WRONG", "no collab answers on pair"),
    ],
)
def test_what_is_wrong_is_told_as_at_a_join(
    ward: Ward, tmp_path: Path, script: str, state: str, words: str
) -> None:
    finding = found(ward, tmp_path, script)
    assert finding.state.name == state
    assert words in finding.what
    assert finding.todo == "see that this works: ssh pair"


def test_one_that_hangs_or_is_not_there(ward: Ward, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reaching, "_ALL_S", 0.2)
    assert "does not come through" in found(ward, tmp_path, "exec sleep 60").what
    ward.environ["COLLAB_SSH"] = "/no/such/ssh"
    (finding,) = reaching.look_at_servers(ward.case())
    assert "cannot run /no/such/ssh" in finding.what
