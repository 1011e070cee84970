"""What the door and the fork server say to each other, and what `serve` tells the door."""

from __future__ import annotations

from collab_cli.ssh_door.orders import SAVED, Ended, GuestOrder, Open, Reader, Signal, write
from collab_cli.ssh_door.plan import DoorPlan
from collab_cli.ssh_door.session import exit_status


def order() -> GuestOrder:
    return GuestOrder(
        room="notes",
        first_line="collab-relay/1 {}\n",
        unix_path="/run/é.sock",
        folder="/data/ssh/guests/key-1",
        come_again="ssh notes@host",
        device="00" * 32,
        name="bo 漢字",
        token="ci1.secret",
        environment={"TERM": "xterm"},
    )


def plan() -> DoorPlan:
    return DoorPlan(
        listeners=(5, 6),
        data_dir="/data",
        unix_path="/run/x.sock",
        come_again="ssh ROOM@host",
        has_auth=True,
        guests=3,
        idle_s=60,
        session_s=3600,
        log_level="info",
        log_format="text",
        log_key="00ff",
    )


def test_messages_come_out_as_they_went_in_whatever_the_pieces() -> None:
    sent = [Open(1, order()), Signal(1, 15), Ended(1, -9), Ended(2, 0)]
    data = b"".join(map(write, sent))
    for size in (1, 7, len(data)):
        reader = Reader()
        found = [m for at in range(0, len(data), size) for m in reader.feed(data[at : at + size])]
        assert found == sent


def test_secrets_are_in_no_message() -> None:
    assert "secret" not in repr(order())
    assert "0000" not in repr(order())


def test_a_plan_comes_out_as_it_went_in() -> None:
    assert DoorPlan.decode(plan().encode()) == plan()


def test_a_shell_is_told_of_signals_as_usual() -> None:
    codes = (0, 5, -9, -11, 143, SAVED + 15, SAVED)
    assert [exit_status(code) for code in codes] == [0, 5, 137, 139, 143, 143, 0]
