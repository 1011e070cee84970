"""The units of deploy/, run without systemd: ready, reloaded, restarted with people waiting, ended."""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import socket
import sqlite3
import ssl
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from tests.e2e.home import Home
from tests.e2e.peer import DEADLINE_S, Peer
from tests.e2e.service import Service
from tests.unit.collab_server.certificates import Authority, Pair

_SAMPLES: Final = Path(__file__).parents[1] / "unit" / "collab_server" / "samples"
_END: Final = "-----END CERTIFICATE-----"


def asked(port: int, path: str) -> int:
    """Ask the monitoring for a page; returns the status."""
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE_S)) as connection:
        connection.request("GET", path)
        return connection.getresponse().status


def nothing_went_wrong(log: Path) -> None:
    assert not re.search(r"Traceback|ERROR", log.read_text()), log.read_text()


def test_the_unit_serves_and_its_sockets_outlast_it(home: Home) -> None:
    with Service(home) as service:
        service.start(watchdog_s=0.3)
        endpoints = json.loads((service.data / "server.json").read_text())
        assert endpoints["unix"] == str(service.unix)
        assert endpoints["tcp"] == ["127.0.0.1", service.port]
        assert service.hear("WATCHDOG=1")

        link = re.search(r"ws://\S+", service.ask("invite", "notes", "--reusable"))
        assert link is not None
        token = link[0].partition("#")[2]
        with (
            Peer("notes", service.unix, name="ana") as ana,
            Peer("notes", service.port, name="bo", token=token) as bo,
        ):
            ana.append("by the Unix socket, ")
            bo.wait_for("by the Unix socket, ")
            bo.append("over TCP, ")
            ana.wait_for("over TCP, ")
            assert asked(service.monitor_port, "/readyz") == 200
            assert asked(service.monitor_port, "/metrics") == 200
            service.reload()
            ana.append("after a reload. ")
            bo.wait_for("after a reload. ")
        assert service.succeeds_with(service.stop())

        assert service.unix.is_socket()
        with ThreadPoolExecutor() as pool:
            # Nobody serves: who comes now waits for the next server, and is told nothing worse.
            coming = [
                pool.submit(Peer, "notes", service.unix, name="ana"),
                pool.submit(Peer, "notes", service.port, name="bo", token=token),
            ]
            probe = pool.submit(asked, service.monitor_port, "/readyz")
            service.start()
            for each in coming:
                with each.result(DEADLINE_S) as peer:
                    assert peer.text == "by the Unix socket, over TCP, after a reload. "
            assert probe.result(DEADLINE_S) in (200, 503)
        assert service.succeeds_with(service.stop())
        nothing_went_wrong(service.log)


def served_certificate(port: int, context: ssl.SSLContext) -> bytes | None:
    """Return the certificate that a new connection is shown."""
    with (
        socket.create_connection(("127.0.0.1", port), timeout=DEADLINE_S) as sock,
        context.wrap_socket(sock, server_hostname="127.0.0.1") as tls,
    ):
        return tls.getpeercert(binary_form=True)


def test_a_certificate_is_replaced_under_live_connections(home: Home) -> None:
    authority = Authority(home.path)
    context = authority.client_context()
    with Service(home, "tls.conf") as service:

        def install(pair: Pair) -> bytes:
            pair.cert.replace(home.path / "credentials" / "tls.crt")
            pair.key.replace(home.path / "credentials" / "tls.key")
            chain = (home.path / "credentials" / "tls.crt").read_text()
            return ssl.PEM_cert_to_DER_cert(chain[: chain.index(_END) + len(_END)])

        first = install(authority.issue("first"))
        service.start()
        link = re.search(r"ws://\S+", service.ask("invite", "notes", "--reusable"))
        assert link is not None
        token = link[0].partition("#")[2]
        assert served_certificate(service.port, context) == first
        with Peer("notes", service.port, token=token, tls=context) as ana:
            ana.append("before, ")
            second = install(authority.issue("second"))
            ana.append("meanwhile, ")
            service.reload()
            ana.append("after, ")
            assert served_certificate(service.port, context) == second != first
            with Peer("notes", service.port, token=token, tls=context) as bo:
                assert bo.text == "before, meanwhile, after, "
            (home.path / "credentials" / "tls.key").write_text("cut short")
            service.reload()
            assert served_certificate(service.port, context) == second, "a bad one takes nothing away"
            ana.append("still here")
        assert service.succeeds_with(service.stop())
    assert "the certificate of before stays in use" in service.log.read_text()


def test_an_older_store_is_converted_and_a_backup_takes_all_back(home: Home) -> None:
    with Service(home) as service:
        old = service.data / "rooms.sqlite3"
        old.touch(mode=0o600)
        with contextlib.closing(sqlite3.connect(old)) as db:
            db.executescript((_SAMPLES / "rooms-v1.sql").read_text(encoding="utf-8"))
        service.start()
        with Peer("notes", service.unix, name="ana") as ana:
            of_before = ana.text
            assert of_before
            ana.append("after the upgrade, ")
        # The unit's own line, beside a server that is at work.
        service.run_unit("collab-backup.service")
        (backup,) = service.backups.iterdir()
        with Peer("notes", service.unix, name="bo") as bo:
            bo.append("after the backup")
        assert service.succeeds_with(service.stop())
        with contextlib.closing(sqlite3.connect(service.data / "rooms.sqlite3.v1-backup")) as db:
            assert db.execute("PRAGMA user_version").fetchone() == (1,), "the way back to the version before"

        service.ask("restore", str(backup), "--yes")
        service.start()
        with Peer("notes", service.unix, name="ana") as ana:
            assert ana.text == f"{of_before}after the upgrade, "
        assert service.succeeds_with(service.stop())
        nothing_went_wrong(service.log)
