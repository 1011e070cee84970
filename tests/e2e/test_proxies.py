"""The snippets of deploy/ at work: a proxy with TLS before `collab serve`, joined through wss://."""

from __future__ import annotations

import base64
import contextlib
import http.client
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

from collab_protocol.versions import SUBPROTOCOL
from tests.e2e.home import Home
from tests.e2e.server import READY_DEADLINE_S, Server
from tests.e2e.test_two_people import all_hold, both_saved, leave
from tests.unit.collab_server.certificates import Authority, Pair

_DEPLOY: Final = Path(__file__).parents[2] / "deploy"
_BACKEND: Final = "127.0.0.1:8765"
_SITE: Final = "notes.example.org"


def substituted(text: str, **changes: str) -> str:
    """Return `text` with each `old` made `new`; one that is not there is an error of the test."""
    for old, new in changes.items():
        assert old in text, f"the snippet has no {old!r} any more"
        text = text.replace(old, new)
    return text


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def nginx(folder: Path, port: int, backend: int, pair: Pair) -> list[str]:
    """Write what nginx is to do; returns what starts it."""
    snippet = substituted(
        (_DEPLOY / "nginx.conf").read_text(),
        **{
            "listen 443 ssl;": f"listen 127.0.0.1:{port} ssl;",
            "    listen [::]:443 ssl;\n": "",
            f"/etc/letsencrypt/live/{_SITE}/fullchain.pem": str(pair.cert),
            f"/etc/letsencrypt/live/{_SITE}/privkey.pem": str(pair.key),
            _BACKEND: f"127.0.0.1:{backend}",
        },
    )
    (folder / "collab.conf").write_text(snippet)
    spool = "".join(
        f"{kind}_temp_path {folder / kind};\n"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (folder / "nginx.conf").write_text(
        f"daemon off;\nmaster_process off;\npid {folder / 'nginx.pid'};\nerror_log stderr;\n"
        f"events {{}}\nhttp {{\naccess_log off;\n{spool}include {folder / 'collab.conf'};\n}}\n"
    )
    return ["nginx", "-p", str(folder), "-c", str(folder / "nginx.conf")]


def caddy(folder: Path, port: int, backend: int, pair: Pair) -> list[str]:
    """Write what Caddy is to do; returns what starts it."""
    snippet = substituted(
        (_DEPLOY / "Caddyfile").read_text(),
        **{
            f"\n{_SITE} {{\n": (
                f"\nhttps://127.0.0.1:{port} {{\n\tbind 127.0.0.1\n\ttls {pair.cert} {pair.key}\n"
            ),
            _BACKEND: f"127.0.0.1:{backend}",
        },
    )
    (folder / "Caddyfile").write_text(
        f"{{\n\tadmin off\n\tauto_https disable_redirects\n\tstorage file_system {folder}\n}}\n{snippet}"
    )
    return ["caddy", "run", "--adapter", "caddyfile", "--config", str(folder / "Caddyfile")]


@contextlib.contextmanager
def running(home: Home, argv: list[str], port: int) -> Iterator[None]:
    """Run a proxy until the block ends; it takes connections when the block begins."""
    found = shutil.which(argv[0], path=os.environ["PATH"] + os.pathsep + "/usr/sbin")
    if found is None:
        pytest.skip(f"{argv[0]} is not installed here")
    log = home.path / f"{argv[0]}.log"
    with log.open("wb") as out:
        process = subprocess.Popen([found, *argv[1:]], env=home.env, stdout=out, stderr=subprocess.STDOUT)
    try:
        ends_at = time.monotonic() + READY_DEADLINE_S
        while True:
            with contextlib.suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)):
                break
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < ends_at, log.read_text()
            time.sleep(0.02)
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(READY_DEADLINE_S)
        finally:
            process.kill()


def asked(port: int, context: ssl.SSLContext, path: str) -> int:
    """Ask for a page, as a browser does; returns the status."""
    connection = http.client.HTTPSConnection("127.0.0.1", port, context=context, timeout=READY_DEADLINE_S)
    with contextlib.closing(connection):
        connection.request("GET", path)
        return connection.getresponse().status


def knock(port: int, context: ssl.SSLContext, source: str, *, says: str | None = None) -> int:
    """Ask to come in from `source`, with an own X-Forwarded-For or without; returns the status."""
    headers = {} if says is None else {"X-Forwarded-For": says}
    headers |= {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": base64.b64encode(bytes(16)).decode(),
        "Sec-WebSocket-Protocol": SUBPROTOCOL,
    }
    connection = http.client.HTTPSConnection(
        "127.0.0.1", port, context=context, timeout=READY_DEADLINE_S, source_address=(source, 0)
    )
    with contextlib.closing(connection):
        connection.request("GET", "/rooms/other", headers=headers)
        return connection.getresponse().status


@pytest.mark.parametrize("proxy", [nginx, caddy])
def test_people_meet_through_a_proxy(home: Home, proxy: Callable[[Path, int, int, Pair], list[str]]) -> None:
    authority = Authority(home.path)
    pair, port = authority.issue(), free_port()
    with (
        Server(home, "--trusted-proxy", "127.0.0.1", "--connections-per-address", "2") as server,
        running(home, proxy(home.path, port, server.port, pair), port),
    ):
        trust = {"SSL_CERT_FILE": str(authority.write_root())}
        ana, bo = (
            home.open("join", f"wss://127.0.0.1:{port}/notes", "--name", name, env=trust)
            for name in ("ana", "bo")
        )
        both_saved(ana, bo)
        ana.send("through a proxy 日本 🙂")
        all_hold("through a proxy 日本 🙂", ana, bo)
        # The two have all places of 127.0.0.1; whoever comes from elsewhere has their own.
        context = authority.client_context()
        assert knock(port, context, "127.0.0.1") == 503
        assert knock(port, context, "127.0.0.1", says="198.51.100.7") == 503, "nobody is believed about that"
        assert knock(port, context, "127.0.0.5") == 101
        assert knock(port, context, "127.0.0.6", says="127.0.0.1") == 101
        # What is for operators is not for everybody.
        for path in ("/metrics", "/healthz", "/readyz", "/", "/hand-over"):
            assert asked(port, context, path) == 404, path
        leave(ana)
        leave(bo)
    assert not re.search(r"Traceback|ERROR", server.log.read_text())
