"""What comes from the terminal: keys and pastes, whole and in pieces; and that nothing overtakes."""

from __future__ import annotations

import asyncio
import contextvars
import os
import pty
import signal
import termios
import threading
import tty
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual import constants, events
from textual.drivers.linux_driver import LinuxDriver

from collab_tui.driver import DirectDriver, KeyParser
from collab_tui.terminal_output import TerminalOutput

BEGIN, END = "\x1b[200~", "\x1b[201~"


def parsed(*pieces: str) -> list[str]:
    """Return what was typed long after the start: keys by name, pastes in guillemets."""
    parser = KeyParser()
    parser._answers_until = 0.0
    found: list[str] = []
    for piece in pieces:
        for event in parser.feed(piece):
            if isinstance(event, events.Paste):
                found.append(f"«{event.text}»")
            elif isinstance(event, events.Key):
                found.append(event.key)
    return found


def test_a_paste_is_one_event_between_keys() -> None:
    assert parsed(f"a{BEGIN}two\rlines{END}b") == ["a", "«two\rlines»", "b"]
    assert parsed(f"{BEGIN}{END}{BEGIN}x{END}") == ["«»", "«x»"]


@given(st.lists(st.sampled_from(["a", "\r", "é", "🙂", "\x1b[31m", "~", "[", "2", "0", "1"])), st.data())
def test_a_paste_may_come_in_any_pieces(content: list[str], data: st.DataObject) -> None:
    text = "".join(content)
    stream = BEGIN + text + END + "z"
    cuts = sorted(data.draw(st.sets(st.integers(1, len(stream)))))
    pieces = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    assert parsed(*pieces) == [f"«{text}»", "z"]


def test_nuls_in_a_paste_are_dropped() -> None:
    assert parsed(f"{BEGIN}a\x00b{END}") == ["«ab»"]


def test_alt_and_a_character_is_a_key_whatever_is_typed_behind_it() -> None:
    assert parsed("\x1bxcall \x1bZ\x1b.é") == ["alt+x", *"call", "space", "alt+shift+z", "alt+full_stop", "é"]
    assert parsed("\x1b", "xcall") == ["alt+x", *"call"]
    assert parsed("a\x1bf\x1b\x7fb") == ["a", "ctrl+right", "ctrl+w", "b"]  # that Textual knows
    assert parsed("\x1b[1;3A\x1bx\x1bOPy") == ["alt+up", "alt+x", "f1", "y"]


def test_what_is_typed_after_esc_has_waited_is_a_key_of_its_own() -> None:
    parser = KeyParser()
    keys = [e.key for e in parser.feed("\x1b") if isinstance(e, events.Key)]
    keys += [e.key for e in parser.tick() if isinstance(e, events.Key)]
    keys += [e.key for e in parser.feed("xyz") if isinstance(e, events.Key)]
    assert keys == ["escape", "x", "y", "z"]


def test_shift_f3_is_no_cursor_report() -> None:
    assert parsed("\x1b[1;2R") == ["shift+f3"]
    assert parsed("\x1b[28~a") == ["shift+f3", "a"]
    assert parsed("\x1b[1;5R") == ["ctrl+f3"]
    assert parsed("\x1bOR") == ["f3"]
    for cut in range(1, 6):
        assert parsed("\x1b[1;2R"[:cut], "\x1b[1;2R"[cut:]) == ["shift+f3"], cut


def test_escape_is_a_key_after_no_longer_a_wait_than_without_us(monkeypatch: pytest.MonkeyPatch) -> None:
    parser = KeyParser()
    assert list(parser.feed("\x1b")) == []
    assert list(parser.tick()) == []  # ESC has been handed on
    assert parser._timeout_time == parser._held_at + constants.ESCAPE_DELAY
    monkeypatch.setattr("textual._parser.get_time", lambda: parser._held_at + constants.ESCAPE_DELAY)
    assert [event.key for event in parser.tick() if isinstance(event, events.Key)] == ["escape"]
    assert not parser.is_waiting


@pytest.mark.parametrize(
    ("typed", "key"),
    [
        ("\x1b[1;3A", "alt+up"),
        ("\x1b[1;5C", "ctrl+right"),
        ("\x1b[1;2D", "shift+left"),
        ("\x1d", "ctrl+right_square_bracket"),
        ("\x1b[Z", "shift+tab"),
        ("\x1b[15~", "f5"),
    ],
)
def test_keys_have_the_names_that_the_keymap_uses(typed: str, key: str) -> None:
    assert parsed(typed) == [key]


