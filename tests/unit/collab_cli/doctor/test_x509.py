"""Tests of `collab_cli.doctor.x509`: what is read of certificates that OpenSSL's own users made."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st

from collab_cli.doctor.x509 import Facts, read_chain


def test_a_certificate_is_read() -> None:
    begins, ends = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), datetime(2060, 7, 8, 9, 10, 11, tzinfo=UTC)
    issued = trustme.CA().issue_cert("a.org", "*.b.org", "::1", "10.0.0.7", not_before=begins, not_after=ends)
    pem = b"".join(blob.bytes() for blob in issued.cert_chain_pems).decode()
    (facts,) = read_chain(f"said before\n{pem}")
    assert facts == Facts(
        begins.timestamp(), ends.timestamp(), tuple(sorted(facts.names, key=facts.names.index))
    )
    assert sorted(facts.names) == sorted(("a.org", "*.b.org", "::1", "10.0.0.7"))


@pytest.mark.parametrize(
    ("host", "is_it"),
    [
        ("A.org.", True),
        ("x.b.org", True),
        ("b.org", False),
        ("x.y.b.org", False),
        ("::1", True),
        ("0:0::1", True),
        ("10.0.0.8", False),
        ("org", False),
    ],
)
def test_for_which_hosts(host: str, is_it: bool) -> None:
    assert Facts(0, 1, ("a.org", "*.b.org", "::1", "10.0.0.7")).is_for(host) is is_it


@given(st.binary(max_size=200), st.integers(0, 400))
def test_nonsense_is_told_and_nothing_else_happens(noise: bytes, at: int) -> None:
    import ssl

    der = bytearray(DER)
    der[at : at + len(noise)] = noise
    for data in (noise, bytes(der), DER[:at]):
        try:
            found = read_chain(ssl.DER_cert_to_PEM_cert(data))
        except ValueError:
            continue
        assert len(found) == 1


def _der() -> bytes:
    import ssl

    return ssl.PEM_cert_to_DER_cert(trustme.CA().issue_cert("a.org").cert_chain_pems[0].bytes().decode())


DER = _der()


def test_a_file_without_any() -> None:
    with pytest.raises(ValueError, match="no certificate"):
        read_chain("-----BEGIN PRIVATE KEY-----")
