"""Hellos that lie: tokens that were made up, changed, stolen or are over; and claims that are not theirs."""

from __future__ import annotations

import random
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import pytest

from collab_protocol.errors import FaultCode
from collab_protocol.lib0 import decode_state_vector
from collab_protocol.messages import Credential, Hello, Welcome
from collab_protocol.presence import Role
from collab_server.keys import load_keys
from collab_server.tokens import KeyRing, Token, TokenKind
from tests.hostile.conftest import ROOM
from tests.hostile.people import People
from tests.hostile.raw import Ending, Raw, hello
from tests.hostile.served import Served

_NOT_VALID = "this token is not valid here: ask for a new link"
_FLIPS = 200


@dataclass(frozen=True)
class Stolen:
    """What an attacker has: a good token to write, what it says, and how the server signs."""

    text: str
    token: Token
    keys: KeyRing
    served: Served

    def forged(self, **changes: object) -> str:
        """Return the token with other claims, signed with a key that is not the server's."""
        kid = self.text.split(".")[1]
        return KeyRing({kid: secrets.token_bytes(32)}).sign(replace(self.token, **changes))  # type: ignore[arg-type]

    def resigned(self, **changes: object) -> str:
        """Return the token with other claims under the server's own key: what an older one may have said."""
        return self.keys.sign(replace(self.token, **changes))  # type: ignore[arg-type]

    def swapped(self, of: str) -> str:
        """Return the payload of this one with the signature of another."""
        return f"{self.text.rpartition('.')[0]}.{of.rpartition('.')[2]}"


@pytest.fixture
def stolen(served: Served, writer: str) -> Stolen:
    keys = load_keys(served.data / "keys")
    return Stolen(writer, keys.read(writer), keys, served)


def _other_room(stolen: Stolen) -> str:
    return stolen.served.invite("elsewhere")


def _revoked(stolen: Stolen) -> str:
    made = stolen.served.ask(do="invite", room=ROOM, reusable=True)
    stolen.served.ask(do="revoke", id=made["id"])
    return str(made["token"])


def _over(stolen: Stolen) -> str:
    made = stolen.served.invite(ROOM, expires_s=0.01)
    time.sleep(0.05)
    return made


def _spent(stolen: Stolen) -> str:
    token = stolen.served.invite(ROOM, reusable=False)
    with Raw(stolen.served.port) as raw:
        raw.enter(ROOM, token)
    return token


def _credential_of_another(stolen: Stolen) -> str:
    with Raw(stolen.served.port) as raw:
        raw.upgrade(ROOM)
        raw.say(hello(stolen.text))
        return raw.wait_for(Credential).token


TOKENS: dict[str, tuple[Callable[[Stolen], str | None], str]] = {
    "none": (lambda _: None, "a token is needed here"),
    "an empty one": (lambda _: "", "a token is needed here"),
    "any text": (lambda _: "let me in", _NOT_VALID),
    "dots": (lambda _: "...", _NOT_VALID),
    "4,096 dots": (lambda _: "." * 4096, _NOT_VALID),
    "a text of zeros": (lambda s: s.text + "\0", _NOT_VALID),
    "another alphabet": (lambda s: s.text.replace("c", "с"), _NOT_VALID),
    "no signature": (lambda s: s.text.rpartition(".")[0] + ".", _NOT_VALID),
    "half a signature": (lambda s: s.text[:-20], _NOT_VALID),
    "more behind it": (lambda s: s.text + "A", _NOT_VALID),
    "padding": (lambda s: s.text + "=", _NOT_VALID),
    "of another room": (_other_room, _NOT_VALID),
    "of another kind": (lambda s: "cc1" + s.text[3:], _NOT_VALID),
    "another key's id": (lambda s: ".".join(["ci1", "00000000", *s.text.split(".")[2:]]), _NOT_VALID),
    "another key": (lambda s: s.forged(), _NOT_VALID),
    "admin, by another key": (lambda s: s.forged(role=Role.ADMIN), _NOT_VALID),
    "another's signature": (lambda s: s.swapped(_other_room(s)), _NOT_VALID),
    "admin, by our key": (lambda s: s.resigned(role=Role.ADMIN), _NOT_VALID),
    "another room, by our key": (lambda s: s.resigned(room="elsewhere"), _NOT_VALID),
    "an invite that never was, by our key": (lambda s: s.resigned(id="0" * 16), _NOT_VALID),
    "a device that is not mine": (
        lambda s: s.resigned(kind=TokenKind.CREDENTIAL, device_hash=b"h" * 32),
        _NOT_VALID,
    ),
    "a credential of another machine": (_credential_of_another, _NOT_VALID),
    "over": (_over, "this token ended at"),
    "used by another machine": (_spent, "this invite was used already"),
    "revoked": (_revoked, "access was taken back"),
}


def greet(port: int, greeting: Hello, room: str = ROOM) -> Ending:
    with Raw(port) as raw:
        raw.upgrade(room)
        raw.say(greeting)
        return raw.ending()


def check_denied(ending: Ending, fragment: str) -> None:
    assert ending.fault is not None, ending
    assert (ending.code, ending.fault.code) == (1008, FaultCode.DENIED), ending
    assert fragment in ending.fault.message
    assert ending.reason == ending.fault.message
    assert ending.fault.retry_ms is None


