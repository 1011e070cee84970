"""Commands for a server elsewhere: a token is shown to it, and what it gives in exchange is kept."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import pytest
from websockets.sync.server import ServerConnection, serve
from websockets.typing import Subprotocol

from collab_cli.credentials import Credentials, Stored
from collab_cli.main import run
from collab_cli.office.office import ask, asker
from collab_cli.paths import find_folders
from collab_cli.settings.flags import OperatorFlags
from collab_server.lock import Endpoints
from tests.unit.collab_server.certificates import Authority
from tests.unit.collab_server.wire import config, running, short_folder

Output = pytest.CaptureFixture[str]


class Running:
    """A server that wants tokens, in a thread of its own; `url` is where it is reached."""

    def __init__(self, home: Path, **changes: Any) -> None:
        self.home = home
        self._changes = {"port": 0, "auth": "insecure" not in changes, **changes}
        self._stop: asyncio.Event
        self._loop: asyncio.AbstractEventLoop
        self._is_ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))
        self._endpoints: Endpoints

    async def _run(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        async with running(config(self.home, **self._changes)) as self._endpoints:
            self._is_ready.set()
            await self._stop.wait()

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._is_ready.wait(20)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(20)
        assert not self._thread.is_alive()

    @property
    def url(self) -> str:
        assert self._endpoints.tcp is not None
        scheme = "wss" if "tls_cert" in self._changes else "ws"
        return f"{scheme}://127.0.0.1:{self._endpoints.tcp[1]}"

    def do(self, name: str, **fields: Any) -> dict[str, Any]:
        """Ask as its owner."""
        return ask(OperatorFlags(data_dir=self.home / "data"), {"do": name, **fields})


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Another machine than the server's: its own home."""
    with short_folder() as home:
        monkeypatch.setenv("COLLAB_HOME", str(home))
        monkeypatch.delenv("COLLAB_TOKEN", raising=False)
        yield home


@pytest.fixture
def server() -> Iterator[Running]:
    with short_folder() as home, Running(home) as server:
        yield server


def kept(home: Path) -> dict[str, Any]:
    (file,) = home.rglob("credentials.json")
    assert file.stat().st_mode & 0o777 == 0o600
    servers: dict[str, Any] = json.loads(file.read_text())["servers"]
    (rooms,) = servers.values()
    return dict(rooms)


def test_a_token_is_exchanged_once_and_what_came_of_it_is_kept(
    elsewhere: Path, server: Running, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLLAB_TOKEN", server.do("token")["token"])
    assert run(["admin", "--server", server.url, "sessions", "--json"]) == 0
    assert capsys.readouterr().out == "[]\n"
    assert list(kept(elsewhere)) == ["*"]
    before = kept(elsewhere)
    assert (
        run(["rooms", "--server", server.url, "--json"]) == 0
    )  # the variable was taken; the kept one is shown
    assert run(["admin", "limits", "connections=77", "--server", server.url]) == 0
    assert server.do("limits")["limits"]["connections"]["limit"] == 77
    assert kept(elsewhere) == before
    capsys.readouterr()
    assert run(["admin", "--server", server.url, "token"]) == 3
    assert "for the owner of the server, on its own machine" in capsys.readouterr().err
    (invite,) = server.do("invites")["invites"]
    server.do("revoke", id=invite["id"])
    assert run(["rooms", "--server", server.url]) == 3
    assert capsys.readouterr().err == f"collab: {server.url} does not let you ask: access was taken back\n"


def test_an_admin_of_a_room_makes_and_revokes_invites_of_it(
    elsewhere: Path, server: Running, capsys: Output, tmp_path: Path
) -> None:
    link = server.do("invite", room="notes", role="admin")["link"]
    (tmp_path / "token").write_text(link)
    (tmp_path / "token").chmod(0o600)
    at = ["--server", server.url]
    assert run(["invites", "notes", *at, "--token-file", str(tmp_path / "token"), "--json"]) == 0
    (own,) = json.loads(capsys.readouterr().out)
    assert list(kept(elsewhere)) == ["notes"]
    assert run(["invite", "notes", *at, "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert made["link"].startswith(f"{server.url}/notes#")
    assert run(["who", "notes", *at]) == 0
    assert run(["revoke", made["id"], *at, "--room", "notes"]) == 0
    states = {each["id"]: each["state"] for each in server.do("invites")["invites"]}
    assert states == {own["id"]: "used", made["id"]: "revoked"}
    capsys.readouterr()
    # For another room, and for what is no room's, there is nothing kept to show.
    assert run(["who", "agenda", *at]) == 2
    assert run(["rooms", *at]) == 2
    assert "wants a token: make one on its machine" in capsys.readouterr().err


def test_one_link_answers_again_and_again(elsewhere: Path, server: Running) -> None:
    file = elsewhere / "token"
    file.write_text(server.do("token")["token"])
    file.chmod(0o600)
    asks = asker(OperatorFlags(server=server.url, token_file=str(file)))
    assert [asks({"do": "rooms", "after": after})["rooms"] for after in ("", "a")] == [[], []]


def test_certificates_are_checked(elsewhere: Path, capsys: Output, monkeypatch: pytest.MonkeyPatch) -> None:
    with short_folder() as home:
        authority = Authority(home)
        pair = authority.issue()
        with Running(home, tls_cert=pair.cert, tls_key=pair.key) as server:
            monkeypatch.setenv("COLLAB_TOKEN", server.do("token")["token"])
            assert run(["rooms", "--server", server.url]) == 3
            assert "certificate not trusted" in capsys.readouterr().err
            monkeypatch.setenv("COLLAB_TOKEN", server.do("token")["token"])
            monkeypatch.setenv("SSL_CERT_FILE", str(authority.write_root()))
            assert run(["rooms", "--server", server.url, "--json"]) == 0


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["rooms", "--server", "ws://example.org"], 2, "is not encrypted: use wss://, or --insecure"),
        (["rooms", "--server", "example.org"], 2, "is no address of a collab server"),
        (["rooms", "--server", "wss://example.org/notes"], 2, "is more than a server"),
        (["rooms", "--server", "wss://example.org"], 2, "wss://example.org wants a token"),
        (["rooms", "--token-file", "x"], 2, "--token-file and --insecure are for a server elsewhere"),
        (["rooms", "--server", "wss://example.org", "--data-dir", "/x"], 2, "--data-dir is for a server on"),
        (
            ["admin", "--server", "wss://example.org", "bans", "--data-dir", "/x"],
            2,
            "--data-dir is for a server",
        ),
        (["admin", "bans", "--server=ws://example.org"], 2, "is not encrypted: use wss://, or --insecure"),
        (["admin", "bans", "--server"], 2, "requires an argument"),
        (["admin", "kick", "--", "notes", "--server"], 3, "no server has kept anything"),
        (["rooms", "--server", "unix:///nowhere.sock"], 4, "nothing answers at unix:///nowhere.sock"),
    ],
)
def test_what_does_not_go_is_said(
    elsewhere: Path, capsys: Output, arguments: list[str], code: int, words: str
) -> None:
    assert run(arguments) == code
    assert words in capsys.readouterr().err


