"""State vectors and the ids of an update, read without trust."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collab_protocol.errors import UpdateError
from collab_protocol.gate import decode_state_vector, encode_state_vector, new_ids
from collab_protocol.lib0 import (
    CLIENT_MAX,
    CLOCK_MAX,
    DELETED,
    GARBAGE,
    SKIP,
    STRING,
    Struct,
    finish,
    parsing,
    read_number,
    write_number,
    write_struct,
    write_update,
)
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


ids = st.tuples(st.integers(0, CLIENT_MAX), st.integers(0, CLOCK_MAX))
origins = st.none() | ids


@given(
    st.integers(0, CLIENT_MAX),
    st.integers(0, 1000),
    st.lists(
        st.tuples(st.sampled_from([GARBAGE, DELETED, STRING, SKIP]), st.integers(1, 9), origins, origins),
        min_size=1,
        max_size=9,
    ),
    st.dictionaries(st.integers(0, CLIENT_MAX), st.just([(0, 2), (5, 1)]), max_size=3),
)
def test_what_is_written_is_what_is_parsed(
    client: int,
    clock: int,
    parts: list[tuple[int, int, tuple[int, int] | None, tuple[int, int] | None]],
    deletions: dict[int, list[tuple[int, int]]],
) -> None:
    structs: list[Struct] = []
    at = clock
    for content, length, left, right in parts:
        has_origins = content in (DELETED, STRING)
        structs.append(
            Struct(content, at, length, left if has_origins else None, right if has_origins else None, "")
        )
        at += length
    encoded = [write_struct(struct, "é" * struct.length) for struct in structs]
    update = finish(parsing(write_update({client: (clock, encoded)}, deletions)))
    assert [(block.client, block.clock, block.structs) for block in update.blocks] == [
        (client, clock, structs)
    ]
    assert update.deletions == deletions


def test_pycrdt_reads_what_is_written() -> None:
    replica = Replica(5)
    replica.edit(0, 0, "one two")
    replica.edit(3, 1, "é")
    update = finish(parsing(replica.update_since()))
    copy = Replica(6)
    blocks = {
        block.client: (block.clock, [write_struct(struct, "x" * struct.length) for struct in block.structs])
        for block in update.blocks
    }
    copy.apply(write_update(blocks, update.deletions))
    assert copy.text() == "x" * len("oneétwo")
    assert copy.state_vector() == replica.state_vector()
    replica.close()
    copy.close()
