"""A server that a test speaks for: answers what `collab` asks for over a Unix socket, and remembers it."""

from __future__ import annotations

import contextlib
import http
import json
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from websockets.http11 import Request, Response
from websockets.sync.server import ServerConnection, unix_serve
from websockets.typing import Subprotocol

from collab_protocol.versions import VERSIONS

Answer = dict[str, Any] | str | None
"""What is said to a request: an object; a text as it is; None: the link is closed."""


class FakeOffice:
    """`asked` is what was asked; `answer` makes the answer of it; `status` refuses the handshake."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.answer: Callable[[dict[str, Any]], Answer] = lambda request: {"ok": {}}
        self.status: http.HTTPStatus | None = None
        self.paths: list[str] = []

    def serve(self, websocket: ServerConnection) -> None:
        request = json.loads(websocket.recv(timeout=10))
        self.asked.append(request)
        answer = self.answer(request)
        if answer is not None:
            websocket.send(answer if isinstance(answer, str) else json.dumps(answer))

    def check(self, connection: ServerConnection, request: Request) -> Response | None:
        self.paths.append(request.path)
        return None if self.status is None else connection.respond(self.status, "only the owner may\n")


@contextlib.contextmanager
def fake_office(data_dir: Path, socket: Path) -> Iterator[FakeOffice]:
    """Yield a server of `data_dir`, as its server.json says, that listens on `socket`."""
    office = FakeOffice()
    data_dir.mkdir(parents=True, exist_ok=True)
    note = {
        "version": "0.0.1",
        "protocol": VERSIONS,
        "pid": os.getpid(),
        "unix": str(socket),
        "tcp": None,
        "started": 0.0,
    }
    (data_dir / "server.json").write_text(json.dumps(note))
    with unix_serve(
        office.serve,
        str(socket),
        subprotocols=[Subprotocol("collab.admin.v1")],
        process_request=office.check,
    ) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield office
        finally:
            server.shutdown()
            thread.join()
