"""A key that lets into one room does that and nothing else, whatever its client asks for; by a real sshd."""

from __future__ import annotations

import contextlib
import grp
import os
import pwd
import shlex
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from collab_protocol.codec import Assembler, Splitter
from collab_protocol.messages import Fault, Hello, Message, Presence, Sync, Update, Welcome
from collab_protocol.presence import Person, Role
from collab_protocol.restriction import Restriction
from collab_protocol.text import EMPTY_STATE_VECTOR, Replica
from collab_protocol.versions import SUBPROTOCOL, VERSIONS
from tests.e2e.home import Home
from tests.e2e.server import Server
from tests.e2e.sshd import Sshd, needs_sshd

pytestmark = needs_sshd

DEADLINE_S: Final = 20.0
OP: Final = b"o" * 32
BOB: Final = b"b" * 32
CY: Final = b"c" * 32
"""What machines have for a secret; the first byte is the client id."""
_ASK: Final = "GET {} HTTP/1.1\r\nHost: localhost\r\nCollab-Version: 99\r\n\r\n"


@pytest.fixture
def sshd() -> Iterator[Sshd]:
    with Home() as near, Sshd(near) as sshd:
        yield sshd


class Friend:
    """Somebody who has a key, and ssh."""

    def __init__(self, sshd: Sshd, name: str, *flags: str) -> None:
        """Have `flags` of `collab invite` for it, and what that prints added to authorized_keys."""
        self._sshd = sshd
        self.key = sshd.new_key(name)
        done = sshd.far.run("invite", "notes", "--ssh-key", f"{self.key}.pub", *flags)
        assert done.returncode == 0, done.stderr
        sshd.authorize(done.stdout.strip())
        self._ssh = shlex.split(sshd.ssh_with(self.key)["COLLAB_SSH"])

    @contextlib.contextmanager
    def asking(self, command: str = "collab relay") -> Iterator[socket.socket]:
        """Yield what `ssh HOST command` is at the other end of; its last line read is "ready"."""
        ours, theirs = socket.socketpair()
        ours.settimeout(DEADLINE_S)
        argv = [*self._ssh, "-T", self._sshd.host, command]
        with ours, subprocess.Popen(argv, stdin=theirs, stdout=theirs, stderr=subprocess.DEVNULL) as ssh:
            theirs.close()
            try:
                said = b""
                while not said.endswith(b"\nready\n"):
                    more = ours.recv(1)
                    assert more, said
                    said += more
                yield ours
            finally:
                ours.close()
                ssh.terminate()

    def answer(self, request: str, command: str = "collab relay") -> str:
        """Return what the server answers to some bytes, all of it."""
        with self.asking(command) as pipe:
            pipe.sendall(request.encode())
            said = b""
            while more := pipe.recv(65536):
                said += more
            return said.decode()

    @contextlib.contextmanager
    def joined(self, device: bytes = BOB) -> Iterator[Guest]:
        with self.asking() as pipe, joined_by(pipe, device) as guest:
            yield guest


@contextlib.contextmanager
def joined_by(pipe: socket.socket, device: bytes) -> Iterator[Guest]:
    """Yield one who has a WebSocket into notes, and has said Hello."""
    subprotocols = [Subprotocol(SUBPROTOCOL)]
    with connect(
        "ws://localhost/rooms/notes", sock=pipe, subprotocols=subprotocols, compression=None, proxy=None
    ) as websocket:
        guest = Guest(websocket)
        guest.send(
            Hello(
                VERSIONS,
                device[:16],
                device,
                (device[0],),
                "root",
                None,
                None,
                None,
                None,
                0,
                EMPTY_STATE_VECTOR,
            )
        )
        yield guest


class Guest:
    """One end of a WebSocket into a room."""

    def __init__(self, websocket: ClientConnection) -> None:
        self._websocket = websocket
        self._splitter, self._assembler = Splitter(), Assembler()

    def send(self, message: Message) -> None:
        for frame in self._splitter.frames(message):
            self._websocket.send(frame)

    def hear(self, is_it: Callable[[Message], bool]) -> Message:
        """Return the first message of that kind."""
        while True:
            frame = self._websocket.recv(timeout=DEADLINE_S)
            assert isinstance(frame, bytes)
            message = self._assembler.feed(frame)
            if message is not None and is_it(message):
                return message

    def fault(self) -> str:
        """Return why the server ends it."""
        found = self.hear(lambda message: isinstance(message, Fault))
        assert isinstance(found, Fault)
        return found.message


def test_another_room_an_operators_path_and_a_hand_over_are_refused(sshd: Sshd) -> None:
    bob = Friend(sshd, "bob", "--role", "admin")
    for path in ("/rooms/other", "/admin", "/hand-over", "/rooms/notes/../other", "/"):
        answer = bob.answer(_ASK.format(path))
        assert answer.startswith("HTTP/1.1 403 "), answer
        assert answer.endswith("\r\n\r\nthis key lets you into notes alone\n")
    assert bob.answer(_ASK.format("/rooms/notes")).startswith("HTTP/1.1 426 ")


