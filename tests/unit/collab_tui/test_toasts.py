"""Notices: the newest stands, and comings and goings wait their turn."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from collab_client.people import News
from collab_tui.toasts import Toasts, news_text
from tests.unit.collab_tui.keyed import HOSTILE
from tests.unit.collab_tui.stage import Clock


class Alarm:
    def __init__(self, at: float, call: Callable[[], None]) -> None:
        self.at, self.call, self.is_stopped = at, call, False

    def stop(self) -> None:
        self.is_stopped = True


class Scene:
    """Toasts with a clock that is set."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.alarms: list[Alarm] = []
        self.shown: list[str] = []
        self.toasts = Toasts(show=self.shown.append, later=self._later, clock=self.clock)

    def _later(self, seconds: float, call: Callable[[], None]) -> Alarm:
        alarm = Alarm(self.clock.now + seconds, call)
        self.alarms.append(alarm)
        return alarm

    def wait(self, seconds: float) -> None:
        until = self.clock.now + seconds
        while due := [alarm for alarm in self.alarms if alarm.at <= until and not alarm.is_stopped]:
            alarm = min(due, key=lambda alarm: alarm.at)
            self.alarms.remove(alarm)
            self.clock.now = max(self.clock.now, alarm.at)
            alarm.call()
        self.clock.now = until

    def came(self, *names: str) -> None:
        self.toasts.tell_news(News(names, ()))

    def went(self, *names: str) -> None:
        self.toasts.tell_news(News((), names))


def test_a_notice_goes_by_itself_the_longer_it_is_the_later() -> None:
    scene = Scene()
    scene.toasts.tell("x" * 20)
    scene.wait(5.9)
    assert scene.shown == ["x" * 20]
    scene.wait(0.2)
    assert scene.shown[-1] == ""


def test_the_newest_replaces_what_stands() -> None:
    scene = Scene()
    scene.toasts.tell("look", 15)
    scene.wait(1)
    scene.toasts.tell("copied")
    scene.wait(20)
    assert scene.shown == ["look", "copied", ""]


def test_it_stands_as_long_as_is_said() -> None:
    scene = Scene()
    scene.toasts.tell("look", 15)
    scene.wait(14.9)
    assert scene.shown == ["look"]


def test_only_what_is_true_no_more_is_taken_away() -> None:
    scene = Scene()
    scene.toasts.tell("copied")
    scene.toasts.clear("saved")
    assert scene.shown == ["copied"]
    scene.toasts.clear("copied")
    scene.toasts.clear("copied")
    assert scene.shown == ["copied", ""]


def test_with_all_goes_what_was_still_to_be_told() -> None:
    scene = Scene()
    scene.toasts.tell("copied")
    scene.came("ana")
    scene.went("bo")
    scene.toasts.clear_all()
    scene.wait(20)
    assert scene.shown == ["copied", ""]


def test_what_is_true_no_more_can_be_taken_away() -> None:
    scene = Scene()
    scene.toasts.clear()
    scene.toasts.tell("look", 15)
    scene.toasts.clear()
    scene.wait(20)
    assert scene.shown == ["look", ""]


def test_who_comes_within_a_second_is_told_of_together() -> None:
    scene = Scene()
    scene.came("ana")
    scene.wait(0.9)
    scene.came("bo")
    scene.went("cy")
    assert scene.shown == []
    scene.wait(0.2)
    assert scene.shown == ["ana, bo joined · cy left"]


def test_the_next_ones_are_told_of_anew() -> None:
    scene = Scene()
    scene.came("ana")
    scene.wait(10)
    scene.came("bo")
    scene.wait(1)
    assert scene.shown == ["ana joined", "", "bo joined"]


def test_a_young_notice_is_read_first() -> None:
    scene = Scene()
    scene.came("ana")
    scene.wait(0.5)
    scene.toasts.tell("copied")
    scene.wait(1.9)
    assert scene.shown == ["copied"]
    scene.came("bo")
    scene.wait(0.2)
    assert scene.shown == ["copied", "ana, bo joined"]


def test_who_comes_and_goes_at_once_is_not_worth_a_word() -> None:
    scene = Scene()
    scene.came("ana", "bo")
    scene.went("ana")
    scene.went("cy")
    scene.came("cy")
    scene.wait(1)
    assert scene.shown == ["bo joined"]
    scene.came("ana")
    scene.went("ana")
    scene.wait(3)
    assert scene.shown == ["bo joined"]


@pytest.mark.parametrize(
    ("joined", "left", "text"),
    [
        ([], [], ""),
        (["ana"], [], "ana joined"),
        (["ana", "bo", "cy"], [], "ana, bo, cy joined"),
        (["ana", "bo", "cy", "dee"], [], "ana, bo and 2 more joined"),
        ([], ["ana", "bo", "cy", "dee", "eve", "fay"], "ana, bo and 4 more left"),
    ],
)
def test_many_are_counted(joined: list[str], left: list[str], text: str) -> None:
    assert news_text(joined, left) == text


def test_names_are_made_safe_and_short() -> None:
    assert news_text([HOSTILE, "x" * 32], []).isprintable()
    assert news_text(["x" * 32], []) == f"{'x' * 16} joined"
