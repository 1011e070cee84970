from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from collab_protocol.errors import StoreError
from collab_server.ways_in import NotAllowed, check_ways_in, reached_by

from .wire import config

CERT = Path("cert.pem")


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"auth": True},
        {"port": 0, "auth": True},
        {"port": 0, "insecure": True},
        {"port": 0, "host": "localhost", "insecure": True},
        {"port": 0, "host": "::1", "auth": True},
        {"port": 0, "host": "0.0.0.0", "auth": True, "tls_cert": CERT},
        {"port": 0, "host": "0.0.0.0", "insecure": True, "tls_cert": CERT, "tls_key": CERT},
        {"port": 0, "host": "10.0.0.3", "auth": True, "trusted_proxies": ("10.0.0.7", "fd00::/8")},
        {"port": 0, "auth": True, "origins": ("https://example.org", "http://localhost:8080")},
    ],
)
def test_what_may_be_offered(changes: dict[str, Any]) -> None:
    check_ways_in(config(Path(), **changes))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"port": 0}, "--auth to want a token"),
        ({"port": 0, "auth": True, "insecure": True}, "one of them"),
        ({"port": 0, "host": "0.0.0.0", "auth": True}, "--trusted-proxy"),
        ({"port": 0, "host": "::", "insecure": True}, "--tls-cert"),
        ({"port": 0, "host": "192.0.2.1", "insecure": True}, "not loopback"),
        (
            {"port": 0, "auth": True, "trusted_proxies": ("proxy.example",)},
            "--trusted-proxy wants an address",
        ),
        (
            {"port": 0, "host": "0.0.0.0", "auth": True, "trusted_proxies": ("0.0.0.0/0",)},
            "everybody, and not a proxy",
        ),
        ({"port": 0, "auth": True, "tls_key": CERT}, "--tls-cert too"),
        *(
            ({"port": 0, "auth": True, "origins": (origin,)}, "--origin wants")
            for origin in ("*", "null", "example.org", "https://example.org/", "https://*.example.org", "")
        ),
    ],
)
def test_what_lets_in_others_than_it_says(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(NotAllowed, match=says):
        check_ways_in(config(Path(), **changes))


def test_a_host_that_is_no_address() -> None:
    with pytest.raises(StoreError, match=r"example\.org is no address"):
        check_ways_in(config(Path(), port=0, auth=True, host="example.org"))


@pytest.mark.parametrize(
    ("changes", "host", "address"),
    [
        ({}, "127.0.0.1", "ws://127.0.0.1:9"),
        ({"tls_cert": CERT}, "::1", "wss://[::1]:9"),
        ({"tls_cert": CERT}, "0.0.0.0", None),
        ({"trusted_proxies": ("127.0.0.1",)}, "127.0.0.1", None),
        ({"url": "wss://example.org", "trusted_proxies": ("::1",)}, "0.0.0.0", "wss://example.org"),
    ],
)
def test_what_people_reach_it_by(changes: dict[str, Any], host: str, address: str | None) -> None:
    assert reached_by(config(Path(), **changes), host, 9) == address
