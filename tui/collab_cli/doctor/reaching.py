"""A server as people elsewhere reach it: its name, its port, its certificate, a WebSocket, and its clock."""

from __future__ import annotations

import asyncio
import secrets
import socket
import ssl
import time
import urllib.request
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from collab_cli.doctor.case import Case
from collab_cli.doctor.certificate import DAY_S, SOON_DAYS, remedy
from collab_cli.doctor.findings import Findings, fine, warning, wrong
from collab_cli.doctor.over_ssh import look_over_ssh
from collab_cli.doctor.x509 import first_der
from collab_cli.exits import UsageError
from collab_cli.humane import counted
from collab_cli.settings import join_table, serve_table
from collab_cli.targets import is_loopback, parse_server
from collab_protocol.names import ROOM_PATH
from collab_protocol.versions import SUBPROTOCOL

_ALL_S: Final = 4.5
"""For all of one server."""

_ASIDE_S: Final = 60.0
_FAR_ASIDE_S: Final = 600.0
"""A clock that far from another one; an invite for a short time is over, or not yet valid."""

_ROOM: Final = "doctor"
"""Asked for and never entered: nothing is made before somebody says hello."""

_PORTS: Final = {"ws": 80, "wss": 443}
_OTHER_VERSION: Final = "is it the right address? Else upgrade the older collab of the two"
_UPGRADE: Final = "is it the right address? A proxy has to hand on Upgrade and Connection"


@dataclass(frozen=True, slots=True)
class _Place:
    url: str
    host: str
    port: int
    is_secure: bool
    ends_at: float
    certificate: Path | None
    """The file from which this server of our own should show one."""

    @property
    def left_s(self) -> float:
        return max(0.1, self.ends_at - time.monotonic())


def look_at_servers(case: Case) -> Findings:
    """Look at the server that was typed, else at those that the settings name."""
    typed = list(dict.fromkeys([case.server] if case.server is not None else _set(case)))
    for each in typed:
        try:
            server = parse_server(each, is_insecure=True)
        except UsageError as error:
            yield wrong(f"{each} is no server: {error}", "give its address, as in wss://example.org")
            continue
        if server.unix_path is not None:
            yield from _unix(server.unix_path)
        elif server.ssh is not None:
            yield from look_over_ssh(case, server.ssh, _ALL_S / len(typed))
        elif server.url is not None:
            yield from _reach(case, server.url, _ALL_S / len(typed))


def _set(case: Case) -> list[str]:
    return [each for each in (case.value(join_table.SERVER), case.value(serve_table.URL)) if each is not None]


def _unix(path: Path) -> Findings:
    try:
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(_ALL_S)
            probe.connect(str(path))
    except OSError as error:
        yield wrong(
            f"nobody listens at {path}: {error.strerror or error}", "start the server, or put the path right"
        )
    else:
        yield fine(f"a server listens at {path}")


def _reach(case: Case, url: str, for_s: float) -> Findings:
    parts = urlsplit(url)
    host = parts.hostname or ""
    port = parts.port or _PORTS[parts.scheme]
    is_own = case.server is None and url == case.value(serve_table.URL)
    place = _Place(
        url,
        host,
        port,
        is_secure=parts.scheme == "wss",
        ends_at=time.monotonic() + for_s,
        certificate=case.value(serve_table.TLS_CERT) if is_own else None,
    )
    if proxy := _proxy(host):
        yield fine(f"the way to {host} is through the proxy {proxy}, as the environment has it")
        yield from _shake_hands(place, None, case.now)
        return
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        yield wrong(
            f"the name {host} leads nowhere: {_reason(error)}", "see how it is written, and its DNS record"
        )
        return
    addresses = ", ".join(dict.fromkeys(str(each[4][0]) for each in found))
    if addresses != host:
        yield fine(f"{host} is {addresses}")
    refusal: OSError | None = None
    for family, kind, protocol, _, address in found:
        probe = socket.socket(family, kind, protocol)
        try:
            probe.settimeout(min(place.left_s, for_s / 2))
            probe.connect(address)
        except OSError as error:
            refusal = error
            probe.close()
            continue
        with probe:
            yield from _shake_hands(place, probe, case.now)
        return
    what = "no answer" if isinstance(refusal, TimeoutError) else _reason(refusal)
    yield wrong(
        f"nothing takes connections at {host}, port {port}: {what}",
        "see that a server or its proxy runs there, and that no firewall is between",
    )


def _proxy(host: str) -> str:
    found = urllib.request.getproxies()
    proxy = found.get("socks") or found.get("https") or found.get("http") or found.get("all") or ""
    if not proxy or is_loopback(host) or urllib.request.proxy_bypass(host):
        return ""
    parts = urlsplit(proxy)
    return f"{parts.hostname}:{parts.port}"  # without the password that it may have


@dataclass(frozen=True, slots=True)
class _Answer:
    """What a server said in its handshake, and the certificate that it showed, parsed and as it is."""

    protocol: str | None
    date: str | None
    certificate: Any
    shown: bytes | None


