"""Tests of deploy/: that its files fit each other and the server; `tests/e2e/test_service.py` runs them."""

from __future__ import annotations

import contextlib
import http.server
import json
import re
import shutil
import subprocess
import sys
import threading
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from collab_cli.settings.file import read_config
from collab_cli.settings.flags import ServeFlags
from collab_cli.settings.serving import serve_settings
from collab_server import app
from collab_server.monitoring.exposition import names
from tests.e2e.service import DEPLOY, PROGRAM, directives

_ROOT = DEPLOY.parent
_UNITS = ("collab.service", "collab-backup.service")


def test_every_figure_of_the_dashboard_and_the_alerts_exists() -> None:
    dashboard = json.loads((DEPLOY / "grafana.json").read_text(encoding="utf-8"))
    expressions = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", [])]
    alerts = (DEPLOY / "alerts.yaml").read_text(encoding="utf-8")
    expressions += re.findall(r"^ *expr: (.*)$", alerts, re.MULTILINE)
    used = {name for each in expressions for name in re.findall(r"\b(?:collab|process)_\w+", each)}
    assert len(expressions) > 40
    assert len(used) > 30
    assert not used - names()
    # A panel that shows the same as another would be one of those that lead astray.
    assert len(set(expressions)) >= len(expressions) - 2


def test_alerts_speak_of_what_exists() -> None:
    alerts = (DEPLOY / "alerts.yaml").read_text(encoding="utf-8")
    assert len(re.findall("- alert:", alerts)) == len(re.findall("summary:", alerts))
    known = names() | {name.removesuffix("_bucket") for name in names()}
    assert not set(re.findall(r"\bcollab_\w+", alerts)) - known


def test_the_settings_are_valid_and_those_of_the_units(tmp_path: Path) -> None:
    file = read_config(DEPLOY / "config.toml")
    assert not file.complaints
    assert not file.serving_complaints
    settings = tomllib.loads((DEPLOY / "config.toml").read_text(encoding="utf-8"))["serve"]
    unit = directives("collab.service")
    (state,) = unit["Service.StateDirectory"]
    assert settings["data_dir"] == f"/var/lib/{state}"
    unix, tcp = directives("collab.socket")["Socket.ListenStream"]
    assert settings["unix"] == unix
    # As systemd would not listen for them, they would still be let in by the same rules.
    host, _, port = tcp.rpartition(":")
    flags = ServeFlags(host=host, port=int(port), config=DEPLOY / "config.toml")
    doors = serve_settings(flags, {"COLLAB_HOME": str(tmp_path)}).doors
    assert doors.has_auth
    assert doors.trusted_proxies == ("127.0.0.1",)


def test_all_run_as_one_account_with_one_program_and_one_config() -> None:
    ctl = (DEPLOY / "collabctl").read_text(encoding="utf-8")
    assert (DEPLOY / "collabctl").stat().st_mode & 0o111
    for unit in map(directives, _UNITS):
        (account,) = unit["Service.User"]
        (line,) = unit["Service.ExecStart"]
        environment = unit["Service.Environment"][0]
        assert line.startswith(f"{PROGRAM} ")
        assert f"runuser -u {account} " in ctl
        assert f"{PROGRAM} " in ctl
        assert environment.replace("%E", "/etc") in ctl
    (owner,) = directives("collab.socket")["Socket.SocketUser"]
    assert owner == account


def test_the_socket_units_are_those_of_the_service() -> None:
    unit = directives("collab.service")
    sockets = unit["Service.Sockets"][0].split()
    assert unit["Install.Also"][0].split() == sockets
    assert unit["Unit.After"][0].split()[: len(sockets)] == sockets
    assert directives("collab-monitor.socket")["Socket.Service"] == ["collab.service"]


