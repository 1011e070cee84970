"""`collab serve --ssh`: guests who have an ssh client and nothing else, and those who should stay outside."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import socket
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import asyncssh
import pytest

from tests.e2e.home import Home
from tests.e2e.ssh_guests import ALTERNATE, GuestServer, eventually, needs_ssh, restored
from tests.e2e.sshd import descendants
from tests.e2e.terminal import Terminal, wait_until
from tests.e2e.test_two_people import SAVED, both_saved, both_show, document

pytestmark = [
    needs_ssh,
    pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for processes in /proc"),
]

_QUIT: Final = "\x11"
_WHO: Final = "\x1b[19~"
"""F8."""

_TEXT: Final = "é 漢字 🎉"
_REFUSED: Final = "Permission denied"


@pytest.fixture(scope="module")
def here() -> Iterator[GuestServer]:
    """A server for all tests that leave it as it was; each has rooms of its own."""
    with Home() as home:
        server = GuestServer(home)
        for room in ("two", "keys", "inside", "crash", "many", "hang"):
            server.let_in("ana", room, "--name", "ana")
            server.let_in("bo", room, "--name", "bo")
        server.let_in("bo", "read", "--role", "read")
        server.let_in("ana", "read")
        with server:
            yield server


def came(server: GuestServer, key: str, room: str, **size: int) -> Terminal:
    terminal = server.come(key, room, **size)
    terminal.wait_for(SAVED)
    return terminal


def left(terminal: Terminal, code: int = 0) -> None:
    """Leave, and see that the screen is as it was before."""
    terminal.send(_QUIT)
    assert terminal.wait_exit() == code
    restored(terminal)


def all_gone(processes: list[int]) -> None:
    eventually(lambda: not any(Path(f"/proc/{pid}").exists() for pid in processes), "them all to be gone")


def test_two_guests_type_and_see_each_other(here: GuestServer) -> None:
    ana = came(here, "ana", "two")
    ana.send(_WHO)
    ana.wait_for(f"They come in with: ssh -p {here.port} two@127.0.0.1")
    ana.send("\x1b")
    bo = came(here, "bo", "two")
    ana.send(f"from ana {_TEXT}\r")
    both_show(ana, bo, f"from ana {_TEXT}")
    bo.send("\x1b[1;5Ffrom bo")
    both_show(ana, bo, "from bo")
    both_saved(ana, bo)
    here.home.wait_stored("two", f"from ana {_TEXT}\nfrom bo", ana, bo)
    left(ana)
    left(bo)


def test_keys_mouse_pastes_and_sizes_arrive_as_they_are(here: GuestServer) -> None:
    ana = came(here, "ana", "keys")
    ana.paste(f"one {_TEXT}\ntwo \x03\x04 three\n")
    ana.wait_for(lambda _: document(ana)[:1] == [f"one {_TEXT}"])
    ana.send("\x03\x04")  # copy, and duplicate the line: neither an end
    ana.click(0, ana.find("one")[1])
    ana.send("mouse ")
    ana.wait_for(f"mouse one {_TEXT}")
    ana.resize(120, 40)
    ana.wait_for(lambda _: "F1 Help" in ana.lines[39])
    ana.send("\x1b[1;5Fend")
    ana.wait_for("end")
    ana.wait_for(SAVED)
    left(ana)


def test_a_guest_sees_nothing_of_the_account_and_of_the_door(here: GuestServer) -> None:
    ana = came(here, "ana", "inside")
    (pid,) = here.guests()
    open_files = [str(each.readlink()) for each in Path(f"/proc/{pid}/fd").iterdir()]
    listening = {
        line.split()[9]
        for table in ("tcp", "tcp6")
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]
    }
    sockets = {re.sub(r"\D", "", each) for each in open_files if each.startswith("socket:")}
    assert not sockets & listening, "it has a TCP socket of the door"
    of_the_door = {str(each.readlink()) for each in Path(f"/proc/{here.door}/fd").iterdir()}
    shared = {each for each in of_the_door.intersection(open_files) if each.startswith(("socket:", "pipe:"))}
    assert not shared, "it has what the door has"
    left(ana)
    folders = list((here.folder / "guests").glob("*/*"))  # of one guest in one room
    assert folders
    for each in folders:
        assert stat.S_IMODE(each.stat().st_mode) == 0o700
        eventually(lambda: not (each / "state" / "journals").exists(), "nothing of the text to be kept")  # noqa: B023


def test_a_key_that_may_only_read_cannot_write(here: GuestServer) -> None:
    ana = came(here, "ana", "read")
    ana.send("for all to read")
    ana.wait_for(SAVED)
    bo = here.come("bo", "read")
    bo.wait_for("for all to read")
    bo.wait_for("read-only")
    bo.send("not for bo")
    bo.drain(0.5)
    ana.drain(0.2)
    assert "not for bo" not in ana.text
    left(bo)
    here.home.wait_stored("read", "for all to read", ana)
    left(ana)


def test_there_is_nothing_but_the_editor(here: GuestServer) -> None:
    with socket.create_server(("127.0.0.1", 0)) as inner:
        inner.settimeout(0)
        port = inner.getsockname()[1]
        socket_path = here.home.path / "back.sock"
        tried = {
            "a command": here.run("ana", "two", command=("id",)),
            "a command on a terminal": here.run("ana", "two", "-tt", command=("id",)),
            "a subsystem": here.run("ana", "two", "-s", command=("sftp",)),
            "a connection onwards": here.run("ana", "two", "-W", f"127.0.0.1:{port}"),
            "a port back": here.run(
                "ana", "two", "-N", "-o", "ExitOnForwardFailure=yes", "-R", f"0:127.0.0.1:{port}"
            ),
            "a socket back": here.run(
                "ana", "two", "-N", "-o", "ExitOnForwardFailure=yes", "-R", f"{socket_path}:127.0.0.1:{port}"
            ),
        }
        with pytest.raises(BlockingIOError):
            inner.accept()
    for what, result in tried.items():
        assert result.returncode != 0, what
        assert "uid=" not in result.stdout + result.stderr, what
    without = here.run("ana", "two", "-T")
    assert (without.returncode, without.stdout) == (64, "")
    assert without.stderr == "collab: this is an editor, and needs a terminal: ssh -t, without a command\n"
    assert not here.guests()


def _only_key(server: GuestServer, key: str) -> dict[str, Any]:
    """Return options for a client of asyncssh, which can do what OpenSSH's cannot be told to."""
    return {
        "known_hosts": str(server.known_hosts),
        "client_keys": [str(server.home.path / key)],
        "agent_path": None,
        "config": None,
    }


