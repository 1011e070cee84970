from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import os
import pwd
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect, unix_connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Subprotocol

from collab_protocol.errors import CollabError, FaultCode, StoreError
from collab_protocol.messages import Batch, Bye, Credential, Fault, Hello, Presence, Receipt, Update
from collab_protocol.presence import Activity, Caret
from collab_protocol.versions import SUBPROTOCOL
from collab_server import app
from collab_server.app import FolderTaken, NotAllowed, PortTaken
from collab_server.config import Caps, ServerConfig
from collab_server.keys import rotate_keys
from collab_server.lock import Endpoints
from collab_server.office.serving import ADMIN_PATH, ADMIN_SUBPROTOCOL
from collab_server.store.sqlite import SqliteStore

from .rooms import hello
from .wire import DEADLINE_S, config, dial, joined, running, short_folder


@pytest.fixture
def folder() -> Iterator[Path]:
    with short_folder() as made:
        yield made


class TestOneServer:
    async def test_a_first_join_over_the_unix_socket(self, folder: Path) -> None:
        async with running(config(folder)) as endpoints, dial(endpoints) as ana:
            sync = await ana.enter(hello("ana"))
            assert ana.welcome is not None
            assert ana.welcome.is_new
            assert ana.welcome.is_durable
            assert (sync.seq, ana.replica.text()) == (0, "")
            n = await ana.type("hello 日🙂")
            assert await ana.wait_for(Receipt) == Receipt(n, 1, alone=True)

    async def test_a_join_over_tcp_on_a_port_that_it_drew(self, folder: Path) -> None:
        async with running(config(folder, port=0, insecure=True)) as endpoints:
            assert endpoints.tcp is not None
            assert endpoints.tcp[1] > 0
            async with joined(endpoints, tcp=True) as ana:
                await ana.type("x")
                assert (await ana.wait_for(Receipt)).seq == 1

    async def test_two_people_see_what_the_other_types_and_where(self, folder: Path) -> None:
        async with (
            running(config(folder)) as endpoints,
            joined(endpoints, "ana") as ana,
            joined(endpoints, "bo") as bo,
        ):
            assert (await ana.wait_for(Presence)).activity is Activity.ACTIVE
            await ana.type("from ana ")
            batch = await bo.wait_for(Batch)
            for _, data in batch.entries:
                bo.replica.apply(data)
            await bo.type("from bo")
            await bo.send(Presence(None, (Caret(3, 5),), 1, Activity.ACTIVE))
            for _, data in (await ana.wait_for(Batch)).entries:
                ana.replica.apply(data)
            seen = await ana.wait_for(Presence)
            assert seen.carets == (Caret(3, 5),)
            assert seen.person is not None
            assert bo.welcome is not None
            assert seen.person.session == bo.welcome.session
            assert ana.replica.text() == bo.replica.text() == "from ana from bo"
            await bo.send(Bye("left", None))
            assert (await ana.wait_for(Presence)).activity is Activity.GONE

    async def test_rooms_do_not_hear_each_other(self, folder: Path) -> None:
        async with (
            running(config(folder)) as endpoints,
            joined(endpoints, "ana", "one") as ana,
            joined(endpoints, "bo", "two") as bo,
        ):
            await ana.type("secret")
            await ana.wait_for(Receipt)
            await bo.type("x")
            await bo.wait_for(Receipt)
            assert [type(message).__name__ for message in bo.heard] == ["Welcome", "Sync", "Receipt"]

    async def test_the_kernel_vouches_for_the_account_behind_a_unix_socket(self, folder: Path) -> None:
        account = pwd.getpwuid(os.getuid()).pw_name
        async with (
            running(config(folder, port=0, insecure=True)) as endpoints,
            joined(endpoints, account) as ana,
            joined(endpoints, "bo", tcp=True) as bo,
        ):
            assert bo.welcome is not None
            people = {p.person.name: p.person.principal for p in bo.welcome.roster if p.person}
            assert people[account] == f"unix:{account}"
            seen = await ana.wait_for(Presence)
            assert seen.person is not None
            assert seen.person.principal.startswith("device:")

    async def test_it_tells_where_it_is_while_it_runs(self, folder: Path) -> None:
        async with running(config(folder, port=0, insecure=True)) as endpoints:
            note = json.loads((folder / "data" / "server.json").read_text())
            assert note["pid"] == os.getpid()
            assert note["unix"] == str(folder / "s.sock")
            assert tuple(note["tcp"]) == endpoints.tcp
            assert stat.S_IMODE((folder / "s.sock").stat().st_mode) == 0o600
        assert not (folder / "data" / "server.json").exists()
        assert not (folder / "s.sock").exists()

    async def test_a_group_gets_its_socket_and_nobody_else(self, folder: Path) -> None:
        group = os.getegid()
        async with running(config(folder, unix_group=group)) as endpoints, joined(endpoints):
            found = (folder / "s.sock").stat()
            assert (stat.S_IMODE(found.st_mode), found.st_gid) == (0o660, group)
        assert not (folder / "s.sock").exists()

    async def test_a_group_that_gets_no_socket_gets_no_server(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(*_: object, **__: object) -> None:
            raise PermissionError(errno.EPERM, "Operation not permitted")

        monkeypatch.setattr(os, "chown", refuse)
        with pytest.raises(StoreError, match=r"cannot give .*s\.sock to its group: Operation not permitted"):
            await serve_in_time(config(folder, unix_group=1))
        assert not (folder / "s.sock").exists()

    async def test_a_server_in_memory_says_so_and_stores_nothing(self, folder: Path) -> None:
        async with running(config(folder, memory=True)) as endpoints, joined(endpoints) as ana:
            assert ana.welcome is not None
            assert not ana.welcome.is_durable
            await ana.type("x")
            await ana.wait_for(Receipt)
        assert not list((folder / "data").glob("*.sqlite3"))

    async def test_it_ends_by_itself_when_nobody_is_here(self, folder: Path) -> None:
        stop = asyncio.Event()
        async with asyncio.timeout(DEADLINE_S):
            await app.serve(config(folder, idle_exit_s=0.05), stop=stop)
        assert not (folder / "data" / "server.json").exists()

    async def test_it_stays_while_somebody_is_here(self, folder: Path) -> None:
        settings = config(folder, idle_exit_s=0.05)
        stop = asyncio.Event()
        ready: asyncio.Future[Endpoints] = asyncio.get_running_loop().create_future()
        serving = asyncio.create_task(app.serve(settings, ready=ready.set_result, stop=stop))
        async with joined(await ready) as ana:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(1.0):
                    await asyncio.shield(serving)
            await ana.type("x")
            await ana.wait_for(Receipt)
        async with asyncio.timeout(DEADLINE_S):
            await serving


class TestRestart:
    async def test_what_was_typed_is_there_again(self, folder: Path) -> None:
        async with running(config(folder)) as endpoints, joined(endpoints) as ana:
            for text in ("one ", "two ", "日🙂"):
                await ana.type(text)
            while (await ana.wait_for(Receipt)).n < 3:
                pass
            before = ana.welcome
        async with running(config(folder)) as endpoints, joined(endpoints) as ana:
            assert ana.replica.text() == "one two 日🙂"
            assert ana.welcome is not None
            assert before is not None
            assert not ana.welcome.is_new
            assert (ana.welcome.lineage, ana.welcome.epoch) == (before.lineage, before.epoch)

    async def test_stopping_receipts_what_came_then_says_when_to_come_back(self, folder: Path) -> None:
        stop = asyncio.Event()
        ready: asyncio.Future[Endpoints] = asyncio.get_running_loop().create_future()
        serving = asyncio.create_task(app.serve(config(folder), ready=ready.set_result, stop=stop))
        async with joined(await ready) as ana:
            for number in range(50):
                await ana.type(f"{number} ")
            await ana.wait_for(Receipt)
            stop.set()
            code, _ = await ana.closed()
            assert code == 1012
            bye = ana.heard[-1]
            assert isinstance(bye, Bye)
            assert bye.retry_ms is not None
            receipted = max(message.n for message in ana.heard if isinstance(message, Receipt))
        async with asyncio.timeout(DEADLINE_S):
            await serving
        async with running(config(folder)) as endpoints, joined(endpoints) as ana:
            assert ana.replica.text().split()[:receipted] == [str(number) for number in range(receipted)]

    async def test_a_kill_loses_nothing_that_was_receipted(self, folder: Path) -> None:
        program = (
            "import asyncio, pathlib, sys\n"
            "from collab_server.app import serve\n"
            "from collab_server.config import ServerConfig\n"
            "root = pathlib.Path(sys.argv[1])\n"
            "config = ServerConfig(root / 'data', root / 's.sock', None, None, False, False, None, 'test')\n"
            "async def main():\n"
            "    await serve(config, ready=lambda _: print('ready', flush=True), stop=asyncio.Event())\n"
            "asyncio.run(main())\n"
        )
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
        endpoints = Endpoints("", (), 0, str(folder / "s.sock"), None, 0.0)
        typed = receipted = 0
        for _ in range(3):
            with subprocess.Popen(
                [sys.executable, "-c", program, str(folder)], stdout=subprocess.PIPE, env=environment
            ) as server:
                assert server.stdout is not None
                assert await asyncio.to_thread(server.stdout.readline) == b"ready\n"
                async with joined(endpoints) as ana:
                    words = ana.replica.text().split()
                    assert words[:receipted] == [f"w{number}" for number in range(receipted)]
                    typed = len(words)
                    for _ in range(40):
                        await ana.type(f"w{typed} ")
                        typed += 1
                    receipted = len(words) + (await ana.wait_for(Receipt)).n
                    server.send_signal(signal.SIGKILL)
                    await asyncio.to_thread(server.wait, DEADLINE_S)
        async with running(config(folder)) as endpoints, joined(endpoints) as ana:
            words = ana.replica.text().split()
            assert words == [f"w{number}" for number in range(len(words))]
            assert len(words) >= receipted


async def serve_in_time(settings: ServerConfig) -> None:
    """Serve what should be refused: one that is not does not hang the tests."""
    async with asyncio.timeout(DEADLINE_S):
        await app.serve(settings, stop=asyncio.Event())


class TestRefusals:
    async def test_a_folder_that_another_server_holds(self, folder: Path) -> None:
        async with running(config(folder)):
            with pytest.raises(FolderTaken):
                await serve_in_time(config(folder, unix_path=folder / "t.sock"))

    async def test_a_port_that_is_taken(self, folder: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            with pytest.raises(PortTaken, match=str(port)):
                await serve_in_time(config(folder, port=port, insecure=True))
        async with running(config(folder)):
            pass

    @pytest.mark.parametrize(
        ("host", "insecure"), [(None, False), ("0.0.0.0", True), ("192.0.2.1", True), ("::", True)]
    )
    async def test_tcp_for_strangers(self, folder: Path, host: str | None, insecure: bool) -> None:
        with pytest.raises(NotAllowed):
            await serve_in_time(config(folder, host=host, port=0, insecure=insecure))
        assert not (folder / "data").exists()

    async def test_a_store_of_a_newer_collab(self, folder: Path) -> None:
        SqliteStore(folder / "data" / "rooms.sqlite3").close()
        store = SqliteStore(folder / "data" / "rooms.sqlite3")
        store._db.execute("PRAGMA user_version = 99")
        store.close()
        with pytest.raises(StoreError, match="newer"):
            await serve_in_time(config(folder))

    async def test_a_socket_path_that_is_a_file_of_somebodys(self, folder: Path) -> None:
        (folder / "s.sock").write_text("precious")
        with pytest.raises(CollabError, match=r"s\.sock"):
            await serve_in_time(config(folder))
        assert (folder / "s.sock").read_text() == "precious"

    async def test_a_socket_that_another_server_listens_on(self, folder: Path) -> None:
        async with running(config(folder)) as endpoints:
            with pytest.raises(CollabError, match=r"s\.sock"):
                await serve_in_time(config(folder, data_dir=folder / "other"))
            async with joined(endpoints):
                pass

    async def test_a_socket_that_a_dead_server_left_is_replaced(self, folder: Path) -> None:
        with socket.socket(socket.AF_UNIX) as left:
            left.bind(str(folder / "s.sock"))
        async with running(config(folder)) as endpoints, joined(endpoints):
            pass

    async def test_a_socket_path_that_is_too_long(self, folder: Path) -> None:
        with pytest.raises(StoreError, match="too long"):
            await serve_in_time(config(folder, unix_path=folder / ("x" * 100)))


class TestHandshake:
    @pytest.mark.parametrize(
        ("path", "headers", "subprotocols", "status"),
        [
            ("/rooms/notes", {"Origin": "http://localhost"}, [SUBPROTOCOL], 403),
            ("/rooms/notes", {"Origin": "null"}, [SUBPROTOCOL], 403),
            ("/", {}, [SUBPROTOCOL], 404),
            ("/yjs/notes", {}, [SUBPROTOCOL], 404),
            ("/rooms/", {}, [SUBPROTOCOL], 404),
            ("/rooms/..", {}, [SUBPROTOCOL], 404),
            ("/rooms/a/b", {}, [SUBPROTOCOL], 404),
            ("/rooms/notes", {}, None, 400),
            ("/rooms/notes", {}, ["collab.v9"], 400),
        ],
    )
    async def test_what_no_client_of_ours_sends_is_refused(
        self, folder: Path, path: str, headers: dict[str, str], subprotocols: list[str] | None, status: int
    ) -> None:
        async with running(config(folder, port=0, insecure=True)) as endpoints:
            assert endpoints.tcp is not None
            with pytest.raises(InvalidStatus) as refused:
                await connect(
                    f"ws://127.0.0.1:{endpoints.tcp[1]}{path}",
                    additional_headers=headers,
                    subprotocols=None if subprotocols is None else [Subprotocol(s) for s in subprotocols],
                )
            assert refused.value.response.status_code == status
            body = (refused.value.response.body or b"").decode()
            assert len(body.strip().splitlines()) == 1

    async def test_no_room_is_made_by_being_refused(self, folder: Path) -> None:
        async with running(config(folder, port=0, insecure=True)) as endpoints:
            assert endpoints.tcp is not None
            with pytest.raises(InvalidStatus):
                await connect(f"ws://127.0.0.1:{endpoints.tcp[1]}/rooms/a/b")
        store = SqliteStore(folder / "data" / "rooms.sqlite3")
        assert store.room_names() == []
        store.close()


async def ask(endpoints: Endpoints, **request: Any) -> dict[str, Any]:
    """Ask the server's office for something."""
    async with unix_connect(
        endpoints.unix, f"ws://localhost{ADMIN_PATH}", subprotocols=[Subprotocol(ADMIN_SUBPROTOCOL)]
    ) as office:
        await office.send(json.dumps(request))
        async with asyncio.timeout(DEADLINE_S):
            answer: dict[str, Any] = json.loads(await office.recv())
    assert "ok" in answer, answer
    made: dict[str, Any] = answer["ok"]
    return made


def with_token(name: str, token: str) -> Hello:
    return replace(hello(name), token=token)


class TestAccess:
    @pytest.fixture
    def settings(self, folder: Path) -> ServerConfig:
        return config(folder, port=0, auth=True)

    async def test_nobody_comes_in_over_tcp_without_a_token(self, settings: ServerConfig) -> None:
        async with running(settings) as endpoints, dial(endpoints, tcp=True) as ana:
            await ana.send(hello("ana"))
            fault = await ana.wait_for(Fault)
            assert (fault.code, fault.retry_ms) == (FaultCode.DENIED, None)
            assert stat.S_IMODE(settings.keys_file.stat().st_mode) == 0o600

    async def test_an_invite_is_exchanged_for_a_credential(self, settings: ServerConfig) -> None:
        async with running(settings) as endpoints:
            token = (await ask(endpoints, do="invite", room="notes"))["token"]
            async with dial(endpoints, tcp=True) as ana:
                await ana.enter(with_token("ana", token))
                (credential,) = [each for each in ana.heard if isinstance(each, Credential)]
            async with dial(endpoints, tcp=True) as ana:
                await ana.enter(with_token("ana", credential.token))
        # The key outlives the server.
        async with running(settings) as endpoints, dial(endpoints, tcp=True) as ana:
            await ana.enter(with_token("ana", credential.token))

    async def test_a_session_ends_when_its_token_does(self, settings: ServerConfig) -> None:
        async with running(settings) as endpoints:
            token = (await ask(endpoints, do="invite", room="notes", expires_s=1.0))["token"]
            async with dial(endpoints, tcp=True) as ana:
                await ana.enter(with_token("ana", token))
                assert (await ana.wait_for(Fault)).code is FaultCode.DENIED

    async def test_a_session_ends_when_its_access_is_taken_back(self, settings: ServerConfig) -> None:
        async with running(settings) as endpoints:
            made = await ask(endpoints, do="invite", room="notes")
            async with dial(endpoints, tcp=True) as ana, joined(endpoints, "bo") as bo:
                await ana.enter(with_token("ana", made["token"]))
                assert await ask(endpoints, do="revoke", id=made["id"]) == {"ended": 1}
                assert (await ana.wait_for(Fault)).code is FaultCode.DENIED
                await bo.type("x")
                await bo.wait_for(Receipt)

    async def test_keys_are_read_again_when_asked_for(
        self, settings: ServerConfig, caplog: pytest.LogCaptureFixture
    ) -> None:
        reload = asyncio.Event()

        async def read_again() -> None:
            reload.set()
            async with asyncio.timeout(DEADLINE_S):
                while reload.is_set():
                    await asyncio.sleep(0.01)

        async with running(settings, reload=reload) as endpoints:
            before = (await ask(endpoints, do="invite", room="notes"))["token"]
            rotate_keys(settings.keys_file)
            rotate_keys(settings.keys_file)
            await read_again()
            after = (await ask(endpoints, do="invite", room="notes"))["token"]
            async with dial(endpoints, tcp=True) as ana:
                await ana.send(with_token("ana", before))
                assert (await ana.wait_for(Fault)).code is FaultCode.DENIED
            settings.keys_file.write_text("junk")
            await read_again()
            assert "keys of before stay in use" in caplog.text
            async with dial(endpoints, tcp=True) as ana:
                await ana.enter(with_token("ana", after))
            settings.keys_file.unlink()
            await read_again()
            assert not settings.keys_file.exists(), "new ones would void what people have"
            async with dial(endpoints, tcp=True) as ana:
                await ana.enter(with_token("ana", after))


@pytest.mark.parametrize(("accepts_per_s", "over_ms"), [(200.0, 2_000), (0.001, 6_000_000)])
async def test_those_who_are_sent_away_come_back_as_fast_as_is_taken(
    folder: Path, accepts_per_s: float, over_ms: int
) -> None:
    async with contextlib.AsyncExitStack() as stack:
        settings = config(folder, caps=Caps(accepts_per_s=accepts_per_s))
        clients = []
        async with running(settings) as endpoints:
            for name in ("ana", "bo", "cy"):
                clients.append(await stack.enter_async_context(joined(endpoints, name)))
        hints = [(await each.wait_for(Bye)).retry_ms for each in clients]
    drawn = [hint for hint in hints if hint is not None]
    assert len(drawn) == 3
    assert len(set(drawn)) > 1, "one in four million draws the same three times"
    assert all(0 <= hint <= over_ms for hint in drawn)
    assert max(drawn) > over_ms / 1000, "one in a thousand million draws three below this"


async def test_a_certificate_that_cannot_be_read_is_told_before_anything_is_made(folder: Path) -> None:
    with pytest.raises(StoreError, match=r"no\.pem cannot be read"):
        await serve_in_time(config(folder, port=0, insecure=True, tls_cert=folder / "no.pem"))
    assert not (folder / "data").exists()


async def test_a_reader_that_stalls_holds_up_neither_the_others_nor_the_end(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "_DRAIN_S", 0.3)
    stop = asyncio.Event()
    ready: asyncio.Future[Endpoints] = asyncio.get_running_loop().create_future()
    serving = asyncio.create_task(app.serve(config(folder), ready=ready.set_result, stop=stop))
    endpoints = await ready
    async with joined(endpoints, "ana") as ana:
        await ana.type("x" * 4_000_000)
        await ana.wait_for(Receipt)
        async with dial(endpoints, max_queue=1) as stalled:
            await stalled.send(hello("bo"))
            await ana.wait_for(Presence)
            for _ in range(20):
                n = await ana.type("y")
                assert (await ana.wait_for(Receipt)).n == n
            stop.set()
            assert (await ana.closed())[0] == 1012
            async with asyncio.timeout(DEADLINE_S):
                await serving
            left = {task.get_name() for task in asyncio.all_tasks()} & {"read", "write", "watch", "join"}
            assert not left, "the server ended, and so did all that it had started"


async def test_an_update_after_the_goodbye_is_not_heard(folder: Path) -> None:
    async with running(config(folder)) as endpoints:
        async with joined(endpoints) as ana:
            await ana.send(Bye("left", None))
            await ana.send(Update(1, b"junk"))
            code, _ = await ana.closed()
            assert code == 1000
        async with joined(endpoints) as ana:
            assert ana.replica.text() == ""