async def _handshake(place: _Place, probe: socket.socket | None) -> _Answer:
    # Not with the threads of the library: two on one TLS connection now and then lose what is sent.
    from websockets.typing import Subprotocol

    from collab_client.link import CALLER_HEADER, StraightConnect

    options: dict[str, Any] = {}
    if probe is not None:
        probe.setblocking(False)
        options = {"sock": probe, "proxy": None}
    async with StraightConnect(
        f"{place.url.rstrip('/')}{ROOM_PATH}{_ROOM}",
        ssl=ssl.create_default_context() if place.is_secure else None,
        subprotocols=[Subprotocol(SUBPROTOCOL)],
        compression=None,
        open_timeout=place.left_s,
        close_timeout=0.5,
        user_agent_header=None,
        # A server counts tries that come to nothing: this one is not to be held against others who live here.
        additional_headers={CALLER_HEADER: secrets.token_hex(8)},
        ping_interval=None,
        **options,
    ) as websocket:
        tls = websocket.transport.get_extra_info("ssl_object")
        return _Answer(
            protocol=websocket.subprotocol,
            date=None if websocket.response is None else _date(websocket.response.headers),
            certificate=None if tls is None else tls.getpeercert(),
            shown=None if tls is None else tls.getpeercert(True),
        )


def _shake_hands(place: _Place, probe: socket.socket | None, now: float) -> Findings:
    from websockets.exceptions import InvalidHandshake, InvalidStatus

    try:
        answer = asyncio.run(_handshake(place, probe))
    except ssl.SSLCertVerificationError as error:
        yield wrong(
            f"the certificate of {place.host} is not trusted: {error.verify_message}", remedy(error, None)
        )
    except (ssl.SSLError, ConnectionError) as error:
        why = getattr(error, "reason", None) or "the other end hung up"
        if place.is_secure:
            yield wrong(
                f"no TLS at {place.host}, port {place.port}: {why}", "is it ws:// there, and not wss://?"
            )
        else:
            yield wrong(f"what answers at {place.url} is no collab: {why}", _UPGRADE)
    except InvalidStatus as error:
        yield from _status(place, error.response.status_code, bytes(error.response.body or b""))
        yield from _clock(_date(error.response.headers), now)
    except TimeoutError:
        yield wrong(
            f"{place.url} takes connections and says nothing", "restart the server, or what is before it"
        )
    except (InvalidHandshake, EOFError, OSError, ValueError) as error:
        yield wrong(f"what answers at {place.url} is no collab: {_reason(error)}", _UPGRADE)
    else:
        yield from _answered(place, answer.protocol, answer.certificate)
        if place.certificate is not None and answer.shown is not None:
            yield from _renewed(place.certificate, answer.shown)
        yield from _clock(answer.date, now)


def _answered(place: _Place, protocol: str | None, certificate: Any) -> Findings:
    if protocol != SUBPROTOCOL:
        yield wrong(f"what answers at {place.url} speaks no {SUBPROTOCOL}", _OTHER_VERSION)
        return
    yield fine(f"{place.url} answers, and speaks {SUBPROTOCOL}")
    if certificate:
        days = int((ssl.cert_time_to_seconds(certificate["notAfter"]) - time.time()) // DAY_S)
        if days < SOON_DAYS:
            left = f"{counted(days, 'more day')} only"
            yield warning(
                f"the certificate of {place.host} is valid for {left}", "have its server's people renew it"
            )


def _renewed(file: Path, shown: bytes) -> Findings:
    """Look whether the certificate that is shown is the one on disk."""
    try:
        on_disk = first_der(file.read_text(encoding="ascii", errors="replace"))
    except (OSError, ValueError):
        return  # told with the certificate
    if on_disk != shown:
        yield warning(
            f"the server shows another certificate than the one in {file}",
            "if it was renewed, have the server read it again: kill -HUP PID, or systemctl reload collab",
        )


def _status(place: _Place, status: int, body: bytes) -> Findings:
    said = body.decode("utf-8", "replace").strip().splitlines()
    words = f"HTTP {status}{f': {said[0][:100]}' if said and '<' not in said[0] else ''}"
    if status == 400:
        yield wrong(f"what answers at {place.url} speaks no {SUBPROTOCOL} ({words})", _OTHER_VERSION)
    elif status == 503:
        yield warning(f"{place.url} is busy, or its server is not there ({words})", "look again in a moment")
    elif status in (502, 504):
        yield wrong(f"a proxy answers at {place.url}, and no server behind it ({words})", "start the server")
    elif status in (401, 403, 429):
        yield wrong(
            f"{place.url} refuses ({words})", "ask whoever runs it; for a proxy, see trusted_proxy in [serve]"
        )
    else:
        yield wrong(f"what answers at {place.url} does not open WebSockets ({words})", _UPGRADE)


def _date(headers: Any) -> str | None:
    """Return the first header of that name: `get` raises where there are several."""
    return next(iter(headers.get_all("Date")), None)


def _clock(date: str | None, now: float) -> Findings:
    """Compare the server's clock with ours."""
    try:
        theirs = parsedate_to_datetime(date or "").timestamp()
    except ValueError:
        return
    aside_s = now - theirs
    if abs(aside_s) < _ASIDE_S:
        return
    state = wrong if abs(aside_s) >= _FAR_ASIDE_S else warning
    which = "ahead of" if aside_s > 0 else "behind"
    yield state(
        f"this machine's clock is {abs(aside_s):.0f} s {which} that server's",
        "set the one that is wrong (timedatectl): invites and bans end by it",
    )


def _reason(error: object) -> str:
    return str(getattr(error, "strerror", None) or error)
