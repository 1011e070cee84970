from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from collab_client.edits import differences
from collab_protocol.text import Splice

lines = st.sampled_from(["", "a", "b", "é🙂", "c", "d\r", "ab", "\u2028x"])
texts = st.lists(lines, max_size=12).map("\n".join)


def spliced(text: str, splices: list[Splice]) -> str:
    data = text.encode()
    for offset, deleted, inserted in splices:
        assert deleted or inserted
        assert 0 <= offset <= offset + deleted <= len(data)
        data = data[:offset] + inserted.encode() + data[offset + deleted :]
    return data.decode()


@given(texts, texts)
def test_differences_make_the_one_of_the_other(before: str, after: str) -> None:
    splices = differences(before, after)
    assert spliced(before, splices) == after
    assert bool(splices) == (before != after)


def test_lines_between_two_differences_stay() -> None:
    assert differences("a\nb\nc\nd\n", "a\nx\nc\ny\nd\n") == [Splice(2, 1, "x"), Splice(6, 0, "y\n")]
    assert differences("é1\n\n}\né2\n\n}\nlast", "é1!\n\n}\né2\n\n}\nlast?") == [
        Splice(3, 0, "!"),
        Splice(19, 0, "?"),
    ]


def test_lines_that_are_once_between_others_stay_too() -> None:
    before = "one\n\nx\n{\ny\ntwo\n\nx\n{\ny\n"
    after = "ONE\none\n\nX\n{\nY\ntwo\n\nX\n{\ny\n"
    splices = differences(before, after)
    assert spliced(before, splices) == after
    assert len(splices) == 4


def test_texts_of_which_nothing_is_alike_differ_as_a_whole() -> None:
    assert differences("a\nb\n", "c\nd") == [Splice(0, 4, "c\nd")]
    assert differences("", "a\n") == [Splice(0, 0, "a\n")]
    assert differences("a\n", "a\n") == []
