"""What a server may offer to whom: no setting, and no lack of one, lets strangers in unsaid."""

from __future__ import annotations

import ipaddress
import re
from typing import Final

from collab_protocol.errors import CollabError, StoreError
from collab_server.config import ServerConfig
from collab_server.peers import Proxies

DEFAULT_HOST: Final = "127.0.0.1"

_ORIGIN: Final = re.compile(r"[a-z][a-z0-9+.-]*://[^/\s@*?#]+")
"""What browsers send (RFC 6454 section 6.2): scheme, host and port, no path."""

_ANY_ADDRESS: Final = ("0.0.0.0", "::")  # noqa: S104  # nothing is bound here


class NotAllowed(CollabError):
    """The settings ask for what would let strangers in."""


def check_ways_in(config: ServerConfig) -> None:
    """Check that the settings let in whom they say, and nobody else.

    Raises:
        NotAllowed: they do not; the text says what to do.
        StoreError: the host is no address.
    """
    try:
        proxies = Proxies(config.trusted_proxies)
    except ValueError as error:
        raise NotAllowed(
            f"--trusted-proxy wants an address such as 10.0.0.7 or 10.0.0.0/8: {error}"
        ) from error
    for origin in config.origins:
        if not _ORIGIN.fullmatch(origin):
            raise NotAllowed(
                f"--origin wants what a browser sends, such as https://example.org: not {origin!r}"
            )
    if config.tls_key is not None and config.tls_cert is None:
        raise NotAllowed("a key alone is no certificate: give --tls-cert too")
    if config.port is None:
        return
    if config.auth and config.insecure:
        raise NotAllowed(
            "--auth wants a token of whoever comes, --insecure lets in everybody: give one of them"
        )
    if not config.auth and not config.insecure:
        raise NotAllowed(
            "TCP lets in whoever can reach it: give --auth to want a token of them, or --insecure to let in"
            " everybody, or use the Unix socket alone"
        )
    host = config.host or DEFAULT_HOST
    if not _is_loopback(host) and config.tls_cert is None and not proxies:
        raise NotAllowed(
            f"{host} is not loopback, and without TLS everybody on the way reads along: give --tls-cert and"
            " --tls-key, or the address of a proxy that has TLS with --trusted-proxy, or listen on 127.0.0.1"
        )


def reached_by(config: ServerConfig, host: str, port: int) -> str | None:
    """Return what people reach a server by that listens on `host` and `port`; None if only they know."""
    if config.url is not None or config.trusted_proxies or host in _ANY_ADDRESS:
        return config.url
    shown = f"[{host}]" if ":" in host else host
    return f"{'ws' if config.tls_cert is None else 'wss'}://{shown}:{port}"


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError as error:
        raise StoreError(f"{host} is no address of this machine") from error
