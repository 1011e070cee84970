from __future__ import annotations

import asyncio
import contextlib
import http
import logging
import socket
import threading
from collections.abc import AsyncIterator

import pytest

from collab_protocol.messages import Receipt
from collab_server.app import PortTaken, serve
from collab_server.config import ServerConfig
from collab_server.lock import Endpoints
from collab_server.monitoring import endpoint
from collab_server.monitoring.figures import Figures, Survey
from collab_server.passed_sockets import NONE_PASSED, PassedSockets
from collab_server.registry import Registry

from .scraping import get, say
from .wire import DEADLINE_S, config, joined, running, short_folder


@contextlib.asynccontextmanager
async def monitored(host: str = "127.0.0.1") -> AsyncIterator[Endpoints]:
    with short_folder() as folder:
        async with running(config(folder, monitor=(host, 0))) as endpoints:
            yield endpoints


@contextlib.asynccontextmanager
async def serving(
    settings: ServerConfig, *, passed: PassedSockets = NONE_PASSED
) -> AsyncIterator[tuple[Endpoints, asyncio.Event]]:
    """Serve until the block ends, or until the event is set."""
    stop = asyncio.Event()
    ready: asyncio.Future[Endpoints] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(serve(settings, stop=stop, ready=ready.set_result, passed=passed))
    async with asyncio.timeout(DEADLINE_S):
        try:
            yield await ready, stop
        finally:
            stop.set()
            await task


class TestPages:
    async def test_metrics_are_told_though_all_threads_wait_for_a_disk(self) -> None:
        goes_on = threading.Event()
        with short_folder() as folder:
            async with running(config(folder, monitor=("127.0.0.1", 0), memory=True)) as server:
                waiting = [
                    asyncio.create_task(asyncio.to_thread(goes_on.wait, DEADLINE_S)) for _ in range(64)
                ]
                try:
                    assert (await get(server.monitor, "/metrics")).status == 200
                finally:
                    goes_on.set()
                    await asyncio.gather(*waiting)

    async def test_all_is_well(self) -> None:
        async with monitored() as server:
            assert (await get(server.monitor, "/healthz")).body == "ok\n"
            assert (await get(server.monitor, "/readyz")).body == "ready\n"
            assert (await get(server.monitor, "/readyz?verbose")).status == http.HTTPStatus.OK

    async def test_head_is_get_without_a_body(self) -> None:
        async with monitored() as server:
            for path in ("/healthz", "/metrics", "/elsewhere"):
                whole, head = [await get(server.monitor, path, method=each) for each in ("GET", "HEAD")]
                assert head.status == whole.status
                assert head.body == ""
                assert int(whole.headers["Content-Length"]) == len(whole.body.encode())
                assert int(head.headers["Content-Length"]) > 0

    async def test_what_is_not_there(self) -> None:
        async with monitored() as server:
            for path in ("/", "/metrics/", "/healthz/..", "/r/notes", "/admin"):
                assert (await get(server.monitor, path)).status == http.HTTPStatus.NOT_FOUND

    async def test_nothing_can_be_changed(self) -> None:
        async with monitored() as server:
            for method in ("POST", "PUT", "DELETE", "OPTIONS"):
                answer = await get(server.monitor, "/metrics", method=method)
                assert answer.status == http.HTTPStatus.METHOD_NOT_ALLOWED
                assert answer.headers["Allow"] == "GET, HEAD"

    async def test_without_the_setting_there_is_none(self) -> None:
        with short_folder() as folder:
            async with running(config(folder)) as server:
                assert server.monitor is None