async def test_one_connection_has_two_sessions_and_no_way_onwards(here: GuestServer) -> None:
    async with asyncssh.connect(
        "127.0.0.1", here.port, username="two", **_only_key(here, "ana")
    ) as connection:
        sessions = [
            await connection.create_process(term_type="xterm", term_size=(80, 24), encoding=None)
            for _ in range(2)
        ]
        with pytest.raises(asyncssh.ChannelOpenError):
            await connection.create_process(term_type="xterm", encoding=None)
        for onwards in (
            connection.open_connection("127.0.0.1", here.port),
            connection.open_unix_connection(str(here.home.path / "x.sock")),
            connection.create_tun(asyncssh.SSHTunTapSession),
        ):
            with pytest.raises(asyncssh.ChannelOpenError):
                await onwards
        with pytest.raises(asyncssh.ChannelListenError):
            await connection.forward_remote_port("", 0, "127.0.0.1", 1)
        for each in sessions:
            await each.stdout.readuntil(ALTERNATE)
            each.stdin.write(_QUIT.encode())
            assert (await each.wait()).exit_status == 0
        third = await connection.create_process(term_type="xterm", encoding=None)
        third.close()


def test_connections_that_say_nothing_keep_nobody_out(here: GuestServer) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(50):
            stack.enter_context(socket.create_connection(("127.0.0.1", here.port)))
        left(came(here, "ana", "two"))


def test_nobody_comes_in_by_what_is_not_theirs(here: GuestServer) -> None:
    for key, room in (("bo", "elsewhere"), (None, "two"), ("bo", "../two"), ("bo", "read/../two")):
        result = here.run(key, room, "-tt", "-o", "BatchMode=yes")
        assert result.returncode == 255, (key, room)
        assert _REFUSED in result.stderr, (key, room, result.stderr)


