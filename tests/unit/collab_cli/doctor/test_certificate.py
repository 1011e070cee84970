"""Tests of `collab_cli.doctor.certificate`: certificates that will not do, each for its own reason."""

from __future__ import annotations

import re
import ssl
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme

from tests.unit.collab_cli.doctor.ward import Ward

DAY = timedelta(days=1)


@pytest.fixture
def authority(ward: Ward, monkeypatch: pytest.MonkeyPatch) -> trustme.CA:
    """A CA that this machine trusts."""
    authority = trustme.CA()
    root = ward.home / "root.pem"
    authority.cert_pem.write_to_path(root)
    monkeypatch.setenv("SSL_CERT_FILE", str(root))
    ward.now = time.time()
    return authority


def install(
    ward: Ward, authority: trustme.CA, *, host: str = "example.org", begins: int = -1, ends: int = 90
) -> Path:
    """Give the server a certificate, valid from and to so many days from now."""
    now = datetime.now(UTC)
    issued = authority.issue_cert(host, not_before=now + begins * DAY, not_after=now + ends * DAY)
    cert, key = ward.home / "cert.pem", ward.home / "key.pem"
    cert.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
    issued.private_key_pem.write_to_path(key)
    ward.configure(f'auth = true\nport = 1\ntls_cert = "{cert}"\ntls_key = "{key}"\n')
    return cert


def ails(ward: Ward) -> list[str]:
    return [ail.removeprefix("certificate: ") for ail in ward.ails() if ail.startswith("certificate: ")]


def test_one_that_will_do(ward: Ward, authority: trustme.CA) -> None:
    install(ward, authority)
    assert ward.ails() == []
    ward.config.write_text(ward.config.read_text() + 'url = "wss://example.org"\n')
    assert ails(ward) == []


@pytest.mark.parametrize(
    ("begins", "ends", "words"),
    [
        (-9, -1, "^wrong: .*cert.pem was valid until .* → renew it"),
        (-9, 20, "^warning: .*cert.pem is valid for 19 more days only → renew it"),
        (1, 90, "^wrong: .*cert.pem is not valid yet: it begins on .* → .*clock"),
    ],
)
def test_dates(ward: Ward, authority: trustme.CA, begins: int, ends: int, words: str) -> None:
    install(ward, authority, begins=begins, ends=ends)
    (ail,) = ails(ward)
    assert re.search(words, ail)


def test_one_for_another_host(ward: Ward, authority: trustme.CA) -> None:
    install(ward, authority, host="other.org")
    ward.config.write_text(ward.config.read_text() + 'url = "wss://example.org"\n')
    (ail,) = ails(ward)
    assert re.search("^wrong: .*cert.pem is for other.org, and people come to example.org", ail)


def test_one_that_nobody_trusts(ward: Ward, authority: trustme.CA) -> None:
    install(ward, trustme.CA())
    (ail,) = ails(ward)
    assert re.search("^warning: .*cert.pem is not trusted here: .* → .*SSL_CERT_FILE", ail)


def test_one_with_another_ones_key(ward: Ward, authority: trustme.CA) -> None:
    install(ward, authority)
    authority.issue_cert("example.org").private_key_pem.write_to_path(ward.home / "key.pem")
    (ail,) = ails(ward)
    assert re.search("^wrong: certificate .*cert.pem and key .*key.pem: they do not belong together", ail)


def test_what_is_no_certificate(ward: Ward, authority: trustme.CA) -> None:
    install(ward, authority).write_text("nothing")
    (ail,) = ails(ward)
    assert re.search("^wrong: certificate .*not usable as PEM", ail)
    assert ssl.OPENSSL_VERSION  # whose words are in it