@pytest.mark.parametrize(
    "command",
    [
        "collab relay --room other --role admin",
        'env PATH="$PATH:$HOME/.local/bin" collab relay',
        "id",
        "cat /etc/passwd; collab relay",
    ],
)
def test_what_the_client_asks_for_counts_for_nothing(sshd: Sshd, command: str) -> None:
    bob = Friend(sshd, "bob", "--role", "read")
    assert " 403 " in bob.answer(_ASK.format("/rooms/other"), command)
    forged = Restriction("other", Role.ADMIN).encode().decode()
    assert " 403 " not in (answer := bob.answer(forged + _ASK.format("/rooms/other"), command))
    assert "101" not in answer


def test_the_role_the_name_and_who_it_is_come_from_the_key(sshd: Sshd) -> None:
    bob = Friend(sshd, "bob", "--role", "read", "--name", "Bob O'Brien")
    owner = Friend(sshd, "op", "--role", "admin")
    with owner.joined(OP) as op, bob.joined(BOB) as guest:
        op.hear(lambda message: isinstance(message, Welcome))
        guest.hear(lambda message: isinstance(message, Sync))
        person = _person(op)
        assert (person.name, person.role) == ("Bob O'Brien", Role.READ)
        assert person.principal.startswith("key:")
        rows: list[bytes] = []
        with contextlib.closing(Replica(BOB[0])) as replica:
            replica.on_update = rows.append
            replica.edit(0, 0, "x")
        guest.send(Update(1, rows[0]))
        assert "read" in guest.fault()
    assert sshd.far.stored_text("notes") == ""


def test_a_ban_is_of_the_key_whatever_the_machine(sshd: Sshd) -> None:
    bob = Friend(sshd, "bob", "--name", "bob")
    with bob.joined() as guest:
        guest.hear(lambda message: isinstance(message, Sync))
        done = sshd.far.run("admin", "ban", "notes", "bob", "--for", "1h")
        assert done.returncode == 0, done.stderr
        assert guest.fault()
    with bob.joined(b"another machine".ljust(32)) as guest:
        assert guest.fault().startswith("you are kept out of notes until ")
    with Friend(sshd, "cy").joined(CY) as guest:
        guest.hear(lambda message: isinstance(message, Sync))


def test_access_that_has_ended(sshd: Sshd) -> None:
    bob = Friend(sshd, "bob")
    line = sshd.authorized_keys.read_text().splitlines()[-1]
    ended = line.replace("relay ", "relay --until 1000000000 ", 1)
    sshd.authorized_keys.write_text(sshd.authorized_keys.read_text().replace(line, ended))
    with bob.joined() as guest:
        assert guest.fault() == "your access ended at 2001-09-09 01:46 (UTC): ask whoever gave it to you"


def test_sshd_reads_when_a_line_ends(sshd: Sshd) -> None:
    bob = Friend(sshd, "bob", "--expires", "1h")
    lines = sshd.authorized_keys.read_text()
    assert 'expiry-time="' in lines
    assert " 426 " in bob.answer(_ASK.format("/rooms/notes"))


def test_there_is_no_other_way_with_that_key(sshd: Sshd) -> None:
    bob = Friend(sshd, "bob")
    with Home() as other, Server(other) as server:
        for argv in (["-W", f"127.0.0.1:{server.port}", sshd.host], ["-T", "-s", sshd.host, "sftp"]):
            done = subprocess.run(
                [*bob._ssh, *argv],
                input=b"GET / HTTP/1.1\r\n\r\n",
                capture_output=True,
                timeout=DEADLINE_S,
                check=False,
            )
            assert b"rooms are under" not in done.stdout
            assert b"prohibited" in done.stderr or done.stdout.startswith(b"collab-relay/1 ")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another account")
def test_another_account_of_the_group_forges_nobody(sshd: Sshd) -> None:
    nobody = pwd.getpwnam("nobody")
    group = grp.getgrgid(nobody.pw_gid)
    folder = sshd.far.path / "pair"
    folder.mkdir(mode=0o755)
    sshd.far.path.chmod(0o711)
    at = folder / "s.sock"
    with Server(sshd.far, "--unix", str(at), "--group", group.gr_name):
        assert (at.stat().st_mode & 0o777, at.stat().st_gid) == (0o660, group.gr_gid)
        forged = Restriction("notes", Role.ADMIN, name="root", key="0" * 16)
        with socket.socket(socket.AF_UNIX) as own, socket.socket(socket.AF_UNIX) as theirs:
            for each in (own, theirs):
                each.settimeout(DEADLINE_S)
            own.connect(str(at))
            with joined_by(own, OP) as op:
                op.hear(lambda message: isinstance(message, Sync))
                _connect_as(nobody, theirs, at)
                theirs.sendall(forged.encode())
                with joined_by(theirs, BOB):
                    person = _person(op)
    assert (person.name, person.role, person.principal) == ("root", Role.WRITE, "unix:nobody/root")


def _person(witness: Guest) -> Person:
    """Return whom `witness` sees coming."""
    seen = witness.hear(lambda message: isinstance(message, Presence) and message.person is not None)
    assert isinstance(seen, Presence)
    assert seen.person is not None
    return seen.person


def _connect_as(account: pwd.struct_passwd, sock: socket.socket, at: Path) -> None:
    """Connect as another account: the kernel notes who did that, and not who says something later."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.setgroups([])
            os.setgid(account.pw_gid)
            os.setuid(account.pw_uid)
            sock.connect(str(at))
            code = 0
        finally:
            os._exit(code)
    assert os.waitpid(child, 0)[1] == 0
