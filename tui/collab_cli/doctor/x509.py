"""What a certificate says of itself (RFC 5280): from when to when, and for which names.

The ssl module tells this only of certificates that another end has shown and that it trusts.
"""

from __future__ import annotations

import ipaddress
import re
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

_PEM: Final = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)

_SEQUENCE: Final = 0x30
_OCTETS: Final = 0x04
_OBJECT_ID: Final = 0x06
_UTC_TIME: Final = 0x17
_VERSION: Final = 0xA0
_EXTENSIONS: Final = 0xA3
_DNS_NAME: Final = 0x82
_IP_ADDRESS: Final = 0x87
_SUBJECT_ALT_NAME: Final = bytes.fromhex("551d11")
"""2.5.29.17 (RFC 5280 section 4.2.1.6)."""


@dataclass(frozen=True, slots=True)
class Facts:
    """Valid from `not_before` to `not_after` (UTC seconds), for the hosts and addresses in `names`."""

    not_before: float
    not_after: float
    names: tuple[str, ...]

    def is_for(self, host: str) -> bool:
        """Tell whether it is for a host or an address (RFC 6125 section 6.4: "*" is one whole label)."""
        host = host.lower().rstrip(".")
        try:
            return str(ipaddress.ip_address(host)) in self.names
        except ValueError:
            wildcard = f"*.{host.partition('.')[2]}"
            return any(name.lower() in (host, wildcard) for name in self.names)


def read_chain(pem: str) -> list[Facts]:
    """Return the facts of each certificate in a PEM file, in order.

    Raises:
        ValueError: there is none, or one that makes no sense.
    """
    return [_facts(der) for der in _chain(pem)]


def first_der(pem: str) -> bytes:
    """Return the first certificate of a PEM file, as it is shown. Raises: ValueError: there is none."""
    return _chain(pem)[0]


def _chain(pem: str) -> list[bytes]:
    """Raises: ValueError."""
    found = [ssl.PEM_cert_to_DER_cert(each) for each in _PEM.findall(pem)]
    if not found:
        raise ValueError("no certificate in PEM")
    return found


def _facts(der: bytes) -> Facts:
    """Raises: ValueError."""
    (_, certificate), *_ = _parts(der)
    (_, signed), *_ = _parts(certificate)
    fields = list(_parts(signed))
    if fields and fields[0][0] == _VERSION:
        fields = fields[1:]
    if len(fields) < 6 or fields[3][0] != _SEQUENCE:
        raise ValueError("no certificate")
    not_before, not_after = (_time(tag, value) for tag, value in _parts(fields[3][1]))
    names: tuple[str, ...] = ()
    for tag, value in fields[6:]:
        if tag == _EXTENSIONS:
            names = tuple(_names(value))
    return Facts(not_before, not_after, names)


def _names(extensions: bytes) -> Iterator[str]:
    """Yield what the subject is called, in the extension for it. Raises: ValueError."""
    for _, listed in _parts(extensions):
        for _, extension in _parts(listed):
            parts = dict(_parts(extension))
            if parts.get(_OBJECT_ID) != _SUBJECT_ALT_NAME:
                continue
            for _, general_names in _parts(parts.get(_OCTETS, b"")):
                for tag, value in _parts(general_names):
                    if tag == _DNS_NAME:
                        yield value.decode("ascii", "replace")
                    elif tag == _IP_ADDRESS:
                        yield str(ipaddress.ip_address(value))


def _time(tag: int, value: bytes) -> float:
    """Return UTC seconds of a UTCTime or GeneralizedTime (RFC 5280 section 4.1.2.5). Raises: ValueError."""
    text = value.decode("ascii")
    if tag == _UTC_TIME:  # two digits of the year: 50 to 99 are of the last century
        text = f"{'19' if text[:2] >= '50' else '20'}{text}"
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC).timestamp()


def _parts(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the tag and the content of each DER value in `data`, one beside the other. Raises: ValueError."""
    at = 0
    while at < len(data):
        tag, length = data[at], data[at + 1] if at + 1 < len(data) else 0
        at += 2
        if length & 0x80:
            digits = length & 0x7F
            length = int.from_bytes(data[at : at + digits], "big")
            at += digits
        if at + length > len(data):
            raise ValueError("a value that is cut short")
        yield tag, data[at : at + length]
        at += length
