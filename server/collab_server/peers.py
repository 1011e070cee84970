"""Where a connection comes from: addresses, and proxies that are believed when they say for whom they ask."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from typing import Final

_FORWARDED_MOST: Final = 32
"""Hops of X-Forwarded-For that are looked at, from the last one."""

_GROUP_BITS: Final = 64
"""An IPv6 host has a whole /64 to take addresses from (RFC 6177): it counts as one."""

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class Proxies:
    """The proxies whose X-Forwarded-For is believed."""

    def __init__(self, networks: Iterable[str]) -> None:
        """`networks` are addresses and networks, such as 10.0.0.7 and 10.0.0.0/8.

        Raises:
            ValueError: one of them is neither, or is everybody.
        """
        self._networks = tuple(ipaddress.ip_network(network, strict=False) for network in networks)
        for network in self._networks:
            if network.prefixlen == 0:
                raise ValueError(f"{network} is everybody, and not a proxy")

    def __bool__(self) -> bool:
        return bool(self._networks)

    def trusts(self, address: str) -> bool:
        """Tell whether `address`, as the socket names it, is one of them."""
        known = _parse(address)
        return known is not None and self._has(known)

    def client(self, peer: str, forwarded: Sequence[str]) -> str:
        """Return the address that a request really comes from: that of `peer`, unless it is a proxy.

        `forwarded` are the X-Forwarded-For headers. Each proxy adds whom it sees at the end, so the client
        is the last entry that is not a proxy itself; what stands before that anybody may have written.
        """
        known = _parse(peer)
        if known is None:
            return peer
        hops = ",".join(forwarded).rsplit(",", _FORWARDED_MOST)[-_FORWARDED_MOST:] if forwarded else []
        while hops and self._has(known):
            hop = _parse(_without_port(hops.pop().strip()))
            if hop is None:
                break
            known = hop
        return str(known)

    def _has(self, address: _Address) -> bool:
        return any(address in network for network in self._networks)


def is_loopback(address: str) -> bool:
    """Tell whether `address`, as a socket names it, is of this machine."""
    known = _parse(address)
    return known is not None and known.is_loopback


def counted_as(address: str) -> str:
    """Return what `address` counts as where those of one host are counted together."""
    known = _parse(address)
    if known is None:
        return address
    if known.version == 4:
        return str(known)
    return str(ipaddress.ip_network((known, _GROUP_BITS), strict=False))


def _parse(address: str) -> _Address | None:
    try:
        known = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return None
    return getattr(known, "ipv4_mapped", None) or known


def _without_port(hop: str) -> str:
    """Return the address of 192.0.2.1:1234 or [2001:db8::1]:1234, which some proxies write."""
    if hop.startswith("["):
        return hop[1:].partition("]")[0]
    return hop.partition(":")[0] if hop.count(":") == 1 else hop
