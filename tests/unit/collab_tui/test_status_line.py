"""The status line: what is said, and what gives way when there is no room."""

from __future__ import annotations

import pytest
from textual.app import App, ComposeResult

from collab_client import status as say
from collab_client.status import Status, StatusKind
from collab_protocol.presence import Activity
from collab_tui.palette import Styles, Theme, palette_of
from collab_tui.widgets.status_line import LeaderShown, PersonShown, StatusLine

PALETTE = palette_of(Theme.DARK)
PEOPLE = [
    PersonShown("ana", "A", 0),
    PersonShown("bo", "B", 1),
    PersonShown("cyd", "C", 2),
    PersonShown("dee", "D", 3),
]


class Shown(App[None]):
    def __init__(self, line: StatusLine) -> None:
        super().__init__()
        self.line = line

    def compose(self) -> ComposeResult:
        yield self.line


async def shown(line: StatusLine, width: int = 80) -> str:
    async with Shown(line).run_test(size=(width, 1)):
        strip = line.render_line(0)
        assert strip.cell_length == width
        return "".join(segment.text for segment in strip)


def made(
    status: Status | None = None, people: list[PersonShown] | None = None, **options: bool
) -> StatusLine:
    line = StatusLine(PALETTE, "notes", **options)
    line.show(status=status or say.saved(is_durable=True), people=people or [])
    return line


async def test_room_status_and_people() -> None:
    assert (await shown(made(people=PEOPLE))).rstrip() == (
        " notes  ✓ saved    A  ana   B  bo   C  cyd   D  dee"
    )


@pytest.mark.parametrize(
    ("width", "line"),
    [
        (50, " notes  ✓ saved    A  ana   B  bo   C  cyd  +1"),
        (40, " notes  ✓ saved    A  ana   B  bo  +2"),
        (20, " notes  ✓ saved   +4"),
        (17, " notes  ✓ saved"),
        (12, " ✓ saved"),
    ],
)
async def test_people_give_way_first(width: int, line: str) -> None:
    assert (await shown(made(people=PEOPLE), width)).startswith(line[:width])


async def test_a_long_room_name_gives_way_to_the_status() -> None:
    line = StatusLine(PALETTE, "x" * 64)
    line.show(status=say.offline(3, 7))
    text = await shown(line)
    assert "! offline – 3 changes only in this window · retry in 7 s" in text
    assert text.startswith(" xxxxxx")


async def test_the_badge_is_always_there() -> None:
    line = made(say.offline(3, 7), PEOPLE, is_read_only=True)
    assert "read-only" in await shown(line)


@pytest.mark.parametrize(
    ("width", "row"),
    [
        (80, " notes  ✗ you may only read here – 3 changes kept on this machine    read-only"),
        (60, " ✗ you may only read here – 3 changes kept on this machine"),
        (57, " notes  ✗ you may only read here – 3 kept"),
        (35, " ✗ you may only read here – 3 kept"),
        (30, " ✗ you may only rea… – 3 kept"),
        (14, " ✗ … – 3 kept"),
        (10, " ✗  – 3 ke"),
    ],
)
async def test_of_a_refusal_what_is_at_stake_stays_longest(width: int, row: str) -> None:
    line = made(say.refused(3, "you may only read here", 3), is_read_only=True)
    assert (await shown(line, width)).rstrip() == row


async def test_a_refusal_that_is_cut_is_ascii_and_safe() -> None:
    status = say.refused(3, "no – such · room…\n\x1b[31m and more", 2)
    text = await shown(made(status, is_ascii=True), 40)
    assert text.isascii()
    assert text.isprintable()
    assert text.rstrip().endswith(" - 2 kept, 1 only here")


async def test_people_who_are_away_or_twice_here_are_told_in_words() -> None:
    people = [PersonShown("ana", "A", 0, Activity.AWAY), PersonShown("bo", "B", 1, count=2)]
    assert "ana (away)   B  bo ×2" in await shown(made(people=people))


async def test_who_is_offline_for_a_moment_is_told_in_words() -> None:
    assert "ana (offline)" in await shown(made(people=[PersonShown("ana", "A", 0, Activity.LOST)]))


async def test_whom_one_follows_and_who_follows_is_told() -> None:
    line = made(people=PEOPLE[:1])
    line.show_following(LeaderShown("ana", 0, is_here=True), 1)
    assert "✓ saved    following ana (Esc)   1 follows you   A  ana" in await shown(line)
    line.show_following(LeaderShown("ana", 0, is_here=False), 2)
    assert "waiting for ana (Esc)   2 follow you" in await shown(line)
    line.show_following(None, 0)
    assert "follow" not in await shown(line)


