from __future__ import annotations

import base64
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collab_cli.ssh.public_key import KeyRefused, parse_public_key, parse_public_keys

from .keys import ED25519, ED25519_ID, OF_EVERY_KIND, ecdsa, key, rsa


@pytest.mark.parametrize("written", OF_EVERY_KIND)
def test_keys_of_every_kind_are_read(written: str) -> None:
    found = parse_public_key(f"  {written}\tbob's  laptop \n")
    assert str(found) == written
    assert found.comment == "bob's  laptop"
    assert parse_public_key(written).comment == ""
    assert found.id == hashlib.sha256(base64.b64decode(written.split()[1])).hexdigest()[:16]


def test_the_id_is_of_the_key_and_not_of_its_comment() -> None:
    assert parse_public_key(ED25519).id == parse_public_key(f"{ED25519} x").id == ED25519_ID


@pytest.mark.parametrize("at", range(len(ED25519) - 68, len(ED25519), 5))
def test_a_key_that_is_cut_off_is_none(at: int) -> None:
    with pytest.raises(KeyRefused, match="is it all there"):
        parse_public_key(ED25519[:at])


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ("", "no public key: one begins with its type"),
        ("hello", "no public key"),
        ("AAAAC3NzaC1lZDI1NTE5AAAAIHNd", "type is missing"),
        ("ssh-ed25519", "is it all there"),
        ("ssh-ed25519 ###", "is it all there"),
        (f"{ED25519[:40]}é{ED25519[40:]}", "is it all there"),
        (f"{ED25519[:40]}#{ED25519[40:]}", "is it all there"),  # Python's decoder would pass over it
        ("ssh-dss AAAA", "ssh-dss keys are let in nowhere"),
        ("ssh-ed25519-cert-v01@openssh.com AAAA", "a certificate"),
        (f"restrict {ED25519}", "options before the key"),
        (f'command="x",no-pty {ED25519}', "options before the key"),
        (ED25519.replace("ssh-ed25519", "ssh-rsa"), "called ssh-rsa, and is of another type"),
        (key("ssh-ed25519", b"p" * 31), "broken"),
        (key("ssh-ed25519", b"p" * 32, b"more"), "broken"),
        (key("ssh-ed25519"), "broken"),
        (key("ecdsa-sha2-nistp256", b"nistp384", b"\x04" * 65), "broken"),
        (ecdsa("nistp256", 64), "broken"),
        (key("ssh-rsa", b"", b""), "broken"),
        (rsa(1024), "an RSA key of 1024 bits is too short"),
    ],
)
def test_what_is_no_key_is_told_from_one(written: str, why: str) -> None:
    with pytest.raises(KeyRefused, match=why):
        parse_public_key(written)


def test_a_file_may_hold_several_and_remarks() -> None:
    text = f"# bob's\n\n{ED25519} laptop\r\n  {rsa(2048)} desk\n"
    assert [each.comment for each in parse_public_keys(text)] == ["laptop", "desk"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "there is no key in it"),
        ("# nothing\n", "there is no key in it"),
        (
            "-----BEGIN OPENSSH PRIVATE KEY-----\nb3Blbn\n",
            "a private key, which nobody but its owner may see",
        ),
        ("PuTTY-User-Key-File-3: ssh-ed25519\n", "a private key"),
        ("---- BEGIN SSH2 PUBLIC KEY ----\nAAAA\n", "ssh-keygen -i -f FILE"),
        (f"{ED25519}\nrubbish\n", "no public key"),
    ],
)
def test_what_is_no_file_of_keys(text: str, why: str) -> None:
    with pytest.raises(KeyRefused, match=why):
        parse_public_keys(text)


def test_a_comment_can_bring_nothing_into_the_line() -> None:
    assert parse_public_key(f"{ED25519} a\x1b[31m\x00b").comment == "a[31mb"
    assert len(parse_public_key(f"{ED25519} {'x' * 1000}").comment) == 80


@given(st.binary(max_size=60))
def test_whatever_it_is_it_is_refused_or_read(blob: bytes) -> None:
    written = f"ssh-ed25519 {base64.b64encode(blob).decode()}"
    with pytest.raises(KeyRefused):
        parse_public_key(written)
