"""Tests of `collab_server.tokens`: what was not signed here as it stands is refused."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collab_protocol.names import is_token
from collab_protocol.presence import Role
from collab_server.tokens import KeyRing, Token, TokenKind, TokenRefused

KEYS = KeyRing({"0a1b2c3d": b"s" * 32})

INVITE = Token(
    TokenKind.INVITE,
    id="5f0c2a9e11223344",
    room="notes",
    role=Role.WRITE,
    name="Änna",
    expires=1_800_000_000.25,
    use_by=1_790_000_000.5,
)
CREDENTIAL = replace(INVITE, kind=TokenKind.CREDENTIAL, device_hash=bytes(range(32)))
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

both = pytest.mark.parametrize("token", [INVITE, CREDENTIAL], ids=["invite", "credential"])


def refused(text: str, keys: KeyRing = KEYS) -> bool:
    try:
        keys.read(text)
    except TokenRefused as error:
        assert str(error) == "this token is not valid here: ask for a new link"
        return True
    return False


def edited(text: str, **fields: object) -> str:
    """Return `text` with fields of its payload changed, and the signature that it had."""
    kind, kid, payload, signature = text.split(".")
    read = json.loads(base64.urlsafe_b64decode(payload + "=="))
    again = base64.urlsafe_b64encode(json.dumps({**read, **fields}).encode()).decode().rstrip("=")
    return f"{kind}.{kid}.{again}.{signature}"


@both
@pytest.mark.parametrize("change", [{}, {"expires": None, "use_by": None}, {"expires": 0.0, "name": ""}])
def test_what_is_signed_comes_back(token: Token, change: dict[str, object]) -> None:
    token = replace(token, **change)  # type: ignore[arg-type]
    text = KEYS.sign(token)
    assert KEYS.read(text) == token
    assert is_token(text)
    assert re.fullmatch(rf"{token.kind}\.0a1b2c3d\.[\w-]+\.[\w-]{{43}}", text, re.ASCII)


@given(
    st.builds(
        Token,
        kind=st.sampled_from(TokenKind),
        id=st.text(max_size=16),
        room=st.text(max_size=64),
        role=st.sampled_from(Role),
        name=st.text(st.characters(codec="utf-8"), max_size=32),
        expires=st.none() | st.floats(0, 1e10),
        use_by=st.none() | st.floats(0, 1e10),
        is_reusable=st.booleans(),
        device_hash=st.none() | st.binary(min_size=32, max_size=32),
    )
)
def test_whatever_is_signed_comes_back(token: Token) -> None:
    assert KEYS.read(KEYS.sign(token)) == token


def test_the_longest_that_we_make_can_be_read() -> None:
    longest = replace(
        CREDENTIAL,
        room="r" * 64,
        name="\U0001f642" * 32,
        expires=1234567890.1234567,
        use_by=1234567890.1234567,
    )
    text = KEYS.sign(longest)
    assert KEYS.read(text) == longest
    assert len(text) == 536


@both
def test_no_mutation_of_one_bit_is_taken(token: Token) -> None:
    text = KEYS.sign(token)
    tried = 0
    for at in range(len(text)):
        for bit in range(8):
            mutant = text[:at] + chr(ord(text[at]) ^ (1 << bit)) + text[at + 1 :]
            assert refused(mutant), f"bit {bit} of character {at}"
            tried += 1
    assert tried == 8 * len(text)


@both
def test_no_mutation_of_one_character_is_taken(token: Token) -> None:
    text = KEYS.sign(token)
    for at, was in enumerate(text):
        for other in set(ALPHABET + ".=+/ \n") - {was}:
            assert refused(text[:at] + other + text[at + 1 :]), f"{other!r} at {at}"


@both
def test_no_part_of_one_is_taken(token: Token) -> None:
    text = KEYS.sign(token)
    for at in range(len(text)):
        assert refused(text[:at])
        assert refused(text[at + 1 :])
        assert refused(text[:at] + text[at + 1 :])
    assert refused(text + text)


def tricks(text: str) -> Iterator[str]:
    """Yield texts that a lenient reader may take for `text`."""
    kind, kid, payload, signature = text.split(".")
    # The last of 43 characters holds 4 bits of the MAC, and 2 that a lenient reader throws away.
    last = ALPHABET.index(signature[-1])
    decoded = base64.urlsafe_b64decode(signature + "=")
    for unused in range(1, 4):
        other = signature[:-1] + ALPHABET[last ^ unused]
        assert base64.urlsafe_b64decode(other + "=") == decoded, "the same bytes in another text"
        yield f"{kind}.{kid}.{payload}.{other}"
    for padded in ("=", "==", "A", "\n", " ", "\0", ".", "%3D", "\u00ad"):
        yield text + padded
        yield padded + text
        yield f"{kind}.{kid}.{payload}{padded}.{signature}"
        yield f"{kind}.{kid}{padded}.{payload}.{signature}"
        yield f"{kind}{padded}.{kid}.{payload}.{signature}"
    yield text.swapcase()
    yield text.upper()
    yield text.replace(".", "\uff0e")
    yield text.replace(".", "\u2024")
    yield text.replace("1", "\u0661", 1)
    yield text.replace("0", "\uff10", 1)
    yield text.replace(kind, kind.replace("c", "\u0441"))
    yield f"{kind}.{kid}..{payload}.{signature}"
    yield f"{kind}.{kid}.{payload}.{decoded.hex()}"
    yield f"{kind}.{kid}.{payload}."
    yield f"{kind}.{kid}.{payload}"
    yield f"{kind}..{payload}.{signature}"
    yield f"{kind}.ffffffff.{payload}.{signature}"
    yield f"{'cc1' if kind == 'ci1' else 'ci1'}.{kid}.{payload}.{signature}"
    yield f"jwt.{kid}.{payload}.{signature}"


@both
def test_no_other_text_for_the_same_bytes_is_taken(token: Token) -> None:
    text = KEYS.sign(token)
    assert not refused(text)
    for trick in tricks(text):
        assert trick != text
        assert refused(trick), ascii(trick)


@both
@pytest.mark.parametrize(
    "fields",
    [
        {"r": "other"},
        {"l": "admin"},
        {"n": "root"},
        {"e": None},
        {"e": 1_900_000_000.0},
        {"u": None},
        {"m": True},
        {"d": "00" * 32},
        {"i": "0" * 16},
    ],
    ids="-".join,
)
def test_what_it_says_cannot_be_edited(token: Token, fields: dict[str, object]) -> None:
    text = KEYS.sign(token)
    assert refused(edited(text, **fields))


def test_the_signature_of_another_token_or_key_does_not_fit() -> None:
    text, other = KEYS.sign(INVITE), KEYS.sign(replace(INVITE, room="other"))
    assert refused(text.rpartition(".")[0] + "." + other.rpartition(".")[2])
    stranger = KeyRing({"0a1b2c3d": b"t" * 32})
    assert refused(stranger.sign(INVITE))
    assert refused(text, stranger)


@pytest.mark.parametrize(
    "text", ["", ".", "...", "....", "ci1", "ci1.0a1b2c3d", "🙂", "\udcff", "ci1.0a1b2c3d.e30."]
)
def test_what_is_no_token_at_all(text: str) -> None:
    assert refused(text)


def test_nothing_is_read_before_the_signature_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    text = KEYS.sign(INVITE)

    def fail(*_: object, **__: object) -> None:
        raise AssertionError("read")

    monkeypatch.setattr(json, "loads", fail)
    monkeypatch.setattr(base64, "urlsafe_b64decode", fail)
    kind, kid, payload, signature = text.split(".")
    assert refused(f"{kind}.{kid}.{payload[:-1]}.{signature}")
    assert refused(f"{kind}.{kid}.{'{' * 100}.{signature}")
    with pytest.raises(AssertionError, match="read"):
        KEYS.read(text)


def test_what_is_too_long_is_refused_before_it_is_hashed(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> str:
        raise AssertionError("hashed")

    monkeypatch.setattr(KeyRing, "_signature", fail)
    assert refused("ci1.0a1b2c3d." + "A" * 1024)
    with pytest.raises(AssertionError, match="hashed"):
        KEYS.read("ci1.0a1b2c3d." + "A" * 1000)


@pytest.mark.parametrize(
    "payload",
    [b"", b"[]", b"null", b"\xff", b'{"i":"x"}', b'{"i":"x","r":"notes","l":"king"}']
    + [
        b'{"i":"x","r":"notes","l":"read","e":%s}' % each
        for each in (b"NaN", b"1e400", b"-1", b'"9"', b"true", b"[]", b"1e300")
    ]
    + [b'{"i":"x","r":"notes","l":"read","d":"xy"}', b'{"i":"x","r":"notes","l":"read","d":7}'],
)
def test_what_is_signed_but_no_token_is_refused(payload: bytes) -> None:
    signed = f"ci1.0a1b2c3d.{base64.urlsafe_b64encode(payload).decode().rstrip('=')}"
    assert refused(f"{signed}.{KEYS._signature('0a1b2c3d', signed)}")


def test_an_unknown_kind_is_refused_even_when_signed() -> None:
    signed = "ci2" + KEYS.sign(INVITE).rpartition(".")[0].removeprefix("ci1")
    assert refused(f"{signed}.{KEYS._signature('0a1b2c3d', signed)}")


class TestRotation:
    OLD = KeyRing({"0000000a": b"a" * 32})
    BOTH = KeyRing({"0000000b": b"b" * 32, "0000000a": b"a" * 32})
    NEW = KeyRing({"0000000c": b"c" * 32, "0000000b": b"b" * 32})

    @both
    def test_what_the_key_before_signed_is_read_and_what_a_dropped_one_signed_is_not(
        self, token: Token
    ) -> None:
        text = self.OLD.sign(token)
        assert self.BOTH.read(text) == token
        assert refused(text, self.NEW)

    def test_the_first_signs(self) -> None:
        text = self.BOTH.sign(INVITE)
        assert text.split(".")[1] == "0000000b"
        assert refused(text, self.OLD)
        assert self.NEW.read(text) == INVITE
        assert self.BOTH.key_of(text) == self.BOTH.newest
        assert self.BOTH.key_of(self.OLD.sign(INVITE)) != self.BOTH.newest
        assert self.OLD.newest in self.BOTH
        assert self.OLD.newest not in self.NEW

    def test_a_key_does_not_stand_in_for_another(self) -> None:
        assert refused(self.OLD.sign(INVITE).replace("0000000a", "0000000b"), self.BOTH)


@both
def test_no_error_or_repr_has_anything_of_a_token(token: Token) -> None:
    text = KEYS.sign(token)
    kind, kid, payload, signature = text.split(".")
    secrets = (payload, signature, token.id, (b"s" * 32).hex(), "ssss", bytes(range(32)).hex(), "\\x00\\x01")
    shown = [repr(token), str(token), repr(KEYS), f"{KEYS}"]
    for broken in (text[:-1], edited(text, r="other"), f"{kind}.{kid}.{payload}.x", payload):
        with pytest.raises(TokenRefused) as error:
            KEYS.read(broken)
        assert error.value.__context__ is None
        shown += [repr(error.value), str(error.value), repr(error.value.args)]
    signed = f"{kind}.{kid}.{payload[4:]}"
    with pytest.raises(TokenRefused) as error:
        KEYS.read(f"{signed}.{KEYS._signature(kid, signed)}")
    shown += [repr(error.value), str(error.value), repr(error.value.args)]
    assert error.value.__suppress_context__
    for secret in secrets:
        assert not [each for each in shown if secret in each]
