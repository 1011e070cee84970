"""The real client on a link that breaks in every way: nothing lost, nothing doubled, nobody held up."""

from __future__ import annotations

import contextlib
import os
import random
import re
import signal
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Self

import pytest

from collab_protocol.codec import decode
from collab_protocol.messages import Bye, Hello, Message, Receipt, Sync, Update, Welcome
from tests.e2e.home import Home
from tests.e2e.kills import WriterProcess, check_lines, final_text
from tests.e2e.peer import Peer
from tests.e2e.proxy import Direction, Proxy
from tests.e2e.server import Server
from tests.e2e.terminal import wait_until

pytestmark = pytest.mark.campaign

_ROOM: Final = "notes"
_SAVED: Final = "✓ saved"
_OFFLINE: Final = "! offline"
_NOTICED_S: Final = 8.0
"""A dead link is given up after 5 s of silence (docs/protocol.md); the rest is for a noisy machine."""


@dataclass(frozen=True, slots=True)
class _Frame:
    """Bytes `begin` to `end` of a stream: a message in its WebSocket frame, or None for the HTTP head."""

    message: Message | None
    begin: int
    end: int


def frames(stream: bytes) -> list[_Frame]:
    """Return the whole frames of one direction of a connection (RFC 6455 section 5.2)."""
    _, end, rest = stream.partition(b"\r\n\r\n")
    if not end:
        return []
    found = [_Frame(None, 0, len(stream) - len(rest))]
    at = found[0].end
    while len(stream) - at >= 2:
        begin, is_masked, size = at, bool(stream[at + 1] & 0x80), stream[at + 1] & 0x7F
        opcode, at = stream[at] & 0x0F, at + 2
        if size >= 126:
            width = 2 if size == 126 else 8
            size, at = int.from_bytes(stream[at : at + width], "big"), at + width
        mask, at = (stream[at : at + 4], at + 4) if is_masked else (bytes(4), at)
        if len(stream) < at + size:
            break
        body = bytes(byte ^ mask[i % 4] for i, byte in enumerate(stream[at : at + size]))
        at += size
        if opcode == 2:
            found.append(_Frame(decode(body), begin, at))
    return found


class _BusyServer:
    """Answers each request with 503 and a Retry-After, once it is let; knows when it was asked."""

    def __init__(self, retry_after_s: int) -> None:
        self.accepted_at: list[float] = []
        self.answered_at: list[float] = []
        self.may_answer = threading.Event()
        self._news = threading.Condition()
        self._answer = (
            f"HTTP/1.1 503 Service Unavailable\r\nRetry-After: {retry_after_s}\r\n"
            "Content-Length: 0\r\nConnection: close\r\n\r\n"
        ).encode()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"ws://127.0.0.1:{self._listener.getsockname()[1]}/{_ROOM}"
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.may_answer.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()

    def wait_accepted(self, count: int, deadline_s: float = 15.0) -> None:
        """Wait until it was asked so often."""
        with self._news:
            if not self._news.wait_for(lambda: len(self.accepted_at) >= count, deadline_s):
                raise AssertionError(f"not asked {count} times in {deadline_s:.0f} s: {self.accepted_at}")

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                with client:
                    with self._news:
                        self.accepted_at.append(time.monotonic())
                        self._news.notify_all()
                    client.settimeout(5.0)
                    with contextlib.suppress(OSError):
                        request = b""
                        while b"\r\n\r\n" not in request and (piece := client.recv(4096)):
                            request += piece
                        self.may_answer.wait()
                        self.answered_at.append(time.monotonic())
                        client.sendall(self._answer)


@pytest.fixture
def server(home: Home) -> Iterator[Server]:
    with Server(home) as made:
        yield made


@pytest.fixture
def proxy(server: Server) -> Iterator[Proxy]:
    with Proxy(server.port) as made:
        yield made


def assert_all_arrived(home: Home, server: Server, *people: WriterProcess) -> None:
    """Let everybody finish; every line is then in the text, once."""
    for person in people:
        person.finish()
    must = {line for person in people for line in person.all_typed()}
    check_lines(final_text(home, server, _ROOM), people, must)


