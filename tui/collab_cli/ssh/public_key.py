"""Public keys as OpenSSH writes them: "ssh-ed25519 AAAA… comment", checked down to their last byte.

A line with a key that sshd cannot read lets nobody in, and says so in a log alone: better to say it here. The
fields are those of RFC 4253 section 6.6, RFC 5656 section 3.1, RFC 8709 section 4, OpenSSH's PROTOCOL.u2f.
"""

from __future__ import annotations

import base64
import hashlib
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from collab_protocol.errors import CollabError

_FIELDS: Final = {
    "ssh-ed25519": ("point",),
    "sk-ssh-ed25519@openssh.com": ("point", "application"),
    "ecdsa-sha2-nistp256": ("curve", "point"),
    "ecdsa-sha2-nistp384": ("curve", "point"),
    "ecdsa-sha2-nistp521": ("curve", "point"),
    "sk-ecdsa-sha2-nistp256@openssh.com": ("curve", "point", "application"),
    "ssh-rsa": ("exponent", "modulus"),
}
"""What follows the type in each kind of key."""

BEGINNING: Final = "AAAA"
"""How every key begins behind its type: the length of that, in base64."""

_POINT_BYTES: Final = {"ed25519": 32, "nistp256": 65, "nistp384": 97, "nistp521": 133}

_LEAST_RSA_BITS: Final = 2048
_MOST_COMMENT: Final = 80
_ID_DIGITS: Final = 16


class KeyRefused(CollabError):
    """A text that is no public key, or a line of `authorized_keys` that lets nobody in; the text says why."""


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A public key; `blob` is what stands in the middle of its line, decoded."""

    type: str
    blob: bytes
    comment: str = ""

    @property
    def id(self) -> str:
        """What a key is called where it lets somebody in: the first 64 bits of its SHA-256, in hex."""
        return hashlib.sha256(self.blob).hexdigest()[:_ID_DIGITS]

    def __str__(self) -> str:
        """Return it as OpenSSH writes it, without the comment."""
        return f"{self.type} {base64.b64encode(self.blob).decode()}"


def is_type(word: str) -> bool:
    """Return whether a key's line may begin with `word`, where nothing stands before the key."""
    return word in _FIELDS


def parse_public_keys(text: str) -> list[PublicKey]:
    """Return the keys in `text`, one a line; empty lines and those that begin with "#" are passed over.

    Raises:
        KeyRefused: one of them is none, or there are none.
    """
    if "PRIVATE KEY" in text or "PuTTY-User-Key-File" in text:
        raise KeyRefused(
            "that is a private key, which nobody but its owner may see: the public one is in a file FILE.pub"
        )
    if "BEGIN SSH2 PUBLIC KEY" in text:
        raise KeyRefused("that is a key in another form than OpenSSH's: ssh-keygen -i -f FILE prints it anew")
    lines = [line.strip() for line in text.splitlines()]
    keys = [parse_public_key(line) for line in lines if line and not line.startswith("#")]
    if not keys:
        raise KeyRefused("there is no key in it")
    return keys


def parse_public_key(line: str) -> PublicKey:
    """Return the key that `line` is. Raises: KeyRefused: it is none."""
    type_, encoded, comment = (*line.split(maxsplit=2), "", "", "")[:3]
    if type_ not in _FIELDS:
        raise KeyRefused(_no_type(type_, line))
    try:
        blob = base64.b64decode(encoded, validate=True)
    except ValueError as error:  # binascii.Error is one
        raise KeyRefused(f"what follows {type_} is no key: is it all there?") from error
    _check(type_, blob)
    said = "".join(c for c in comment if c.isprintable()).strip()
    return PublicKey(type_, blob, said[:_MOST_COMMENT])


def _no_type(word: str, line: str) -> str:
    if word == "ssh-dss":
        return "ssh-dss keys are let in nowhere any more: ask for an ed25519 one"
    if "-cert-v" in word:
        return "that is a certificate: give the key that it is for"
    if word.startswith(BEGINNING):
        return (
            "the key's type is missing, which stands before it: copy the whole line, as in ssh-ed25519 AAAA…"
        )
    if any(f" {each} " in f" {line}" for each in _FIELDS):
        return "there are options before the key: give the key alone, from its type on"
    return "that is no public key: one begins with its type, as in ssh-ed25519 AAAA…"


def _check(type_: str, blob: bytes) -> None:
    """Check that `blob` is a key of that type. Raises: KeyRefused: it is none."""
    try:
        said, *fields = _strings(blob)
    except (ValueError, struct.error) as error:
        raise KeyRefused(f"that {type_} key is broken: is it all there?") from error
    if said != type_.encode():
        raise KeyRefused(f"the key is called {type_}, and is of another type")
    names = _FIELDS[type_]
    found = dict(zip(names, fields, strict=False))
    if len(fields) != len(names) or not _is_sound(type_, found):
        raise KeyRefused(f"that {type_} key is broken: is it all there?")
    bits = int.from_bytes(found.get("modulus", b""), "big").bit_length()
    if 0 < bits < _LEAST_RSA_BITS:
        raise KeyRefused(f"an RSA key of {bits} bits is too short: ask for an ed25519 one")


def _is_sound(type_: str, fields: dict[str, bytes]) -> bool:
    if not all(fields.values()):
        return False
    kind = type_.partition("@")[0].rpartition("-")[2]
    if "curve" in fields and fields["curve"] != kind.encode():
        return False
    return "point" not in fields or len(fields["point"]) == _POINT_BYTES[kind]


def _strings(blob: bytes) -> Iterator[bytes]:
    """Yield the strings of RFC 4251 that `blob` is made of. Raises: ValueError, struct.error: it is not."""
    at = 0
    while at < len(blob):
        (length,) = struct.unpack_from(">I", blob, at)
        at += 4 + length
        if at > len(blob):
            raise ValueError("cut off")
        yield blob[at - length : at]