async def test_whom_one_follows_stands_beside_a_notice() -> None:
    line = made(say.offline(3, 7), is_read_only=True)
    line.show_following(LeaderShown("ana", None, is_here=False), 3)
    line.show(notice="bo asks you to look at line 42")
    text = await shown(line)
    assert "read-only    waiting for ana   bo asks you to look" in text


@pytest.mark.parametrize(
    ("width", "line"),
    [
        (44, " notes  ✓ saved    following ana (Esc)"),
        (32, " ✓ saved    following ana (Esc)"),
        (31, " ✓ saved    following ana"),
        (20, " ✓ saved    following"),
    ],
)
async def test_the_badge_gives_way_before_the_status(width: int, line: str) -> None:
    made_line = made(people=PEOPLE)
    made_line.show_following(LeaderShown("ana", 0, is_here=True), 0)
    assert (await shown(made_line, width)).startswith(line[:width])


@pytest.mark.parametrize(
    ("width", "is_ascii", "row"),
    [
        (36, False, " ✓   ana asks you to look at line 41"),
        (34, False, " ✓ ana asks you to look at line 41"),
        (33, False, " ✓ ana asks you to look at line …"),
        (36, True, " ok: ana asks you to look at line 41"),
        (35, True, " ok: ana asks you to look at line ~"),
    ],
)
async def test_a_notice_takes_what_room_there_is_and_says_when_it_is_cut(
    width: int, is_ascii: bool, row: str
) -> None:
    line = made(is_ascii=is_ascii)
    line.show(notice="ana asks you to look at line 41")
    assert await shown(line, width) == row


@pytest.mark.parametrize(("is_here", "is_badge"), [(True, False), (False, True)])
async def test_without_faint_colours_whom_one_waits_for_has_a_badge(is_here: bool, is_badge: bool) -> None:
    palette = palette_of(Theme.ANSI)
    line = StatusLine(palette, "notes")
    line.show_following(LeaderShown("ana", 0, is_here=is_here), 0)
    async with Shown(line).run_test(size=(80, 1)):
        [badge] = [segment for segment in line.render_line(0) if " ana " in segment.text]
        assert badge.style is not None
        assert (badge.style == Styles()[palette.badge.over(palette.bar)]) == is_badge


async def test_signs_of_a_notice_have_stand_ins() -> None:
    line = made(is_ascii=True)
    line.show(notice="while you were away: +42 −7 · F4 …")
    line.show_following(LeaderShown("ana", 0, is_here=True), 1)
    assert "+42 -7 - F4 ..." in await shown(line)


async def test_ascii_stands_in_for_signs() -> None:
    for status in (
        say.connecting(),
        say.loading(),
        say.saving(2),
        say.saved(is_durable=True),
        say.saved(is_durable=False),
        say.offline(1, 3),
        say.busy(1, 3),
        say.refused(1, "no – such · room…"),
    ):
        text = await shown(made(status, [PersonShown("bo", "B", 1, count=2)], is_ascii=True))
        assert text.isascii(), text


async def test_what_a_server_says_is_made_safe() -> None:
    line = made(
        Status(StatusKind.REFUSED, "✗ \x1b[31m\u202ebad\n"), [PersonShown("\x1b]0;x\x07", "\u2460", 0)]
    )
    line.show(notice="\x9b1m")
    assert (await shown(line)).isprintable()
    line.show(question="\x1b[2J?")
    assert (await shown(line)).isprintable()


async def test_a_notice_stands_in_for_people_and_a_question_for_all() -> None:
    line = made(people=PEOPLE)
    line.show(notice="new room")
    assert "new room" in await shown(line)
    line.show(question="Quit?")
    assert (await shown(line)).strip() == "Quit?"
    line.show(question="", notice="")
    assert "ana" in await shown(line)


@pytest.mark.parametrize("kind", StatusKind)
async def test_every_status_has_an_ink(kind: StatusKind) -> None:
    assert "words" in await shown(made(Status(kind, "words")))


async def test_lines_of_chat_that_were_not_read_are_counted() -> None:
    line = made(people=PEOPLE[:1])
    line.show(unread=2)
    assert (await shown(line)).rstrip() == " notes  ✓ saved    chat 2    A  ana"
    line = made()
    line.show(unread=2)
    line.show(unread=0)
    assert (await shown(line)).rstrip() == " notes  ✓ saved"
