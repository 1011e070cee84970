"""Dialling a server by ssh, again and again: before the screen is taken, behind it, and in its place.

    dial       ssh may ask, on the terminal: host key, password, second factor
    open       ssh may ask nothing (BatchMode): somebody may be typing
    dial again the person has been told that ssh asks something, and wants to be asked

What `dial` brings, a pipe or why there is none, the next `open` hands out.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from collab_cli.exits import printable
from collab_cli.ssh.address import SshServer
from collab_cli.ssh.command import (
    Manner,
    config_command,
    forward_command,
    master_command,
    persists,
    relay_command,
    shares,
)
from collab_client.ssh_pipe import Ending, PipeFailed, SshPipe, ask
from collab_protocol.errors import LinkError

_GREETING_S: Final = 15.0
"""How long ssh may take to run a relay, of which 10 s are for getting through to the machine."""

_READY_S: Final = 20.0
"""How long the relay may take to reach a server: it may have to start one, which it gives 15 s."""

_CHECK_S: Final = 2.0

_PATIENCE_S: Final = 2.0
"""Who gives an attempt up after so long has seen nothing come of it, and it counts as one that hung."""

_LOG_BYTES: Final = 64 * 1024
"""What one ssh may write to the log."""

_WORDS_MOST: Final = 300
_NOT_FOUND: Final = 127
_NOT_RUN: Final = 126
_USAGE: Final = 2
_SSH_FAILED: Final = 255
"""Exit codes: of shells (POSIX, "Exit Status for Commands"), of `collab`, and ssh's own (ssh(1))."""


@dataclass(frozen=True, slots=True)
class _Kind:
    """What ssh says when it fails (OpenSSH 9), and what a person is told of it."""

    sign: str
    words: str
    asks_person: bool = False
    is_final: bool = False


_KINDS: Final = (
    _Kind(
        "remote host identification has changed",
        "the host key of {host} is not the one that this machine knows: ask who runs {host} before you go on",
        asks_person=True,
    ),
    _Kind("host key verification failed", "the host key of {host} is not known here yet", asks_person=True),
    _Kind("too many authentication failures", "{host} does not let you in: {last}", asks_person=True),
    _Kind("permission denied", "{host} does not let you in: {last}", asks_person=True),
    _Kind(
        "administratively prohibited", "{host} forwards no ports for you: leave ?via=tcp out", is_final=True
    ),
    _Kind("bad configuration option", "the ssh of this machine is too old for ssh://: {last}", is_final=True),
    _Kind("open failed: connect failed", "nobody serves at port {port} of {host}"),
)


_NO_OPTION: Final = "unknown option"
"""What plink says to ours."""


