"""Tests of `collab_cli.local_server`: one server for one folder, started once, by whoever comes first."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from collab_cli import __version__, local_server
from collab_cli.local_server import LocalServer, read_endpoints
from collab_cli.paths import Folders, find_folders, make_folder
from collab_protocol.errors import LinkError

DEADLINE_S = 30.0


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Folders]:
    """Folders of our own; a server left in them is ended."""
    monkeypatch.setenv("COLLAB_HOME", str(tmp_path))
    monkeypatch.setenv("COLLAB_IDLE_EXIT_S", "20")
    folders = find_folders(os.environ)
    yield folders
    if (running := read_endpoints(folders.data)) is not None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(running.pid, signal.SIGTERM)


def note(folders: Folders, **changes: object) -> None:
    folders.data.mkdir(parents=True, exist_ok=True)
    found = {
        "version": "0.1.0",
        "protocol": [1],
        "pid": 2**22 + 1,  # nobody's
        "unix": str(folders.run() / "x.sock"),
        "tcp": None,
        "started": 0.0,
    }
    (folders.data / "server.json").write_text(json.dumps({**found, **changes}))


def local(folders: Folders, *command: str, version: str = __version__) -> LocalServer:
    return LocalServer(
        folders.data,
        private_socket=folders.run() / "private.sock",
        output_file=folders.logs / "server.out",
        command=command or None,
        version=version,
    )


async def nobody(_: Path) -> str:
    try:
        raise ConnectionRefusedError
    except ConnectionRefusedError as error:
        raise LinkError("nothing answers") from error


def wait_for_exit(child: subprocess.Popen[str]) -> int:
    with child:
        return child.wait(DEADLINE_S)


def test_two_first_joins_at_one_instant_start_one_server(folders: Folders) -> None:
    paths = (folders.data, folders.socket(folders.data, is_private=True), folders.logs / "server.out")
    joins = [
        subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("reach.py")), *map(str, paths)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )
        for _ in range(2)
    ]
    pids = []
    for question in ("ready", "pid"):
        for join in joins:
            assert join.stdin is not None
            assert join.stdout is not None
            if question == "ready":
                assert join.stdout.readline() == "ready\n"
            else:
                pids.append(join.stdout.readline().strip())
        for join in joins:
            assert join.stdin is not None
            join.stdin.write("go on\n")
    assert [wait_for_exit(join) for join in joins] == [0, 0]
    assert pids[0] == pids[1]
    log = (folders.logs / "server.log").read_text()
    assert log.count(": serving ") == 1
    running = read_endpoints(folders.data)
    assert running is not None
    assert str(running.pid) == pids[0]
    assert os.getsid(running.pid) == running.pid


async def test_a_running_server_is_used(folders: Folders) -> None:
    note(folders)

    async def open_socket(path: Path) -> Path:
        return path

    assert await local(folders, "/bin/false").reach(open_socket) == folders.run() / "x.sock"


async def test_a_dead_servers_note_is_no_server(folders: Folders) -> None:
    note(folders)
    with pytest.raises(LinkError, match="exit code 1"):
        await local(folders, "/bin/false").reach(nobody)


async def test_a_server_that_cannot_start_names_its_reason_and_its_log(folders: Folders) -> None:
    with pytest.raises(LinkError, match=r"exit code 1; its log is .*server\.log"):
        await local(folders, "/bin/false").reach(nobody)
    with pytest.raises(LinkError, match=r"server: the disk is full; its log"):
        await local(folders, "/bin/sh", "-c", "echo collab: the disk is full >&2; exit 1").reach(nobody)
    with pytest.raises(LinkError, match="exit code 1"):  # what another one said is not its reason
        await local(folders, "/bin/false").reach(nobody)
    with pytest.raises(LinkError, match="cannot start"):
        await local(folders, "/nonexistent/program").reach(nobody)


async def test_what_a_server_answers_is_passed_on(folders: Folders) -> None:
    note(folders)

    async def refuse(_: Path) -> str:
        raise LinkError("busy", retry_after_s=3)

    with pytest.raises(LinkError, match="busy"):
        await local(folders, "/bin/false").reach(refuse)


@pytest.mark.parametrize(("protocol", "who"), [([99], "upgrade this collab"), ([0], "upgrade that server")])
async def test_another_version_is_final_and_says_who_is_older(
    folders: Folders, protocol: list[int], who: str
) -> None:
    note(folders, protocol=protocol)

    async def refuse(_: Path) -> str:
        raise LinkError("subprotocol not supported", is_final=True)

    with pytest.raises(LinkError, match=who) as refusal:
        await local(folders, "/bin/false").reach(refuse)
    assert refusal.value.is_final


async def test_a_server_run_by_hand_is_not_replaced_when_it_stops(folders: Folders) -> None:
    note(folders)
    server = local(folders, "/bin/false")

    async def open_socket(path: Path) -> Path:
        return path

    await server.reach(open_socket)
    with pytest.raises(LinkError, match="has stopped"):
        await server.reach(nobody)


async def test_a_private_server_is_started_again_after_a_crash(folders: Folders) -> None:
    note(folders, unix=str(folders.run() / "private.sock"))
    server = local(folders, "/bin/false")

    async def open_socket(path: Path) -> Path:
        return path

    await server.reach(open_socket)
    with pytest.raises(LinkError, match="exit code 1"):
        await server.reach(nobody)


async def test_one_that_served_and_died_is_no_failure_to_start(folders: Folders) -> None:
    note(folders, unix=str(folders.run() / "private.sock"))
    note_file, pid_file = folders.data / "server.json", folders.data / "pid"
    text = note_file.read_text()
    script = f"echo $$ > {pid_file}; printf '%s' '{text}' > {note_file}; exec tail -f /dev/null"
    server = local(folders, "/bin/sh", "-c", script)

    async def open_socket(path: Path) -> Path:
        return path

    pids = []
    for _ in range(2):
        note_file.unlink()
        async with asyncio.timeout(DEADLINE_S):
            await server.reach(open_socket)
        pids.append(int(pid_file.read_text()))
        os.kill(pids[-1], signal.SIGKILL)
        os.waitid(os.P_PID, pids[-1], os.WEXITED | os.WNOWAIT)
    assert pids[0] != pids[1]


async def test_who_lost_the_race_waits_for_the_winner(folders: Folders) -> None:
    """The server that this one starts finds the folder taken; the note of the other comes a little later."""
    server = local(folders, "/bin/sh", "-c", "exit 3")

    async def open_socket(path: Path) -> Path:
        return path

    async def write_note_later() -> None:
        await asyncio.to_thread(note, folders)

    async with asyncio.timeout(DEADLINE_S), asyncio.TaskGroup() as tasks:
        reached = tasks.create_task(server.reach(open_socket))
        tasks.create_task(write_note_later())
    assert reached.result() == folders.run() / "x.sock"


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"protocol": 1}', '{"protocol": [1], "other": 2}'])
def test_a_broken_note_is_no_server(tmp_path: Path, text: str) -> None:
    (tmp_path / "server.json").write_text(text)
    assert read_endpoints(tmp_path) is None


@pytest.mark.parametrize("change", [{"unix": 7}, {"version": 1.0}, {"version": None}])
def test_a_note_of_wrong_types_is_no_server(folders: Folders, change: dict[str, object]) -> None:
    note(folders, **change)
    assert read_endpoints(folders.data) is None


async def knock(path: Path) -> None:
    """Open the socket and leave again, as a link would."""
    try:
        _, writer = await asyncio.open_unix_connection(path)
    except OSError as error:
        raise LinkError("nothing answers") from error
    writer.close()
    await writer.wait_closed()


class TestHandOver:
    """A private server that an older collab started makes way for ours."""

    @pytest.fixture
    def folders(self, folders: Folders) -> Folders:
        make_folder(folders.run())
        return folders

    @pytest.fixture
    def private_socket(self, folders: Folders) -> Iterator[Path]:
        path = folders.run() / f"private-{os.getpid()}.sock"
        yield path
        path.unlink(missing_ok=True)

    async def test_an_older_private_server_ends_and_one_of_ours_takes_its_place(
        self, folders: Folders
    ) -> None:
        def ours(version: str) -> LocalServer:
            return LocalServer(
                folders.data,
                private_socket=folders.socket(folders.data, is_private=True),
                output_file=folders.logs / "server.out",
                version=version,
            )

        async def reach(server: LocalServer) -> int:
            async with asyncio.timeout(DEADLINE_S):
                await server.reach(knock)
            running = read_endpoints(folders.data)
            assert running is not None
            return running.pid

        older = await reach(ours(__version__))
        assert await reach(ours(__version__)) == older, "of the same version: used as it is"
        newer = ours("99.0")
        successor = await reach(newer)
        assert successor != older
        # What the command started says that it is older than we are, too: nobody is asked twice.
        assert await reach(newer) == successor

    @pytest.mark.parametrize(
        "answer", [b"HTTP/1.1 409 Conflict\r\n\r\n", b"HTTP/1.1 404 Not Found\r\n\r\n", b"", b"x"]
    )
    async def test_one_that_goes_on_is_used_as_it_is_and_asked_once(
        self, folders: Folders, private_socket: Path, answer: bytes
    ) -> None:
        asked: list[bytes] = []

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            if line := await reader.readline():
                asked.append(line + await reader.readuntil(b"\r\n\r\n"))
                writer.write(answer)
            writer.close()

        note(folders, unix=str(private_socket), version="0.0.9")
        server = LocalServer(
            folders.data,
            private_socket=private_socket,
            output_file=folders.logs / "server.out",
            command=("/bin/false",),
            version="0.1.0",
        )
        async with asyncio.timeout(DEADLINE_S), await asyncio.start_unix_server(serve, private_socket):
            for _ in range(2):
                await server.reach(knock)
        assert len(asked) == 1
        assert asked[0].startswith(b"GET /hand-over HTTP/1.1\r\n")
        assert b"\r\nCollab-Version: 0.1.0\r\n" in asked[0]

    async def test_one_that_says_nothing_is_used_as_it_is(
        self, folders: Folders, private_socket: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(local_server, "_ANSWER_S", 0.05)

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read()
            writer.close()

        note(folders, unix=str(private_socket), version="junk")
        server = LocalServer(
            folders.data, private_socket=private_socket, output_file=folders.logs / "server.out"
        )
        async with asyncio.timeout(DEADLINE_S), await asyncio.start_unix_server(serve, private_socket):
            await server.reach(knock)

    @pytest.mark.parametrize(
        ("version", "is_private"), [("0.1.0", True), ("0.1.0rc1", True), ("7.0", True), ("0.0.1", False)]
    )
    async def test_nobody_else_is_asked(
        self, folders: Folders, private_socket: Path, version: str, is_private: bool
    ) -> None:
        heard: list[bytes] = []

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            heard.append(await reader.read())
            writer.close()

        note(folders, unix=str(private_socket), version=version)
        server = LocalServer(
            folders.data,
            private_socket=private_socket if is_private else folders.run() / "private.sock",
            output_file=folders.logs / "server.out",
            command=("/bin/false",),
            version="0.1.0",
        )
        async with asyncio.timeout(DEADLINE_S), await asyncio.start_unix_server(serve, private_socket):
            await server.reach(knock)
        assert set(heard) <= {b""}
