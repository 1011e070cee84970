"""Public keys of every kind, made up: what they are keys to, nobody knows."""

from __future__ import annotations

import base64
import struct

ED25519 = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHNd9Q73HwIzYObqug4pkqey3mFtewACpZ64IcN93ITN"
ED25519_ID = "182e01d3788edc9a"
"""The first 16 digits of `base64 -d | sha256sum` over it."""


def key(type_: str, *fields: bytes, said: str | None = None) -> str:
    """Return a key of these fields; `said` is what it says of itself."""
    parts = [(said or type_).encode(), *fields]
    blob = b"".join(struct.pack(">I", len(part)) + part for part in parts)
    return f"{type_} {base64.b64encode(blob).decode()}"


def rsa(bits: int) -> str:
    modulus = (1 << (bits - 1)) | 1
    return key("ssh-rsa", b"\x01\x00\x01", b"\x00" + modulus.to_bytes((bits + 7) // 8, "big"))


def ecdsa(curve: str, size_bytes: int) -> str:
    return key(f"ecdsa-sha2-{curve}", curve.encode(), b"\x04" * size_bytes)


OF_EVERY_KIND = [
    ED25519,
    rsa(2048),
    rsa(4096),
    ecdsa("nistp256", 65),
    ecdsa("nistp384", 97),
    ecdsa("nistp521", 133),
    key("sk-ssh-ed25519@openssh.com", b"p" * 32, b"ssh:"),
    key("sk-ecdsa-sha2-nistp256@openssh.com", b"nistp256", b"\x04" * 65, b"ssh:"),
]
