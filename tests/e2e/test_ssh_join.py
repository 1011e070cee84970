"""Joining over SSH: `collab join ssh://HOST/ROOM`, by a real ssh and a real sshd, to a relay."""

from __future__ import annotations

import contextlib
import os
import select
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.e2e.home import Home
from tests.e2e.server import Server
from tests.e2e.sshd import Sshd, needs_sshd
from tests.e2e.terminal import Terminal, TerminalFailure, wait_until
from tests.e2e.test_two_people import SAVED, all_hold, both_show, leave

pytestmark = needs_sshd

PAIR: Final = "ssh://pair/notes"
F5: Final = "\x1b[15~"
ASKED: Final = "Are you sure you want to continue connecting"
SEEN_S: Final = 6.5
"""A dead link is given up after 5 s of silence, which a probe begins; and a busy machine is slow."""


@pytest.fixture
def sshd(home: Home) -> Iterator[Sshd]:
    with Sshd(home) as running:
        yield running


def join(home: Home, sshd: Sshd, target: str = PAIR, *arguments: str) -> Terminal:
    terminal = home.open("join", target, "--name", "ana", *arguments, env=sshd.env)
    terminal.wait_for(SAVED)
    return terminal


def refused(home: Home, sshd: Sshd, target: str, code: int) -> str:
    """Return what a join says that ends with `code`, in one line."""
    terminal = home.open("join", target, env=sshd.env, columns=200)
    assert terminal.wait_exit() == code, terminal.text
    return terminal.text


