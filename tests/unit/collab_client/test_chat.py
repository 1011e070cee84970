from __future__ import annotations

from collab_client.chat import Chat
from collab_protocol import limits
from collab_protocol.messages import Said
from collab_protocol.presence import Author

BO = Author("unix:bo", "bo", 3)


class Heard:
    """A chat, and what it called."""

    def __init__(self, read_n: int = 0) -> None:
        self.read: list[int] = []
        self.changes: list[bool] = []
        self.chat = Chat(read_n, self.read.append)
        self.chat.on_change = self.changes.append
        self.chat.entered(b"l" * 16, b"e" * 16)

    def said(self, n: int, *, is_mine: bool = False, is_backlog: bool = False, text: str = "") -> None:
        said = Said(n, n * 1000, BO, text or f"line {n}", not is_backlog)
        self.chat.said(said, is_mine=is_mine)

    @property
    def numbers(self) -> list[int]:
        return [line.n for line in self.chat.lines]


def test_a_line_says_who_said_it_and_when() -> None:
    heard = Heard()
    heard.said(2)
    (line,) = heard.chat.lines
    assert (line.n, line.at, line.author, line.text, line.is_mine) == (2, 2.0, BO, "line 2", False)


def test_lines_of_others_are_unread_until_they_are_read() -> None:
    heard = Heard(read_n=2)
    for n in (1, 2, 3):
        heard.said(n, is_backlog=True)
    assert heard.chat.unread == 1
    heard.said(4, is_mine=True)
    heard.said(5)
    assert heard.chat.unread == 2
    assert heard.changes == [False, False, False, False, True]
    heard.chat.read()
    assert (heard.chat.unread, heard.chat.read_n, heard.read) == (0, 5, [5])
    assert heard.changes[-1] is False
    heard.chat.read()
    assert (heard.read, len(heard.changes)) == ([5], 6)


def test_there_is_nothing_to_read_where_nothing_was_said() -> None:
    heard = Heard(read_n=7)
    heard.chat.read()
    assert (heard.chat.read_n, heard.read, heard.changes) == (7, [], [])


def test_what_comes_again_on_the_next_link_is_passed_over() -> None:
    heard = Heard()
    for n in (1, 2):
        heard.said(n)
    heard.chat.entered(b"l" * 16, b"e" * 16)
    for n in (1, 2, 3):
        heard.said(n, is_backlog=True)
    assert heard.numbers == [1, 2, 3]
    assert heard.changes == [True, True, False]


def test_only_the_newest_are_kept() -> None:
    heard = Heard()
    for n in range(1, limits.CHAT_KEPT + 3):
        heard.said(n)
    assert len(heard.numbers) == limits.CHAT_KEPT
    assert (heard.numbers[0], heard.numbers[-1]) == (3, limits.CHAT_KEPT + 2)
    assert heard.chat.unread == limits.CHAT_KEPT


def test_a_room_made_anew_counts_anew() -> None:
    heard = Heard()
    for n in (1, 2, 3):
        heard.said(n)
    heard.chat.read()
    heard.chat.entered(b"m" * 16, b"e" * 16)
    assert heard.numbers == []
    heard.said(1)
    assert (heard.numbers, heard.chat.unread) == ([1], 1)


def test_a_new_line_is_unread_though_its_number_was_read_in_the_room_of_before() -> None:
    heard = Heard(read_n=40)
    heard.said(1)
    assert (heard.chat.unread, heard.changes) == (1, [True])
    heard.chat.read()
    assert heard.read == [1]


def test_lines_that_a_server_from_a_backup_has_lost_give_way_to_those_said_since() -> None:
    heard = Heard()
    for n in (1, 2, 3, 4):
        heard.said(n)
    heard.chat.read()
    heard.chat.entered(b"l" * 16, b"e" * 16)
    for n in (1, 2):
        heard.said(n, is_backlog=True)
    heard.said(3, text="said after all")
    assert [line.text for line in heard.chat.lines] == ["line 1", "line 2", "said after all"]
    assert (heard.chat.unread, heard.changes[-1]) == (1, True)


def test_that_they_were_lost_is_seen_from_the_lines_of_before_one_joined_too() -> None:
    heard = Heard()
    for n in (1, 2, 3, 4):
        heard.said(n)
    heard.chat.read()
    heard.chat.entered(b"l" * 16, b"e" * 16)
    for n, text in ((1, "line 1"), (2, "said instead"), (3, "and this")):
        heard.said(n, text=text, is_backlog=True)
    assert [line.text for line in heard.chat.lines] == ["line 1", "said instead", "and this"]
    assert heard.chat.unread == 2