def test_twenty_guests_are_there_and_gone_again(here: GuestServer) -> None:
    guests = [here.come("ana" if number % 2 else "bo", "many", columns=60, rows=12) for number in range(20)]
    wait_until(guests, lambda: all("✓" in each.text for each in guests), "twenty guests", 30)
    guests[0].send("seen by all")
    wait_until(guests, lambda: all("seen by all" in each.text for each in guests), "it on all screens", 30)
    for each in guests:
        each.send(_QUIT)
    for each in guests:
        assert each.wait_exit() == 0
    eventually(lambda: not here.guests(), "their processes to be gone")


def test_a_crash_is_one_line_on_the_guests_own_screen(here: GuestServer) -> None:
    ana, bo = came(here, "ana", "crash"), came(here, "bo", "crash")
    first, second = sorted(here.guests())
    os.kill(first, signal.SIGSEGV)
    assert ana.wait_exit() == 128 + signal.SIGSEGV
    restored(ana, "collab: the editor broke; what was saved is there: come again with the same command")
    bo.send("goes on")
    bo.wait_for("goes on")
    bo.wait_for(SAVED)
    os.kill(second, signal.SIGSTOP)
    bo.signal(signal.SIGKILL)  # the connection breaks while the guest hangs
    eventually(lambda: not here.guests(), "the one that hangs to be gone")
    again = came(here, "ana", "crash")
    again.wait_for("goes on")
    left(again)


def test_guests_who_are_cut_off_leave_no_process(here: GuestServer) -> None:
    guests = [here.come("ana", "hang") for _ in range(12)]
    for each in guests[:6]:
        each.wait_for("✓")
    for each in guests:  # the others are only starting
        each.close()
    eventually(lambda: not here.guests(), "their processes to be gone", 15)
    assert len(descendants(here.pid)) == 2  # the door and what forks


def test_brute_force_ends(here: GuestServer) -> None:
    keys = []
    for number in range(8):
        keys.append(here.home.path / f"wrong{number}")
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(keys[-1])]
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    flags = [flag for key in keys for flag in ("-i", str(key))]
    result = here.run(None, "two", "-tt", "-v", *flags)
    assert result.returncode == 255
    assert "too many wrong tries" in result.stderr
    assert result.stderr.count("Offering public key") == 6


def test_a_server_that_stops_gives_every_screen_back(home: Home) -> None:
    server = GuestServer(home)
    server.let_in("ana", "notes")
    server.let_in("bo", "notes")
    with server:
        host_key = server.folder / "host_key"
        assert stat.S_IMODE(host_key.stat().st_mode) == 0o600
        fingerprint = server.fingerprint
        hung = came(server, "bo", "notes")
        (hung_pid,) = server.guests()
        ana, bo = came(server, "ana", "notes"), came(server, "bo", "notes")
        os.kill(hung_pid, signal.SIGSTOP)
        ana.send("kept to the last")
        ana.wait_for("kept to the last")
        assert server.stop() == 128 + signal.SIGTERM
        for each, number in ((ana, signal.SIGTERM), (bo, signal.SIGTERM), (hung, signal.SIGKILL)):
            assert each.wait_exit() == 128 + number
            restored(each, "collab: the server is stopping: come again with the same command")
        assert home.stored_text("notes") == "kept to the last"
        server.start()
        assert server.fingerprint == fingerprint
        again = came(server, "ana", "notes")
        again.wait_for("kept to the last")


def test_a_door_that_dies_opens_again_and_the_rooms_live_on(home: Home) -> None:
    server = GuestServer(home)
    server.let_in("ana", "notes")
    with server:
        for victim in ("door", "fork server"):
            ana = came(server, "ana", "notes")
            guests = server.guests()
            os.kill(server.door if victim == "door" else server.fork_server, signal.SIGKILL)
            ana.wait_exit()
            all_gone(guests)
        again = came(server, "ana", "notes")
        everything = descendants(server.pid)
        server.signal(signal.SIGKILL)
        again.wait_exit()
        restored(again, "collab: the server is stopping: come again with the same command")
        all_gone(everything)