def test_guests_over_ssh_have_the_port_that_they_are_told() -> None:
    lines = (DEPLOY / "ssh.conf").read_text(encoding="utf-8")
    (port,) = re.findall(r"^SocketBindAllow=tcp:(\d+)$", lines, re.MULTILINE)
    assert f'`ssh = ":{port}"`' in lines
    families = directives("collab.service")["Service.RestrictAddressFamilies"][0]
    assert f"RestrictAddressFamilies={families} AF_INET AF_INET6\n" in lines
    project = tomllib.loads((_ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    (needed,) = project["optional-dependencies"]["ssh"]
    assert f"'{needed}'" in lines
    for off in ("PrivateNetwork", "IPAddressDeny"):
        assert f"Service.{off}" in directives("collab.service")
        assert f"\n{off}=" in lines


def test_a_server_has_the_time_that_it_needs_to_end() -> None:
    (stop_s,) = directives("collab.service")["Service.TimeoutStopSec"]
    assert float(stop_s) > 2 * app._DRAIN_S
    compose = (DEPLOY / "compose.yaml").read_text(encoding="utf-8")
    assert f"stop_grace_period: {stop_s}s" in compose


@pytest.mark.parametrize("unit", _UNITS)
def test_systemd_finds_little_that_is_exposed(unit: str) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed here")
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--no-pager", str(DEPLOY / unit)],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    if "--offline" in done.stderr:
        pytest.skip("this systemd-analyze looks at no files")
    found = re.search(r"Overall exposure level for \S+: ([0-9.]+)", done.stdout)
    assert found is not None, done.stderr
    assert float(found[1]) <= 1.5


def test_systemd_understands_every_line(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed here")
    units = [path for path in DEPLOY.iterdir() if path.suffix in (".service", ".socket", ".timer")]
    assert len(units) == 5
    for path in units:
        text = path.read_text(encoding="utf-8").replace(PROGRAM, "/bin/true")
        (tmp_path / path.name).write_text(text, encoding="utf-8")
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *(str(tmp_path / path.name) for path in units)],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
        env={"PATH": "/usr/bin:/bin", "SYSTEMD_UNIT_PATH": f"{tmp_path}:"},
    )
    ours = [line for line in done.stderr.splitlines() if "collab" in line]
    assert not ours


def instructions(name: str) -> list[tuple[str, str]]:
    """Return what a Dockerfile says, an instruction with its words each."""
    text = re.sub(r"^#.*\n", "", (DEPLOY / name).read_text(encoding="utf-8"), flags=re.MULTILINE)
    lines = text.replace("\\\n", "").splitlines()
    return [(line.split(" ", 1)[0], line.split(" ", 1)[1]) for line in lines if line]


def test_the_image_has_what_it_copies_and_runs_as_nobody_special() -> None:
    said = instructions("Dockerfile")
    (base,) = (rest for name, rest in said if name == "ARG")
    assert re.fullmatch(r"PYTHON=python:3\.\d+\.\d+-slim-\w+", base)
    copied = [
        word for name, rest in said if name == "COPY" and "--from" not in rest for word in rest.split()[:-1]
    ]
    assert all((_ROOT / word).exists() for word in copied)
    allowed = [line[1:] for line in (_ROOT / ".dockerignore").read_text().splitlines() if line[0] == "!"]
    assert sorted(allowed) == sorted(copied)
    assert [rest for name, rest in said if name == "USER"] == ["10001:10001"]
    # All that the wheel is made of is there.
    project = tomllib.loads((_ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    packages = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    assert {package.partition("/")[0] for package in packages} <= set(copied)


class _Answers(http.server.BaseHTTPRequestHandler):
    status = 200

    def do_GET(self) -> None:
        assert self.path == "/readyz"
        self.send_response(type(self).status)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def monitoring() -> Iterator[http.server.HTTPServer]:
    with http.server.HTTPServer(("127.0.0.1", 0), _Answers) as server:
        serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        serving.start()
        try:
            yield server
        finally:
            server.shutdown()
            serving.join()


def test_the_health_check_of_the_image_tells_ready_from_not(monitoring: http.server.HTTPServer) -> None:
    said = dict(instructions("Dockerfile"))
    command = json.loads(said["HEALTHCHECK"].partition("CMD ")[2])
    port = re.search(r"COLLAB_MONITOR=127\.0\.0\.1:(\d+)", said["ENV"])
    assert port is not None
    assert command[0] == "python"
    code = command[2].replace(port[1], str(monitoring.server_address[1]))
    assert code != command[2]

    def check() -> int:
        done = subprocess.run([sys.executable, "-I", "-c", code], stderr=subprocess.DEVNULL, check=False)
        return done.returncode

    for status, expected in ((200, 0), (503, 1)):
        _Answers.status = status
        assert check() == expected
    with contextlib.suppress(OSError):
        monitoring.socket.close()
    assert check() != 0


def test_the_example_site_is_the_same_everywhere() -> None:
    for name in ("Caddyfile", "nginx.conf", "config.toml", "README.md"):
        assert "notes.example.org" in (DEPLOY / name).read_text(encoding="utf-8"), name


def test_the_page_speaks_of_every_file_and_of_no_other() -> None:
    page = (DEPLOY / "README.md").read_text(encoding="utf-8")
    files = {path.name for path in DEPLOY.iterdir()} - {"README.md"}
    linked = set(re.findall(r"\]\(([\w.-]+)\)", page))
    assert files <= linked
    assert linked <= files