def test_a_link_that_goes_silent_is_noticed_and_replaced(home: Home, server: Server, proxy: Proxy) -> None:
    ana = home.open("join", proxy.url(_ROOM), "--name", "ana")
    with (
        WriterProcess("busy", proxy.url(_ROOM), retry_every_s=None) as busy,
        WriterProcess("idle", proxy.url(_ROOM), "--lines", "1", retry_every_s=None) as idle,
    ):
        ana.wait_for(_SAVED)
        busy.wait_saved()
        idle.wait_for(lambda run: run.is_done, "its line to be saved")
        proxy.half_open()
        began = time.monotonic()
        ana.wait_for(_OFFLINE, _NOTICED_S)
        for person in (busy, idle):
            left_s = _NOTICED_S - (time.monotonic() - began)
            person.wait_for(lambda run: said(run.statuses, _OFFLINE), "offline to be said", left_s)
        # Nobody is asked to do anything: a new link works, so all come back.
        busy.wait_saved()
        idle.wait_for(lambda run: _SAVED in run.statuses[-1], "the link to come back")
        ana.wait_for(_SAVED, 30)
        ana.send("typed after\r")
        wait_until([ana], lambda: "typed after" in home.stored_text(_ROOM), "it to be stored")
        busy.finish()
        text = final_text(home, server, _ROOM).replace("typed after\n", "")
        check_lines(text, (busy, idle), busy.all_typed() | idle.all_typed())


def said(statuses: list[str], words: str) -> bool:
    return any(words in status for status in statuses)


_Kind = type[Message] | None
"""What a frame holds; None for the HTTP head."""


def _first(stream: bytes, kind: _Kind) -> _Frame | None:
    return next((f for f in frames(stream) if (None if f.message is None else type(f.message)) is kind), None)


_CLASSES: Final[list[tuple[Direction, _Kind]]] = [
    (Direction.UP, None),
    (Direction.DOWN, None),
    (Direction.UP, Hello),
    (Direction.DOWN, Welcome),
    (Direction.DOWN, Sync),
    (Direction.UP, Update),
    (Direction.DOWN, Receipt),
]


