"""Tests of `collab_cli.terminal`: what will do as a terminal, and that it is given back as it was."""

from __future__ import annotations

import contextlib
import os
import pty
import signal
import sys
import tty
from pathlib import Path

import pytest

from collab_cli.exits import UsageError
from collab_cli.terminal import RESET, _reset, check_terminal
from tests.e2e.terminal import Terminal

PROGRAM = """
import os, pathlib, sys, termios, tty
from collab_cli.terminal import take_screen

def draw(screen):
    tty.setraw(0)
    screen.write("\\x1b[?1049h" + "drawn \\u2713"); screen.flush()
    os.write(2, b"native panic")
    print("stray warning", file=sys.stderr, flush=True)

{body}
"""


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setattr(os, "isatty", lambda _: True)
    monkeypatch.setattr(os, "get_terminal_size", lambda _: os.terminal_size((80, 24)))
    return monkeypatch


def start(body: str, log: Path) -> Terminal:
    environ = {**os.environ, "TERM": "xterm", "LOG": str(log)}
    return Terminal([sys.executable, "-c", PROGRAM.format(body=body)], env=environ)


def run(body: str, log: Path) -> tuple[int, bytes, bool]:
    """Return the exit code, what the terminal got, and whether its modes are as they were."""
    with start(body, log) as terminal:
        code = terminal.wait_exit()
        return code, bytes(terminal.raw), terminal.attributes() == terminal.initial_attributes


def test_a_terminal_that_will_do(here: pytest.MonkeyPatch) -> None:
    check_terminal({"TERM": "xterm"})
    here.setattr(os, "get_terminal_size", lambda _: os.terminal_size((40, 10)))
    check_terminal({"TERM": "xterm"})
    here.setattr(os, "get_terminal_size", lambda _: os.terminal_size((0, 0)))
    check_terminal({"TERM": "xterm"})


@pytest.mark.parametrize("size", [(39, 24), (80, 9)])
def test_a_small_window_says_how_small(here: pytest.MonkeyPatch, size: tuple[int, int]) -> None:
    here.setattr(os, "get_terminal_size", lambda _: os.terminal_size(size))
    with pytest.raises(UsageError, match=f"{size[0]} by {size[1]} cells: make it at least 40 by 10"):
        check_terminal({"TERM": "xterm"})


@pytest.mark.parametrize("term", ["", "dumb"])
def test_a_terminal_that_cannot_place_text(here: pytest.MonkeyPatch, term: str) -> None:
    with pytest.raises(UsageError, match="TERM"):
        check_terminal({"TERM": term})


@pytest.mark.parametrize("pipe", [0, 1])
def test_no_terminal(here: pytest.MonkeyPatch, pipe: int) -> None:
    here.setattr(os, "isatty", lambda fd: fd != pipe)
    with pytest.raises(UsageError, match="needs a terminal"):
        check_terminal({"TERM": "xterm"})


def test_fd_2_goes_to_the_log_and_not_to_the_screen(tmp_path: Path) -> None:
    log = tmp_path / "log"
    code, output, is_as_before = run(
        "with take_screen(pathlib.Path(os.environ['LOG'])) as screen: draw(screen)\n"
        "os.write(2, b'said afterwards')",
        log,
    )
    assert code == 0
    assert is_as_before
    assert "drawn ✓".encode() in output
    assert b"native panic" not in output
    assert b"stray warning" not in output
    assert output.endswith(b"said afterwards")
    assert output.index(b"\x1b[?1049l") < output.index(b"said afterwards")
    assert log.read_text() == "native panicstray warning\n"
    assert log.stat().st_mode & 0o777 == 0o600


def test_a_terminal_that_was_never_taken_is_sent_nothing(tmp_path: Path) -> None:
    body = "with take_screen(pathlib.Path(os.environ['LOG'])): pass"
    code, output, is_as_before = run(body, tmp_path / "log")
    assert (code, output, is_as_before) == (0, b"", True)


def test_an_app_that_gave_the_terminal_back_itself_may_not_have_got_it_all_there(tmp_path: Path) -> None:
    body = (
        "with take_screen(pathlib.Path(os.environ['LOG'])) as screen:\n"
        "    draw(screen); screen.write('\\x1b[?1049l')"
    )
    code, output, is_as_before = run(body, tmp_path / "log")
    assert code == 0
    assert is_as_before
    assert output.endswith(b"\x1b[?1049l" + RESET.encode())
    assert b"\x1b[?1002l" in output


def test_a_terminal_that_takes_nothing_is_given_back_instead_of_what_it_did_not_take() -> None:
    ours, its = pty.openpty()
    tty.setraw(its)
    os.set_blocking(its, False)
    try:
        with contextlib.suppress(BlockingIOError):
            while True:
                os.write(its, b"x" * 4096)
        _reset(its)
        os.set_blocking(ours, False)
        got = b""
        with contextlib.suppress(BlockingIOError):
            while not got.endswith(RESET.encode()):
                got += os.read(ours, 65536)
        assert got.endswith(RESET.encode())
    finally:
        os.close(ours)
        os.close(its)