class TestStrangers:
    @pytest.mark.parametrize(
        ("request_", "status"),
        [
            (b"\r\n\r\n", 400),
            (b"GET /healthz\r\n\r\n", 400),
            (b"GET http://elsewhere/ HTTP/1.1\r\n\r\n", 400),
            (b"\x16\x03\x01\x02\x00\xff\r\n\r\n", 400),
            (b"GET /healthz HTTP/1.0\r\n\r\n", 200),
            (b"GET /healthz HTTP/1.1\r\nX: " + b"x" * 9000 + b"\r\n\r\n", 431),
        ],
    )
    async def test_a_request_is_read_strictly(self, request_: bytes, status: int) -> None:
        async with monitored() as server:
            assert (await say(server.monitor, request_)).status == status

    async def test_one_who_does_not_finish_is_dropped(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(endpoint, "_DEADLINE_S", 0.05)
        async with monitored() as server:
            assert server.monitor is not None
            reader, writer = await asyncio.open_connection(*server.monitor)
            writer.write(b"GET /heal")
            async with asyncio.timeout(DEADLINE_S):
                with contextlib.suppress(ConnectionResetError):
                    assert await reader.read() == b""
            writer.close()

    async def test_too_many_at_once_are_ended_and_later_ones_answered(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(endpoint, "_CONNECTIONS", 2)
        async with monitored() as server, asyncio.timeout(DEADLINE_S):
            assert server.monitor is not None
            silent = [await asyncio.open_connection(*server.monitor) for _ in range(3)]
            ended = [asyncio.create_task(reader.read()) for reader, _ in silent]
            done, _ = await asyncio.wait(ended, return_when=asyncio.FIRST_COMPLETED)
            assert len(done) == 1
            for _, writer in silent:
                writer.close()
            await asyncio.wait(ended)
            for each in ended:
                each.exception()
            while await _is_refused(server):
                await asyncio.sleep(0)

    async def test_those_who_are_silent_keep_nobody_out(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(endpoint, "_CONNECTIONS", 2)
        async with monitored() as server, asyncio.timeout(DEADLINE_S):
            assert server.monitor is not None
            silent = [await asyncio.open_connection(*server.monitor) for _ in range(4)]
            assert (await get(server.monitor, "/readyz")).body == "ready\n"
            for _, writer in silent:
                writer.close()

    async def test_those_who_are_being_answered_are_not_ended_for_others(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(endpoint, "_CONNECTIONS", 1)
        may_answer, is_asked, survey = asyncio.Event(), asyncio.Event(), Figures.survey

        async def surveyed(figures: Figures) -> Survey:
            is_asked.set()
            await may_answer.wait()
            return await survey(figures)

        monkeypatch.setattr(Figures, "survey", surveyed)
        async with monitored() as server, asyncio.timeout(DEADLINE_S):
            scrape = asyncio.create_task(get(server.monitor, "/metrics"))
            await is_asked.wait()
            assert await _is_refused(server)
            may_answer.set()
            assert (await scrape).status == http.HTTPStatus.OK

    @pytest.mark.parametrize("version", ["\xff", "1", "1.x", "", ",;=", "1.0.0;escaping=no-such"])
    async def test_what_a_scraper_would_like_is_no_fault_of_ours(
        self, version: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        accept = f"application/openmetrics-text;q=x;version={version}"
        async with monitored() as server:
            request = f"GET /metrics HTTP/1.1\r\nAccept: {accept}\r\n\r\n"
            assert (await say(server.monitor, request.encode("latin-1"))).status == http.HTTPStatus.OK
        assert "failed" not in caplog.text

    def test_one_who_is_gone_before_the_answer_is_no_fault_of_ours(
        self, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        uvloop = pytest.importorskip("uvloop")

        async def main() -> None:
            may_answer, is_asked, survey = asyncio.Event(), asyncio.Event(), Figures.survey

            async def surveyed(figures: Figures) -> Survey:
                is_asked.set()
                await may_answer.wait()
                return await survey(figures)

            monkeypatch.setattr(Figures, "survey", surveyed)
            async with monitored() as server, asyncio.timeout(DEADLINE_S):
                assert server.monitor is not None
                _, writer = await asyncio.open_connection(*server.monitor)
                writer.write(b"GET /metrics HTTP/1.1\r\n\r\n")
                await is_asked.wait()
                writer.transport.abort()
                await get(server.monitor, "/healthz")  # by then it is known that the other is gone
                may_answer.set()

        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(main())
        assert [record.getMessage() for record in caplog.records if record.levelno > logging.INFO] == []

    async def test_one_who_is_silent_does_not_keep_the_server_from_ending(self) -> None:
        async with asyncio.timeout(endpoint._DEADLINE_S - 1):
            async with monitored() as server:
                assert server.monitor is not None
                reader, writer = await asyncio.open_connection(*server.monitor)
                await get(server.monitor, "/healthz")  # it is behind the other in the backlog
            with contextlib.suppress(ConnectionResetError):
                assert await reader.read() == b""
            writer.close()


class TestWhere:
    async def test_an_address_of_another_program_is_named(self) -> None:
        with short_folder() as folder, socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            with pytest.raises(PortTaken, match=f"127.0.0.1:{port}: Address already in use; .*--monitor"):
                async with running(config(folder, monitor=("127.0.0.1", port))):
                    pass

    async def test_loopback_is_told_and_all_else_warned_of(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.INFO, logger="collab_server.monitoring.endpoint")
        async with monitored() as server:
            assert server.monitor is not None
            assert f"http://127.0.0.1:{server.monitor[1]}" in caplog.text
            assert "no password" not in caplog.text
        async with monitored("0.0.0.0") as server:
            assert (await get(("127.0.0.1", server.monitor[1] if server.monitor else 0), "/healthz")).status
            assert "asks for no password" in caplog.text

    async def test_a_socket_that_was_passed_is_answered_on(self) -> None:
        with short_folder() as folder:
            listening = socket.create_server(("127.0.0.1", 0))
            at = listening.getsockname()
            async with serving(config(folder), passed=PassedSockets(monitor=listening)):
                assert (await get(at, "/readyz")).body == "ready\n"


class TestStopping:
    async def test_it_is_not_ready_while_it_still_serves(self, monkeypatch: pytest.MonkeyPatch) -> None:
        may_close, is_closing, close = asyncio.Event(), asyncio.Event(), Registry.close

        async def closing(registry: Registry, *arguments: object) -> None:
            is_closing.set()
            await may_close.wait()
            await close(registry, *arguments)  # type: ignore[arg-type]

        monkeypatch.setattr(Registry, "close", closing)
        with short_folder() as folder:
            settings = config(folder, monitor=("127.0.0.1", 0))
            async with serving(settings) as (server, stop), joined(server) as ana:
                stop.set()
                await is_closing.wait()
                not_ready = await get(server.monitor, "/readyz")
                assert (not_ready.status, not_ready.body) == (503, "the server is stopping\n")
                assert (await get(server.monitor, "/healthz")).status == http.HTTPStatus.OK
                assert (await get(server.monitor, "/metrics")).status == http.HTTPStatus.OK
                await ana.type("still here")
                await ana.wait_for(Receipt)
                may_close.set()


async def _is_refused(server: Endpoints) -> bool:
    try:
        return (await get(server.monitor, "/healthz")).status != http.HTTPStatus.OK
    except (ConnectionResetError, IndexError):
        return True
