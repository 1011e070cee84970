"""What comes before a WebSocket: bytes that are no request, and requests that no client of ours makes."""

from __future__ import annotations

import pytest

from tests.hostile.conftest import ROOM
from tests.hostile.people import People
from tests.hostile.raw import Raw, request
from tests.hostile.served import Served

_NO_ROOM = "cannot name a room"

REQUESTS = {
    # What is no HTTP at all gets no answer.
    "garbage": (b"\x00\xff\x13\x37" * 64 + b"\r\n\r\n", 0, ""),
    "TLS on a plain port": (bytes.fromhex("16030100c8010000c40303") + b"x" * 200, 0, ""),
    "a request with a body": (request(ROOM, "Content-Length: 10") + b"0123456789", 0, ""),
    "a request in chunks": (request(ROOM, "Transfer-Encoding: chunked") + b"0\r\n\r\n", 0, ""),
    "a room with a blank": (request("a b"), 0, ""),
    "a room that is no ASCII": (request("é"), 0, ""),
    "a header of 100,000 bytes": (request(ROOM, "X-Long: " + "x" * 100_000), 431, "8192 bytes"),
    "2,000 headers": (request(ROOM, *[f"X-{n}: 1" for n in range(2000)]), 431, "128 headers"),
    "100,000 bytes of address": (b"GET /" + b"x" * 100_000 + b" HTTP/1.1\r\n\r\n", 414, "8192 bytes"),
    "another method": (request(ROOM, method="POST"), 405, "POST"),
    "HTTP/1.0": (request(ROOM).replace(b"HTTP/1.1", b"HTTP/1.0"), 505, "HTTP/1.0"),
    "no WebSocket": (request(ROOM).replace(b"Upgrade: websocket", b"X: y"), 426, "Upgrade"),
    "no key": (request(ROOM).replace(b"Sec-WebSocket-Key", b"X-Key"), 400, "Sec-WebSocket-Key"),
    "an older WebSocket": (request(ROOM).replace(b"Version: 13", b"Version: 8"), 400, "Version"),
    "another subprotocol": (request(ROOM).replace(b"collab.v1", b"collab.v9"), 400, "collab.v1"),
    "the operator's subprotocol": (request(ROOM).replace(b"collab.v1", b"collab.admin.v1"), 400, "collab.v1"),
    "the operator's path": (request("", path="/admin"), 400, "collab.admin.v1"),
    "the operator's path, almost": (request("", path="/admin/"), 404, "/rooms/"),
    "the operator's path and a query": (request("", path="/admin?token=x"), 404, "/rooms/"),
    "an operator's web page": (request("", "Origin: null", path="/admin"), 403, "no web page"),
    "the path of those who take over": (request("", path="/hand-over"), 404, "/rooms/"),
    "a whole address": (request("", path=f"http://127.0.0.1/rooms/{ROOM}"), 404, "/rooms/"),
    "a web page": (request(ROOM, "Origin: https://evil.example"), 403, "no web page"),
    "a page of a file": (request(ROOM, "Origin: null"), 403, "no web page"),
    "two origins": (request(ROOM, "Origin: ", "Origin: http://127.0.0.1"), 403, "no web page"),
    "no room": (request(""), 404, _NO_ROOM),
    "dots": (request(".."), 404, _NO_ROOM),
    "dots inside": (request("a..b"), 404, _NO_ROOM),
    "a hidden file": (request(".ssh"), 404, _NO_ROOM),
    "a way up": (request("a/../../etc/passwd"), 404, _NO_ROOM),
    "a slash at the end": (request(ROOM + "/"), 404, _NO_ROOM),
    "a backslash": (request("a\\b"), 404, _NO_ROOM),
    "a control character": (request("a\x07b"), 404, _NO_ROOM),
    "a NUL": (request("a\x00b"), 404, _NO_ROOM),
    "an escape sequence": (request("a\x1b[2Jb"), 404, _NO_ROOM),
    "dots in another coding": (request("a%2e%2e"), 404, _NO_ROOM),
    "65 characters": (request("a" * 65), 404, _NO_ROOM),
    "a query": (request(f"{ROOM}?token=x"), 404, _NO_ROOM),
}


@pytest.mark.parametrize("name", REQUESTS)
def test_a_request_that_is_not_ours_is_refused(throughout: People, served: Served, name: str) -> None:
    asked, status, fragment = REQUESTS[name]
    with Raw(served.port) as raw:
        ending = raw.knock(asked)
        assert (ending.code, ending.status) == (None, status), ending
        assert fragment in ending.body
        assert "\x1b" not in ending.body, "what is told to a terminal"


def test_compression_that_is_offered_is_not_taken(throughout: People, served: Served) -> None:
    offered = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"
    with Raw(served.port) as raw:
        ending = raw.knock(request(ROOM, offered))
        assert ending.status == 101
        assert "extensions" not in ending.body.lower()


def test_one_who_fails_again_and_again_has_to_wait_and_others_need_not(
    throughout: People, served: Served
) -> None:
    asked = request(ROOM)  # the same process each time
    for _ in range(5):
        with Raw(served.port) as raw:
            assert raw.knock(asked).status == 101
            raw.write(b"\xff\xff")
            assert raw.ending().code == 1002
    with Raw(served.port) as raw:
        ending = raw.knock(asked)
        assert (ending.status, "in a row" in ending.body) == (503, True), ending
    assert throughout.newcomer() == 1
