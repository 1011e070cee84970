"""What a session tells and hears of other people; links and helpers are those of `test_session`."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

import pytest

from collab_client.away import Digest
from collab_client.journal_steps import Contents
from collab_client.lines import Position
from collab_client.people import Doing, News
from collab_client.status import StatusKind
from collab_protocol import limits
from collab_protocol.messages import (
    AskAuthors,
    AskPulse,
    Authors,
    Batch,
    Declined,
    Look,
    Presence,
    Pulse,
    Said,
    Say,
    Setting,
)
from collab_protocol.presence import Activity, Author, Caret, Person, Role, View
from collab_protocol.text import Replica
from tests.unit.collab_client.test_session import (
    DEADLINE_S,
    EPOCH,
    HERE,
    ORIGIN,
    THERE,
    ScriptedLink,
    Stage,
    running,
)

_What = TypeVar("_What")
ME = Person(7, "unix:me", "ana", Role.WRITE, 0)
BO = Person(8, "unix:bo", "bo", Role.WRITE, 3)
BY_BO, BY_ME = Author("unix:bo", "bo", 3), Author("unix:me", "ana", 0)


def said_by(person: Person, activity: Activity = Activity.ACTIVE, following: int = 0) -> Presence:
    carets = () if activity.is_over else (Caret(0, 0),)
    return Presence(person, carets, 0, activity, following)


class Heard:
    """What a session calls, written down."""

    def __init__(self, stage: Stage) -> None:
        self.people = 0
        self.news: list[News] = []
        self.looks: list[Person] = []
        self.chat: list[bool] = []
        self.digests: list[Digest] = []
        self.authors: list[Authors] = []
        self._changed = asyncio.Event()
        session = stage.session
        session.on_people = self._on_people
        session.on_news = lambda news: self._note(self.news, news)
        session.on_look = lambda person: self._note(self.looks, person)
        session.on_chat = lambda is_new: self._note(self.chat, is_new)
        session.on_away = lambda digest: self._note(self.digests, digest)
        session.on_authors = lambda authors: self._note(self.authors, authors)

    def _on_people(self) -> None:
        self.people += 1
        self._changed.set()

    def _note(self, notes: list[_What], what: _What) -> None:
        notes.append(what)
        self._changed.set()

    async def until(self, holds: Callable[[], object]) -> None:
        """Wait until something was heard after which `holds`."""
        async with asyncio.timeout(DEADLINE_S):
            while not holds():
                self._changed.clear()
                await self._changed.wait()


@asynccontextmanager
async def a_room(
    stage: Stage,
    *roster: Presence,
    version: int = 3,
    role: Role = Role.WRITE,
    text: Replica | None = None,
) -> AsyncIterator[tuple[ScriptedLink, Heard]]:
    """Run the session in a room with these people, and have it told of its own caret."""
    link, heard = stage.link(), Heard(stage)
    async with running(stage):
        await link.welcome(version=version, roster=roster, person=ME, role=role, text=text)
        await stage.until(StatusKind.SAVED)
        await link.expect(Presence)
        yield link, heard


async def test_people_come_type_and_go() -> None:
    stage = Stage()
    people = stage.session.people
    other = Replica(99)
    rows: list[bytes] = []
    other.on_update = rows.append
    other.edit(0, 0, "theirs")
    async with a_room(stage) as (link, heard):
        link.say(said_by(BO))
        await heard.until(lambda: heard.news)
        assert heard.news == [News(("bo",), ())]
        link.say(Batch(1, 1, ((8, rows[0]),)))
        await heard.until(lambda: people.everybody()[0].doing is Doing.TYPING)
        link.say(said_by(BO, following=7))
        await heard.until(lambda: people.followers == 1)
        link.say(said_by(BO, Activity.GONE))
        await heard.until(lambda: len(heard.news) > 1)
        assert heard.news[1] == News((), ("bo",))
        assert people.everybody() == []
    other.close()


async def test_who_is_lost_is_gone_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "GRACE_S", 0.2)
    stage = Stage()
    async with a_room(stage, said_by(BO)) as (link, heard):
        link.say(said_by(BO, Activity.LOST))
        await heard.until(lambda: stage.session.people.everybody()[0].doing is Doing.OFFLINE)
        assert heard.news == []
        await heard.until(lambda: heard.news)
        assert heard.news == [News((), ("bo",))]


async def test_nobody_is_here_while_the_link_is_gone() -> None:
    stage = Stage(dice=0.9)
    async with a_room(stage, said_by(BO)) as (link, heard):
        await heard.until(stage.session.people.everybody)
        link.break_()
        await heard.until(lambda: not stage.session.people.everybody())
        again = stage.link()
        stage.session.retry_now()
        await again.welcome(version=3, roster=(said_by(BO),), person=ME)
        await heard.until(stage.session.people.everybody)
        assert heard.news == []


async def test_whom_one_follows_and_what_one_sees_is_told() -> None:
    stage = Stage()
    text = Replica(99)
    text.edit(0, 0, "zürich\ntwo\nthree")
    async with a_room(stage, said_by(BO), text=text) as (link, _):
        stage.session.show_view(Position(1, 0), Position(2, 5))
        told = await link.expect(Presence)
        assert (told.following, told.view) == (0, View(8, 17))
        stage.session.follow(8)
        told = await link.expect(Presence)
        assert (told.following, told.view) == (8, View(8, 17))
        stage.session.show_view(Position(1, 0), Position(2, 3))  # the row's end alone: not for its own sake
        stage.session.show_view(Position(0, 0), Position(99, 99))
        assert (await link.expect(Presence)).view == View(0, 17)
        link.break_()
        again = stage.link()
        await again.welcome(version=3, text=text)
        assert (await again.expect(Presence)).following == 0
    text.close()


async def test_the_same_view_is_not_told_again() -> None:
    stage = Stage()
    async with a_room(stage) as (link, _):
        stage.session.show_view(Position(0, 0), Position(0, 0))
        await link.expect(Presence)
        stage.session.show_view(Position(0, 0), Position(0, 9))
        stage.session.follow(0)
        stage.session.ask_pulse()
        assert isinstance(await link.expect(object), AskPulse)


@pytest.mark.parametrize(("away_after_s", "activity"), [(math.inf, Activity.IDLE), (0.1, Activity.AWAY)])
async def test_who_rests_is_told_and_the_next_key_ends_it(
    away_after_s: float, activity: Activity, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "IDLE_AFTER_S", 0.1)
    monkeypatch.setattr(limits, "AWAY_AFTER_S", away_after_s)
    stage = Stage()
    link = stage.link()
    async with running(stage):
        await link.welcome(version=3)
        while (await link.expect(Presence)).activity is not activity:
            pass
        monkeypatch.setattr(limits, "IDLE_AFTER_S", math.inf)
        stage.session.touched()
        assert (await link.expect(Presence)).activity is Activity.ACTIVE


async def test_round_trips_are_asked_for_and_told() -> None:
    stage = Stage()
    async with a_room(stage, said_by(BO)) as (link, heard):
        stage.session.ask_pulse()
        await link.expect(AskPulse)
        link.say(Pulse(((8, 48),)))
        await heard.until(lambda: stage.session.people.everybody()[0].round_trip_ms == 48)


async def test_who_asks_to_look_is_told_of() -> None:
    stage = Stage()
    async with a_room(stage, said_by(BO)) as (link, heard):
        assert stage.session.look_here() == ""
        await link.expect(Look)
        link.say(Look(BO))
        await heard.until(lambda: heard.looks)
        assert heard.looks == [BO]


async def test_what_is_declined_is_told() -> None:
    stage = Stage()
    async with a_room(stage) as (link, heard):
        link.say(Declined("too many lines at once: wait a moment"), said_by(BO))
        await heard.until(lambda: heard.news)
        assert stage.notices == ["too many lines at once: wait a moment"]


async def test_authors_are_asked_for_and_told() -> None:
    stage = Stage()
    async with a_room(stage) as (link, heard):
        assert stage.session.ask_authors() == ""
        assert (await link.expect(AskAuthors)).since is None
        link.say(Authors(None, (BY_BO,), b""))
        await heard.until(lambda: heard.authors)
        assert heard.authors == [Authors(None, (BY_BO,), b"")]
        assert heard.digests == []


async def test_chat_tells_what_was_said_before_from_what_is_new() -> None:
    stage = Stage(read_n=1)
    async with a_room(stage) as (link, heard):
        link.say(*(Said(n, n * 1000, BY_BO, "hello", n == 3) for n in (1, 2, 3)))
        link.say(Said(4, 4000, BY_ME, "hello", True))
        await heard.until(lambda: len(heard.chat) == 4)
        assert heard.chat == [False, False, True, False]
        chat = stage.session.chat
        assert (chat.unread, chat.lines[3].is_mine) == (2, True)
        chat.read()
        assert stage.read == [4]


async def test_the_chat_of_a_room_made_anew_begins_anew() -> None:
    stage = Stage()
    async with a_room(stage) as (link, heard):
        link.say(Said(5, 1000, BY_BO, "hello", False))
        await heard.until(lambda: stage.session.chat.lines)
        link.break_()
        again, third = stage.link(), stage.link()
        await again.welcome(version=3, lineage=THERE)
        await third.welcome(version=3, lineage=THERE)
        await heard.until(lambda: not stage.session.chat.lines)


async def test_a_line_goes_out_as_one_line() -> None:
    stage = Stage()
    async with a_room(stage) as (link, _):
        assert stage.session.say("  one\ntwo\ud800 ") == ""
        assert (await link.expect(Say)).text == "one two?"


async def test_what_cannot_be_said_is_answered_with_why() -> None:
    stage = Stage()
    session = stage.session
    assert session.say("hello") == "not connected: try again when the link is back"
    assert session.ask_authors() == "not connected: try again when the link is back"
    async with a_room(stage):
        assert session.say(" \n ") == "there is nothing to say yet"
        assert session.say("x" * 501) == "a line has at most 500 characters; this one has 501"


async def test_an_older_server_knows_nothing_of_it() -> None:
    stage = Stage()
    session = stage.session
    async with a_room(stage, version=2):
        assert session.say("hello") == "the server is older and has no chat"
        assert session.look_here() == "the server is older and cannot pass that on"
        assert session.ask_authors() == "the server is older and cannot tell who wrote what"


async def test_readers_may_chat_where_the_room_allows_it() -> None:
    stage = Stage()
    session = stage.session
    async with a_room(stage, role=Role.READ) as (link, heard):
        assert session.say("hello").startswith("readers may not chat here")
        assert session.look_here().startswith("readers may not ask that here")
        link.say(Setting("readers_chat", "on"), said_by(BO))
        await heard.until(lambda: heard.news)
        assert session.say("hello") == ""
        assert session.look_here() == ""
        assert (await link.expect(Say)).text == "hello"


async def test_what_changed_while_the_link_was_gone_is_told_with_its_authors() -> None:
    stage = Stage(dice=0.9)
    text = Replica(99)
    text.edit(0, 0, "one\n")
    async with a_room(stage, text=text) as (link, heard):
        link.break_()
        await stage.until(StatusKind.OFFLINE)
        stage.utc += 60
        text.edit(0, 0, "two\n")
        again = stage.link()
        stage.session.retry_now()
        await again.welcome(version=3, text=text, seq=4, person=ME)
        assert (await again.expect(AskAuthors)).since == 0
        again.say(Authors(0, (BY_ME, BY_BO), b""))
        await heard.until(lambda: heard.digests)
        (digest,) = heard.digests
        assert (digest.authors, digest.added, digest.away_s) == ((BY_BO,), 1, 60.0)
    text.close()


async def test_what_changed_since_the_last_run_is_told() -> None:
    stage = Stage(contents=Contents(ORIGIN, HERE, EPOCH), last_here=900_000.0)
    text = Replica(99)
    text.edit(0, 0, "one\n")
    link, heard = stage.link(), Heard(stage)
    async with running(stage):
        await link.welcome(version=3, text=text, person=ME)
        assert (await link.expect(AskAuthors)).since == 0
        link.say(Authors(0, (BY_BO,), b""))
        await heard.until(lambda: heard.digests)
        assert heard.digests[0].away_s == 100_000.0
    text.close()


async def test_a_line_that_both_changed_while_apart_is_told() -> None:
    stage = Stage(dice=0.9)
    text = Replica(99)
    text.edit(0, 0, "one\ntwo\n")
    async with a_room(stage, text=text) as (link, heard):
        stage.buffer.type_text("mine ")
        link.break_()
        await stage.until(StatusKind.OFFLINE)
        stage.utc += 60
        text.edit(3, 0, " theirs")
        again = stage.link()
        stage.session.retry_now()
        await again.welcome(version=3, text=text, seq=4, person=ME)
        again.say(Authors((await again.expect(AskAuthors)).since, (BY_BO,), b""))
        await heard.until(lambda: heard.digests)
        assert heard.digests[0].both == 1
    text.close()


@pytest.mark.parametrize("is_following", [True, False])
async def test_who_follows_is_not_away(is_following: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "IDLE_AFTER_S", 0.1)
    monkeypatch.setattr(limits, "AWAY_AFTER_S", 0.2)
    stage = Stage()
    other = Replica(99)
    rows: list[bytes] = []
    other.on_update = rows.append
    other.edit(0, 0, "theirs\n")
    async with a_room(stage, said_by(BO)) as (link, heard):
        stage.session.follow(8 if is_following else 0)
        while (await link.expect(Presence)).activity is not Activity.AWAY:
            pass
        link.say(Batch(1, 1, ((8, rows[0]),)), said_by(BO, Activity.IDLE))
        await heard.until(lambda: stage.session.people.everybody()[0].doing is Doing.TYPING)
        stage.utc += 60
        stage.session.touched()
        stage.session.ask_pulse()
        questions = [await link.expect(object)]
        while not isinstance(questions[-1], AskPulse):
            questions.append(await link.expect(object))
        assert any(isinstance(question, AskAuthors) for question in questions) is not is_following
    other.close()
