"""One window: starting, status, notices, people, leaving."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import pytest
from textual import events

from collab_client import status as say
from collab_client.people import News
from collab_protocol.errors import LinkError
from collab_protocol.presence import Person, Role
from collab_tui import leaving
from collab_tui.actions import ACTIONS, FOR_ADMINS
from collab_tui.options import Options
from collab_tui.palette import Theme, palette_of
from collab_tui.widgets.editor import Editor
from tests.unit.collab_tui.scene import press
from tests.unit.collab_tui.stage import Stage, until

SLOW = ("pycrdt", "websockets", "msgpack", "collab_client.buffer", "collab_client.session")


def bar(stage: Stage) -> str:
    return stage.rows()[-1]


async def begun(stage: Stage) -> None:
    await until(lambda: stage.app._session is not None)


def test_what_is_slow_is_not_loaded_with_the_screen() -> None:
    code = f"import sys, collab_tui.app; print([m for m in {SLOW} if m in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


async def test_the_window_is_there_before_the_buffer() -> None:
    stage = Stage("text")
    stage.gate.clear()
    async with stage.app.run_test(size=(80, 10)):
        assert "… loading" in stage.rows()[0]
        assert bar(stage).startswith(" notes  … connecting")
        stage.gate.set()
        await begun(stage)
        await until(lambda: "text" in stage.rows()[0])
        await until(lambda: "✓ saved" in bar(stage))


async def test_the_status_is_what_the_session_says() -> None:
    stage = Stage()
    async with stage.app.run_test(size=(80, 10)):
        await begun(stage)
        stage.session.say(say.offline(3, 7))
        assert "! offline – 3 changes only in this window · retry in 7 s" in bar(stage)


async def test_the_position_follows_the_caret() -> None:
    stage = Stage("one\ntwo")
    async with stage.app.run_test(size=(80, 10)) as pilot:
        await begun(stage)
        await until(lambda: bar(stage).endswith(" 1:1 "))
        await pilot.press("down", "right")
        await until(lambda: bar(stage).endswith(" 2:2 "))
        assert stage.session.moves == 2


async def test_a_narrow_window_has_no_room_for_the_position() -> None:
    stage = Stage("one")
    async with stage.app.run_test(size=(30, 5)):
        await begun(stage)
        await until(lambda: "saved" in bar(stage))
        assert "1:1" not in bar(stage)


async def test_people_are_named_once_with_their_colour() -> None:
    stage = Stage("text")
    async with stage.app.run_test(size=(80, 10)) as pilot:
        await begun(stage)
        stage.world.place("ana", (0, 0), session=3, colour=5)
        stage.world.place("bo", (0, 1), session=4, colour=6)
        await pilot.pause()
        assert " A  ana   B  bo" in bar(stage)
        colours = {colour for _, colour in stage.styles(9)}
        assert palette_of(Theme.DARK).people[5] in colours
        stage.session.lose_link()
        await pilot.pause()
        assert "ana" not in bar(stage)


async def test_a_notice_is_shown() -> None:
    stage = Stage()
    async with stage.app.run_test(size=(80, 10)):
        await begun(stage)
        stage.session.on_notice("new room")
        assert "new room" in bar(stage)


async def test_read_only_is_said_when_the_server_decides_it() -> None:
    stage = Stage()
    async with stage.app.run_test(size=(80, 10)):
        await begun(stage)
        assert "read-only" not in bar(stage)
        stage.world.buffer.read_only = True
        stage.session.say(say.saved(is_durable=True))
        assert "read-only" in bar(stage)


async def test_ctrl_c_never_quits() -> None:
    stage = Stage("text")
    async with stage.app.run_test(size=(80, 10)) as pilot:
        await begun(stage)
        await pilot.press("ctrl+c", "ctrl+c", "x")
        assert stage.app.is_running
        assert stage.world.text == "xtext"


async def test_any_action_can_be_run_from_the_list() -> None:
    stage = Stage("text")
    async with stage.app.run_test(size=(80, 24)) as pilot:
        await begun(stage)
        await pilot.press("ctrl+p", *"duplicate")
        assert "Duplicate lines" in "".join(stage.rows())
        assert stage.world.text == "text"
        await pilot.press("enter", "x")
        assert stage.world.text == "text\nxtext"
        await pilot.press("ctrl+p", "escape", "y")
        assert stage.world.text == "text\nxytext"


@pytest.mark.parametrize("role", Role)
async def test_the_help_names_every_action_that_one_may_do(role: Role) -> None:
    stage = Stage("text")
    async with stage.app.run_test(size=(80, 40)) as pilot:
        await begun(stage)
        stage.session.people.own = Person(1, "me", "dee", role, 3)
        await pilot.press("f1")
        seen = set()
        before: list[str] = []
        while (rows := stage.rows()) != before:
            seen |= {a.title for a in ACTIONS if any(a.title in row for row in rows)}
            before = rows
            await pilot.press("pagedown")
        of_admins = {action.title for action in ACTIONS if action.id in FOR_ADMINS}
        assert len(of_admins) == 3
        assert seen == {action.title for action in ACTIONS} - (of_admins if role is not Role.ADMIN else set())
        await pilot.press("escape", "x")
        assert stage.world.text == "xtext"


async def test_going_to_a_line() -> None:
    stage = Stage("\n".join(f"line {n}" for n in range(1, 200)))
    async with stage.app.run_test(size=(80, 24)) as pilot:
        await begun(stage)
        await pilot.press("ctrl+g", *"120:4", "enter")
        assert stage.world.head == (119, 3)
        assert stage.rows()[11].startswith("120  line 120"), "in the middle"
        await pilot.press("ctrl+g", *"x", "enter")
        assert "120 or 120:4" in "".join(stage.rows())
        await pilot.press("backspace", *"7", "enter")
        assert stage.world.head == (6, 0)
        await pilot.press("ctrl+l", *":3", "enter")
        assert stage.world.head == (6, 2)


async def test_that_the_link_is_gone_is_not_hidden_by_who_came() -> None:
    stage = Stage("text")
    async with stage.app.run_test(size=(80, 10)) as pilot:
        await begun(stage)
        stage.app._toasts.tell_news(News(("ana",), ()))
        await until(lambda: "joined" in bar(stage))
        stage.session.say(say.offline(10, 7, 10), kept=10)
        await until(lambda: "! offline – 10 changes kept on this machine" in bar(stage))
        await pilot.press("ctrl+s")
        await until(lambda: "10 changes kept on this machine's disk" in bar(stage))
        stage.session.say(say.offline(10, 6, 10), kept=10)
        await pilot.pause()
        assert "10 changes kept on this machine's disk" in bar(stage), "what was asked for stays its time"


async def test_why_it_is_over_is_not_hidden_by_who_came() -> None:
    stage = Stage("text")
    async with stage.app.run_test(size=(60, 10)) as pilot:
        await begun(stage)
        stage.app.tell("ana, bo joined")
        await until(lambda: "joined" in bar(stage))
        stage.session.say(say.refused(2, "ana sent you away: notes", 2, is_over=True), kept=2)
        await until(lambda: "ana sent you away: notes – 2" in bar(stage))
        await pilot.press("ctrl+s")
        await until(lambda: "2 changes kept on this machine's disk" in bar(stage))


@pytest.mark.parametrize(
    ("last", "refusal"),
    [
        (None, "you may only read here"),
        (say.offline(2, 7), "you may only read here"),
        (say.saving(2), ""),
        (say.refused(2, "access was taken back", is_over=True), "access was taken back"),
    ],
)
async def test_why_the_server_took_nothing_is_known_at_the_end(last: say.Status | None, refusal: str) -> None:
    stage = Stage("text")
    async with stage.app.run_test(size=(80, 10)):
        await begun(stage)
        stage.session.say(say.refused(2, "you may only read here"))
        if last is not None:
            stage.session.say(last)
        assert stage.app.outcome.refusal == refusal


async def test_what_is_wrong_with_the_settings_is_told() -> None:
    stage = Stage("text", greeting="config.toml:3: nobody knows the key 'wrp'; it is ignored")
    async with stage.app.run_test(size=(120, 10)):
        await begun(stage)
        assert "config.toml:3" in bar(stage)


async def test_the_look_can_be_changed_while_it_runs() -> None:
    stage = Stage("one  two\tx", options=Options(hints=True))
    async with stage.app.run_test(size=(60, 20)) as pilot:
        await begun(stage)
        assert "F1" in stage.rows()[-1]
        assert stage.rows()[0].startswith("  1  one  two")
        for name in ("whitespace", "line_numbers", "hints"):
            stage.app._act(f"toggle_{name}")
        await pilot.pause()
        assert stage.rows()[0].startswith("  one··two→")
        assert "F1" not in stage.rows()[-1]
        colours = set()
        for _ in range(5):
            stage.app._act("next_theme")
            await pilot.pause()
            colours.add(stage.styles(0)[8])
        assert len(colours) > 3


async def test_quitting_with_all_saved_is_immediate() -> None:
    stage = Stage()
    async with stage.app.run_test(size=(80, 10)) as pilot:
        await begun(stage)
        await pilot.press("ctrl+q")
        await until(lambda: stage.app.return_value is not None)
    assert stage.session.ended.is_set()
    assert stage.app.outcome.unsaved == 0
    assert stage.app.outcome.error is None


async def test_quitting_before_the_buffer_came_is_immediate() -> None:
    stage = Stage()
    stage.gate.clear()
    async with stage.app.run_test(size=(80, 10)) as pilot:
        await pilot.press("ctrl+q")
        await until(lambda: stage.app.return_value is not None)


async def test_what_was_typed_before_the_buffer_came_is_in_the_text_before_one_leaves() -> None:
    stage = Stage("!")
    stage.gate.clear()
    async with stage.app.run_test(size=(80, 10)) as pilot:
        await pilot.press("h", "i", "ctrl+q")
        assert stage.app.return_value is None
        stage.gate.set()
        await until(lambda: stage.app.return_value is not None)
    assert stage.world.text == "hi!"


async def test_the_receipt_under_way_is_waited_for() -> None:
    stage = Stage("text")
    async with stage.app.run_test(size=(80, 10)) as pilot:
        await begun(stage)
        stage.session.say(say.saving(1))
        await pilot.press("ctrl+q")
        await until(lambda: stage.session.is_settling)
        assert "Quit" not in bar(stage)
        stage.session.say(say.saved(is_durable=True))
        await until(lambda: stage.app.return_value is not None)


async def test_quitting_with_unsaved_changes_asks() -> None:
    stage = Stage("text")
    async with stage.app.run_test(size=(80, 10)) as pilot:
        await begun(stage)
        stage.session.say(say.offline(2, 7))
        await pilot.press("ctrl+q")
        await until(lambda: "Quit" in bar(stage))
        await pilot.press("x")
        assert "Quit with 2 unsaved changes?  y / n  They are only in this window." in bar(stage)
        await pilot.press("n", "z")
        assert "Quit" not in bar(stage)
        assert stage.world.text == "ztext"
        await pilot.press("ctrl+q", "y")
        await until(lambda: stage.app.return_value is not None)
    assert stage.app.outcome.unsaved == 2


async def test_quitting_says_what_is_kept_for_the_next_time() -> None:
    stage = Stage("text")
    async with stage.app.run_test(size=(80, 10)) as pilot:
        await begun(stage)
        stage.session.say(say.offline(2, 7, 1), kept=1)
        await pilot.press("ctrl+q")
        await until(lambda: "They are only in this window." in bar(stage))
        stage.session.say(say.offline(2, 7, 2), kept=2)
        await until(lambda: "They are kept on this machine" in bar(stage))
        await pilot.press("y")
        await until(lambda: stage.app.return_value is not None)
    assert (stage.app.outcome.unsaved, stage.app.outcome.kept) == (2, 2)


async def test_leaving_waits_for_the_journal_but_not_for_one_in_trouble(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(leaving, "_GOODBYE_S", 0.01)
    monkeypatch.setattr(leaving, "_JOURNAL_WAITS", 10_000)
    stage = Stage("text")
    stage.session.stays = True
    async with stage.app.run_test(size=(80, 10)) as pilot:
        await begun(stage)
        stage.session.say(say.offline(2, 7, 1), kept=1)
        await pilot.press("ctrl+q", "y")
        await until(lambda: stage.session.has_left)
        await pilot.pause(0.05)
        assert stage.app.return_value is None
        stage.session.journal_trouble = "the disk is full"
        await until(lambda: stage.app.return_value is not None)
    assert (stage.app.outcome.unsaved, stage.app.outcome.kept) == (2, 1)


async def test_where_copies_are_is_told_at_the_end() -> None:
    stage = Stage("text")
    async with stage.app.run_test(size=(80, 10)) as pilot:
        await begun(stage)
        stage.session.copies.append("/copies/notes.txt")
        await pilot.press("ctrl+q")
        await until(lambda: stage.app.return_value is not None)
    assert stage.app.outcome.copies == ("/copies/notes.txt",)


async def test_the_answer_never_lands_in_the_text() -> None:
    stage = Stage("text")
    async with stage.app.run_test(size=(80, 10)) as pilot:
        await begun(stage)
        stage.session.say(say.offline(2, 7))
        editor = stage.app.query_one(Editor)
        for key in ("ctrl+q", "y"):
            editor.post_message(events.Key(key, key if len(key) == 1 else None))
        await until(lambda: stage.app.return_value is not None)
        await pilot.pause()
        assert stage.world.text == "text"


async def test_what_is_asked_is_answered_by_the_receipt() -> None:
    stage = Stage("text")
    async with stage.app.run_test(size=(80, 10)) as pilot:
        await begun(stage)
        stage.session.say(say.offline(2, 7))
        await pilot.press("ctrl+q")
        await until(lambda: "Quit" in bar(stage))
        stage.session.say(say.saved(is_durable=True))
        await until(lambda: stage.app.return_value is not None)
    assert stage.app.outcome.unsaved == 0


async def test_an_error_of_the_session_ends_the_window_and_is_told() -> None:
    stage = Stage()
    stage.session.error = LinkError("nobody there")
    async with stage.app.run_test(size=(80, 10)):
        await begun(stage)
        stage.session.ended.set()
        await until(lambda: stage.app.return_value is not None)
    assert isinstance(stage.app.outcome.error, LinkError)


async def test_how_to_go_on_after_the_end_is_hinted_at_until_it_is_no_end_any_more() -> None:
    stage = Stage("text", options=Options())
    async with stage.app.run_test(size=(80, 24)) as pilot:
        await begun(stage)
        for status, is_over in (
            (say.refused(1, "the room is closed", 1, is_over=True), True),
            (say.offline(1, None, 1, is_connecting=True), False),
            (say.refused(1, "the server's disk is full", 1), False),
        ):
            stage.session.say(status)
            await pilot.pause()
            assert ("F5 Try again" in stage.rows()[-1]) == is_over
        stage.session.say(say.refused(1, "the room is closed", 1, is_over=True))
        press(stage, "ctrl+a", "ctrl+c")
        await pilot.pause()
        assert stage.clipboard.text == "text"


async def test_where_the_caret_is_gives_way_to_the_reason_of_a_refusal() -> None:
    stage = Stage("text")
    async with stage.app.run_test(size=(42, 10)) as pilot:
        await begun(stage)
        stage.session.say(say.refused(3, "this room was deleted", 3, is_over=True))
        await pilot.pause()
        assert stage.rows()[-1].rstrip() == " notes  ✗ this room was deleted – 3 kept"
        stage.session.say(say.saved(is_durable=True))
        await pilot.pause()
        assert stage.rows()[-1].split() == ["notes", "✓", "saved", "1:1"]


@pytest.mark.parametrize("key", ["f5", "alt+r"])
async def test_one_can_ask_to_connect_now(key: str) -> None:
    stage = Stage()
    async with stage.app.run_test(size=(80, 10)) as pilot:
        await begun(stage)
        await pilot.press(key)
        await until(lambda: stage.session.retries == 1)
        await pilot.click("StatusLine")
        await until(lambda: stage.session.retries == 2)
        await pilot.press("x")
        assert stage.world.text == "x"


async def test_the_light_theme_is_light() -> None:
    stage = Stage("text", theme=Theme.LIGHT)
    async with stage.app.run_test(size=(80, 10)):
        await begun(stage)
        await until(lambda: "text" in stage.rows()[0])
        assert palette_of(Theme.LIGHT).background in {colour for _, colour in stage.styles(3)}


async def test_ascii_is_ascii() -> None:
    stage = Stage("text\n" * 30, is_ascii=True)
    async with stage.app.run_test(size=(80, 10)) as pilot:
        assert all(row.isascii() for row in stage.rows())
        await begun(stage)
        stage.world.place("ana", (20, 0))
        await pilot.pause()
        assert " v ana 21 " in stage.rows()[8]
        assert all(row.isascii() for row in stage.rows())


async def test_quitting_waits_for_a_paste_and_the_answer_is_no_text() -> None:
    stage = Stage("text")
    gate = asyncio.Event()

    async def slow() -> str:
        await gate.wait()
        return "PASTED "

    stage.clipboard.paste = slow  # type: ignore[method-assign]
    async with stage.app.run_test(size=(80, 10)) as pilot:
        await begun(stage)
        stage.session.say(say.offline(2, 7))
        for key in ("ctrl+v", "ctrl+q"):
            stage.app.typed(events.Key(key, None))
        await pilot.pause()
        assert "Quit with" not in bar(stage)
        gate.set()
        await until(lambda: "Quit with 2 unsaved changes?" in bar(stage))
        assert stage.world.text == "PASTED text"
        await pilot.press("n", "x")
        assert stage.world.text == "PASTED xtext"
        await pilot.press("ctrl+q")
        await until(lambda: "Quit with" in bar(stage))
        await pilot.press("y")
        await until(lambda: stage.session.has_left)


async def test_once_one_has_left_nothing_brings_one_back() -> None:
    stage = Stage("text")
    stage.session.stays = True
    async with stage.app.run_test(size=(80, 10)) as pilot:
        await begun(stage)
        stage.session.say(say.offline(2, 7))
        await pilot.press("ctrl+q")
        await until(lambda: "Quit with" in bar(stage))
        stage.session.say(say.saved(is_durable=True))
        assert stage.session.has_left
        assert "Quit with" not in bar(stage)
        await pilot.press("n", "h", "i")
        assert stage.world.text == "text"


async def test_a_question_keeps_the_mouse_out_of_bars() -> None:
    stage = Stage("two two")
    async with stage.app.run_test(size=(80, 10)) as pilot:
        await begun(stage)
        stage.session.say(say.offline(2, 7))
        for key in ("ctrl+r", *"two", "tab", "x", "ctrl+q"):
            stage.app.typed(events.Key(key, key if len(key) == 1 else None))
        await until(lambda: "Quit with" in bar(stage))
        await pilot.pause()
        row = next(y for y, text in enumerate(stage.rows()) if "[All]" in text)
        await pilot.click(offset=(stage.rows()[row].index("[All]") + 1, row))
        assert stage.world.text == "two two"
