"""Frames by chance: noise, and honest messages with something wrong, by the hundred.

They go to a room of their own, where they may write: what a mutant does to a text there is its author's
right. The honest ones are in another room of the same process.
"""

from __future__ import annotations

import random

import msgpack
import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from collab_protocol import limits
from collab_protocol.codec import encode
from collab_protocol.messages import Bye, Message, Ping, Pong, Update
from tests.fuzz.mutants import mutate
from tests.fuzz.wire import deleted, typed
from tests.hostile.conftest import ROOM
from tests.hostile.people import People
from tests.hostile.raw import Raw, frame, hello
from tests.hostile.served import Served
from tests.unit.collab_protocol.messages import messages

_DEN = "den"
_MINE = 616_161
_DEVICE = b"m" * 32

_CODES = {1000, 1002, 1007, 1008, 1009, 1013}
"""How one that sends garbage may end: never by the server's failure (1011), nor by a new start (1012)."""

_chance = settings(
    max_examples=150,
    deadline=None,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)

_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.binary(max_size=64)
    | st.text(max_size=64),
    lambda inner: (
        st.lists(inner, max_size=6)
        | st.dictionaries(st.text(max_size=4) | st.integers(0, 9), inner, max_size=3)
    ),
    max_leaves=20,
)


@st.composite
def _mutants(draw: st.DrawFn) -> bytes:
    """Draw an honest message with some bytes changed, left out, repeated or added."""
    data = bytearray(encode(draw(messages)))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(0, len(data) - 1)))
        match draw(st.integers(0, 3)):
            case 0 if data:
                data[at] ^= 1 << draw(st.integers(0, 7))
            case 1:
                del data[at : at + draw(st.integers(1, 8))]
            case 2:
                data[at:at] = data[at : at + draw(st.integers(1, 8))]
            case _:
                data[at:at] = draw(st.binary(min_size=1, max_size=8))
    return bytes(data[: limits.FRAME_BYTES])


@pytest.fixture(scope="module")
def den(served: Served) -> str:
    return served.invite(_DEN)


def check_served_or_ended(served: Served, raw: Raw) -> None:
    """Check that the server answers still, or has ended this one in a way that is told."""
    raw.say(Ping(77))
    ending = raw.ending_or(lambda message: message == Pong(77))
    if ending is not None:
        assert ending.code in _CODES, ending


def attack(served: Served, token: str, *frames: bytes, is_in: bool = True) -> None:
    with Raw(served.port) as raw:
        if is_in:
            raw.enter(_DEN, token, client_ids=[_MINE], device=_DEVICE)
        else:
            raw.upgrade(_DEN)
        for each in frames:
            raw.write(each)
        check_served_or_ended(served, raw)


def test_bytes_by_chance(throughout: People, served: Served, den: str) -> None:
    @seed(1)
    @_chance
    @given(st.lists(st.binary(max_size=200), min_size=1, max_size=3), st.booleans())
    def run(payloads: list[bytes], is_in: bool) -> None:
        attack(served, den, *map(frame, payloads), is_in=is_in)

    run()


def test_bytes_by_chance_where_frames_should_be(throughout: People, served: Served, den: str) -> None:
    @seed(2)
    @_chance
    @given(st.binary(min_size=14, max_size=400), st.booleans())
    def run(data: bytes, is_in: bool) -> None:
        with Raw(served.port) as raw:
            if is_in:
                raw.enter(_DEN, den)
            else:
                raw.upgrade(_DEN)
            raw.write(data)
            raw.half_close()
            assert raw.ending().code in {*_CODES, None}

    run()


def test_values_by_chance(throughout: People, served: Served, den: str) -> None:
    @seed(3)
    @_chance
    @given(st.integers(0, 40), st.lists(_values, max_size=12), st.booleans())
    def run(tag: int, fields: list[object], is_in: bool) -> None:
        packed = msgpack.packb([tag, *fields])
        attack(served, den, frame(packed[: limits.FRAME_BYTES]), is_in=is_in)

    run()


def test_messages_by_chance_at_any_time(throughout: People, served: Served, den: str) -> None:
    @seed(4)
    @_chance
    @given(st.lists(messages, min_size=1, max_size=4), st.booleans())
    def run(said: list[Message], is_in: bool) -> None:
        said = [each for each in said if not isinstance(each, Bye)]
        attack(served, den, *[frame(encode(each)) for each in said], is_in=is_in)

    run()


def test_honest_messages_with_something_wrong(throughout: People, served: Served, den: str) -> None:
    @seed(5)
    @_chance
    @given(st.lists(_mutants(), min_size=1, max_size=3), st.booleans())
    def run(mutants: list[bytes], is_in: bool) -> None:
        attack(served, den, *map(frame, mutants), is_in=is_in)

    run()


def test_hellos_with_something_wrong(throughout: People, served: Served, den: str) -> None:
    whole = encode(hello(den, client_ids=[_MINE]))

    @seed(6)
    @_chance
    @given(st.integers(0, len(whole) - 1), st.integers(0, 7))
    def run(at: int, bit: int) -> None:
        mutant = bytearray(whole)
        mutant[at] ^= 1 << bit
        attack(served, den, frame(bytes(mutant)), is_in=False)

    run()


def test_updates_with_something_wrong(throughout: People, served: Served, den: str) -> None:
    dice = random.Random(7)
    corpus = [
        typed(_MINE, 0, "hello"),
        typed(_MINE, 5, " world", left=(_MINE, 4)),
        deleted(_MINE, (1, 3)),
        typed(_MINE, 11, "🙂日本", left=(_MINE, 2), right=(_MINE, 3)),
    ]
    for _ in range(250):
        said = [Update(n, mutate(dice, dice.choice(corpus), corpus)) for n in range(1, 4)]
        attack(served, den, *[frame(encode(each)) for each in said])


def test_the_room_that_was_attacked_can_be_entered_still(
    throughout: People, served: Served, den: str
) -> None:
    with Raw(served.port) as raw:
        raw.enter(_DEN, den)
        raw.say(Ping(5))
        raw.wait_for(Pong)
    assert ROOM != _DEN