def own_ssh(terminal: Terminal) -> list[int]:
    """Return the processes of ssh that a client has, of whichever thread (Linux: proc_pid_stat(5))."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            stat = (folder / "stat").read_text()
            parent = int(stat.rpartition(")")[2].split()[1])
            found += [int(folder.name)] if "(ssh)" in stat and parent == terminal.pid else []
    return found


def interrupt(terminal: Terminal) -> None:
    """Press Ctrl-C until ssh has ended, and nothing else: one that comes before it reads is lost on it."""
    for _ in range(20):
        terminal.send("\x03")
        with contextlib.suppress(TerminalFailure):
            terminal.wait_for("ssh to pair was ended", 0.5)
            return
    raise TerminalFailure(f"ssh goes on\n{terminal.text}")


def wait_until_there(path: Path) -> None:
    ends_at = time.monotonic() + 10.0
    while not path.exists():
        assert time.monotonic() < ends_at, f"there is no {path}"
        select.select([], [], [], 0.01)


def test_two_people_by_ssh_and_on_the_machine_share_a_server_that_the_relay_started(
    home: Home, sshd: Sshd
) -> None:
    ana = home.open("join", PAIR, "--name", "ana", env=sshd.env)
    ana.wait_for("new room")
    ana.wait_for(SAVED)
    bo = sshd.far.open("join", "notes", "--name", "bo")
    bo.wait_for(SAVED)
    ana.send("by ssh\r")
    both_show(ana, bo, "by ssh")
    bo.send("\x1b[1;5Flocal 漢字 🎉")
    both_show(ana, bo, "local 漢字 🎉")
    all_hold("by ssh\nlocal 漢字 🎉", ana, bo)
    assert not (home.data / "rooms.sqlite3").exists(), "nothing is served here"
    (ssh,) = own_ssh(ana)
    leave(bo)
    leave(ana)
    assert not Path(f"/proc/{ssh}").exists()
    again = home.open("join", env=sshd.env)  # the room joined last
    again.wait_for("by ssh")
    assert (home.path / "state" / "recent-rooms").read_text() == f"{PAIR}\n"


def test_what_is_typed_while_the_connection_is_cut_goes_up_afterwards(home: Home, sshd: Sshd) -> None:
    ana = join(home, sshd)
    connections = sshd.sessions()
    sshd.stop()
    for pid in connections:
        os.kill(pid, signal.SIGKILL)
    ana.wait_for("! offline", SEEN_S)
    ana.send("meanwhile")
    ana.wait_for("! offline – 9 changes kept on this machine")
    listed = home.run("status").stdout
    assert listed.endswith("to send: collab join notes --server ssh://pair\n"), listed
    sshd.start()
    ana.send(F5)
    ana.wait_for(SAVED)
    sshd.far.wait_stored("notes", "meanwhile", ana)


def test_a_black_hole_is_seen_and_nobody_waits_for_it(home: Home, sshd: Sshd) -> None:
    ana = join(home, sshd)
    sshd.freeze()
    ana.send("typed into a black hole")
    ana.wait_for("typed into a black hole", 2.0)
    ana.wait_for("! offline – 23 changes kept on this machine", SEEN_S)
    ana.send(F5)
    wait_until([ana], lambda: len(own_ssh(ana)) > 0, "another ssh, that hangs")
    hangs = own_ssh(ana)
    ana.send("\x11")
    ana.wait_for("Quit with")
    ana.send("y")
    assert ana.wait_exit(SEEN_S) == 5
    assert not [pid for pid in hangs if Path(f"/proc/{pid}").exists()], "no ssh is left behind"
    sshd.thaw()
    again = join(home, sshd)
    again.wait_for("typed into a black hole")
    sshd.far.wait_stored("notes", "typed into a black hole", again)


def test_what_a_shell_prints_does_no_harm(home: Home, sshd: Sshd) -> None:
    sshd.far_rc("echo 'Welcome to pair'; printf 'HTTP/1.1 400 No\\r\\n\\r\\nno end of line'\n")
    noise = subprocess.run([*sshd.ssh, "pair", "true"], capture_output=True, timeout=10, check=True).stdout
    assert noise.startswith(b"Welcome"), "the shell there prints nothing, and nothing is tested"
    leave(join(home, sshd))


def test_an_unknown_host_key_is_asked_about_before_the_screen_and_later_on_f5(home: Home, sshd: Sshd) -> None:
    known = sshd.known_hosts.read_text()
    sshd.known_hosts.write_text("")
    ana = home.open("join", PAIR, env=sshd.env)
    ana.wait_for(ASKED)
    assert b"\x1b[?1049h" not in ana.raw, "the screen is taken while ssh asks"
    ana.send("no\r")
    assert ana.wait_exit() == 4
    assert "collab: the host key of pair is not known here yet" in ana.text

    ana = home.open("join", PAIR, env=sshd.env)
    ana.wait_for(ASKED)
    ana.send("yes\r")
    ana.wait_for(SAVED)
    assert sshd.known_hosts.read_text().split()[1:3] == known.split()[1:3]

    sshd.known_hosts.write_text("")
    sshd.cut()
    ana.wait_for("ssh asks: F5")
    ana.send("x")
    ana.wait_for("! offline – 1 change kept on this machine · ssh asks: F5")
    ana.send(F5)
    ana.wait_for(ASKED)
    interrupt(ana)
    ana.send("y")
    ana.wait_for("xy")
    ana.send(F5)
    ana.wait_for(ASKED)
    ana.send("yes\r")
    ana.wait_for(SAVED)
    sshd.far.wait_stored("notes", "xy", ana)
    leave(ana)


def test_who_is_not_let_in_is_told_and_finds_kept_text_without_a_server(home: Home, sshd: Sshd) -> None:
    authorized = sshd.authorized_keys.read_text()
    sshd.authorized_keys.write_text("")
    said = refused(home, sshd, PAIR, 4)
    assert "collab: pair does not let you in: " in said
    assert "Permission denied (publickey)." in said

    offline = home.open("join", "--offline", PAIR, env=sshd.env)
    offline.wait_for("offline")
    offline.send("kept")
    offline.wait_for("4 changes kept on this machine")
    offline.send("\x11")
    offline.wait_for("Quit with")
    offline.send("y")
    assert offline.wait_exit() == 5

    ana = home.open("join", PAIR, env=sshd.env)
    ana.wait_for("pair does not let you in")
    ana.wait_for("F5 Try again")
    assert "kept" in ana.text
    sshd.authorized_keys.write_text(authorized)
    ana.send(F5)
    ana.wait_for(SAVED)
    sshd.far.wait_stored("notes", "kept", ana)


def test_a_key_for_one_room_in_one_role_opens_no_other(home: Home, sshd: Sshd) -> None:
    leave(join(home, sshd))
    friend = sshd.new_key("friend")
    relay = shlex.join([str(sshd.far.path / "bin" / "collab"), "relay", "--room", "notes", "--role", "read"])
    sshd.authorize(f'restrict,command="{relay} --name bob" {sshd.public_key(friend)}')
    env = sshd.ssh_with(friend)
    bob = home.open("join", PAIR, "--name", "ana", env=env)
    bob.wait_for("read-only")
    bob.send("\x11")
    assert bob.wait_exit() == 0
    other = home.open("join", "ssh://pair/other", env=env, columns=200)
    assert other.wait_exit() == 3, other.text
    assert "notes" in other.text.rpartition("collab: ")[2], other.text


def test_a_host_is_never_an_option_nor_a_command(home: Home, sshd: Sshd) -> None:
    trap = home.path / "sprung"
    for host in (f"-oProxyCommand=touch%20{trap}", f"a;touch {trap}", f"$(touch {trap})", "-l@pair"):
        done = home.run("join", f"ssh://{host}/notes", env=sshd.env)
        assert done.returncode == 2, done
        assert "collab: " in done.stderr
    assert not trap.exists()


def test_without_collab_there_a_port_there_will_do(home: Home, sshd: Sshd) -> None:
    with Server(sshd.far) as server:
        shutil.rmtree(sshd.far.path / "bin")
        said = refused(home, sshd, PAIR, 3)
        assert "collab is not installed on pair" in said
        assert "?via=tcp" in said
        ana = join(home, sshd, f"{PAIR}?via=tcp:{server.port}")
        ana.send("by its port")
        sshd.far.wait_stored("notes", "by its port", ana)
        sshd.cut()
        ana.wait_for("! offline", SEEN_S)
        ana.send("\x1b[1;5F!")
        ana.send(F5)
        ana.wait_for(SAVED)
        sshd.far.wait_stored("notes", "by its port!", ana)
        leave(ana)
        port = server.port
    said = refused(home, sshd, f"ssh://pair/other?via=tcp:{port}", 4)
    assert f"nobody serves at port {port} of pair" in said


def test_a_connection_that_is_shared_is_used_and_outlives_us(home: Home, sshd: Sshd) -> None:
    with sshd.config.open("a") as config:
        config.write(f"  ControlPath {sshd.folder}/master\n")
    master = subprocess.Popen([*sshd.ssh, "-o", "ControlMaster=yes", "-N", "pair"])
    try:
        wait_until_there(sshd.folder / "master")
        sshd.authorized_keys.write_text("")  # nobody comes in any more, but by the master
        with Server(sshd.far) as server:
            leave(join(home, sshd))
            leave(join(home, sshd, f"{PAIR}?via=tcp:{server.port}"))
            assert master.poll() is None
    finally:
        master.kill()
        master.wait()


def test_a_connection_is_left_to_be_shared_where_the_config_says_so(home: Home, sshd: Sshd) -> None:
    with sshd.config.open("a") as config:
        config.write(f"  ControlMaster auto\n  ControlPersist 60\n  ControlPath {sshd.folder}/master\n")
    master = [*sshd.ssh, "-O", "check", "pair"]
    try:
        with Server(sshd.far) as server:
            leave(join(home, sshd, f"{PAIR}?via=tcp:{server.port}"))
            assert subprocess.run(master, capture_output=True, timeout=10, check=False).returncode == 0
            sshd.authorized_keys.write_text("")
            ana = join(home, sshd)
            assert own_ssh(ana), "it is left to ssh"
            leave(ana)
        assert subprocess.run(master, capture_output=True, timeout=10, check=False).returncode == 0
    finally:
        subprocess.run([*sshd.ssh, "-O", "exit", "pair"], capture_output=True, timeout=10, check=False)
