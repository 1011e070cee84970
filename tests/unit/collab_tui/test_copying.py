"""What is copied and cut at several carets, and comes back where there are as many."""

from __future__ import annotations

import pytest

from collab_client.buffer import Buffer
from collab_tui.widgets.copying import Register
from tests.unit.collab_client.marked import buffer_of, marked


def cut(before: str) -> tuple[Register, Buffer, str]:
    """Cut from a text with marks; return the text, too, that was cut."""
    register, buffer = Register(None), buffer_of(before)
    texts: list[str] = []
    clipboard_copy = register._clipboard.copy

    def copy(text: str) -> str:
        texts.append(text)
        return clipboard_copy(text)

    register._clipboard.copy = copy  # type: ignore[method-assign]  # to see what goes there
    register.cut(buffer)
    return register, buffer, texts[0]


@pytest.mark.parametrize(
    "before",
    [
        "‹a\n›b\n‹c\n›d\n",
        "‹a\nb›c‹d\ne\n›f",
        "‹aa›\nb|b\n‹cc›",
        "‹a\n›‹b\n›c",
        "‹one›",
    ],
)
def test_what_is_cut_and_pasted_is_there_again(before: str) -> None:
    register, buffer, text = cut(before)
    whole = buffer_of(before).lines.text()
    assert buffer.lines.text() != whole
    register.paste(buffer, text.replace("\n", "\r"))
    assert buffer.lines.text() == whole
    buffer.close()


def test_what_comes_from_elsewhere_has_no_parts() -> None:
    register, buffer, text = cut("‹a\nb› ‹c›")
    assert text == "a\nb\nc"
    register.paste(buffer, "1\n2")
    assert marked(buffer) == "1| 2|"
    register.paste(buffer, text)
    assert marked(buffer) == "1a\nb| 2c|"
    register.keep(text)
    register.paste(buffer, text)
    assert buffer.lines.text() == "1a\nba\nb\nc 2ca\nb\nc"
    buffer.close()


def test_without_a_selection_the_lines_of_all_carets_are_copied_as_they_are_cut() -> None:
    for before in ("o|ne\ntwo\nthr|ee", "o|n|e\ntwo", "one\ntwo|"):
        register, buffer = Register(None), buffer_of(before)
        register.copy(buffer)
        copied = register._text
        assert marked(buffer) == before
        register.cut(buffer)
        assert register._text == copied
        buffer.close()