@pytest.mark.parametrize("end", ["\x07", "\x1b\\"])
def test_late_answers_of_the_terminal_are_no_keys(end: str) -> None:
    answer = f"\x1b]11;rgb:1e1e/1e1e/2e2e{end}\x1bP1$r0;48:2::1:2:3m{end}\x1b[?62;22;52c"
    begun = answer.index("P")
    assert parsed(f"a{answer}b") == ["a", "b"]
    assert parsed(f"a{answer}{BEGIN}x{END}") == ["a", "«x»"]
    # ESC ] and ESC P are keys, that long after the start.
    for cut in set(range(1, len(answer))) - {2, begun + 1}:
        assert parsed("a" + answer[:cut], answer[cut:] + "b") == ["a", "b"], cut


@pytest.mark.parametrize(
    "answer", ["\x1b]11;rgb:1e1e/1e1e/2e2e\x1b\\", "\x1bP1$r48:2::1:2:3m\x1b\\", "\x1b[?62;22c"]
)
def test_the_rest_of_a_late_answer_may_be_a_packet_behind(answer: str) -> None:
    for cut in range(3, len(answer)):
        parser = KeyParser()
        found = [*parser.feed(answer[:cut]), *parser.tick(), *parser.feed(answer[cut:] + "b"), *parser.tick()]
        assert [event.key for event in found if isinstance(event, events.Key)] == ["b"], cut


def test_an_answer_that_breaks_off_is_given_up() -> None:
    parser = KeyParser()
    assert [*parser.feed("\x1bP1$r48"), *parser.tick()] == []
    parser._answers_until = 0.0
    list(parser.tick())
    assert not parser._held


def test_what_looks_like_a_paste_and_is_none_comes_out_after_a_while() -> None:
    parser = KeyParser()
    assert list(parser.feed("\x1b[20")) == []
    assert parser.is_waiting
    list(parser.tick())
    assert not parser._held


# Output


@contextmanager
def terminal() -> Iterator[tuple[int, int]]:
    """Yield both ends of a terminal."""
    ours, its = pty.openpty()
    tty.setraw(its)
    try:
        yield ours, its
    finally:
        os.close(ours)
        os.close(its)


async def test_output_reaches_the_terminal_in_order_though_it_stalls() -> None:
    with terminal() as (ours, its), os.fdopen(os.dup(its), "w", encoding="utf-8") as file:
        drawn: list[str] = []
        output = TerminalOutput(file, asyncio.get_running_loop(), lambda: drawn.append("anew"))
        lines = [f"{number:06}é|" for number in range(3000)]
        for line in lines:
            output.write(line)
        got = bytearray()
        os.set_blocking(ours, False)
        async with asyncio.timeout(10):
            while len(got) < len("".join(lines).encode()):
                await asyncio.sleep(0)
                try:
                    got += os.read(ours, 65536)
                except BlockingIOError:
                    continue
        assert got.decode() == "".join(lines)
        assert not drawn
        output.close()


async def test_a_terminal_far_behind_is_drawn_anew_when_it_has_caught_up() -> None:
    with terminal() as (ours, its), os.fdopen(os.dup(its), "w", encoding="utf-8") as file:
        caught_up = asyncio.Event()
        output = TerminalOutput(file, asyncio.get_running_loop(), caught_up.set)
        for _ in range(100):
            output.write("x" * 10_000)
        assert len(output._backlog) <= 262_144
        os.set_blocking(ours, False)
        total = 0
        async with asyncio.timeout(10):
            while not caught_up.is_set():
                await asyncio.sleep(0)
                try:
                    total += len(os.read(ours, 65536))
                except BlockingIOError:
                    continue
        assert total < 400_000
        output.write("now")
        async with asyncio.timeout(10):
            rest = b""
            while b"now" not in rest:
                await asyncio.sleep(0)
                try:
                    rest += os.read(ours, 65536)
                except BlockingIOError:
                    continue
        output.close()


async def test_what_gives_the_terminal_back_gets_there_though_it_stalled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with terminal() as (ours, its), os.fdopen(os.dup(its), "w", encoding="utf-8") as file:
        drawn: list[str] = []
        output = TerminalOutput(file, asyncio.get_running_loop(), lambda: drawn.append("anew"))
        for _ in range(100):
            output.write("x" * 10_000)
        output.finish(0)
        monkeypatch.setattr(file, "write", lambda _: pytest.fail("that would block"))
        assert not output._backlog
        back = ["\x1b[?2004l", "\x1b[<u", "\x1b[?1049l", "\x1b[?25h"]
        for text in back:
            output.write(text)
        os.set_blocking(ours, False)
        got = b""
        async with asyncio.timeout(10):
            while not got.endswith("".join(back).encode()):
                await asyncio.sleep(0)
                try:
                    got += os.read(ours, 65536)
                except BlockingIOError:
                    continue
        assert not drawn
        output.close()


