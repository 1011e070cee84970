"""The certificate that the settings name: whether it can be used, for whom it is, and for how long."""

from __future__ import annotations

import contextlib
import ssl
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from collab_cli.doctor.case import Case
from collab_cli.doctor.findings import Findings, fine, warning, wrong
from collab_cli.doctor.x509 import Facts, read_chain
from collab_cli.durations import local_time
from collab_cli.humane import counted
from collab_cli.settings import serve_table
from collab_protocol.errors import StoreError
from collab_server.tls import Certificates

DAY_S: Final = 86_400
SOON_DAYS: Final = 21
"""ACME clients renew 30 days before the end: what has less has not been renewed."""

_MOST_BYTES: Final = 1024 * 1024
_STEPS: Final = 10
"""Turns that a handshake of TLS takes at most: it takes three."""

_UNKNOWN_ISSUERS: Final = (18, 19, 20, 21)
"""OpenSSL's X509_V_ERR_… for a chain that ends in nobody who is trusted."""

_RENEW: Final = "renew it, and have the server read it again: kill -HUP PID, or systemctl reload collab"


def look_at_certificate(case: Case) -> Findings:
    cert, key = case.value(serve_table.TLS_CERT), case.value(serve_table.TLS_KEY)
    if cert is None:
        return
    url = case.value(serve_table.URL)
    host = None if url is None else urlsplit(url).hostname
    try:
        certificates = Certificates(cert, key)
        with cert.open(encoding="ascii", errors="replace") as stream:
            chain = read_chain(stream.read(_MOST_BYTES))
    except (StoreError, OSError, ValueError) as error:
        yield wrong(
            _told(error, cert),
            "name PEM files in tls_cert and tls_key of [serve] that it may read and that belong together",
        )
        return
    own = chain[0]
    is_usable = True
    if host is not None and not own.is_for(host):
        is_usable = False
        yield wrong(
            f"{cert} is for {', '.join(own.names) or 'no host'}, and people come to {host} (url)",
            f"get one for {host}, or put url right",
        )
    for finding in look_at_dates(own, case.now, str(cert)):
        is_usable = is_usable and not finding.todo
        yield finding
    if is_usable:
        yield from _trust(certificates.context, host or (own.names or ("",))[0], cert, len(chain))


def look_at_dates(facts: Facts, now: float, what: str) -> Findings:
    """Say from when to when a certificate is valid, and whether that is enough."""
    left_s = facts.not_after - now
    if facts.not_before > now:
        yield wrong(
            f"{what} is not valid yet: it begins on {local_time(facts.not_before)}",
            "see whether this machine's clock is right, or wait",
        )
    elif left_s < 0:
        yield wrong(f"{what} was valid until {local_time(facts.not_after)}", _RENEW)
    elif left_s < SOON_DAYS * DAY_S:
        days = int(left_s // DAY_S)
        yield warning(f"{what} is valid for {counted(days, 'more day')} only", _RENEW)
    else:
        yield fine(f"{what} is valid until {local_time(facts.not_after)}")


def remedy(error: ssl.SSLCertVerificationError, certificates: int | None) -> str:
    """Return what to do where a chain is not trusted; `certificates` in the file, where that is known."""
    if error.verify_code not in _UNKNOWN_ISSUERS:
        return _RENEW
    if certificates == 1 and error.verify_code != 18:
        return "give the whole chain (fullchain.pem); if its CA is your own, people name it in SSL_CERT_FILE"
    return (
        "get one of a known CA, as of Let's Encrypt; if its CA is your own, people name it in SSL_CERT_FILE"
    )


def _told(error: Exception, cert: Path) -> str:
    return str(error) if isinstance(error, StoreError) else f"{cert} cannot be used: {error}"


def _trust(server: ssl.SSLContext, host: str, cert: Path, certificates: int) -> Findings:
    """Say whether this machine would trust the server, by a handshake of both ends in here."""
    client = ssl.create_default_context()
    if not host or host.startswith("*"):
        client.check_hostname, host = False, ""
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = (
        client.wrap_bio(to_client, to_server, server_hostname=host or None),
        server.wrap_bio(to_server, to_client, server_side=True),
    )
    try:
        for _ in range(_STEPS):
            for end in ends:
                with contextlib.suppress(ssl.SSLWantReadError):
                    end.do_handshake()
    except ssl.SSLCertVerificationError as error:
        yield warning(f"{cert} is not trusted here: {error.verify_message}", remedy(error, certificates))
    except ssl.SSLError as error:
        yield wrong(f"{cert} does not work: {error.reason}", "get a certificate with an RSA or ECDSA key")
