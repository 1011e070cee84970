"""Tests of `collab_server.chat`, and of what a room makes of it."""

from __future__ import annotations

import pytest

from collab_protocol import limits
from collab_protocol.codec import decode, encode
from collab_protocol.messages import Declined, Message, Said, Sync, Welcome
from collab_protocol.presence import Author, Role
from collab_server.chat import why_not
from collab_server.store.base import ChatLine

from .rooms import Bench, Guest


def said(guest: Guest) -> list[Said]:
    return [message for message in guest.told if isinstance(message, Said)]


def declined(guest: Guest) -> list[str]:
    return [message.message for message in guest.told if isinstance(message, Declined)]


def line(n: int, text: str = "before") -> ChatLine:
    return ChatLine("notes", n, 900.5, "device:ana", "ana", 3, text)


def test_a_line_has_something_in_it_and_an_end() -> None:
    most = "🙂" * limits.CHAT_CHARACTERS
    assert why_not(most) == ""
    assert str(limits.CHAT_CHARACTERS) in why_not(most + "x")
    assert why_not("")


class TestSaying:
    def test_everybody_is_told_once_it_is_on_disk_and_who_said_it_too(self) -> None:
        bench = Bench()
        ana, bo = bench.join("ana"), bench.join("bo")
        bench.room.say(ana, " hello\nall ")
        bench.turn()
        assert (ana.told, bo.told) == ([], [])
        bench.commit()
        assert said(ana) == said(bo)
        [told] = said(bo)
        assert (told.n, told.at_ms, told.text) == (1, 1_000_000, "hello all")
        assert (told.author.principal, told.author.name) == ("device:ana", "ana")

    def test_lines_are_numbered_on_from_those_on_disk(self) -> None:
        bench = Bench(chat=(line(41), line(42)))
        ana = bench.join("ana")
        bench.room.say(ana, "one")
        bench.room.say(ana, "two")
        assert [(each.n, each.text) for each in bench.lines] == [(43, "one"), (44, "two")]

    def test_it_keeps_the_colour_of_who_said_it(self) -> None:
        bench = Bench()
        bench.room.say(bench.join("ana"), "hello")
        bo = bench.knock("bo")
        [welcome] = [message for message in bo.told if isinstance(message, Welcome)]
        assert bench.lines[0].colour == next(p.person.colour for p in welcome.roster if p.person)

    @pytest.mark.parametrize("text", ["", " \n ", "x" * (limits.CHAT_CHARACTERS + 1)])
    def test_what_is_no_line_is_declined(self, text: str) -> None:
        bench = Bench()
        ana, bo = bench.join("ana"), bench.join("bo")
        bench.room.say(ana, text)
        bench.commit()
        assert len(declined(ana)) == 1
        assert (bench.lines, bo.told) == ([], [])

    def test_too_many_at_once_are_declined_and_later_ones_are_not(self) -> None:
        bench = Bench()
        ana, bo = bench.join("ana"), bench.join("bo")
        for number in range(7):
            bench.room.say(ana, f"line {number}")
        assert [each.text for each in bench.lines] == [f"line {number}" for number in range(5)]
        assert declined(ana) == ["too many lines at once: wait a moment"] * 2
        bench.room.say(bo, "each has an allowance of their own")
        assert len(bench.lines) == 6
        bench.wait(1.0)
        bench.room.say(ana, "now")
        assert len(bench.lines) == 7

    def test_a_reader_may_not_unless_the_room_allows_it(self) -> None:
        bench = Bench()
        ana, bo = bench.join("ana", role=Role.READ), bench.join("bo")
        bench.room.say(ana, "hello")
        assert "Readers may chat" in declined(ana)[0]
        assert bench.lines == []
        bench.room.set(bo, "readers_chat", "on")
        bench.room.setting_committed("readers_chat", "on")
        bench.room.say(ana, "hello")
        assert [each.text for each in bench.lines] == ["hello"]
        bench.room.setting_committed("readers_chat", "off")
        bench.room.say(ana, "hello again")
        assert len(bench.lines) == 1

    def test_nothing_is_taken_while_the_store_fails(self) -> None:
        bench = Bench()
        ana = bench.join("ana")
        bench.room.stop_storing("the server's disk is full")
        bench.room.say(ana, "hello")
        assert "disk is full" in declined(ana)[0]
        assert bench.lines == []
        bench.room.resume_storing()
        bench.room.say(ana, "hello")
        assert len(bench.lines) == 1

    def test_a_stranger_and_a_room_that_is_over_say_nothing(self) -> None:
        bench = Bench()
        ana, stranger = bench.join("ana"), bench.guest()
        bench.room.say(stranger, "hello")
        bench.room.fail("over")
        ana.take()
        bench.room.say(ana, "hello")
        assert (bench.lines, ana.told, stranger.told) == ([], [], [])


class TestNewcomers:
    def test_the_newest_lines_come_behind_the_sync_in_order(self) -> None:
        bench = Bench(chat=tuple(line(n) for n in range(1, limits.CHAT_SHOWN + 1)))
        ana = bench.join("ana")
        bench.room.say(ana, "and now")
        bench.commit()
        bo = bench.knock("bo")
        assert [type(message) for message in bo.told[:3]] == [Welcome, Sync, Said]
        assert [told.n for told in said(bo)] == list(range(2, limits.CHAT_SHOWN + 2))
        assert said(bo)[0] == Said(2, 900_500, Author("device:ana", "ana", 3), "before", False)
        assert [decode(encode(message)) for message in said(bo)] == said(bo)

    def test_a_line_on_its_way_to_the_disk_comes_once(self) -> None:
        bench = Bench()
        ana = bench.join("ana")
        bench.room.say(ana, "hello")
        bo = bench.knock("bo")
        assert said(bo) == []
        bench.commit()
        assert [told.n for told in said(bo)] == [1]

    def test_a_resync_brings_no_chat_again(self) -> None:
        bench = Bench(chat=(line(1),))
        bo = bench.join("bo")
        bench.room.resync(bo, b"\x00")
        bench.commit()
        assert any(isinstance(message, Sync) for message in bo.told)
        assert said(bo) == []


def test_what_is_declined_can_be_sent() -> None:
    bench = Bench()
    ana = bench.join("ana")
    bench.room.stop_storing("x" * 1000)
    ana.take()
    bench.room.say(ana, "hello")
    told: list[Message] = ana.told
    assert [decode(encode(message)) for message in told] == told
