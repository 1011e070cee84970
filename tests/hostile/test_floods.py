"""Too many, too slow, or silent: connections that say nothing, half of something, or a byte now and then."""

from __future__ import annotations

import contextlib
import resource
import select
import socket
import time
from collections.abc import Callable, Iterator

import pytest

from collab_protocol import limits
from collab_protocol.codec import encode
from collab_protocol.messages import Part
from tests.e2e.proxy import Proxy
from tests.hostile.conftest import ROOM
from tests.hostile.people import People
from tests.hostile.raw import CONTINUATION, Ending, Raw, frame, hello, request
from tests.hostile.served import Served

_MANY = 2000
_LINGER_S = limits.HELLO_TIMEOUT_S + 3.0


@pytest.fixture
def files() -> Iterator[None]:
    """Let this process have enough files open."""
    before = soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MANY + 500
    if soft != resource.RLIM_INFINITY and soft < wanted:
        if hard != resource.RLIM_INFINITY and hard < wanted:
            pytest.skip("this account may not have so many files open")
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


SILENT: dict[str, Callable[[], bytes]] = {
    "say nothing": lambda: b"",
    "say half a request": lambda: request(ROOM)[:-2],
    "say one byte": lambda: b"G",
    "say a request and no Hello": lambda: request(ROOM),
    "say half a frame": lambda: request(ROOM) + frame(b"x" * 100)[:20],
}


@pytest.mark.parametrize("name", SILENT)
def test_thousands_from_one_address_keep_nobody_out(
    throughout: People, served: Served, files: None, name: str
) -> None:
    with contextlib.ExitStack() as opened:
        tries = []
        for count in range(_MANY):
            end = opened.enter_context(socket.socket())
            with contextlib.suppress(OSError):
                end.connect(("127.0.0.1", served.port))
                end.sendall(SILENT[name]())
            if count % 500 == 499:
                tries.append(throughout.newcomer())
        tries.append(throughout.newcomer())
        print(f"2,000 {name}: newcomers got in after {tries} tries")
        assert max(tries) <= 3


def _silent(raw: Raw) -> None:
    pass


def _half_a_request(raw: Raw) -> None:
    raw.write(request(ROOM)[:40])


def _no_hello(raw: Raw) -> None:
    raw.upgrade(ROOM)


def _half_a_hello(raw: Raw) -> None:
    raw.upgrade(ROOM)
    raw.write(frame(encode(hello("x")))[:50])


def _half_a_message(raw: Raw) -> None:
    raw.upgrade(ROOM)
    raw.write(frame(encode(Part(1, 0, 3, b"x" * limits.PART_BYTES))))


def _a_fragment(raw: Raw) -> None:
    raw.upgrade(ROOM)
    raw.write(frame(b"", first=0))


def _half_closed(raw: Raw) -> None:
    raw.write(request(ROOM)[:40])
    raw.half_close()


SLOW: dict[str, tuple[Callable[[Raw], None], bytes, int | None]] = {
    # How it begins, what follows it byte by byte, and the close code.
    "nothing": (_silent, b"", None),
    "half a request": (_half_a_request, b"", None),
    "half a request and half a goodbye": (_half_closed, b"", None),
    "a request byte by byte": (_silent, request(ROOM), None),
    "a header byte by byte": (_half_a_request, b"x" * 100, None),
    "a request and nothing": (_no_hello, b"", 1002),
    "half a Hello": (_half_a_hello, b"", 1002),
    "a Hello byte by byte": (_no_hello, frame(encode(hello("x"))), 1002),
    "a Hello in Parts that do not come": (_half_a_message, b"", 1002),
    "pings byte by byte": (_no_hello, frame(b"", 9) * 100, 1002),
    "empty fragments one by one": (
        _a_fragment,
        frame(b"", CONTINUATION, first=0) * 100,
        1002,
    ),
}


def test_handshakes_that_take_their_time_are_ended_in_time(throughout: People, served: Served) -> None:
    """All at once: each takes as long as the server waits for a Hello, however it dribbles."""
    raws = {name: Raw(served.port) for name in SLOW}
    try:
        began = time.monotonic()
        for name, raw in raws.items():
            SLOW[name][0](raw)
        endings: dict[str, tuple[Ending, float]] = {}
        tick = 0
        while len(endings) < len(SLOW) and time.monotonic() - began < _LINGER_S:
            waiting = [name for name in SLOW if name not in endings]
            readable, _, _ = select.select([raws[name] for name in waiting], [], [], 0.2)
            for name in waiting:
                raw, dribble = raws[name], SLOW[name][1]
                raw.write(dribble[tick : tick + 1])
                if raw in readable and raw.is_over():
                    endings[name] = (raw.ending(), time.monotonic() - began)
            tick += 1
        assert set(endings) == set(SLOW)
        for name, (ending, after_s) in endings.items():
            code = SLOW[name][2]
            print(f"{name}: {ending.code} {ending.reason!r} after {after_s:.1f} s")
            assert ending.code == code, (name, ending)
            if code is not None:
                assert ending.reason == "no Hello"
            assert throughout.newcomer() == 1
    finally:
        for raw in raws.values():
            raw.close()


@pytest.mark.campaign
def test_half_open_links_are_given_up_and_nobody_notices(
    throughout: People, served: Served, writer: str
) -> None:
    """Some end in the middle of a frame, of fragments, or of nothing, and their sockets stay open."""
    with Proxy(served.port) as proxy, contextlib.ExitStack() as opened:
        raws = [opened.enter_context(Raw(proxy.port)) for _ in range(20)]
        for number, raw in enumerate(raws):
            raw.enter(ROOM, writer)
            raw.write([b"", frame(b"x" * 100)[:50], frame(b"x", first=0), frame(b"", 9)[:3]][number % 4])
        assert len(served.ask(do="sessions", room=ROOM)["sessions"]) == 22
        proxy.half_open()
        ends_at = time.monotonic() + limits.SERVER_DEAD_S + 2 * limits.SERVER_PING_S + 5.0
        while len(served.ask(do="sessions", room=ROOM)["sessions"]) > 2:
            assert time.monotonic() < ends_at, "they are there still"
            time.sleep(0.1)


def test_one_address_has_64_connections_and_no_more(throughout: People, served: Served, writer: str) -> None:
    """The honest ones have three of them while somebody comes in."""
    with contextlib.ExitStack() as opened:
        for _ in range(60):
            opened.enter_context(Raw(served.port)).enter(ROOM, writer)
        for _ in range(2):
            opened.enter_context(Raw(served.port)).enter(ROOM, writer)
        with Raw(served.port) as raw:
            ending = raw.knock(request(ROOM))
            assert (ending.status, "64 connections from your address" in ending.body) == (503, True)
