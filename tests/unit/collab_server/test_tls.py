"""Tests of `collab_server.tls`: two ends in memory shake hands."""

from __future__ import annotations

import errno
import os
import ssl
import warnings
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from collab_protocol.errors import StoreError
from collab_server.tls import Certificates

from .certificates import Authority, Pair


def shake(server: ssl.SSLContext, client: ssl.SSLContext) -> ssl.SSLObject:
    """Let both ends shake hands; returns the client's. Raises: ssl.SSLError."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        server.wrap_bio(to_server, to_client, server_side=True),
        client.wrap_bio(to_client, to_server, server_hostname="localhost"),
    ]
    waiting = [ends[1], ends[0]]
    for _ in range(10):
        if not waiting:
            break
        for end in list(waiting):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
            waiting.remove(end)
    assert not waiting
    return ends[1]


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def pair(authority: Authority) -> Pair:
    return authority.issue()


def test_a_client_that_trusts_the_authority_gets_in(authority: Authority, pair: Pair) -> None:
    end = shake(Certificates(pair.cert, pair.key).context, authority.client_context())
    assert end.version() in ("TLSv1.2", "TLSv1.3")


def test_one_file_may_hold_both(authority: Authority, pair: Pair) -> None:
    pair.cert.write_bytes(pair.key.read_bytes() + pair.cert.read_bytes())
    shake(Certificates(pair.cert, None).context, authority.client_context())


def at_most(authority: Authority, version: ssl.TLSVersion) -> ssl.SSLContext:
    """Return a client that speaks no newer TLS than `version`, as weak as OpenSSL can be made."""
    client = authority.client_context()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        client.set_ciphers("ALL:@SECLEVEL=0")
        client.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
        client.maximum_version = version
    return client


def test_tls_1_2_is_spoken(authority: Authority, pair: Pair) -> None:
    client = at_most(authority, ssl.TLSVersion.TLSv1_2)
    assert shake(Certificates(pair.cert, pair.key).context, client).version() == "TLSv1.2"


def test_tls_1_1_is_refused(authority: Authority, pair: Pair) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        willing = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        willing.minimum_version = ssl.TLSVersion.TLSv1
    willing.set_ciphers("ALL:@SECLEVEL=0")
    willing.load_cert_chain(pair.cert, pair.key)
    client = at_most(authority, ssl.TLSVersion.TLSv1_1)
    try:
        assert shake(willing, client).version() == "TLSv1.1"
    except ssl.SSLError as error:
        pytest.skip(f"this OpenSSL does not speak it at all: {error.reason}")
    server = Certificates(pair.cert, pair.key).context
    server.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.raises(ssl.SSLError, match=r"(?i)protocol"):
        shake(server, client)


class TestReload:
    def test_whoever_comes_next_gets_the_new_one(self, authority: Authority, pair: Pair) -> None:
        certificates = Certificates(pair.cert, pair.key)
        before = shake(certificates.context, authority.client_context()).getpeercert(binary_form=True)
        authority.issue()
        assert shake(certificates.context, authority.client_context()).getpeercert(True) == before
        assert certificates.reload()
        assert shake(certificates.context, authority.client_context()).getpeercert(True) != before

    @pytest.mark.parametrize("broken", ["cert", "key", "gone", "of another"])
    def test_a_bad_new_one_leaves_the_old_in_use(
        self, authority: Authority, pair: Pair, broken: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        certificates = Certificates(pair.cert, pair.key)
        before = shake(certificates.context, authority.client_context()).getpeercert(True)
        match broken:
            case "cert":
                pair.cert.write_text("junk")
            case "key":
                pair.key.write_text("junk")
            case "gone":
                pair.cert.unlink()
            case _:
                pair.key.write_bytes(authority.issue("another").key.read_bytes())
        assert not certificates.reload()
        assert "stays in use" in caplog.text
        assert shake(certificates.context, authority.client_context()).getpeercert(True) == before

    def test_files_that_go_while_they_are_read(
        self, pair: Pair, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        certificates = Certificates(pair.cert, pair.key)
        before = certificates.context

        def gone(*_: object, **__: object) -> None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))

        monkeypatch.setattr(ssl.SSLContext, "load_cert_chain", gone)
        assert not certificates.reload()
        assert "No such file" in caplog.text
        assert certificates.context is before


class TestRefusals:
    def test_no_such_file(self, pair: Pair, tmp_path: Path) -> None:
        with pytest.raises(StoreError, match=r"no\.pem cannot be read: No such file"):
            Certificates(tmp_path / "no.pem", pair.key)

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may read anything")
    def test_a_file_that_may_not_be_read(self, pair: Pair) -> None:
        pair.key.chmod(0)
        with pytest.raises(StoreError, match=r"server\.key cannot be read: Permission denied"):
            Certificates(pair.cert, pair.key)

    def test_a_key_of_another_certificate(self, authority: Authority, pair: Pair) -> None:
        with pytest.raises(StoreError, match="do not belong together"):
            Certificates(pair.cert, authority.issue("another").key)

    def test_a_certificate_without_a_key_says_how_to_give_one(self, pair: Pair) -> None:
        with pytest.raises(StoreError, match="has no key that fits it: add --tls-key"):
            Certificates(pair.cert, None)

    def test_a_key_with_a_passphrase_is_not_asked_for(self, pair: Pair) -> None:
        key = serialization.load_pem_private_key(pair.key.read_bytes(), None)
        pair.key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.BestAvailableEncryption(b"secret"),
            )
        )
        with pytest.raises(StoreError, match="has a passphrase"):
            Certificates(pair.cert, pair.key)
