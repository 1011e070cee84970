"""Bytes between a PTY and what carries them on."""

from __future__ import annotations

import asyncio
import contextlib
import os
import termios
from collections.abc import AsyncIterator

from collab_cli.ssh_door.pump import Pump, open_pty, set_size

_DEADLINE_S = 10.0


class Line:
    """A pump with a PTY, whose other end is `theirs`."""

    def __init__(self) -> None:
        self.output = bytearray()
        self.full: list[bool] = []
        self.ended = asyncio.Event()
        ours, self.theirs = open_pty(80, 24)
        self.pump = Pump(ours, on_output=self.output.extend, on_full=self.full.append, on_end=self.ended.set)

    def hang_up(self) -> None:
        os.close(self.theirs)
        self.theirs = -1


@contextlib.asynccontextmanager
async def line() -> AsyncIterator[Line]:
    made = Line()
    try:
        async with asyncio.timeout(_DEADLINE_S):
            yield made
    finally:
        made.pump.close()
        if made.theirs >= 0:
            made.hang_up()


async def turn() -> None:
    await asyncio.sleep(0)


async def test_the_last_output_comes_before_the_end() -> None:
    async with line() as made:
        os.write(made.theirs, b"bye\n")
        made.hang_up()
        await made.ended.wait()
        assert made.output == b"bye\r\n"


async def test_nothing_is_read_while_the_other_side_takes_nothing() -> None:
    async with line() as made:
        made.pump.pause()
        os.write(made.theirs, b"later")
        await turn()
        assert not made.output
        made.pump.resume()
        while not made.output:
            await turn()
        assert made.output == b"later"


async def test_what_is_typed_is_not_echoed_and_no_signal() -> None:
    async with line() as made:
        typed = b"\x03\x1a\x11\x13a\r"
        made.pump.type(typed)
        got = b""
        while len(got) < len(typed):
            await turn()
            os.set_blocking(made.theirs, False)
            with contextlib.suppress(BlockingIOError):
                got += os.read(made.theirs, 100)
        assert got == typed
        assert not made.output


async def test_a_program_that_reads_nothing_holds_up_who_types() -> None:
    async with line() as made:
        typed = b"x" * 200_000
        made.pump.type(typed)
        assert made.full == [True]
        os.set_blocking(made.theirs, False)
        got = 0
        while got < len(typed):
            await turn()
            with contextlib.suppress(BlockingIOError):
                got += len(os.read(made.theirs, 65536))
        assert made.full == [True, False]


async def test_sizes_are_handed_on_and_kept_within_reason() -> None:
    async with line() as made:
        for asked, got in (((120, 40), (120, 40)), ((10**9, -5), (2000, 0))):
            made.pump.resize(*asked)
            assert termios.tcgetwinsize(made.theirs) == got[::-1]


async def test_after_the_end_nothing_is_done() -> None:
    async with line() as made:
        made.pump.close()
        made.pump.close()
        made.pump.type(b"x")
        made.pump.resize(1, 1)
        made.pump.resume()
        made.pump.pause()


def test_a_pty_that_is_gone_has_no_size() -> None:
    ours, theirs = open_pty(10, 10)
    os.close(theirs)
    with contextlib.suppress(OSError):
        set_size(ours, 1, 1)
    os.close(ours)