def test_nothing_is_shown_to_one_who_does_not_answer(
    elsewhere: Path, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLLAB_TOKEN", "ci1.a.b.c")
    assert run(["rooms", "--server", "ws://127.0.0.1:9"]) == 4
    assert capsys.readouterr().err.startswith("collab: nothing answers at ws://127.0.0.1:9")


def test_a_server_that_asks_nobody_for_tokens(
    elsewhere: Path, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    with short_folder() as home, Running(home, insecure=True) as server:
        monkeypatch.setenv("COLLAB_TOKEN", "ci1.a.b.c")
        assert run(["rooms", "--server", server.url]) == 3
        assert "only its owner may ask, on its own machine" in capsys.readouterr().err


def test_a_socket_that_is_named(elsewhere: Path, server: Running, capsys: Output) -> None:
    assert run(["rooms", "--server", f"unix://{server.home / 's.sock'}", "--json"]) == 0
    assert capsys.readouterr().out == "[]\n"


@contextlib.contextmanager
def hostile(*answers: str) -> Iterator[str]:
    """A server that says these, whatever it hears."""

    def attend(websocket: ServerConnection) -> None:
        for answer in answers:
            websocket.recv(timeout=10)
            websocket.send(answer)

    with serve(attend, "127.0.0.1", 0, subprotocols=[Subprotocol("collab.admin.v1")]) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"ws://127.0.0.1:{server.socket.getsockname()[1]}"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(
    "given",
    [
        {"token": "no token"},
        {"token": 5},
        {"token": ""},
        {"token": "cc1.a.b.c", "expires": "soon"},
        {"token": "cc1.a.b.c", "expires": float("nan")},
        {"token": "cc1.a.b.c", "room": {}},
        {"token": "cc1.a.b.c", "room": "../notes"},
    ],
)
def test_what_cannot_be_read_again_is_not_kept(
    elsewhere: Path, capsys: Output, monkeypatch: pytest.MonkeyPatch, given: dict[str, Any]
) -> None:
    credentials = Credentials(find_folders({"COLLAB_HOME": str(elsewhere)}).credentials_file)
    credentials.save("wss://example.org", "notes", Stored("cc1.x.y.z", None))
    monkeypatch.setenv("COLLAB_TOKEN", "ci1.a.b.c")
    with hostile(json.dumps({"ok": {"room": None, **given}})) as url:
        assert run(["rooms", "--server", url]) == 3
    assert "makes no sense" in capsys.readouterr().err
    assert credentials.find("wss://example.org", "notes") == Stored("cc1.x.y.z", None)
    assert credentials.complaints == []


@pytest.mark.parametrize("answers", [["[" * 100_000], ['{"ok": {}}', '{"ok":' + "[" * 100_000]])
def test_an_answer_without_end_is_no_crash(
    elsewhere: Path, capsys: Output, monkeypatch: pytest.MonkeyPatch, answers: list[str]
) -> None:
    monkeypatch.setenv("COLLAB_TOKEN", "ci1.a.b.c")
    with hostile(*answers) as url:
        assert run(["rooms", "--server", url]) == 3
    assert "makes no sense" in capsys.readouterr().err


@pytest.mark.parametrize("command", [["invite", "notes"], ["admin", "token"]])
def test_a_server_says_nothing_that_a_terminal_obeys(
    elsewhere: Path, capsys: Output, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    made = dict.fromkeys(("token", "server", "id"), "\x1b]0;") | {
        "link": "ws://example.org/\x1b[2J",
        "expires": 1,
        "use_by": 1,
    }
    monkeypatch.setenv("COLLAB_TOKEN", "ci1.a.b.c")
    with hostile('{"ok": {}}', json.dumps({"ok": made})) as url:
        assert run([*command, "--server", url]) == 0
    out, err = capsys.readouterr()
    assert out
    assert "\x1b" not in out + err
