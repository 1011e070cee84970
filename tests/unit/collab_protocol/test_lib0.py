"""State vectors and the ids of an update, read without trust."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collab_protocol.errors import UpdateError
from collab_protocol.gate import decode_state_vector, encode_state_vector, new_ids
from collab_protocol.lib0 import CLIENT_MAX, CLOCK_MAX, read_number, write_number
from collab_protocol.text import Replica
from tests.fuzz.wire import Block, Item, Wire, deleted, typed


@given(st.integers(0, CLIENT_MAX), st.binary(max_size=3))
def test_numbers_come_back(value: int, rest: bytes) -> None:
    data = write_number(value)
    assert read_number(data + rest, 0, CLIENT_MAX) == (value, len(data))


@given(st.dictionaries(st.integers(0, CLIENT_MAX), st.integers(0, CLOCK_MAX), max_size=20))
def test_state_vectors_come_back(clocks: dict[int, int]) -> None:
    assert decode_state_vector(encode_state_vector(clocks)) == clocks


def test_pycrdt_writes_and_reads_the_same_state_vectors() -> None:
    replica = Replica(2**53 - 1)
    replica.edit(0, 0, "a🙂")
    assert decode_state_vector(replica.state_vector()) == {2**53 - 1: 3}
    assert replica.update_since(encode_state_vector({2**53 - 1: 3})) == b"\0\0"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x01",
        b"\x01\x05",
        b"\x80\x80\x80\x40\x01\x01",
        b"\x02\x05\x01\x05\x02",
        b"\x01\x05\x01\x00",
        b"\x01\x05" + write_number(2**31),
        b"\x01" + write_number(2**53) + b"\x01",
        b"\xff" * 100_000,
    ],
)
def test_a_malformed_state_vector_is_refused(data: bytes) -> None:
    with pytest.raises(UpdateError):
        decode_state_vector(data)


@given(st.binary(max_size=40))
def test_no_state_vector_raises_anything_else(data: bytes) -> None:
    try:
        decode_state_vector(data)
        new_ids(data)
    except UpdateError:
        pass


def test_new_ids_are_those_with_structs() -> None:
    assert new_ids(typed(5, 3, "x", (6, 1))) == {5}
    assert new_ids(deleted(5, (1, 1))) == set()
    assert new_ids(Wire([Block(5, 0, [Item(10, length=2)])]).encode()) == set()
    with pytest.raises(UpdateError):
        new_ids(b"\x01")
