"""Tests of `collab doctor` itself: what it prints, how it ends, and a server that really runs."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import trustme

from collab_cli.main import run
from tests.unit.collab_cli.doctor.ward import Ward

Output = pytest.CaptureFixture[str]
DEADLINE_S = 30.0


@pytest.fixture
def home(ward: Ward, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("COLLAB_HOME", str(ward.home))
    return ward.home


def test_nothing_is_wrong(home: Path, capsys: Output) -> None:
    assert run(["doctor"]) == 0
    shown = capsys.readouterr()
    assert shown.err == ""
    assert shown.out.startswith(f"Settings\n  ✓ {home}/config/config.toml:")
    assert shown.out.endswith("\nnothing is wrong\n")
    assert "\x1b" not in shown.out


def test_something_is_wrong(home: Path, capsys: Output) -> None:
    (home / "config" / "config.toml").write_text("[serve]\nprot = 1\n")
    assert run(["doctor"]) == 3
    assert "  ✗ " in capsys.readouterr().out
    assert run(["doctor", "--json"]) == 3
    note = json.loads(capsys.readouterr().out)
    (wrong,) = [each for each in note["findings"] if each["state"] == "wrong"]
    assert "'serve.prot'" in wrong["what"]
    assert (note["wrong"], note["data_dir"]) == (1, str(home / "data"))


def test_other_places(home: Path, capsys: Output) -> None:
    assert run(["doctor", "--json", "--data-dir", f"{home}/none", "--config", f"{home}/none.toml"]) == 3
    note = json.loads(capsys.readouterr().out)
    assert note["data_dir"] == f"{home}/none"
    (wrong,) = [each["what"] for each in note["findings"] if each["state"] == "wrong"]
    assert wrong == f"cannot read {home}/none.toml: there is no such file"
    assert run(["doctor", "--data-dir", "~no-such-account/x"]) == 2
    assert "--data-dir: " in capsys.readouterr().err


def test_where_ascii_is_all_there_is(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="ascii", write_through=True))
    assert run(["doctor"]) == 0
    assert written.getvalue().startswith(b"Settings\n  + ")


def test_a_server_that_really_runs(
    home: Path, ward: Ward, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(home / "root.pem")
    issued = authority.issue_cert("127.0.0.1")
    issued.private_key_and_cert_chain_pem.write_to_path(home / "cert.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(home / "root.pem"))
    ward.configure(f'host = "127.0.0.1"\nport = 0\nauth = true\ntls_cert = "{home}/cert.pem"\n')
    program = subprocess.Popen(
        [sys.executable, "-m", "collab_cli", "serve"],
        env=dict(os.environ),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert program.stdout is not None
        assert program.stdout.readline().startswith("serving")
        port = json.loads((home / "data" / "server.json").read_text())["tcp"][1]
        for _ in range(8):  # looking is held against nobody
            assert run(["doctor", "--json", "--server", f"wss://127.0.0.1:{port}"]) == 0
        note = json.loads(capsys.readouterr().out.splitlines()[-1])
    finally:
        program.terminate()
        program.communicate(timeout=DEADLINE_S)
    assert note["warnings"] == 0, note
    told = [each["what"] for each in note["findings"]]
    assert f"wss://127.0.0.1:{port} answers, and speaks collab.v1" in told
    assert any(what.startswith(f"a server runs (pid {program.pid}, ") for what in told)
