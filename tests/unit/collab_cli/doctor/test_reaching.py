"""Tests of `collab_cli.doctor.reaching`: servers that cannot be reached, each for its own reason."""

from __future__ import annotations

import contextlib
import http
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from email.utils import formatdate

import pytest
import trustme
from websockets.http11 import Request, Response
from websockets.sync.server import ServerConnection, serve
from websockets.typing import Subprotocol

from collab_cli.doctor import reaching
from tests.unit.collab_cli.doctor.ward import Ward

Check = Callable[[ServerConnection, Request], Response | None]


@contextlib.contextmanager
def serving(
    *,
    context: ssl.SSLContext | None = None,
    check: Check | None = None,
    subprotocol: str = "collab.v1",
    aside_s: float = 0.0,
    told: int = 1,
) -> Iterator[int]:
    """Yield the port of a server; `aside_s` is how far its clock is ahead, which it tells so often."""

    def date(connection: ServerConnection, request: Request, response: Response) -> None:
        del response.headers["Date"]
        for _ in range(told):
            response.headers["Date"] = formatdate(time.time() + aside_s, usegmt=True)

    with serve(
        lambda websocket: websocket.close(),
        "127.0.0.1",
        0,
        ssl=context,
        subprotocols=[Subprotocol(subprotocol)],
        process_request=check,
        process_response=date,
    ) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.socket.getsockname()[1]


def ails(ward: Ward, server: str) -> list[str]:
    ward.now = time.time()
    ward.server = server
    return [ail.removeprefix("reached from here: ") for ail in ward.ails() if ail.startswith("reached")]


def only(ward: Ward, server: str, words: str) -> None:
    found = ails(ward, server)
    assert len(found) == 1, found
    assert re.search(words, found[0]), found[0]


@pytest.fixture
def authority(ward: Ward, monkeypatch: pytest.MonkeyPatch) -> trustme.CA:
    """A CA that this machine trusts."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(ward.home / "root.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(ward.home / "root.pem"))
    return authority


def context_of(authority: trustme.CA, host: str = "127.0.0.1") -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(host).configure_cert(context)
    return context


def test_servers_that_are_reached(ward: Ward, authority: trustme.CA) -> None:
    with serving() as port:
        assert ails(ward, f"ws://127.0.0.1:{port}") == []
    with serving(context=context_of(authority)) as port:
        assert ails(ward, f"wss://127.0.0.1:{port}") == []
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(ward.home / "s"))
        listening.listen()
        assert ails(ward, f"unix://{ward.home}/s") == []


def test_those_of_the_settings_are_looked_at(ward: Ward) -> None:
    with serving(subprotocol="collab.v9") as port:
        ward.configure(f'url = "ws://127.0.0.1:{port}"\n', top=f'server = "ws://127.0.0.1:{port}"\n')
        ward.now = time.time()
        (ail,) = ward.ails()
    assert ail.startswith("reached from here: wrong: what answers at ws://127.0.0.1")
    assert "speaks no collab.v1" in ail


def test_nobody_is_there(ward: Ward, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    only(ward, f"ws://127.0.0.1:{port}", f"^wrong: nothing takes connections at 127.0.0.1, port {port}")
    only(ward, f"unix://{ward.home}/none", "^wrong: nobody listens at .*/none")

    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(reaching.socket, "getaddrinfo", unknown)
    only(ward, "wss://nowhere.example", "^wrong: the name nowhere.example leads nowhere: Name or service")


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (200, "<html>", "^wrong: .* does not open WebSockets .HTTP 200. → .*Upgrade"),
        (404, "rooms are under /x\n", "^wrong: .*HTTP 404: rooms are under /x"),
        (403, "no", "^wrong: .* refuses .HTTP 403: no."),
        (502, "", "^wrong: a proxy answers .* and no server behind it .HTTP 502. → start the server"),
        (503, "come later", "^warning: .* is busy.*HTTP 503: come later"),
    ],
)
def test_answers_that_are_no_collab(ward: Ward, status: int, body: str, words: str) -> None:
    with serving(check=lambda c, _: c.respond(http.HTTPStatus(status), body)) as port:
        only(ward, f"ws://127.0.0.1:{port}", words)


def test_a_port_that_says_nothing(ward: Ward, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reaching, "_ALL_S", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        only(ward, f"ws://127.0.0.1:{deaf.getsockname()[1]}", "^wrong: .* takes connections and says nothing")


def test_certificates_that_are_not_trusted(ward: Ward, authority: trustme.CA) -> None:
    with serving(context=context_of(trustme.CA())) as port:
        only(
            ward,
            f"wss://127.0.0.1:{port}",
            "^wrong: the certificate of 127.0.0.1 is not trusted: .*SSL_CERT_FILE",
        )
    with serving(context=context_of(authority, "other.org")) as port:
        only(
            ward, f"wss://127.0.0.1:{port}", "^wrong: the certificate of 127.0.0.1 is not trusted: .*mismatch"
        )
    with serving() as port:
        only(ward, f"wss://127.0.0.1:{port}", "^wrong: no TLS at 127.0.0.1, port .*ws://")


def test_a_renewed_certificate_that_the_server_has_not_read(ward: Ward, authority: trustme.CA) -> None:
    context = context_of(authority)
    renewed = authority.issue_cert("127.0.0.1")
    renewed.private_key_and_cert_chain_pem.write_to_path(ward.home / "cert.pem")
    with serving(context=context) as port:
        url = f"wss://127.0.0.1:{port}"
        ward.configure(f'auth = true\nport = 1\ntls_cert = "{ward.home}/cert.pem"\nurl = "{url}"\n')
        ward.now = time.time()
        (ail,) = ward.ails()
        assert re.search("^reached from here: warning: the server shows another certificate .* → .*-HUP", ail)
        renewed.configure_cert(context)
        assert ward.ails() == []
        assert ails(ward, url) == []


@pytest.mark.parametrize(
    ("aside_s", "words"),
    [
        (-3600.0, r"^wrong: this machine's clock is 3\d{3} s ahead of that server's"),
        (300.0, r"^warning: this machine's clock is (299|300|301) s behind that server's"),
    ],
)
def test_clocks_that_differ(ward: Ward, aside_s: float, words: str) -> None:
    with serving(aside_s=aside_s) as port:
        only(ward, f"ws://127.0.0.1:{port}", words)


def test_a_proxy_of_the_environment_is_gone_through(ward: Ward, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    monkeypatch.setenv("https_proxy", f"http://name:secret@127.0.0.1:{port}")
    found = ails(ward, "wss://example.org")
    assert len(found) == 1
    assert "secret" not in found[0]


def test_what_is_on_this_machine_is_reached_by_no_proxy(ward: Ward, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    with serving() as port:
        assert ails(ward, f"ws://127.0.0.1:{port}") == []


def test_a_clock_that_is_told_twice_is_no_crash(ward: Ward) -> None:
    with serving(told=2) as port:
        assert ails(ward, f"ws://127.0.0.1:{port}") == []