async def test_what_takes_the_screen_goes_by_its_owner() -> None:
    with terminal() as (ours, its), os.fdopen(os.dup(its), "w", encoding="utf-8") as file:
        seen: list[str] = []

        class Owner:
            encoding = "utf-8"

            def fileno(self) -> int:
                return file.fileno()

            def write(self, text: str) -> None:
                seen.append(text)

            def flush(self) -> None:
                seen.append("flush")

        output = TerminalOutput(Owner(), asyncio.get_running_loop(), lambda: None)  # type: ignore[arg-type]
        output.write("plain")
        output.write("\x1b[?1049h")
        assert seen == ["\x1b[?1049h", "flush"]
        assert os.read(ours, 100) == b"plain"
        output.close()


async def test_a_pipe_is_no_terminal() -> None:
    read, write = os.pipe()
    with os.fdopen(write, "w", encoding="utf-8") as file, pytest.raises(OSError):
        TerminalOutput(file, asyncio.get_running_loop(), lambda: None)
    os.close(read)


# The way of a key


class App:
    """An app that notes what it is given, and by which way."""

    def __init__(self) -> None:
        self.got: list[str] = []
        self.later: list[tuple[object, ...]] = []
        self.sizes: asyncio.Queue[tuple[int, int]] = asyncio.Queue()

    typed_before = b"before"

    def refresh(self) -> None:
        self.got.append("drawn anew")

    def typed(self, event: events.Key | events.Paste) -> bool:
        self.got.append("direct " + (event.key if isinstance(event, events.Key) else event.text))
        return True

    def after_input(self, call: object) -> None:
        self.later.append((call,))

    def call_later(self, call: object, *arguments: object) -> None:
        call(*arguments)  # type: ignore[operator]

    async def _post_message(self, message: events.Resize) -> bool:
        self.sizes.put_nowait(message.size)
        return True

    def post_message(self, message: object) -> bool:
        self.got.append(
            f"queued {message.key if isinstance(message, events.Key) else type(message).__name__}"
        )
        return True


def test_a_key_behind_a_click_does_not_overtake_it() -> None:
    app = App()
    driver = DirectDriver.__new__(DirectDriver)
    driver._app = app  # type: ignore[assignment]
    driver._under_way = 0
    driver._down_buttons, driver._last_move_event, driver.cursor_origin = [], None, None
    parser = KeyParser()
    driver._take(parser.feed("a\x1b[<0;3;4Mb"))
    assert app.got == ["direct a", "queued MouseDown", "queued b"]
    for (call,) in app.later:
        call()  # type: ignore[operator]
    driver._take(parser.feed("c"))
    assert app.got[3:] == ["direct c"]


# Suspended and back

WHO = contextvars.ContextVar[str]("WHO")


class Screen:
    """A terminal's owner, that notes whose modes the terminal has."""

    def __init__(self, got: list[str]) -> None:
        self.got = got

    def give_keys(self) -> None:
        self.got.append("given")

    def take_keys(self) -> None:
        self.got.append("taken")

    is_gone = False

    def lose(self) -> None:
        self.got.append("gone")

    def fileno(self) -> int:
        raise OSError  # no terminal to write to directly


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> Iterator[DirectDriver]:
    """Yield a driver on a terminal of its own, of which Textual's part only notes what it is told."""
    app = App()
    driver = DirectDriver.__new__(DirectDriver)
    monkeypatch.setattr(LinuxDriver, "start_application_mode", lambda _: app.got.append("start"))
    monkeypatch.setattr(LinuxDriver, "stop_application_mode", lambda _: app.got.append("stop"))
    with terminal() as (_, its):
        driver._app = app  # type: ignore[assignment]
        driver._file = Screen(app.got)  # type: ignore[assignment]
        driver.fileno = its
        driver._writer_thread = driver._key_thread = None
        driver._in_band_window_resize = False
        driver._auto_restart = True
        driver.exit_event = threading.Event()
        yield driver


