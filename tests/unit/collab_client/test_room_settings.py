"""What a room shares beside its text: what counts, and what is sent, over links that come and go."""

from __future__ import annotations

from collab_client.room_settings import INDENT, LANGUAGE, RoomSettings


def settings() -> tuple[RoomSettings, list[str]]:
    """Return settings, and the list of what they say has changed."""
    found, changed = RoomSettings(), list[str]()
    found.on_change = lambda key: changed.append(f"{key}={found.get(key)}")
    return found, changed


def test_what_is_set_counts_at_once_and_goes_out_once_a_link() -> None:
    room, changed = settings()
    room.set(LANGUAGE, "python")
    assert room.get(LANGUAGE) == "python"
    assert changed == ["language=python"]
    assert room.to_send() == [(LANGUAGE, "python")]
    assert room.to_send() == []
    room.entered([(LANGUAGE, "go")])  # a new link: the old one may not have taken it there
    assert room.get(LANGUAGE) == "python"
    assert room.to_send() == [(LANGUAGE, "python")]
    room.changed(LANGUAGE, "python")
    assert changed == ["language=python"]
    room.entered([(LANGUAGE, "rust")])
    assert changed == ["language=python", "language=rust"]
    assert room.to_send() == []


def test_the_servers_word_counts_when_two_set_the_same() -> None:
    room, changed = settings()
    room.entered([])
    room.set(INDENT, "2")
    room.to_send()
    room.changed(INDENT, "tabs")  # the other's came between, and ours may never be told
    assert room.get(INDENT) == "tabs"
    room.changed(INDENT, "2")
    assert changed == ["indent=2", "indent=tabs", "indent=2"]


def test_what_others_set_before_ours_went_out_does_not_undo_it() -> None:
    room, changed = settings()
    room.set(INDENT, "2")
    room.changed(INDENT, "tabs")
    assert room.get(INDENT) == "2"
    assert changed == ["indent=2"]
    assert room.to_send() == [(INDENT, "2")]


def test_a_link_tells_what_changed_while_it_was_gone() -> None:
    room, changed = settings()
    room.entered([(LANGUAGE, "python"), (INDENT, "4")])
    room.entered([(LANGUAGE, "go")])
    assert changed == ["language=python", "indent=4", "language=go", "indent="]
