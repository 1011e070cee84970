"""What is typed is kept in order, and a question is never answered by somebody who types on."""

from __future__ import annotations

from textual import events

from collab_tui.widgets.inbox import Inbox, Typed


class Desk:
    """An inbox, and what came out of it."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.answers: list[str] = []
        self.quits = 0
        self.inbox = Inbox(self._do, asks_to_quit=lambda event: name(event) == "ctrl+q", on_quit=self._quit)

    def type(self, *keys: str) -> None:
        for key in keys:
            self.inbox.put(events.Paste(key) if len(key) > 1 and "+" not in key else events.Key(key, key))

    def answer(self, event: events.Key) -> None:
        self.answers.append(event.key)
        if event.key == "n":
            self.inbox.open()

    def _do(self, event: Typed) -> None:
        self.done.append(name(event))
        if name(event) == "ctrl+q":
            self.inbox.close()

    def _quit(self) -> None:
        self.quits += 1


def name(event: Typed) -> str:
    return event.key if isinstance(event, events.Key) else event.text


def test_what_is_kept_is_done_in_order_when_it_opens() -> None:
    desk = Desk()
    desk.type("a", "pasted", "b")
    assert desk.done == []
    desk.inbox.open()
    desk.type("c")
    assert desk.done == ["a", "pasted", "b", "c"]


def test_leaving_cannot_wait_when_nothing_was_typed() -> None:
    desk = Desk()
    desk.type("ctrl+q")
    assert desk.quits == 1


def test_leaving_waits_once_for_what_was_typed_before() -> None:
    desk = Desk()
    desk.type("a", "ctrl+q")
    assert desk.quits == 0
    desk.type("b")
    desk.inbox.open()
    assert desk.done == ["a", "ctrl+q"]
    desk = Desk()
    desk.type("a", "ctrl+q", "ctrl+q")
    assert desk.quits == 1


def test_a_question_gets_the_keys_and_pastes_wait() -> None:
    desk = Desk()
    desk.inbox.open()
    desk.inbox.close()
    desk.inbox.divert(desk.answer)
    desk.type("x", "pasted", "n", "z")
    assert desk.answers == ["x", "n"]
    assert desk.done == ["pasted", "z"]


def test_one_key_that_was_typed_ahead_is_an_answer() -> None:
    desk = Desk()
    desk.inbox.open()
    desk.type("ctrl+q", "y")
    desk.inbox.divert(desk.answer)
    assert desk.answers == ["y"]


def test_who_types_on_answers_nothing_and_loses_nothing() -> None:
    desk = Desk()
    desk.inbox.open()
    desk.type("ctrl+q", "y", "e", "s")
    desk.inbox.divert(desk.answer)
    assert desk.answers == []
    desk.type("n")
    assert desk.done == ["ctrl+q", "y", "e", "s"]
