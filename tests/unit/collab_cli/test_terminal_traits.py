"""Tests of `collab_cli.terminal_traits`: what terminals answer, and that nothing typed meanwhile is lost."""

from __future__ import annotations

import fcntl
import os
import sys
import termios
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import pyte
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collab_cli import terminal_traits
from collab_cli.settings.flags import Theme
from collab_cli.terminal_traits import TerminalQuery, Traits, tell_textual

XTERM = {"TERM": "xterm-256color", "COLORTERM": "truecolor"}
NO_COLORTERM = {"TERM": "xterm-256color"}
FENCE = b"\x1b[?62;22;52c"
LIGHT = b"\x1b]11;rgb:ffff/ffff/eded\x1b\\"
DARK = b"\x1b]11;rgb:1e1e/1e1e/1e1e\x1b\\"
QUERY = b"\x1b]11;?\x1b\\\x1b[c"
ASKS_RGB = b"\x1b[48:2::1:2:3m\x1bP$qm\x1b\\\x1b[0m"
ASKS_WIDTH = b"\x1b[6n\xc3\xa9\x1b[6n"
RGB = b"\x1bP1$r0;48:2::1:2:3m\x1b\\"


class Ends(NamedTuple):
    """A terminal: what a person and the terminal write to and read from, and the program's end."""

    outer: int
    inner: int


@pytest.fixture
def ends() -> Iterator[Ends]:
    ends = Ends(*os.openpty())
    yield ends
    for fd in ends:
        os.close(fd)