class SshDialler:
    """Dials one server. `program` is what runs ssh."""

    def __init__(self, server: SshServer, program: Sequence[str], environ: Mapping[str, str]) -> None:
        self._server = server
        self._program = tuple(program)
        self._environ = dict(environ)
        self.trouble = ""
        """Why the first `dial` brought nothing; empty when it did."""
        self._brought: SshPipe | LinkError | None = None
        self._dialled: SshPipe | None = None
        self._is_given_up = False
        self._config: str | None = None
        """What `ssh -G` says."""
        self._is_shared = False
        self._is_past_master = False
        """A master that leads nowhere any more takes whoever comes, and never answers."""

    def dial(self, meanwhile: Callable[[], None], show: Callable[[bytes], None]) -> LinkError | None:
        """Run ssh where it may ask, until `give_up`; returns why nothing came of it.

        `meanwhile()` is called while it runs; `show` takes what it says on stderr, until it is done.
        """
        self.close()
        failure = self._dial(meanwhile, show)
        if self._is_past_master and not self._is_given_up:  # the one that is there leads nowhere
            failure = self._dial(meanwhile, show)
        self.trouble = str(failure or "")
        return failure

    def _dial(self, meanwhile: Callable[[], None], show: Callable[[bytes], None]) -> LinkError | None:
        is_shared = self._look()
        pipe = self._dialled = self._pipe(is_shared, may_ask=True, on_said=show)
        if self._is_given_up:
            pipe.give_up()
        self._brought = None
        try:
            try:
                pipe.start()
                meanwhile()
                pipe.wait_ready(greeting_s=_GREETING_S if is_shared else None, ready_s=_READY_S)
            except (OSError, PipeFailed) as error:
                failure = self._brought = self._failure(error, may_ask=True)
                return failure
            self._brought = pipe
            self._is_past_master = False
            return None
        finally:
            pipe.on_said = _to_log()
            if self._brought is not pipe:
                pipe.end()

    def give_up(self) -> None:
        """Have `dial` come to nothing, soon; for a signal's handler."""
        self._is_given_up = True
        if self._dialled is not None:
            self._dialled.give_up()

    def was_ended(self) -> None:
        """Note that the person ended `dial`: the next `open` says so, and waits for them."""
        self.close()
        self._brought = LinkError(f"ssh to {self._server.host} was ended", asks_person=True)
        self.trouble = str(self._brought)

    async def dial_again(self, show: Callable[[bytes], None]) -> LinkError | None:
        """As `dial`, in a thread; to be cancelled, it is given up."""
        self.close()
        failure = await self._dial_again(show)
        if self._is_past_master:
            failure = await self._dial_again(show)
        return failure

    async def _dial_again(self, show: Callable[[bytes], None]) -> LinkError | None:
        is_shared = await asyncio.to_thread(self._look)
        pipe = self._pipe(is_shared, may_ask=True, on_said=show)
        try:
            await self._bring(pipe, _GREETING_S if is_shared else None, may_ask=True)
        except LinkError as error:
            self._brought = error
            return error
        finally:
            pipe.on_said = _to_log()
        self._brought = pipe
        return None

    async def open(self) -> SshPipe:
        """Return a pipe to the server, which is the caller's to end.

        Raises:
            LinkError: there is none; `asks_person` when ssh would have to ask.
        """
        brought, self._brought = self._brought, None
        if isinstance(brought, LinkError):
            raise brought
        if brought is not None:
            return brought
        pipe = self._pipe(await asyncio.to_thread(self._look), may_ask=False, on_said=_to_log())
        await self._bring(pipe, _GREETING_S, may_ask=False)
        return pipe

    def told(self, pipe: SshPipe) -> LinkError:
        """End a pipe that was taken for ready and led nowhere; returns why. Blocks for seconds at most."""
        code = pipe.end()
        return link_error(self._server, pipe.ending(code), may_ask=False)

    def led_nowhere(self) -> bool:
        """Note that nothing came through a pipe; returns whether that may be a dead master's doing.

        The next pipe then goes past it.
        """
        is_masters = self._is_shared and self._server.via_tcp is not None  # a relay has spoken
        self._is_past_master |= is_masters
        return is_masters

    def close(self) -> None:
        """End what was brought and not handed out."""
        brought, self._brought = self._brought, None
        if isinstance(brought, SshPipe):
            brought.end()

    async def _bring(self, pipe: SshPipe, greeting_s: float | None, *, may_ask: bool) -> None:
        """Raises: LinkError. Whatever happens, nothing of a pipe that is not ready is left behind."""

        def bring() -> None:
            pipe.start()
            pipe.wait_ready(greeting_s=greeting_s, ready_s=_READY_S)

        began = time.monotonic()
        is_ready = False
        try:
            await asyncio.to_thread(bring)
            is_ready = True
        except (OSError, PipeFailed) as error:
            raise self._failure(error, may_ask=may_ask) from error
        except asyncio.CancelledError:
            if not pipe.has_greeted and time.monotonic() - began > _PATIENCE_S:
                self._is_past_master = not self._is_past_master
            raise
        finally:
            if not is_ready and may_ask:  # it puts the terminal back, before anybody else has it
                pipe.end(is_waited_for=False)
            elif not is_ready:
                pipe.end_soon()
        self._is_past_master = False

    def _failure(self, error: OSError | PipeFailed, *, may_ask: bool) -> LinkError:
        if isinstance(error, PipeFailed):
            ending = error.ending
            has_hung = ending.code is None and not (ending.has_greeted or ending.is_noise_endless)
            self._is_past_master = has_hung and not self._is_past_master
            return link_error(self._server, ending, may_ask=may_ask)
        return LinkError(
            f"cannot run {self._program[0]}: {error.strerror or error}; install an SSH client, or put the"
            " setting `ssh` (COLLAB_SSH) right",
            is_final=True,
        )

    def _look(self) -> bool:
        """Ask ssh what it would do, which may take seconds; returns whether it shares a connection.

        Who does is asked nothing any more.
        """
        server, program = self._server, self._program
        if self._config is None:
            self._config = ask(config_command(program, server), self._environ, _CHECK_S) or ""
        may_share = shares(self._config) and not self._is_past_master
        self._is_shared = (
            may_share and ask(master_command(program, server), self._environ, _CHECK_S) is not None
        )
        return self._is_shared

    def _pipe(self, is_shared: bool, *, may_ask: bool, on_said: Callable[[bytes], None]) -> SshPipe:
        manner = Manner(may_ask, self._is_past_master, persists(self._config or ""))
        if self._server.via_tcp is None:
            argv = relay_command(self._program, self._server, manner)
        else:
            argv = forward_command(self._program, self._server, manner, is_shared=is_shared)
        environ = self._environ
        if not may_ask:  # a jump host's ssh, which is not told of BatchMode, would open a window
            environ = {**environ, "SSH_ASKPASS_REQUIRE": "never"}
        is_greeted = self._server.via_tcp is None or not is_shared
        return SshPipe(argv, environ=environ, is_apart=not may_ask, is_greeted=is_greeted, on_said=on_said)


