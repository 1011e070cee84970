"""Certificates for tests: a CA of their own, and files as a server wants them."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

import trustme


@dataclass(frozen=True)
class Pair:
    """A certificate with its chain, and its key, as PEM files."""

    cert: Path
    key: Path


class Authority:
    """Issues certificates for 127.0.0.1 and localhost."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ca = trustme.CA()

    def issue(self, name: str = "server") -> Pair:
        """Write a new certificate into the folder, in place of one of that name."""
        pair = Pair(self._folder / f"{name}.pem", self._folder / f"{name}.key")
        issued = self._ca.issue_cert("127.0.0.1", "localhost")
        issued.private_key_pem.write_to_path(pair.key)
        pair.cert.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
        return pair

    def write_root(self) -> Path:
        """Write the CA's own certificate, for SSL_CERT_FILE."""
        path = self._folder / "ca.pem"
        self._ca.cert_pem.write_to_path(path)
        return path

    def client_context(self) -> ssl.SSLContext:
        """Return a context of a client that trusts this CA and no other."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._ca.configure_trust(context)
        return context
