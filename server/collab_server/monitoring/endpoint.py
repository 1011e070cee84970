"""Health checks and metrics over HTTP, on an address of their own: /healthz, /readyz, /metrics.

Without a password, so what it says is not secret: numbers, and no name of anybody or of any room. One
request a connection, of which the head alone is read, within a deadline; connections are few.
"""

from __future__ import annotations

import asyncio
import contextlib
import http
import logging
import os
import re
import socket
from collections.abc import AsyncIterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final

from collab_server.log_fields import Kind, about
from collab_server.monitoring.exposition import Exposition
from collab_server.monitoring.figures import Figures
from collab_server.monitoring.health import Health
from collab_server.peers import is_loopback
from collab_server.unix_socket import PortTaken

_log = logging.getLogger(__name__)

_DEADLINE_S: Final = 5.0
"""For a request and its answer together."""

_HEAD_BYTES: Final = 8 * 1024
_CONNECTIONS: Final = 32
"""For one more, the oldest that asked for nothing yet is ended: scrapers and probes ask at once."""

_REQUEST: Final = re.compile(r"([A-Z]{1,16}) (/[!-~]*) HTTP/1\.[01]")
_PLAIN: Final = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Page:
    """What a request is answered with."""

    status: http.HTTPStatus
    body: bytes
    content_type: str = _PLAIN
    headers: Mapping[str, str] = field(default_factory=dict)


class Endpoint:
    """Answers requests about one server."""

    def __init__(self, figures: Figures, health: Health) -> None:
        self._figures = figures
        self._health = health
        self._exposition = Exposition()
        # Of its own: whoever waits for a disk that hangs may hold all others, and then it is asked most.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="metrics")
        self._open: dict[asyncio.StreamWriter, asyncio.Task[None] | None] = {}
        self._unheard: dict[asyncio.StreamWriter, None] = {}

    async def attend(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take one connection from its request to its end."""
        if len(self._open) >= _CONNECTIONS and not self._end_a_silent_one():
            writer.transport.abort()
            return
        self._open[writer] = asyncio.current_task()
        self._unheard[writer] = None
        try:
            async with asyncio.timeout(_DEADLINE_S):
                await self._answer(reader, writer)
                writer.close()
                await writer.wait_closed()
        except (TimeoutError, OSError, EOFError):
            pass
        finally:
            writer.transport.abort()
            self._forget(writer)

    async def end(self) -> None:
        """End the connections that there are."""
        for writer in list(self._open):
            writer.transport.abort()
        while tasks := [task for task in self._open.values() if task is not None]:
            await asyncio.wait(tasks)
        self._thread.shutdown(wait=False)

    def _end_a_silent_one(self) -> bool:
        """Return whether there was one."""
        oldest = next(iter(self._unheard), None)
        if oldest is None:
            return False
        oldest.transport.abort()
        self._forget(oldest)
        return True

    def _forget(self, writer: asyncio.StreamWriter) -> None:
        self._open.pop(writer, None)
        self._unheard.pop(writer, None)

    async def page(self, method: str, target: str, accept: str) -> Page:
        """Return what is answered to a request."""
        if method not in ("GET", "HEAD"):
            return _line(http.HTTPStatus.METHOD_NOT_ALLOWED, "only GET and HEAD", {"Allow": "GET, HEAD"})
        match target.partition("?")[0]:
            case "/healthz":
                return _line(http.HTTPStatus.OK, "ok")
            case "/readyz":
                if why := self._health.why_not_ready():
                    return _line(http.HTTPStatus.SERVICE_UNAVAILABLE, why)
                return _line(http.HTTPStatus.OK, "ready")
            case "/metrics":
                survey = await self._figures.survey()
                loop = asyncio.get_running_loop()
                body, content_type = await loop.run_in_executor(
                    self._thread, self._exposition.encode, survey, accept
                )
                return Page(http.HTTPStatus.OK, body, content_type)
            case _:
                return _line(http.HTTPStatus.NOT_FOUND, "there are /healthz, /readyz and /metrics")

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        method = ""
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            self._unheard.pop(writer, None)
        except asyncio.LimitOverrunError:
            page = _line(http.HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "that is too long a request")
        else:
            first, *lines = head.split("\r\n")
            found = _REQUEST.fullmatch(first)
            if found is None:
                page = _line(http.HTTPStatus.BAD_REQUEST, "that is no request")
            else:
                method = found[1]
                try:
                    page = await self.page(method, found[2], _header(lines, "accept"))
                except Exception:
                    path, fields = found[2].partition("?")[0][:40], about(kind=Kind.FAILED)
                    _log.exception("a request for %s failed", path, extra=fields)
                    page = _line(http.HTTPStatus.INTERNAL_SERVER_ERROR, "the server failed; its log says why")
        if writer.transport.is_closing():
            return  # uvloop raises what is no OSError
        writer.write(_head(page) + (b"" if method == "HEAD" else page.body))
        await writer.drain()


@contextlib.asynccontextmanager
async def serve_monitoring(
    address: tuple[str, int], figures: Figures, health: Health, *, sock: socket.socket | None = None
) -> AsyncIterator[tuple[str, int]]:
    """Answer on `address`, or on `sock` that listens already; gives where that is.

    Raises:
        PortTaken: somebody else listens there, or it is no address of this machine.
    """
    endpoint = Endpoint(figures, health)
    host, port = address
    try:
        if sock is None:
            server = await asyncio.start_server(endpoint.attend, host, port, limit=_HEAD_BYTES)
        else:
            server = await asyncio.start_server(endpoint.attend, sock=sock, limit=_HEAD_BYTES)
    except OSError as error:
        # asyncio puts a sentence of its own into `strerror`.
        number = error.errno or 0
        why = os.strerror(number) if number > 0 else error.strerror or error
        raise PortTaken(f"cannot listen on {host}:{port}: {why}; choose another with --monitor") from error
    at = [each.getsockname()[:2] for each in server.sockets if each.family is not socket.AF_UNIX]
    for where in at:
        _tell(*where)
    try:
        yield (host, at[0][1]) if at and sock is None else at[0] if at else address
    finally:
        server.close()
        await endpoint.end()
        await server.wait_closed()


def _tell(host: str, port: int) -> None:
    shown = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    _log.info("health and metrics on %s", shown)
    if not is_loopback(host):
        _log.warning("%s asks for no password: whoever reaches it sees how busy this server is", shown)


def _line(status: http.HTTPStatus, text: str, headers: Mapping[str, str] | None = None) -> Page:
    return Page(status, f"{text}\n".encode(), headers=headers or {})


def _head(page: Page) -> bytes:
    headers = {
        "Content-Type": page.content_type,
        "Content-Length": str(len(page.body)),
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
        "Connection": "close",
        **page.headers,
    }
    lines = [f"HTTP/1.1 {page.status.value} {page.status.phrase}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def _header(lines: list[str], name: str) -> str:
    """Return all values of a header, as one list."""
    fields = (line.partition(":") for line in lines)
    return ", ".join(value.strip() for said, _, value in fields if said.strip().lower() == name)