def test_the_shell_has_its_own_modes_while_the_app_is_suspended(tmp_path: Path) -> None:
    body = """
before = termios.tcgetattr(0)
with take_screen(pathlib.Path(os.environ['LOG'])) as screen:
    taken = termios.tcgetattr(0)
    screen.give_keys()
    given = termios.tcgetattr(0)
    screen.take_keys()
    assert (given, termios.tcgetattr(0)) == (before, taken) and before != taken
"""
    code, _, is_as_before = run(body, tmp_path / "log")
    assert (code, is_as_before) == (0, True)


@pytest.mark.parametrize("error", ["RuntimeError", "BaseException", "KeyboardInterrupt", "SystemExit"])
def test_whatever_is_raised_the_terminal_is_given_back(tmp_path: Path, error: str) -> None:
    body = (
        f"with take_screen(pathlib.Path(os.environ['LOG'])) as screen:\n    draw(screen); raise {error}('x')"
    )
    code, output, is_as_before = run(body, tmp_path / "log")
    assert code != 0
    assert is_as_before
    assert b"\x1b[?1049l" in output


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_a_signal_that_nobody_handles_yet_gives_it_back_too(tmp_path: Path, name: str) -> None:
    body = f"""
import signal
with take_screen(pathlib.Path(os.environ['LOG'])) as screen:
    draw(screen); os.kill(os.getpid(), signal.{name}); os.read(0, 1)
"""
    code, output, is_as_before = run(body, tmp_path / "log")
    assert code == 128 + getattr(signal, name)
    assert is_as_before
    assert b"\x1b[?1049l" in output


def test_what_is_drawn_on_a_terminal_that_is_gone_harms_nobody(tmp_path: Path) -> None:
    body = """
with take_screen(pathlib.Path(os.environ['LOG'])) as screen:
    import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)
    draw(screen)
    try:
        os.read(0, 1)
    except OSError:
        pass
    for _ in range(3):
        screen.write('more'); screen.flush()
os._exit(7)
"""
    with start(body, tmp_path / "log") as terminal:
        terminal.wait_for("drawn")
        terminal.hang_up()
        assert terminal.wait_exit() == 7


def test_a_terminal_that_is_gone_ends_us_though_nobody_sends_the_signal(tmp_path: Path) -> None:
    body = """
import fcntl, signal
signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as by nohup
fcntl.ioctl(0, termios.TIOCNOTTY)  # no terminal is ours any more
with take_screen(pathlib.Path(os.environ['LOG'])) as screen:
    draw(screen)
    while True:
        signal.pause()
"""
    with start(body, tmp_path / "log") as terminal:
        terminal.wait_for("drawn")
        terminal.hang_up()
        assert terminal.wait_exit() == 128 + signal.SIGHUP


def test_who_does_not_end_after_a_hangup_is_ended_once_all_is_kept(tmp_path: Path) -> None:
    body = """
import collab_cli.terminal, signal, threading
collab_cli.terminal.HANGUP_S = 0.0
report = pathlib.Path(os.environ['LOG']).with_name('report')
with take_screen(pathlib.Path(os.environ['LOG'])) as screen:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    looks = [False, True, True]
    def is_keeping():
        report.write_text(f'{len(looks)} left')
        return looks.pop()
    screen.is_keeping = is_keeping
    draw(screen)
    threading.Event().wait()
"""
    with start(body, tmp_path / "log") as terminal:
        terminal.wait_for("drawn")
        terminal.hang_up()
        assert terminal.wait_exit() == 128 + signal.SIGHUP
    assert (tmp_path / "report").read_text() == "1 left"


def test_a_signal_whose_exception_is_lost_ends_us_all_the_same(tmp_path: Path) -> None:
    body = """
import collab_cli.terminal, signal, threading
collab_cli.terminal.HANGUP_S = 0.0
class Lossy:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGHUP)  # what the handler raises in here is dropped
with take_screen(pathlib.Path(os.environ['LOG'])) as screen:
    draw(screen)
    Lossy()
    threading.Event().wait()
"""
    code, output, is_as_before = run(body, tmp_path / "log")
    assert (code, is_as_before) == (128 + signal.SIGHUP, True)
    assert b"\x1b[?1049l" in output


def test_a_terminal_that_was_gone_before_is_as_if_hung_up() -> None:
    program = "import os, pathlib, select, signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
    program += "os.write(1, b'up')\n"  # in one piece: nothing may be left to write once it is seen
    program += "from collab_cli.terminal import take_screen\n"
    program += "poll = select.poll(); poll.register(0, 0); poll.poll()\n"
    program += "with take_screen(pathlib.Path('/dev/null')): pass"
    with Terminal([sys.executable, "-c", program], env=dict(os.environ)) as terminal:
        terminal.wait_for("up")
        terminal.hang_up()
        assert terminal.wait_exit() == 128 + signal.SIGHUP


def test_utf_8_is_written_whatever_the_locale_says(tmp_path: Path) -> None:
    body = """
with take_screen(pathlib.Path(os.environ['LOG'])) as screen:
    screen.write('é漢'); screen.speak_utf8(); screen.write('é漢🎉')
"""
    environ = {**os.environ, "TERM": "xterm", "LOG": str(tmp_path / "log"), "PYTHONIOENCODING": "iso-8859-1"}
    with Terminal([sys.executable, "-c", PROGRAM.format(body=body)], env=environ) as terminal:
        assert terminal.wait_exit() == 0
        assert "é?".encode("iso-8859-1") + "é漢🎉".encode() in terminal.raw