@pytest.mark.deadline(120)
def test_a_link_cut_at_any_byte_of_the_handshake_and_the_upload_loses_nothing(
    home: Home, server: Server, proxy: Proxy
) -> None:
    with WriterProcess("ana", proxy.url(_ROOM), "--rate", "200", "--burst", "4") as ana:
        ana.wait_saved()
        for direction, kind in _CLASSES:
            for part in ("first", "second", "middle", "last", "whole"):
                # Where the frame stood on the last link is where it will stand on the next, or nearly.
                ana.wait_saved()
                frame = _first(proxy.passed(direction), kind)
                assert frame is not None
                size = frame.end - frame.begin
                skip = {"first": 1, "second": 2, "middle": size // 2, "last": size - 1, "whole": size}[part]
                proxy.refuse()
                proxy.reset()
                proxy.cut_after(frame.begin + skip, direction)
                before = proxy.last_connection
                proxy.accept()
                ana.wait_for(lambda _: not proxy.is_cut_pending, f"the cut of {kind}, {part}")
                assert len(proxy.passed(direction, before + 1)) == frame.begin + skip
        ana.wait_saved()
        assert_all_arrived(home, server, ana)


@pytest.mark.deadline(120)
def test_a_long_upload_cut_again_and_again_arrives_once(home: Home, server: Server, proxy: Proxy) -> None:
    dice = random.Random(4)
    proxy.refuse()
    with WriterProcess("ana", proxy.url(_ROOM), "--lines", "6000", "--rate", "6000", "--burst", "200") as ana:
        ana.wait_for(lambda run: run.typed == 6000, "the end of its typing")
        for _ in range(12):
            direction = dice.choice((Direction.UP, Direction.UP, Direction.DOWN))
            most = 60_000 if direction is Direction.UP else 3000
            proxy.cut_after(dice.randrange(500, most), direction)
            proxy.accept()
            ana.wait_for(lambda run: run.is_done or not proxy.is_cut_pending, "the cut")
        proxy.heal()
        ana.wait_for(lambda run: run.is_done, "the upload")
        check_lines(final_text(home, server, _ROOM), [ana], ana.all_typed())


def test_a_link_that_brings_one_byte_at_a_time_brings_everything(
    home: Home, server: Server, proxy: Proxy
) -> None:
    proxy.slice(1)
    with WriterProcess("ana", proxy.url(_ROOM), "--rate", "40") as ana:
        ana.wait_saved()
        proxy.reset()
        ana.wait_saved()
        assert_all_arrived(home, server, ana)


def test_a_slow_or_stalled_link_does_not_hold_typing_up(home: Home, server: Server, proxy: Proxy) -> None:
    proxy.delay(0.2)
    ana = home.open("join", proxy.url(_ROOM))
    ana.wait_for(_SAVED)
    began = time.monotonic()
    for i in range(20):
        ana.send(chr(ord("a") + i))
        ana.wait_for(f"1  {'abcdefghijklmnopqrstuvwxyz'[: i + 1]}")
    # Each key was seen before the next one: with a round trip in between that takes 8 s.
    assert time.monotonic() - began < 6
    ana.wait_for(_SAVED)
    proxy.heal()
    proxy.stall()
    ana.send("-stalled")
    ana.wait_for("t-stalled", 3)
    ana.wait_for(lambda t: _SAVED not in t.text, 3)
    proxy.heal()
    ana.wait_for(_SAVED)
    assert home.stored_text(_ROOM) == "abcdefghijklmnopqrst-stalled"


@pytest.mark.deadline(120)
def test_a_reader_that_takes_nothing_holds_nobody_up(home: Home, server: Server, proxy: Proxy) -> None:
    ana = home.open("join", proxy.url(_ROOM))
    ana.wait_for(_SAVED)
    with Peer(_ROOM, server.port, name="bo") as bo, Peer(_ROOM, server.port, name="cy") as cy:
        bo.append("top\n")
        ana.wait_for("top")
        proxy.stall([Direction.DOWN], is_taking=False)
        for i in range(150):  # 4.5 MB: more than all buffers on the way to ana hold
            bo.append(f"{i} " + "x" * 30_000 + "\n")
        bo.insert(0, "the end, ")
        cy.wait_for("the end, top")
        assert "the end" not in ana.text
        proxy.heal()
        ana.wait_for("the end, top", 40)
        ana.wait_for(_SAVED, 40)
        ana.send("\x1b[1;5F")
        ana.wait_for("152:1")


def test_a_server_that_stands_still_is_noticed_and_goes_on_where_it_stood(home: Home, server: Server) -> None:
    pid = home.server_pid()
    assert pid is not None
    with WriterProcess("ana", server.url(_ROOM), "--rate", "20", retry_every_s=None) as ana:
        ana.wait_saved()
        os.kill(pid, signal.SIGSTOP)
        try:
            ana.wait_for(lambda run: said(run.statuses, _OFFLINE), "offline to be said", _NOTICED_S)
            ana.wait_typed(20)
        finally:
            os.kill(pid, signal.SIGCONT)
        ana.wait_saved()
        assert_all_arrived(home, server, ana)


def test_a_busy_server_is_asked_again_no_sooner_than_it_said() -> None:
    with _BusyServer(2) as busy:
        busy.may_answer.set()
        with WriterProcess("ana", busy.url, retry_every_s=None) as ana:
            busy.wait_accepted(2)
            ana.wait_for(
                lambda run: any(re.match("⧗ server busy – retry in [2-4] s", s) for s in run.statuses),
                "busy to be said",
            )
        assert busy.accepted_at[1] - busy.answered_at[0] >= 2


def test_f5_asks_a_busy_server_at_once(home: Home) -> None:
    with _BusyServer(600) as busy:
        ana = home.open("join", busy.url)
        busy.wait_accepted(1)
        ana.send("typed")
        ana.wait_for("typed")
        busy.may_answer.set()
        ana.wait_for(lambda t: re.search(r"⧗ server busy – retry in \d{3,4} s", t.text) is not None)
        ana.send("\x1b[15~")
        wait_until([ana], lambda: len(busy.accepted_at) == 2, "the second try")


def test_a_server_that_says_goodbye_is_left_alone_as_long_as_it_asked(
    home: Home, server: Server, proxy: Proxy
) -> None:
    with WriterProcess("ana", proxy.url(_ROOM), "--rate", "100", retry_every_s=None) as ana:
        ana.wait_saved()
        before = time.monotonic()
        server.stop()
        ana.wait_for(lambda run: said(run.statuses, _OFFLINE), "offline to be said")
        bye = _first(proxy.passed(Direction.DOWN, 0), Bye)
        assert bye is not None and isinstance(bye.message, Bye) and bye.message.retry_ms is not None
        hint_s = bye.message.retry_ms / 1000
        server.start()
        ana.wait_saved()
        assert proxy.accepted_at[1] - before >= hint_s
        assert_all_arrived(home, server, ana)
