"""The server's certificate, which may be replaced while connections are open."""

from __future__ import annotations

import logging
import ssl
from pathlib import Path

from collab_protocol.errors import StoreError

_log = logging.getLogger(__name__)


class Certificates:
    """Holds the TLS context for whoever connects next; TLS 1.2 is the oldest that is spoken.

    A reload makes a new context of the same files. Connections that are open keep theirs.
    """

    def __init__(self, cert: Path, key: Path | None) -> None:
        """Read the chain in `cert`, and its key in `key`, or in `cert` too where that is None. Both are PEM.

        Raises:
            StoreError: they cannot be used; the text says why.
        """
        self._cert = cert
        self._key = key
        self._context = _load(cert, key)

    @property
    def context(self) -> ssl.SSLContext:
        """The context for a connection that comes now."""
        return self._context

    def reload(self) -> bool:
        """Read the files again; where they cannot be used, say so in the log and go on as before."""
        try:
            self._context = _load(self._cert, self._key)
        except StoreError as error:
            _log.error("%s; the certificate of before stays in use", error)
            return False
        _log.info("the certificate was read again from %s", self._cert)
        return True


def _load(cert: Path, key: Path | None) -> ssl.SSLContext:
    for path in (cert, key or cert):
        try:
            with path.open("rb"):
                pass
        except OSError as error:
            raise StoreError(f"{path} cannot be read: {error.strerror or error}") from error
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(["http/1.1"])

    def refuse_to_ask() -> str:
        raise StoreError(f"the key in {key or cert} has a passphrase: give one without")

    try:
        context.load_cert_chain(cert, key, password=refuse_to_ask)
    except ssl.SSLError as error:
        if key is None:
            raise StoreError(f"certificate {cert} has no key that fits it: add --tls-key") from error
        mismatch = error.reason in ("KEY_VALUES_MISMATCH", "NO_CERTIFICATE_ASSIGNED")
        why = "they do not belong together" if mismatch else "not usable as PEM"
        raise StoreError(f"certificate {cert} and key {key}: {why}") from error
    except OSError as error:
        # A renewal may just be replacing them.
        raise StoreError(
            f"certificate {cert} and key {key or cert} cannot be read: {error.strerror or error}"
        ) from error
    return context