def test_a_key_that_is_taken_out_ends_its_sessions(home: Home) -> None:
    server = GuestServer(home, "--ssh-idle", "3s", "--ssh-guests", "1")
    server.let_in("ana", "notes")
    with server:
        ana = came(server, "ana", "notes")
        full = server.come("ana", "notes")
        assert full.wait_exit() == 75
        assert "as many guests are here as there may be" in full.text
        assert ana.wait_exit() != 0
        restored(ana, "collab: nothing was typed for 3s: come again with the same command")
        again = came(server, "ana", "notes")

        async def come_late() -> None:
            """Log in before the key is taken out, and ask for an editor behind."""
            async with asyncssh.connect(
                "127.0.0.1", server.port, username="notes", **_only_key(server, "ana")
            ) as connection:
                server.authorized_keys.write_text("# nobody\n")
                assert again.wait_exit() != 0
                with pytest.raises(asyncssh.ChannelOpenError):
                    await connection.create_process(term_type="xterm", encoding=None)

        asyncio.run(come_late())
        restored(again, "collab: your key was taken back, or lets you do something else now")
        refused = server.run("ana", "notes", "-tt")
        assert _REFUSED in refused.stderr


def test_an_invite_lets_its_bearer_in_and_names_them(home: Home) -> None:
    flags = ("--auth", "--host", "127.0.0.1", "--port", "0", "--url", "wss://example.org")
    with GuestServer(home, *flags) as server:
        link = invited(home, "--name", "zoe")
        zoe = server.come(None, "notes")
        zoe.wait_for("Invite link or token:")
        zoe.send("guessed\r")
        zoe.wait_for("that is no invite")
        zoe.send(f"{link}\r")
        zoe.wait_for(SAVED)
        assert link.rpartition("#")[2] not in zoe.text
        zoe.send("by invite")
        zoe.wait_for(SAVED)
        unnamed = invited(home, "--role", "read", "--reusable")
        guest = server.come(None, "notes")
        guest.wait_for("Invite link or token:")
        guest.send(f"{unnamed}\r")
        guest.wait_for("The name that others see:")
        guest.send("yves\r")
        guest.wait_for("by invite")
        guest.wait_for("read-only")
        wait_until([zoe, guest], lambda: "yves" in zoe.text, "the other's name")
        elsewhere = server.come(None, "other")
        elsewhere.wait_for("Invite link or token:")
        elsewhere.send(f"{link}\r")
        elsewhere.wait_for(lambda _: elsewhere.text.count("Invite link or token:") == 2)
        left(guest)
        left(zoe)
        again = server.come(None, "notes")  # with the link that was used up: here it is a password
        again.wait_for("Invite link or token:")
        again.send(f"{link}\r")
        again.wait_for("by invite")
        left(again)
        assert "zoe" not in server.log.read_text()


def invited(home: Home, *flags: str) -> str:
    """Return the link of a new invite into `notes`."""
    printed = home.run("invite", "notes", "--data-dir", str(home.data), *flags)
    assert printed.returncode == 0, printed.stderr
    found = re.search(r"wss://\S+", printed.stdout)
    assert found is not None
    return found[0]


def test_what_cannot_be_served_is_said_in_one_line(home: Home) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = home.run("serve", "--ssh", f"127.0.0.1:{port}")
    assert result.returncode == 3
    assert result.stderr.splitlines()[-1].startswith(f"collab: cannot listen for SSH on 127.0.0.1:{port}: ")
    for wrong in ("2222", "host", ":x", ":70000"):
        result = home.run("serve", "--ssh", wrong)
        assert (result.returncode, result.stderr.count("\n")) == (2, 1), result.stderr
        assert "[HOST]:PORT" in result.stderr
    key = home.data / "ssh" / "host_key"
    key.parent.mkdir(parents=True)
    key.write_text("no key")
    result = home.run("serve", "--ssh", "127.0.0.1:0")
    assert result.returncode == 3
    assert f"{key} is no SSH key" in result.stderr.splitlines()[-1]
    assert key.read_text() == "no key"