@pytest.fixture(autouse=True, scope="module")
def never_late() -> Iterator[None]:
    """Have no answer come too late, however busy this machine is."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(terminal_traits, "_LOCAL_S", 3600)
        patch.setattr(terminal_traits, "_REMOTE_S", 3600)
        patch.setattr(terminal_traits, "_ENCODING_S", 3600)
        yield


def ask(
    ends: Ends,
    came: bytes,
    *,
    before: bytes = b"",
    theme: Theme = Theme.AUTO,
    environ: dict[str, str] | None = None,
    unicode: bool = True,
) -> Traits:
    """Ask the terminal, and have it answer `came`; then it is too late, unless that ends the waiting."""
    os.write(ends.outer, before)
    query = TerminalQuery(
        theme, environ or XTERM, can_draw_unicode=unicode, fd_in=ends.inner, fd_out=ends.inner
    )
    with query, pytest.MonkeyPatch.context() as patch:
        os.write(ends.outer, came)
        if FENCE not in came:
            wait_for_bytes(ends.inner, len(came))
            patch.setattr(terminal_traits, "_LOCAL_S", -3600)
            patch.setattr(terminal_traits, "_REMOTE_S", -3600)
            patch.setattr(terminal_traits, "_ENCODING_S", -3600)
        return query.traits()


def wait_for_bytes(fd: int, count: int) -> None:
    """Wait until so many bytes can be read: a pseudo-terminal hands them over by a task of the kernel."""
    ends_at = time.monotonic() + 30
    there = b""
    while int.from_bytes(there, sys.byteorder) < count:
        assert time.monotonic() < ends_at
        there = fcntl.ioctl(fd, termios.FIONREAD, b"\0" * 4)


def asked(ends: Ends) -> bytes:
    """Return what was written to the terminal."""
    os.set_blocking(ends.outer, False)
    try:
        return os.read(ends.outer, 4096)
    except BlockingIOError:
        return b""


@pytest.mark.parametrize(
    ("answer", "theme"),
    [
        (DARK, "dark"),
        (LIGHT, "light"),
        (b"\x1b]11;rgb:ff/ff/ff\x07", "light"),
        (b"\x1b]11;rgb:f/f/f\x07", "light"),
        (b"\x1b]11;rgba:0000/0000/ffff/ffff\x1b\\", "dark"),
        (b"\x1b]11;rgb:8080/8080/8080\x07", "light"),
        (b"\x1b]11;rgb:7f7f/7f7f/7f7f\x07", "dark"),
        (b"\x1b]11;rgb:ffff/ffff\x07", "dark"),
        (b"\x1b]11;#ffffff\x07", "dark"),
    ],
)
def test_the_background_decides(ends: Ends, answer: bytes, theme: str) -> None:
    traits = ask(ends, answer + FENCE)
    assert traits.theme == theme
    assert traits.typed == b""
    assert asked(ends) == QUERY


def test_a_terminal_that_has_no_answer_says_what_it_is_and_ends_the_waiting(ends: Ends) -> None:
    assert ask(ends, FENCE).theme == "dark"
    assert ask(ends, FENCE, environ=XTERM | {"COLORFGBG": "0;15"}).theme == "light"


@pytest.mark.parametrize(
    ("colorfgbg", "theme"),
    [
        ("15;0", "dark"),
        ("0;15", "light"),
        ("0;7", "light"),
        ("0;8", "dark"),
        ("12;default;15", "light"),
        ("0;default", "dark"),
        ("0;²", "dark"),
        ("", "dark"),
    ],
)
def test_a_silent_terminal_is_what_colorfgbg_says(ends: Ends, colorfgbg: str, theme: str) -> None:
    traits = ask(ends, b"", environ=XTERM | {"COLORFGBG": colorfgbg})
    assert (traits.theme, traits.typed) == (theme, b"")


def test_an_answer_in_pieces(ends: Ends, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(terminal_traits, "_READ_BYTES", 1)
    traits = ask(ends, b"a" + LIGHT + b"\x1b[A" + FENCE)
    assert (traits.theme, traits.typed) == ("light", b"a\x1b[A")


KEYS = st.lists(
    st.sampled_from(["a", "é", "語", "\x1b[A", "\x1b[1;5D", "\x1b", "[", "]", "\r"]), max_size=5
).map(lambda keys: "".join(keys).encode())
# Enter of before may come as the terminal's driver makes it, or as it is.
KEYS_BEFORE = KEYS.map(lambda keys: keys.replace(b"\r", b"\n"))


@given(before=KEYS_BEFORE, first=KEYS, second=KEYS, third=KEYS)
def test_what_is_typed_meanwhile_is_handed_on(
    before: bytes, first: bytes, second: bytes, third: bytes
) -> None:
    ends = Ends(*os.openpty())
    try:
        traits = ask(ends, first + LIGHT + second + FENCE + third, before=before)
    finally:
        for fd in ends:
            os.close(fd)
    assert traits.typed == before + first + second + third
    assert traits.theme == "light"


@pytest.mark.parametrize("garbage", [b"\x1b]11;rgb:1e1e", b"\x1b]11;", b"\x00\xff\xfe", b"\x1b[?62;2"])
def test_what_is_no_whole_answer_is_handed_on(ends: Ends, garbage: bytes) -> None:
    traits = ask(ends, garbage)
    assert (traits.theme, traits.typed) == ("dark", garbage)


def test_what_has_come_counts_even_when_loading_took_too_long(ends: Ends) -> None:
    assert ask(ends, LIGHT).theme == "light"


@pytest.mark.parametrize(
    ("environ", "theme"), [(XTERM, "dark"), (XTERM | {"SSH_TTY": "/dev/pts/1"}, "light")]
)
def test_over_ssh_there_is_more_time(
    ends: Ends, monkeypatch: pytest.MonkeyPatch, environ: dict[str, str], theme: str
) -> None:
    def answer_once_waited_for(fds: list[int], *rest: object) -> object:
        if rest[-1]:
            os.write(ends.outer, LIGHT + FENCE)
        return select(fds, *rest)

    select: Any = terminal_traits.select.select
    query = TerminalQuery(Theme.AUTO, environ, can_draw_unicode=True, fd_in=ends.inner, fd_out=ends.inner)
    with query:
        monkeypatch.setattr(terminal_traits, "_LOCAL_S", -3600)
        monkeypatch.setattr(terminal_traits.select, "select", answer_once_waited_for)
        assert query.traits().theme == theme


def test_the_terminal_is_given_back_as_it_was(ends: Ends) -> None:
    before = termios.tcgetattr(ends.inner)
    ask(ends, DARK + FENCE)
    assert termios.tcgetattr(ends.inner) == before
    query = TerminalQuery(Theme.AUTO, XTERM, can_draw_unicode=True, fd_in=ends.inner, fd_out=ends.inner)
    with pytest.raises(RuntimeError), query:
        assert not termios.tcgetattr(ends.inner)[3] & (termios.ECHO | termios.ICANON)
        raise RuntimeError
    assert termios.tcgetattr(ends.inner) == before


def test_a_terminal_that_is_stopped_is_not_asked(ends: Ends) -> None:
    termios.tcflow(ends.inner, termios.TCOOFF)
    assert ask(ends, b"").theme == "dark"
    termios.tcflow(ends.inner, termios.TCOON)
    assert asked(ends) == b""


def test_no_terminal_is_dark() -> None:
    read, write = os.pipe()
    try:
        with TerminalQuery(Theme.AUTO, XTERM, can_draw_unicode=True, fd_in=read, fd_out=write) as query:
            assert query.traits().theme == "dark"
    finally:
        os.close(read)
        os.close(write)


@pytest.mark.parametrize(
    ("theme", "environ", "resolved"),
    [
        (Theme.AUTO, {"TERM": "xterm-256color", "NO_COLOR": "1"}, "mono"),
        (Theme.LIGHT, {"TERM": "linux", "NO_COLOR": "1"}, "light"),
        (Theme.MONO, {"TERM": "xterm-256color"}, "mono"),
        (Theme.AUTO, {"TERM": "linux", "COLORTERM": "truecolor"}, "16-colour"),
        (Theme.AUTO, {"TERM": "linux-16color"}, "16-colour"),
        (Theme.AUTO, {"TERM": "xterm"}, "16-colour"),
        (Theme.AUTO, {"TERM": "screen"}, "16-colour"),
        (Theme.AUTO, {}, "16-colour"),
    ],
)
def test_nothing_is_asked_where_it_would_not_matter(
    ends: Ends, theme: Theme, environ: dict[str, str], resolved: str
) -> None:
    traits = ask(ends, b"", theme=theme, environ=environ or {"HOME": "/"})
    assert traits.theme == resolved
    assert traits.typed == b""
    assert asked(ends).startswith(QUERY) is False


@pytest.mark.parametrize(
    "environ",
    [
        {"TERM": "xterm-256color", "NO_COLOR": ""},
        {"TERM": "xterm", "COLORTERM": "truecolor"},
        {"TERM": "xterm-kitty"},
        {"TERM": "xterm-direct"},
        {"TERM": "alacritty"},
    ],
)
def test_terminals_with_many_colours_are_asked(ends: Ends, environ: dict[str, str]) -> None:
    assert ask(ends, LIGHT + FENCE, environ=environ).theme == "light"


@pytest.mark.parametrize(
    ("environ", "remote", "console", "multiplexer"),
    [
        ({"TERM": "xterm"}, False, False, ""),
        ({"TERM": "linux"}, False, True, ""),
        ({"TERM": "xterm", "SSH_CONNECTION": "a 1 b 22"}, True, False, ""),
        ({"TERM": "xterm", "SSH_TTY": "/dev/pts/1", "TMUX": "/tmp/t,1,0"}, True, False, "tmux"),
        ({"TERM": "screen", "STY": "1.pts-1"}, False, False, "screen"),
    ],
)
def test_what_the_environment_says(
    ends: Ends, environ: dict[str, str], remote: bool, console: bool, multiplexer: str
) -> None:
    traits = ask(ends, b"", environ=environ)
    assert (traits.is_remote, traits.is_linux_console, traits.multiplexer) == (remote, console, multiplexer)
    assert traits.is_ascii is console


@pytest.mark.parametrize(
    ("environ", "has_osc9"),
    [
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "iTerm.app"}, True),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "WezTerm"}, True),
        ({"TERM": "xterm-kitty"}, True),
        ({"TERM": "xterm-ghostty", "TMUX": "/tmp/t,1,0"}, False),
        ({"TERM": "xterm-256color"}, False),
    ],
)
def test_who_shows_notifications(ends: Ends, environ: dict[str, str], has_osc9: bool) -> None:
    assert ask(ends, b"", environ=environ).has_osc9 is has_osc9


# All colours


@pytest.mark.parametrize(
    "answer",
    [
        RGB,
        b"\x1bP1$r0;48:2:1:2:3m\x1b\\",  # VTE
        b"\x1bP1$r48;2;1;2;3m\x07",
        b"\x1bP0$r0;48:2:0:1:2:3m\x1b\\",  # 0 is "valid" to DEC, 1 to xterm
        b"\x1bP1$r0;1;48:2::1:2:3;4m\x1b\\",
    ],
)
def test_who_keeps_a_colour_as_rgb_has_them_all(ends: Ends, answer: bytes) -> None:
    traits = ask(ends, b"a" + LIGHT + b"b" + answer + b"c" + FENCE + b"d", environ=NO_COLORTERM)
    assert (traits.has_all_colours, traits.theme, traits.typed) == (True, "light", b"abcd")
    assert asked(ends) == QUERY[:-3] + b"\x1b7" + ASKS_RGB + b"\x1b8\x1b[0m\x1b[K" + b"\x1b[c"


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\x1bP0$r\x1b\\",  # tmux, and who does not know the question
        b"\x1bP1$r0;48:5:16m\x1b\\",  # xterm with a palette: the nearest
        b"\x1bP1$r0m\x1b\\",
        b"\x1bP1$r0;48:2::1:2:31m\x1b\\",
    ],
)
def test_who_does_not_say_so_has_256(ends: Ends, answer: bytes) -> None:
    traits = ask(ends, LIGHT + answer + FENCE, environ=NO_COLORTERM)
    assert (traits.has_all_colours, traits.theme, traits.typed) == (False, "light", b"")


@pytest.mark.parametrize("theme", [Theme.DARK, Theme.LIGHT, Theme.HIGH_CONTRAST])
def test_a_theme_that_was_chosen_is_drawn_in_all_colours_too(ends: Ends, theme: Theme) -> None:
    traits = ask(ends, RGB + FENCE, environ=NO_COLORTERM, theme=theme)
    assert (traits.has_all_colours, traits.theme) == (True, theme.value)
    assert b"]11" not in asked(ends)


@pytest.mark.parametrize(
    "term",
    [
        "xterm-kitty",
        "alacritty",
        "xterm-ghostty",
        "wezterm",
        "foot-extra",
        "contour",
        "xterm-direct",
        "tmux-256color",
    ],
)
def test_terminals_known_to_have_all_colours_are_not_asked(ends: Ends, term: str) -> None:
    assert ask(ends, FENCE, environ={"TERM": term}).has_all_colours
    assert asked(ends) == QUERY


@pytest.mark.parametrize(
    ("theme", "environ"),
    [
        (Theme.AUTO, {"TERM": "xterm-kitty", "NO_COLOR": "1"}),
        (Theme.MONO, {"TERM": "xterm-256color"}),
        (Theme.SIXTEEN, {"TERM": "xterm-256color"}),
        (Theme.AUTO, {"TERM": "linux", "COLORTERM": "truecolor"}),
        (Theme.AUTO, {"TERM": "xterm"}),
    ],
)
def test_few_colours_need_no_asking(ends: Ends, theme: Theme, environ: dict[str, str]) -> None:
    assert not ask(ends, b"", theme=theme, environ=environ).has_all_colours
    assert asked(ends) == b""


def test_textual_is_told() -> None:
    environ = {"TERM": "alacritty", "NO_COLOR": ""}
    all_colours = Traits("dark", False, False, False, "", False, b"", has_all_colours=True)
    tell_textual(all_colours, environ)
    assert environ == {"TERM": "alacritty", "COLORTERM": "truecolor"}
    environ = {"COLORTERM": "256"}
    tell_textual(Traits("dark", False, False, False, "", False, b""), environ)
    assert environ == {"COLORTERM": "256"}


def test_what_a_terminal_shows_of_the_questions_is_wiped_off(ends: Ends) -> None:
    """As on one that knows no DCS: what it does not take for a sequence stands on the row."""
    ask(ends, FENCE, environ=NO_COLORTERM, unicode=False)
    screen = pyte.Screen(80, 24)
    stream = pyte.ByteStream(screen)
    stream.feed(b"typed$ " + asked(ends).replace(b"\x1bP", b"P"))
    assert screen.display[0].rstrip() == "typed$"
    assert screen.cursor.attrs.bg == "default"


# The encoding


@pytest.mark.parametrize(
    ("came", "is_utf8", "is_ascii"),
    [
        (b"\x1b[7;1R\x1b[7;2R" + FENCE, True, False),
        (b"\x1b[7;1R\x1b[7;3R" + FENCE, False, True),
        (b"\x1b[7;80R\x1b[8;2R" + FENCE, True, True),  # at the edge: it tells nothing
        (b"\x1b[7;1R" + FENCE, True, True),
        (FENCE, True, True),
        (b"", True, True),
    ],
)
def test_a_locale_without_utf8_does_not_decide_for_the_terminal(
    ends: Ends, came: bytes, is_utf8: bool, is_ascii: bool
) -> None:
    traits = ask(ends, came, unicode=False)
    assert (traits.is_utf8, traits.is_ascii, traits.typed) == (is_utf8, is_ascii, b"")
    assert asked(ends) == QUERY[:-3] + b"\x1b7" + ASKS_WIDTH + b"\x1b8\x1b[0m\x1b[K" + b"\x1b[c"


def test_with_utf8_nobody_asks_where_the_cursor_is_and_f3_is_a_key(ends: Ends) -> None:
    assert ask(ends, b"\x1b[1;2R" + FENCE).typed == b"\x1b[1;2R"
    assert asked(ends) == QUERY
    assert ask(ends, b"\x1b[5;1R\x1b[5;2R" + FENCE + b"\x1b[1;2R", unicode=False).typed == b"\x1b[1;2R"


def test_the_console_is_not_asked_what_it_speaks(ends: Ends) -> None:
    assert ask(ends, b"", environ={"TERM": "linux"}, unicode=False).is_ascii
    assert asked(ends) == b""


def test_a_pipe_is_sent_no_questions(ends: Ends) -> None:
    read, write = os.pipe()
    with TerminalQuery(Theme.AUTO, XTERM, can_draw_unicode=False, fd_in=ends.inner, fd_out=write) as query:
        assert query.traits().is_ascii
    os.close(write)
    assert os.read(read, 100) == b""
    os.close(read)
