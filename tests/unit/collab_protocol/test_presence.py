from __future__ import annotations

import pytest

from collab_protocol import limits
from collab_protocol.presence import PresencePacer, Role, account_of


def test_a_move_is_sent_at_once_and_then_within_the_rate() -> None:
    pacer = PresencePacer()
    assert pacer.due_at() is None
    pacer.moved()
    assert pacer.due_at() == float("-inf")
    pacer.sent(10.0)
    assert pacer.due_at() is None
    pacer.moved()
    assert pacer.due_at() == pytest.approx(10.0 + limits.PRESENCE_INTERVAL_S)


def test_a_caret_that_others_passed_is_sent_again_when_it_is_quiet() -> None:
    pacer = PresencePacer()
    pacer.sent(10.0)
    pacer.passed(11.0)
    pacer.passed(12.0)
    assert pacer.due_at() == pytest.approx(12.0 + limits.CARET_SETTLE_S)
    pacer.sent(12.5)
    assert pacer.due_at() is None


def test_only_readers_may_not_write() -> None:
    assert [role.may_write for role in Role] == [False, True, True]


@pytest.mark.parametrize(
    ("principal", "account"),
    [
        ("unix:ana", "ana"),
        ("unix:bo/ana", "bo"),
        ("unix:bo/unix:ana/x", "bo"),
        ("unix:uid 1001/ana", "uid 1001"),
        ("device:0123/unix:ana", ""),
        ("token:unix:ana", ""),
        ("key:unix", ""),
        ("", ""),
    ],
)
def test_only_the_kernels_word_is_an_account(principal: str, account: str) -> None:
    assert account_of(principal) == account