async def test_what_was_typed_before_is_typed_once(driver: DirectDriver) -> None:
    driver._loop = asyncio.get_running_loop()
    driver._begin_input()
    assert driver._app.got == ["direct " + key for key in "before"]  # type: ignore[attr-defined]
    driver._under_way = 1
    driver._begin_input()
    assert len(driver._app.got) == len("before")  # type: ignore[attr-defined]
    assert driver._under_way == 1  # what is still on Textual's way is not forgotten
    driver._loop.remove_reader(driver.fileno)


async def test_keys_come_in_the_encoding_that_is_drawn_in(driver: DirectDriver) -> None:
    driver._loop = asyncio.get_running_loop()
    driver._file.encoding = "iso-8859-1"  # type: ignore[misc,union-attr]
    driver._begin_input()
    driver._feed(b"\xe9")
    assert driver._app.got[-1] == "direct é"  # type: ignore[attr-defined]
    driver._loop.remove_reader(driver.fileno)


async def test_the_end_of_input_is_a_hangup_and_is_heard_once(driver: DirectDriver) -> None:
    driver._loop = asyncio.get_running_loop()
    driver._begin_input()
    driver._loop.remove_reader(driver.fileno)
    driver.fileno, ours = os.pipe()
    os.close(ours)
    driver._loop.add_reader(driver.fileno, driver._read)
    got: list[str] = driver._app.got  # type: ignore[attr-defined]
    async with asyncio.timeout(10):
        while "gone" not in got:
            await asyncio.sleep(0)
    for _ in range(10):
        await asyncio.sleep(0)
    assert got.count("gone") == 1
    assert not driver._loop.remove_reader(driver.fileno)
    os.close(driver.fileno)


async def test_who_is_woken_up_by_a_hangup_does_not_take_the_terminal_again(driver: DirectDriver) -> None:
    driver._loop = asyncio.get_running_loop()
    driver.start_application_mode()
    driver.suspend_application_mode()
    got: list[str] = driver._app.got  # type: ignore[attr-defined]
    before = list(got)
    driver._file.is_gone = True  # type: ignore[union-attr]
    driver._go_on()
    assert got == before


async def test_keys_run_where_textual_knows_the_app_after_a_signal_too(driver: DirectDriver) -> None:
    driver._loop = asyncio.get_running_loop()
    WHO.set("app")
    driver.start_application_mode()
    contextvars.Context().run(driver.start_application_mode)  # as from a signal's handler
    assert driver._context is not None
    assert driver._context[WHO] == "app"


async def test_the_size_is_read_when_the_loop_comes_to_it(
    driver: DirectDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [(80, 24)]
    monkeypatch.setattr(DirectDriver, "_get_terminal_size", lambda _: now[-1])
    sizes: asyncio.Queue[tuple[int, int]] = driver._app.sizes  # type: ignore[attr-defined]
    driver._loop = asyncio.get_running_loop()
    driver.start_application_mode()
    assert await sizes.get() == (80, 24)
    for size in ((40, 10), (3, 2), (100, 30)):
        os.kill(os.getpid(), signal.SIGWINCH)
        now.append(size)
    assert await sizes.get() == (100, 30)
    driver.disable_input()
    assert signal.getsignal(signal.SIGWINCH) == signal.SIG_DFL


async def test_going_on_takes_the_terminal_only_when_it_was_given_away(driver: DirectDriver) -> None:
    got: list[str] = driver._app.got  # type: ignore[attr-defined]
    driver._loop = asyncio.get_running_loop()
    driver._sigcont_application()  # before the first start there is nothing to go on with
    driver.start_application_mode()
    modes = termios.tcgetattr(driver.fileno)
    shell = [*modes]
    shell[3] |= termios.ECHO
    termios.tcsetattr(driver.fileno, termios.TCSANOW, shell)
    driver._sigcont_application()
    await asyncio.sleep(0)
    assert got == ["start", "drawn anew"]
    assert termios.tcgetattr(driver.fileno) == modes
    got.clear()
    driver.suspend_application_mode()
    driver.write("not for the shell")
    driver.suspend_application_mode()
    driver._sigcont_application()
    await asyncio.sleep(0)
    assert got == ["stop", "given", "taken", "start", "drawn anew"]


async def test_going_on_takes_nothing_from_whoever_the_app_gave_the_terminal_to(driver: DirectDriver) -> None:
    got: list[str] = driver._app.got  # type: ignore[attr-defined]
    driver._loop = asyncio.get_running_loop()
    driver.start_application_mode()
    driver.suspend_application_mode()
    got.clear()
    with driver.no_automatic_restart():
        driver._sigcont_application()
        await asyncio.sleep(0)
    assert got == []