@pytest.mark.parametrize("name", TOKENS)
def test_a_token_that_is_not_good_lets_nobody_in(
    throughout: People, served: Served, stolen: Stolen, name: str
) -> None:
    made, fragment = TOKENS[name]
    check_denied(greet(served.port, hello(made(stolen))), fragment)


def _flipped(text: str) -> Iterator[str]:
    dice = random.Random(8)
    for _ in range(_FLIPS):
        at, bit = dice.randrange(len(text)), dice.randrange(8)
        yield text[:at] + chr(ord(text[at]) ^ (1 << bit)) + text[at + 1 :]
    for bit in range(8):  # the last letter has two bits that no byte of the signature is made of
        yield text[:-1] + chr(ord(text[-1]) ^ (1 << bit))


def test_a_token_with_one_bit_flipped_lets_nobody_in(
    throughout: People, served: Served, stolen: Stolen
) -> None:
    for text in _flipped(stolen.text):
        check_denied(greet(served.port, hello(text)), _NOT_VALID)
    with Raw(served.port) as raw:
        assert raw.enter(ROOM, stolen.text).role is Role.WRITE


@pytest.mark.parametrize("version", [1, 2, 3])
def test_older_clients_are_told_the_same_in_their_words(
    throughout: People, served: Served, version: int
) -> None:
    ending = greet(served.port, replace(hello("ci1.a.b.c"), versions=(version,)))
    assert ending.fault is not None
    assert (ending.code, ending.fault.code, ending.fault.message) == (1008, FaultCode.BROKEN, _NOT_VALID)


def test_a_version_of_nobody_is_told_who_must_upgrade(throughout: People, served: Served) -> None:
    for versions in ((), (99,), (0,), (2**53 - 1,)):
        ending = greet(served.port, replace(hello("x"), versions=versions))
        assert ending.fault is not None
        assert (ending.code, ending.fault.code) == (1000, FaultCode.VERSION)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"nonce": b"x" * 15}, 1002),
        ({"device": b"x" * 31}, 1002),
        ({"device": b""}, 1002),
        ({"client_ids": tuple(range(1025))}, 1002),
        ({"client_ids": (-1,)}, 1002),
        ({"versions": (4,) * 33}, 1002),
        ({"name": "x" * 5000}, 1002),
        ({"colour": 256}, 1002),
        ({"token": 7}, 1002),
        ({"token": "x" * 5000}, 1002),
        ({"lineage": b"x"}, 1002),
        ({"last_seq": -1}, 1002),
        ({"state_vector": "text"}, 1002),
        ({"state_vector": b"\xff\xff"}, 1008),
        ({"state_vector": b"\xff\xff\xff\xff\xff\xff\xff\x0f"}, 1008),
        ({"state_vector": b"\x01\x01\x05" + b"x" * 100}, 1008),
    ],
)
def test_a_hello_that_is_none_ends_its_connection(
    throughout: People, served: Served, writer: str, changes: dict[str, object], code: int
) -> None:
    ending = greet(served.port, replace(hello(writer), **changes))  # type: ignore[arg-type]
    assert ending.code == code, ending


def test_another_rooms_history_is_not_mixed_in(throughout: People, served: Served, writer: str) -> None:
    ending = greet(served.port, replace(hello(writer), lineage=b"x" * 16))
    assert ending.fault is not None
    assert (ending.code, ending.fault.code) == (1000, FaultCode.LINEAGE)


def test_nobody_writes_under_anothers_client_id(throughout: People, served: Served, writer: str) -> None:
    with Raw(served.port) as raw:
        theirs = list(_ids(raw.enter(ROOM, writer).state_vector))
    assert theirs
    for client_id in theirs:
        ending = greet(served.port, hello(writer, client_ids=[client_id]))
        assert ending.fault is not None
        assert ending.fault.code is FaultCode.IDENTITY


@pytest.mark.parametrize(
    "name",
    [
        "",
        "   ",
        "ana",
        "a\nb",
        "\x1b[31mred",
        "\u202egnp.exe",
        "x" * 4000,
        "\0",
        "\u200b",
        "admin",
        "🙂" * 500,
    ],
)
def test_a_name_is_shown_as_one_short_printable_line(
    throughout: People, served: Served, writer: str, name: str
) -> None:
    with Raw(served.port) as raw:
        raw.upgrade(ROOM)
        raw.say(hello(writer, name))
        person = raw.wait_for(Welcome).person
        assert person is not None
        assert 0 < len(person.name) <= 32
        assert person.name.isprintable()
        assert person.role is Role.WRITE


def test_a_twin_of_ones_own_takes_the_seat_and_no_others(
    throughout: People, served: Served, writer: str
) -> None:
    greeting = hello(writer)
    with Raw(served.port) as first, Raw(served.port) as second:
        for raw in (first, second):
            raw.upgrade(ROOM)
            raw.say(greeting)
            raw.wait_for(Welcome)
        ending = first.ending()
        assert ending.fault is not None
        assert ending.fault.code is FaultCode.REPLACED


def _ids(state_vector: bytes) -> Iterator[int]:
    yield from decode_state_vector(state_vector)
