"""Links over real sockets: what a request says, and what is told when nothing comes of it."""

from __future__ import annotations

import asyncio
import errno
import http
import os
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trustme
from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response

from collab_client import link
from collab_client.link import CALLER_HEADER, Address, WebSocketLink, open_link
from collab_protocol.errors import CloseCode, LinkError
from collab_protocol.versions import SUBPROTOCOL

Answer = Callable[[ServerConnection, Request], Response | None]


@asynccontextmanager
async def serving(answer: Answer | None = None, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """Serve rooms that send back each frame; `answer` may refuse a request. Gives the address."""

    async def echo(websocket: ServerConnection) -> None:
        async for frame in websocket:
            await websocket.send(frame)

    async with serve(
        echo, "127.0.0.1", 0, subprotocols=[SUBPROTOCOL], process_request=answer, ssl=tls
    ) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        yield f"{'ws' if tls is None else 'wss'}://127.0.0.1:{port}"


async def refused(url: str) -> LinkError:
    with pytest.raises(LinkError) as error:
        async with asyncio.timeout(4):
            await open_link(Address("notes", url=url))
    return error.value


def server_tls(ca: trustme.CA, host: str = "127.0.0.1") -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert(host).configure_cert(context)
    return context


async def test_a_request_says_which_caller_it_is_and_nothing_of_the_machine() -> None:
    requests: list[Request] = []

    def answer(_: ServerConnection, request: Request) -> None:
        requests.append(request)

    async with serving(answer) as url:
        for caller in ("0123456789abcdef", ""):
            link = await open_link(Address("notes", url=url), caller=caller)
            await link.send(b"frame")
            assert await link.receive() == b"frame"
            await link.close()
    with_caller, without = requests
    assert with_caller.path == "/rooms/notes"
    assert with_caller.headers[CALLER_HEADER] == "0123456789abcdef"
    assert CALLER_HEADER not in without.headers
    assert "User-Agent" not in with_caller.headers


@pytest.mark.parametrize("status", [http.HTTPStatus.UNAUTHORIZED, http.HTTPStatus.FORBIDDEN, 404])
async def test_what_a_server_forbids_is_final_and_told_in_its_words(status: int) -> None:
    async with serving(lambda websocket, _: websocket.respond(status, "not from here\n")) as url:
        error = await refused(url)
    assert error.is_final
    assert str(error).endswith(f"refuses (HTTP {int(status)}): not from here")


async def test_a_full_server_says_when_to_come_back_and_which_cap_it_is() -> None:
    def answer(websocket: ServerConnection, _: Request) -> Response:
        response = websocket.respond(503, "64 connections from your address: close one, or try again later\n")
        response.headers["Retry-After"] = "7"
        return response

    async with serving(answer) as url:
        error = await refused(url)
    assert not error.is_final
    assert error.retry_after_s == 7.0
    assert str(error).endswith("is busy: 64 connections from your address: close one, or try again later")


async def test_a_header_that_comes_twice_is_nobodys_end() -> None:
    def answer(websocket: ServerConnection, _: Request) -> Response:
        response = websocket.respond(503, "full\n")
        response.headers["Retry-After"] = "7"
        response.headers["Retry-After"] = "8"
        return response

    async with serving(answer) as url:
        assert (await refused(url)).retry_after_s == 7.0


async def test_nobody_is_sent_on_to_another_server_who_would_be_shown_the_token() -> None:
    asked: list[str] = []

    def other(_: ServerConnection, request: Request) -> None:
        asked.append(request.path)

    async with serving(other) as elsewhere:

        def answer(websocket: ServerConnection, request: Request) -> Response:
            response = websocket.respond(http.HTTPStatus.FOUND, "")
            response.headers["Location"] = f"{elsewhere}{request.path}"
            return response

        async with serving(answer) as url:
            error = await refused(url)
        assert error.is_final
        assert f"sends us on to {elsewhere}/rooms/notes" in str(error)
        assert asked == []


@pytest.mark.parametrize("variable", ["http_proxy", "https_proxy", "ws_proxy"])
async def test_what_stays_on_this_machine_goes_by_no_proxy(
    variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.setenv(variable, "http://127.0.0.1:9")
    async with serving() as url:
        for each in (url, url.replace("127.0.0.1", "localhost")):
            link = await open_link(Address("notes", url=each))
            await link.close()


async def test_a_certificate_of_a_ca_that_is_not_known_says_what_to_do() -> None:
    async with serving(tls=server_tls(trustme.CA())) as url:
        error = await refused(url)
    assert error.is_final
    assert "certificate not trusted: " in str(error)
    assert "SSL_CERT_FILE" in str(error)


async def test_an_own_ca_is_named_by_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ca = trustme.CA()
    ca.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    async with serving(tls=server_tls(ca)) as url:
        link = await open_link(Address("notes", url=url))
        await link.send(b"frame")
        assert await link.receive() == b"frame"
        await link.close()
    async with serving(tls=server_tls(ca, "host.example")) as url:
        error = await refused(url)
    assert error.is_final
    assert "certificate not trusted: " in str(error)
    assert "SSL_CERT_FILE" not in str(error), "a CA has nothing to do with it"


async def test_a_server_that_answers_without_tls_is_told_so() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        error = await refused(f"wss://127.0.0.1:{port}")
    assert error.is_final
    assert "speaks no TLS" in str(error)


async def test_who_hangs_up_is_told_from_who_is_not_there() -> None:
    async with serving() as url:
        error = await refused(url.replace("ws://", "wss://"))
        assert not error.is_final
        assert "closed the connection before it answered" in str(error)
    error = await refused(url)
    assert not error.is_final
    assert "nothing answers" in str(error)


@pytest.mark.parametrize(("code", "is_final"), [(CloseCode.HOSTILE, True), (CloseCode.RESTART, False)])
async def test_why_a_link_was_closed_is_told(code: CloseCode, is_final: bool) -> None:
    async def close(websocket: ServerConnection) -> None:
        await websocket.close(code, "the reason")

    async with serve(close, "127.0.0.1", 0, subprotocols=[SUBPROTOCOL]) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        link: WebSocketLink = await open_link(Address("notes", url=f"ws://127.0.0.1:{port}"))
        with pytest.raises(LinkError, match="the reason") as error:
            await link.receive()
    assert error.value.is_final == is_final
    await link.close()


async def test_a_socket_that_is_not_for_this_account_is_told_as_that(monkeypatch: pytest.MonkeyPatch) -> None:
    async def connect(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(link, "StraightConnect", connect)
    with pytest.raises(LinkError) as refusal:
        await open_link(Address("notes", unix_path=Path("/srv/pair/x.sock")))
    assert str(refusal.value).startswith("this account may not open /srv/pair/x.sock: ask whoever runs")
    assert not refusal.value.is_final, "while a server starts, its socket is nobody else's yet"
    with pytest.raises(LinkError, match=f"nothing answers at ws://x.*: {os.strerror(errno.EACCES)}"):
        await open_link(Address("notes", url="ws://x"))


async def test_a_pipe_leads_where_it_leads_and_its_owner_is_told_of_the_end() -> None:
    closed: list[str] = []
    async with serving() as url:
        port = int(url.rpartition(":")[2])
        pipe = socket.create_connection(("127.0.0.1", port))
        address = Address("notes", name="ssh://pair/notes")
        link = await open_link(address, pipe=pipe, on_closed=lambda: closed.append("closed"))
        await link.send(b"frame")
        assert await link.receive() == b"frame"
        assert closed == []
        await link.close()
        assert closed == ["closed"]


async def test_a_pipe_that_leads_nowhere_is_named_as_people_call_it() -> None:
    pipe, far = socket.socketpair()
    far.close()
    with pytest.raises(LinkError) as error:
        await open_link(Address("notes", name="ssh://pair/notes"), pipe=pipe)
    assert str(error.value).startswith("ssh://pair/notes closed the connection")