def _to_log() -> Callable[[bytes], None]:
    """Return what writes what ssh says to where fd 2 leads (under the screen, the log), up to a bound."""
    left_bytes = _LOG_BYTES

    def write(data: bytes) -> None:
        nonlocal left_bytes
        data = data[:left_bytes]
        left_bytes -= len(data)
        lines = data.decode("utf-8", "replace").replace("\r", "").split("\n")
        with contextlib.suppress(OSError):
            os.write(2, "\n".join(map(printable, lines)).encode("utf-8", "replace"))

    return write


def link_error(server: SshServer, ending: Ending, *, may_ask: bool) -> LinkError:
    """Return what to tell a person of a pipe that failed; `may_ask`: ssh could ask what it wanted to."""
    host, last, text = server.host, _last(ending), _fit(ending.text)
    match ending.word:
        case "no-server":
            return LinkError(f"{host}: {text}")
        case "not-allowed" | "usage":
            return LinkError(f"{host}: {text}", is_final=True)
        case _ if ending.is_noise_endless:
            return LinkError(
                f"{host} prints too much before collab there speaks: see what its shell does at its start"
            )
        case "" | "ready":
            pass
        case word:
            said = _fit(f"{word} {ending.text}")
            return LinkError(f"collab on {host} says what this one does not know: {said}; upgrade this one")
    match ending.code:
        case None:
            return LinkError(f"{host} does not answer")
        case _ if ending.code < 0:
            return LinkError(f"ssh to {host} was ended before it was through", asks_person=may_ask)
        case _ if ending.code == _SSH_FAILED and not ending.has_greeted:
            return _ssh_error(server, ending)
        case _ if ending.has_greeted:
            return LinkError(
                f"collab on {host} broke before it reached a server{f': {last}' if last else ''}"
            )
        case _ if ending.code == _NOT_FOUND:
            return LinkError(
                f"collab is not installed on {host}, or not where its shell looks: install it there"
                f"{'' if server.unix else ', or add ?via=tcp for a server that is there'}",
                is_final=True,
            )
        case _ if ending.code == _NOT_RUN:
            return LinkError(f"collab on {host} cannot be run{f': {last}' if last else ''}", is_final=True)
        case _ if ending.code == _USAGE:
            return LinkError(f"collab on {host} is too old for ssh://: upgrade it there", is_final=True)
        case _ if _NO_OPTION in last.lower():
            return LinkError(f"{last}: the setting `ssh` (COLLAB_SSH) needs OpenSSH's ssh", is_final=True)
        case code:
            said = last or f"ssh ended with exit code {code}"
            return LinkError(f"no collab answers on {host}: {said}")


def _ssh_error(server: SshServer, ending: Ending) -> LinkError:
    said = "\n".join(ending.said).lower()
    last = _last(ending) or "it does not say why"
    for kind in _KINDS:
        if kind.sign in said:
            return LinkError(
                kind.words.format(host=server.host, port=server.via_tcp, last=last),
                is_final=kind.is_final,
                asks_person=kind.asks_person,
            )
    return LinkError(f"ssh cannot reach {server.host}: {last}")


def _last(ending: Ending) -> str:
    """Return the last line that was said, without the name of who says it."""
    last = ending.said[-1] if ending.said else ending.noise
    return _fit(last.removeprefix("ssh: "))


def _fit(text: str) -> str:
    """Return what another machine says as it may be shown, and logged."""
    return printable(text if len(text) <= _WORDS_MOST else f"{text[:_WORDS_MOST]}…")
