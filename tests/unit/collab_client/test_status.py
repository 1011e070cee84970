from __future__ import annotations

import pytest

from collab_client import status as say
from collab_client.status import Status, status_line


@pytest.mark.parametrize(
    ("status", "words", "in_ascii"),
    [
        (say.connecting(), "… connecting", ".. connecting"),
        (say.loading(), "… loading", ".. loading"),
        (say.saved(is_durable=True), "✓ saved", "ok: saved"),
        (say.saved(is_durable=False), "✓ shared, not stored", "ok: shared, not stored"),
        (say.saving(3), "↑ 3 saving", "^ 3 saving"),
        (say.offline(0, None), "! offline", "! offline"),
        (
            say.offline(12, 6.7),
            "! offline – 12 changes only in this window · retry in 7 s",
            "! offline - 12 changes only in this window | retry in 7 s",
        ),
        (say.offline(1, None), "! offline – 1 change only in this window", None),
        (
            say.offline(12, 6.7, 12),
            "! offline – 12 changes kept on this machine · retry in 7 s",
            "! offline - 12 changes kept on this machine | retry in 7 s",
        ),
        (say.offline(1, 0.2, 1), "! offline – 1 change kept on this machine · retry in 1 s", None),
        (
            say.offline(3, None, 2),
            "! offline – 2 changes kept on this machine, 1 only here",
            "! offline - 2 changes kept on this machine, 1 only here",
        ),
        (
            say.offline(1, 3, 1, is_connecting=True),
            "! offline – 1 change kept on this machine · connecting",
            None,
        ),
        (say.offline(0, 3, is_connecting=True), "! offline · connecting", None),
        (
            say.offline(12, None, 12, asks_person=True),
            "! offline – 12 changes kept on this machine · ssh asks: F5",
            "! offline - 12 changes kept on this machine | ssh asks: F5",
        ),
        (say.busy(0, 20), "⧗ server busy – retry in 20 s", "~ server busy - retry in 20 s"),
        (say.busy(1, None, 1), "⧗ server busy · 1 change kept on this machine", None),
        (
            say.busy(2, 20, 1),
            "⧗ server busy – retry in 20 s · 1 change kept on this machine, 1 only here",
            None,
        ),
        (say.refused(0, "too old"), "✗ too old", "error: too old"),
        (say.refused(2, "too old"), "✗ too old – 2 changes only in this window", None),
        (say.refused(2, "too old", 2), "✗ too old – 2 changes kept on this machine", None),
    ],
)
def test_the_words(status: Status, words: str, in_ascii: str | None) -> None:
    assert status_line(status, ascii=False) == words
    if in_ascii is not None:
        assert status_line(status, ascii=True) == in_ascii
    assert status_line(status, ascii=True).isascii()


@pytest.mark.parametrize(
    ("unsaved", "kept", "brief"),
    [(0, 0, ""), (2, 0, " – 2 only here"), (2, 2, " – 2 kept"), (3, 2, " – 2 kept, 1 only here")],
)
def test_a_refusal_has_fewer_words_for_narrow_screens(unsaved: int, kept: int, brief: str) -> None:
    status = say.refused(unsaved, "too old", kept)
    assert (status.reason, status.brief, status.is_over) == ("too old", brief, False)
    assert say.refused(unsaved, "too old", kept, is_over=True).is_over


def test_what_is_at_stake_is_there_to_be_counted() -> None:
    kept = (say.offline(3, None, 1), say.busy(3, None, 1), say.refused(3, "", 1))
    assert [each.unsaved for each in (*kept, say.saving(3), say.loading(3), say.connecting(3))] == [3] * 6
    assert say.saved(is_durable=True).unsaved == 0


def test_what_waits_for_a_person_is_not_tried_again_before() -> None:
    assert say.offline(1, None, 1, asks_person=True).is_over
    assert not say.offline(1, 7, 1).is_over
