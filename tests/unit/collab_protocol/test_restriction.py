from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collab_protocol.errors import FrameError
from collab_protocol.names import clean_person_name
from collab_protocol.presence import Role
from collab_protocol.restriction import LINE_BYTES, Restriction

KEY = "0123456789abcdef"


def line(**fields: object) -> bytes:
    return b"collab-relay/1 " + json.dumps({"room": "notes", "role": "write", **fields}).encode() + b"\n"


@given(
    st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", fullmatch=True),
    st.sampled_from(Role),
    st.one_of(st.just(""), st.text(max_size=60).map(clean_person_name)),
    st.sampled_from(["", KEY]),
    st.none() | st.floats(0, 253_402_300_799.0),
    st.booleans(),
)
def test_what_is_said_is_read_again(
    room: str, role: Role, name: str, key: str, until: float | None, wants_token: bool
) -> None:
    restriction = Restriction(room, role, name, key, until, wants_token)
    said = restriction.encode()
    assert len(said) <= LINE_BYTES
    assert said.count(b"\n") == 1
    assert Restriction.decode(said) == Restriction.decode(said.rstrip()) == restriction


def test_the_line_as_the_protocol_has_it() -> None:
    assert Restriction("notes", Role.READ, "bo", KEY, 1.5, True).encode() == (
        b'collab-relay/1 {"room":"notes","role":"read","name":"bo","key":"0123456789abcdef",'
        b'"until":1.5,"token":true}\n'
    )
    assert Restriction.decode(line()) == Restriction("notes", Role.WRITE)


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"\n",
        b"GET /rooms/notes HTTP/1.1\r\n",
        b"collab-relay/2 {}\n",
        b"collab-relay/1\n",
        b"collab-relay/1 \n",
        b"collab-relay/1 []\n",
        b"collab-relay/1 {}\n",
        b"collab-relay/1 " + b"[" * 900 + b"\n",
        b"collab-relay/1 \xff\n",
        line(room="../x"),
        line(room=None),
        line(room=3),
        line(role="owner"),
        line(role=["write"]),
        line(name=3),
        line(key="0123456789ABCDEF"),
        line(key="0123456789abcdef0"),
        line(key="ana"),
        line(key=None),
        line(until="1"),
        line(until=True),
        line(until=float("nan")),
        line(until=float("inf")),
        line(until=10**400),
        line(until=1e18),
        line(until=-1),
        line(token=1),
        line(token="true"),
        line(token=None),
        line(rooms=["a"]),
        line(name="x" * 1024),
    ],
)
def test_what_is_no_such_line(said: bytes) -> None:
    with pytest.raises(FrameError):
        Restriction.decode(said)


@given(st.binary(max_size=80))
def test_whatever_comes_it_is_refused_or_read(rest: bytes) -> None:
    try:
        found = Restriction.decode(b"collab-relay/1 " + rest)
    except FrameError:
        return
    assert found == Restriction.decode(found.encode())


def test_a_name_is_made_fit_to_be_shown() -> None:
    assert Restriction.decode(line(name=" a\x1b[31m b ")).name == "a[31m b"
    assert Restriction.decode(line(name="")).name == ""
