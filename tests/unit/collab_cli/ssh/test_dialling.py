"""Tests of `collab_cli.ssh.dialling`: what becomes of dialling, with a script in the place of ssh."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import threading
from pathlib import Path

import pytest

from collab_cli.ssh import dialling
from collab_cli.ssh.address import SshServer
from collab_cli.ssh.dialling import SshDialler, link_error
from collab_client.ssh_pipe import Ending
from collab_protocol.errors import LinkError

READY = "echo collab-relay/1 9; echo ready; exec cat"
SILENT = "exec sleep 60"
DENIED = "echo 'ana@pair: Permission denied (publickey,password).' >&2; exit 255"
SOON_S = 5.0


class FakeSsh:
    """What runs in the place of ssh; `calls` are the arguments that it was run with."""

    def __init__(self, folder: Path) -> None:
        self._script = folder / "script"
        self._calls = folder / "calls"
        self.program = ("sh", str(folder / "ssh"))
        self.config = folder / "ssh-config"
        self.config.touch()
        self.master = folder / "master"
        asked = f'case "$1" in -G) cat {self.config}; exit 0;; -O) [ -e {self.master} ]; exit;; esac\n'
        (folder / "ssh").write_text(
            f'{asked}echo "$SSH_ASKPASS_REQUIRE $@" >> {self._calls}\n. {self._script}\n'
        )

    def does(self, script: str) -> None:
        self._script.write_text(f"{script}\n")

    @property
    def calls(self) -> list[str]:
        return self._calls.read_text().splitlines() if self._calls.exists() else []


@pytest.fixture
def ssh(tmp_path: Path) -> FakeSsh:
    return FakeSsh(tmp_path)


def dialler(ssh: FakeSsh, server: SshServer = SshServer("pair")) -> SshDialler:  # noqa: B008  # it is frozen
    return SshDialler(server, ssh.program, os.environ)


async def opens(dialler: SshDialler) -> str:
    """Return "" when a pipe is opened, which is ended, and else why not."""
    try:
        async with asyncio.timeout(SOON_S):
            pipe = await dialler.open()
    except LinkError as error:
        return str(error)
    await asyncio.to_thread(pipe.end)
    return ""


async def test_what_was_dialled_before_the_screen_is_the_first_link(ssh: FakeSsh) -> None:
    ssh.does(READY)
    made = dialler(ssh)
    began: list[str] = []
    assert made.dial(lambda: began.append("loaded"), lambda data: None) is None
    assert began == ["loaded"]
    ssh.does("exit 1")
    assert await opens(made) == ""
    assert "BatchMode" not in ssh.calls[0]
    assert await opens(made) != "", "it is handed out once"
    assert "never" in ssh.calls[1]
    assert "BatchMode=yes" in ssh.calls[1]


async def test_why_nothing_came_of_it_is_the_first_links_failure(ssh: FakeSsh) -> None:
    ssh.does(DENIED)
    said: list[bytes] = []
    made = dialler(ssh)
    trouble = made.dial(lambda: None, said.append)
    assert trouble is not None
    assert trouble.asks_person
    assert b"Permission denied" in b"".join(said)
    assert made.trouble == str(trouble)
    ssh.does(READY)
    assert await opens(made) == "pair does not let you in: ana@pair: Permission denied (publickey,password)."
    assert await opens(made) == ""


async def test_a_person_is_asked_again_in_place_of_the_screen(ssh: FakeSsh) -> None:
    ssh.does(DENIED)
    made = dialler(ssh)
    with pytest.raises(LinkError) as refusal:
        await made.open()
    assert refusal.value.asks_person
    assert await made.dial_again(lambda data: None) is not None
    assert "Permission denied" in await opens(made)
    ssh.does(READY)
    assert await made.dial_again(lambda data: None) is None
    assert "BatchMode" not in ssh.calls[-1]
    ssh.does("exit 1")
    assert await opens(made) == ""


async def test_what_was_dialled_and_not_used_is_ended(ssh: FakeSsh) -> None:
    ssh.does(READY)
    made = dialler(ssh)
    made.dial(lambda: None, lambda data: None)
    pipe = made._brought
    made.close()
    assert not isinstance(pipe, LinkError)
    assert pipe is not None
    assert pipe._process is not None
    assert pipe._process.returncode is not None


async def test_past_a_master_that_answers_nobody_and_back_again(
    ssh: FakeSsh, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dialling, "_GREETING_S", 0.2)
    ssh.does(SILENT)
    made = dialler(ssh)
    assert await opens(made) == "pair does not answer"
    assert await opens(made) == "pair does not answer"
    assert await opens(made) == "pair does not answer"
    assert ["ControlPath=none" in call for call in ssh.calls] == [False, True, False]
    ssh.does(READY)
    assert await opens(made) == ""
    assert await opens(made) == ""
    assert ["ControlPath=none" in call for call in ssh.calls[3:]] == [True, False]


async def test_whoever_gives_up_what_hangs_goes_past_the_master_too(
    ssh: FakeSsh, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = dialler(ssh)
    for patience_s in (SOON_S, 0.0, SOON_S):
        monkeypatch.setattr(dialling, "_PATIENCE_S", patience_s)
        ssh.does(SILENT)
        called_before = len(ssh.calls)
        attempt = asyncio.create_task(made.open())
        async with asyncio.timeout(SOON_S):
            while len(ssh.calls) == called_before:
                await asyncio.sleep(0)
        attempt.cancel()
        await asyncio.wait({attempt})
    assert ["ControlPath=none" in call for call in ssh.calls] == [False, False, True]


async def test_the_terminal_is_free_again_when_asking_was_given_up(ssh: FakeSsh, tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    ssh.does(f"echo $$ > {pid}; {SILENT}")
    asking = asyncio.create_task(dialler(ssh).dial_again(lambda data: None))
    async with asyncio.timeout(SOON_S):
        while not (pid.exists() and pid.read_text()):
            await asyncio.sleep(0)
    asking.cancel()
    await asyncio.wait({asking})
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)


async def test_what_is_said_for_ever_or_obeyed_by_terminals_is_not_logged(
    ssh: FakeSsh, capfd: pytest.CaptureFixture[str]
) -> None:
    ssh.does("printf 'a\\033[2J\\r\\n' >&2; head -c 1000000 /dev/zero | tr '\\0' x >&2; exit 255")
    await opens(dialler(ssh))
    logged = capfd.readouterr().err
    assert logged.startswith("a·[2J\n")
    assert len(logged) < 100_000


async def test_a_master_is_made_where_it_outlives_us(ssh: FakeSsh) -> None:
    ssh.does(READY)
    assert await opens(dialler(ssh)) == ""
    ssh.config.write_text("controlmaster auto\ncontrolpersist 600\n")
    assert await opens(dialler(ssh)) == ""
    assert ["ControlMaster=no" in call for call in ssh.calls] == [True, False]


async def test_an_attempt_that_is_given_up_leaves_no_ssh(ssh: FakeSsh, tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    ssh.does(f"echo $$ > {pid}; {SILENT}")
    attempt = asyncio.create_task(dialler(ssh).open())
    async with asyncio.timeout(SOON_S):
        while not (pid.exists() and pid.read_text()):
            await asyncio.sleep(0)
        attempt.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await attempt
        while True:
            try:
                os.kill(int(pid.read_text()), 0)
            except ProcessLookupError:
                return
            await asyncio.sleep(0)


async def test_without_an_ssh_it_is_told_what_to_do(tmp_path: Path) -> None:
    made = SshDialler(SshServer("pair"), ("/no/such/ssh",), os.environ)
    trouble = made.dial(lambda: None, lambda data: None)
    assert trouble is not None
    assert trouble.is_final
    assert "cannot run /no/such/ssh: No such file or directory; install" in str(trouble)


async def test_a_port_through_a_shared_connection_is_ready_at_once(ssh: FakeSsh) -> None:
    server = SshServer("pair", via_tcp=9)
    ssh.does("exec cat")
    ssh.config.write_text("controlpath /master\n")
    ssh.master.touch()
    made = dialler(ssh, server)
    assert await opens(made) == ""
    assert "LocalCommand" not in ssh.calls[-1]
    assert made.led_nowhere()
    ssh.does(READY)
    assert await opens(made) == ""
    assert {"LocalCommand", "ControlPath=none"} <= {
        *re.findall(r"LocalCommand(?==echo)|ControlPath=none", ssh.calls[-1])
    }
    assert await opens(made) == ""
    assert "LocalCommand" not in ssh.calls[-1]
    ssh.master.unlink()
    assert await opens(made) == ""
    assert "LocalCommand" in ssh.calls[-1]
    assert not made.led_nowhere(), "there was no master"


async def test_who_is_asked_does_not_wait_for_a_master_that_answers_nobody(
    ssh: FakeSsh, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dialling, "_GREETING_S", 0.2)
    ssh.config.write_text("controlpath /master\n")
    ssh.master.touch()
    ssh.does(f'case "$*" in *ControlPath=none*) {READY};; esac; {SILENT}')
    made = dialler(ssh)
    too_long = threading.Timer(SOON_S, made.give_up)
    too_long.start()
    assert await asyncio.to_thread(made.dial, lambda: None, lambda data: None) is None
    too_long.cancel()
    assert made.trouble == ""
    assert await opens(made) == ""
    assert await made.dial_again(lambda data: None) is None
    assert await opens(made) == ""
    assert ["ControlPath=none" in call for call in ssh.calls] == [False, True] * 2


def told(*said: str, code: int | None = 255, **more: object) -> LinkError:
    return link_error(SshServer("ana@pair", via_tcp=9), Ending(code, said=said, **more), may_ask=False)  # type: ignore[arg-type]  # as Ending has them


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (("No ED25519 host key is known for pair", "Host key verification failed."), "is not known here yet"),
        (
            ("@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @", "Host key verification failed."),
            "is not the one that this machine knows",
        ),
        (
            ("ana@pair: Permission denied (publickey).",),
            "pair does not let you in: ana@pair: Permission denied",
        ),
        (("Received disconnect from pair: Too many authentication failures",), "pair does not let you in"),
    ],
)
def test_what_a_person_could_answer_waits_for_one(said: tuple[str, ...], words: str) -> None:
    error = told(*said)
    assert words in str(error)
    assert (error.asks_person, error.is_final) == (True, False)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (told(code=127), "collab is not installed on pair"),
        (told("sh: collab: Permission denied", code=126), "collab on pair cannot be run: sh: collab"),
        (told('plink: unknown option "-p"', code=1), "needs OpenSSH's ssh"),
        (told("command-line: line 0: Bad configuration option: remotecommand"), "this machine is too old"),
        (told(code=2), "collab on pair is too old for ssh://: upgrade it there"),
        (told(code=3, has_greeted=True, word="not-allowed", text="/a is another's"), "pair: /a is another's"),
        (told(code=2, has_greeted=True, word="usage", text="--role without --room"), "pair: --role without"),
        (told("channel 0: open failed: administratively prohibited: x"), "pair forwards no ports for you"),
    ],
)
def test_what_cannot_help_is_not_tried_again(error: LinkError, words: str) -> None:
    assert words in str(error)
    assert (error.is_final, error.asks_person) == (True, False)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (
            told("ssh: Could not resolve hostname pair: x"),
            "ssh cannot reach pair: Could not resolve hostname",
        ),
        (told(), "ssh cannot reach pair: it does not say why"),
        (told(code=None), "pair does not answer"),
        (told(code=4, has_greeted=True, word="no-server", text="nobody serves"), "pair: nobody serves"),
        (told("Traceback", "ImportError: x", code=1, has_greeted=True), "collab on pair broke before"),
        (told(code=1, noise="This account is not available"), "no collab answers on pair: This account"),
        (
            told("channel 0: open failed: connect failed: Connection refused"),
            "nobody serves at port 9 of pair",
        ),
        (told(code=-2), "ssh to pair was ended"),
        (told(code=-13, is_noise_endless=True), "pair prints too much before collab there speaks"),
        (told(code=None, has_greeted=True, word="new", text="word"), "does not know: new word; upgrade"),
        (told(code=4, has_greeted=True, word="no-server", text="\x1b[2Ja" + "x" * 9999), "pair: ·[2Jaxxx"),
        (told("\x1b]0;title\x07"), "ssh cannot reach pair: ·]0;title·"),
    ],
)
def test_what_may_be_otherwise_later_is_tried_again(error: LinkError, words: str) -> None:
    assert words in str(error)
    assert len(str(error)) < 400
    assert (error.is_final, error.asks_person) == (False, False)
