from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collab_server.peers import Proxies, counted_as, is_loopback

PROXIES = Proxies(["10.0.0.0/8", "2001:db8:1::7", "127.0.0.1"])


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("192.0.2.1", [], "192.0.2.1"),
        ("192.0.2.1", ["198.51.100.7"], "192.0.2.1"),
        ("10.0.0.7", [], "10.0.0.7"),
        ("10.0.0.7", ["198.51.100.7"], "198.51.100.7"),
        ("10.0.0.7", ["203.0.113.9, 198.51.100.7"], "198.51.100.7"),
        ("10.0.0.7", ["203.0.113.9", "198.51.100.7"], "198.51.100.7"),
        ("10.0.0.7", ["198.51.100.7, 10.1.1.1 , 10.2.2.2"], "198.51.100.7"),
        ("10.0.0.7", ["198.51.100.7:4711"], "198.51.100.7"),
        ("10.0.0.7", ["[2001:db8::5]:4711"], "2001:db8::5"),
        ("10.0.0.7", ["2001:db8::5"], "2001:db8::5"),
        ("::ffff:10.0.0.7", ["::ffff:198.51.100.7"], "198.51.100.7"),
        ("2001:db8:1::7", ["198.51.100.7"], "198.51.100.7"),
        ("10.0.0.7", ["10.1.1.1"], "10.1.1.1"),
        ("10.0.0.7", ["junk"], "10.0.0.7"),
        ("10.0.0.7", ["198.51.100.7, unknown, 10.1.1.1"], "10.1.1.1"),
        ("10.0.0.7", ["", ",,"], "10.0.0.7"),
        ("10.0.0.7", ["198.51.100.7, " + "x," * 10_000 + "203.0.113.5"], "203.0.113.5"),
    ],
)
def test_the_client_is_the_last_one_that_is_no_proxy(peer: str, forwarded: list[str], client: str) -> None:
    assert PROXIES.client(peer, forwarded) == client


@given(st.text(alphabet="0123456789abcdef.:,[] x%", max_size=60))
def test_what_stands_before_what_the_proxy_added_changes_nothing(written: str) -> None:
    assert PROXIES.client("10.0.0.7", [written, "198.51.100.7"]) == "198.51.100.7"
    assert PROXIES.client("192.0.2.1", [written]) == "192.0.2.1"
    PROXIES.client("10.0.0.7", [written])


def test_which_proxies_are_trusted() -> None:
    assert PROXIES.trusts("10.255.0.1")
    assert PROXIES.trusts("::ffff:10.255.0.1")
    assert not PROXIES.trusts("11.0.0.1")
    assert not PROXIES.trusts("")
    assert not Proxies([])
    assert not Proxies([]).trusts("127.0.0.1")


@pytest.mark.parametrize("network", ["proxy.example", "10.0.0.0/33", "", "*", "0.0.0.0/0", "::/0"])
def test_what_is_no_network_or_everybody_is_refused(network: str) -> None:
    with pytest.raises(ValueError):
        Proxies([network])


def test_a_host_counts_once() -> None:
    assert counted_as("192.0.2.1") == counted_as("::ffff:192.0.2.1") == "192.0.2.1"
    assert counted_as("2001:db8::1") == counted_as("2001:db8::ffff:1") == "2001:db8::/64"
    assert counted_as("2001:db8:0:1::1") != counted_as("2001:db8::1")
    assert counted_as("fe80::1%eth0") == "fe80::/64"
    assert counted_as("what") == "what"


def test_loopback() -> None:
    assert is_loopback("127.1.2.3")
    assert is_loopback("::1")
    assert is_loopback("::ffff:127.0.0.1")
    assert not is_loopback("192.0.2.1")
    assert not is_loopback("")
