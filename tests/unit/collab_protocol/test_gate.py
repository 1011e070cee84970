"""Every rule of the gate bites, and what honest programs make passes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collab_protocol.gate import Gate, Judgement, Verdict
from collab_protocol.lib0 import DELETED_MAX, Id, finish
from collab_protocol.text import Replica, merge_rows
from tests.fuzz.wire import Block, Item, Wire, deleted, typed

ALICE, BOB, MALLORY = 42, 43, 2**53 - 1
TEXT = "hello 🙂 world"
"""Alice's: units 0 to 13, with the surrogate pair at 6 and 7."""


def held(text: str = TEXT) -> tuple[Replica, Gate]:
    alice = Replica(ALICE)
    alice.edit(0, 0, text)
    server = Replica(1)
    server.apply(alice.update_since())
    return server, Gate(server)


def judge(update: bytes, **options: object) -> Judgement:
    return held()[1].judge(update, **{"authors": {MALLORY}, **options})  # type: ignore[arg-type]


def one(item: Item, clock: int = 0, client: int = MALLORY) -> bytes:
    return Wire([Block(client, clock, [item])]).encode()


def rows_of(replica: Replica, *edits: tuple[int, int, str]) -> list[bytes]:
    rows: list[bytes] = []
    replica.on_update = rows.append
    for edit in edits:
        replica.edit(*edit)
    return rows


LEFT, RIGHT = (ALICE, 2), (ALICE, 3)
AN_ITEM = Item(4, LEFT, RIGHT, b"x")
END = (ALICE, 13)

HOSTILE: dict[str, bytes] = {
    "nothing at all": b"",
    "cut": one(AN_ITEM)[:-3],
    "bytes follow": one(AN_ITEM) + b"\0",
    "varint of nine bytes": b"\x01\x01" + b"\x80" * 8 + b"\x01\x00\x84\x2a\x00\x01x\x00",
    "varint of 400 kB": b"\xff" * 400_000,
    "client id above 2^53-1": one(AN_ITEM, client=2**53),
    "2^24 clients claimed": b"\x80\x80\x80\x08\x00\x00\x00",
    "clock of 2^31": one(AN_ITEM, clock=2**31),
    "run ends beyond 2^31": Wire(
        [Block(MALLORY, 0, [Item(1, LEFT, RIGHT, length=DELETED_MAX)] * 40)]
    ).encode(),
    "garbage as the next run": one(Item(0, length=5)),
    "garbage under another's id": one(Item(0, length=5), 14, ALICE),
    "deleted run under another's id": one(Item(1, END, None, length=1000), 14, ALICE),
    "text under another's id": typed(ALICE, 14, "forged", END),
    "deleted run without bound": one(Item(1, LEFT, RIGHT, length=DELETED_MAX + 1)),
    "other content": one(Item(8, LEFT, RIGHT, length=1)),
    "a type": one(Item(7, LEFT, RIGHT, length=1)),
    "garbage with origins": one(Item(0, length=1, flags=0x80)),
    "another root": one(Item(4, text=b"x", root=b"t")),
    "nested parent": b"\x01\x01\x07\x00\x04\x00\x2a\x00\x01x\x00",
    "parentSub": one(Item(4, text=b"x", flags=0x20)),
    "parentSub beside an origin": one(Item(4, LEFT, None, b"x", flags=0x20)),
    "empty text": one(Item(4, LEFT, RIGHT, b"")),
    "not UTF-8": one(Item(4, LEFT, RIGHT, b"\xed\xa0\xbd")),
    "block without structs": Wire([Block(MALLORY, 0, [])]).encode() + b"\0\0\0",
    "two blocks of one client": Wire([Block(MALLORY, 0, [AN_ITEM]), Block(MALLORY, 1, [AN_ITEM])]).encode(),
    "left is right": typed(MALLORY, 0, "x", LEFT, LEFT),
    "left origin is half a character": typed(MALLORY, 0, "x", (ALICE, 6), (ALICE, 8)),
    "right origin is half a character": typed(MALLORY, 0, "x", (ALICE, 5), (ALICE, 7)),
    "refers to itself": typed(MALLORY, 0, "x", (MALLORY, 0)),
    "refers to what comes after it": typed(MALLORY, 0, "xy", LEFT, (MALLORY, 5)),
    "half a character of its own": Wire(
        [Block(MALLORY, 0, [Item(4, LEFT, None, "🙂".encode()), Item(4, (MALLORY, 0), None, b"x")])]
    ).encode(),
    "circle": Wire(
        [Block(MALLORY, 0, [Item(4, (7, 0), None, b"x")]), Block(7, 0, [Item(4, (MALLORY, 0), None, b"x")])]
    ).encode(),
    "empty deletion": deleted(ALICE, (1, 0)),
    "deletions out of order": deleted(ALICE, (5, 1), (1, 1)),
    "deletions overlap": deleted(ALICE, (1, 3), (3, 1)),
    "deletions of one client twice": Wire([], [(ALICE, [(1, 1)]), (ALICE, [(3, 1)])]).encode(),
    "no deletions": Wire([], [(ALICE, [])]).encode() + b"\0\0",
    "deletion begins inside a character": deleted(ALICE, (7, 2)),
    "deletion ends inside a character": deleted(ALICE, (5, 2)),
}

STALE: dict[str, bytes] = {
    "gap": typed(MALLORY, 1, "x", LEFT, RIGHT),
    "skip": Wire([Block(MALLORY, 0, [Item(10, length=2), AN_ITEM])]).encode(),
    "unknown left origin": typed(MALLORY, 0, "x", (ALICE, 14)),
    "unknown right origin": typed(MALLORY, 0, "x", None, (BOB, 0)),
    "deletion of the future": deleted(ALICE, (10, 1000)),
    "deletion of another's future": deleted(BOB, (0, 1)),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile(name: str) -> None:
    authors = {MALLORY, 7}
    judgement = judge(HOSTILE[name], authors=authors)
    assert judgement.verdict is Verdict.HOSTILE, judgement
    assert judgement.reason
    assert not judgement.ends


@pytest.mark.parametrize("name", STALE)
def test_stale(name: str) -> None:
    judgement = judge(STALE[name])
    assert judgement.verdict is Verdict.STALE, judgement
    assert judgement.reason


def test_the_untouched_update_of_these_is_accepted() -> None:
    assert judge(one(AN_ITEM)) == Judgement(Verdict.ACCEPT, "", {MALLORY: 1}, {MALLORY: 0})
    assert judge(deleted(ALICE, (1, 2), (3, 1), (6, 2))) == Judgement(Verdict.ACCEPT, "", {})


def test_overlap_is_stale_and_what_is_wholly_known_is_known() -> None:
    _, gate = held()
    assert gate.judge(typed(ALICE, 10, "rld", (ALICE, 9)), authors=()).verdict is Verdict.KNOWN
    assert gate.judge(typed(ALICE, 10, "rld!!", (ALICE, 9)), authors={ALICE}).verdict is Verdict.STALE
    assert gate.judge(typed(ALICE, 10, "rld!!", (ALICE, 9)), authors=()).verdict is Verdict.HOSTILE
    assert gate.judge(b"\0\0").verdict is Verdict.KNOWN


def test_known_garbage_is_no_harm() -> None:
    assert judge(one(Item(0, length=5), 0, ALICE), authors=()).verdict is Verdict.KNOWN


def test_known_structs_with_deletions_are_accepted_with_no_ends() -> None:
    server, gate = held()
    assert gate.judge(server.update_since(), authors=()).verdict is Verdict.KNOWN
    gone = deleted(ALICE, (0, 1))
    server.apply(gone)
    assert gate.judge(server.update_since(), authors=()) == Judgement(Verdict.ACCEPT, "", {})


def test_the_order_of_two_deleted_neighbours_is_told_apart() -> None:
    server, gate = held("abc")
    server.apply(deleted(ALICE, (0, 3)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Gate, "_agree_on", lambda *_: False)
        assert gate.judge(typed(MALLORY, 0, "x", (ALICE, 1), (ALICE, 0))).verdict is Verdict.STALE
        assert gate.judge(typed(MALLORY, 0, "x", (ALICE, 0), (ALICE, 1))).verdict is Verdict.ACCEPT


@pytest.mark.parametrize("origins", [(RIGHT, LEFT), (END, (ALICE, 0)), ((ALICE, 3), None), (None, END)])
def test_what_may_part_copies_is_accepted_only_when_a_trial_says_that_it_does_not(
    origins: tuple[Id | None, Id | None],
) -> None:
    server, gate = held()
    update = typed(MALLORY, 0, "x", *origins)
    judgement = gate.judge(update)
    assert judgement.verdict in (Verdict.STALE, Verdict.ACCEPT)
    server.apply(update)
    late = Replica(9)
    late.apply(server.update_since())
    assert (late.text() == server.text()) == (judgement.verdict is Verdict.ACCEPT)


def test_an_update_may_rest_on_what_is_ahead() -> None:
    _, gate = held()
    first = gate.judge(typed(MALLORY, 0, "x", LEFT, RIGHT))
    second = typed(MALLORY, 1, "y", (MALLORY, 0), RIGHT)
    assert gate.judge(second).verdict is Verdict.STALE
    assert gate.judge(second, ahead=first.ends) == Judgement(Verdict.ACCEPT, "", {MALLORY: 2}, {MALLORY: 1})
    gate.applied(first)
    assert gate.judge(second).verdict is Verdict.ACCEPT


def test_what_was_accepted_and_never_applied_leaves_no_trace() -> None:
    server, gate = held()
    gate.judge(typed(MALLORY, 0, "🙂🙂", LEFT, RIGHT))
    plain = typed(MALLORY, 0, "abcd", LEFT, RIGHT)
    judgement = gate.judge(plain)
    server.apply(plain)
    gate.applied(judgement)
    assert gate.judge(typed(BOB, 0, "x", (MALLORY, 0), (MALLORY, 1))).verdict is Verdict.ACCEPT


def test_typing_is_accepted_only_as_its_own_author_and_in_order() -> None:
    _, gate = held()
    gate.applied(gate.judge(typed(MALLORY, 0, "x", LEFT, RIGHT)))
    good = typed(MALLORY, 1, "y", (MALLORY, 0), RIGHT)
    assert gate.judge(good, authors={ALICE}).verdict is Verdict.HOSTILE
    for cut in range(len(good)):
        assert gate.judge(good[:cut], authors={MALLORY}).verdict is Verdict.HOSTILE
    assert gate.judge(good + b"\0").verdict is Verdict.HOSTILE
    accepted = gate.judge(good, authors={MALLORY})
    assert accepted == Judgement(Verdict.ACCEPT, "", {MALLORY: 2}, {MALLORY: 1})
    gate.applied(accepted)
    assert gate.judge(good).verdict is Verdict.KNOWN
    assert gate.judge(typed(MALLORY, 2, "yz", (MALLORY, 1), LEFT)).verdict is Verdict.STALE


def test_a_late_half_character_in_what_the_replica_held_is_found() -> None:
    alice = Replica(ALICE, has_undo=True)
    alice.edit(0, 0, "🙂")
    alice.edit(0, 4, "")
    assert Gate(alice).judge(typed(BOB, 0, "x", (ALICE, 0))).verdict is Verdict.HOSTILE


def test_blocks_may_refer_to_each_other_in_any_order() -> None:
    a, b = Replica(100), Replica(200)
    for index in range(20):
        writer, reader = (a, b) if index % 2 else (b, a)
        [row] = rows_of(writer, (index // 2, 0, "x"))
        reader.apply(row)
    whole = a.update_since()
    _, gate = held()
    judgement = gate.judge(whole)
    assert judgement.verdict is Verdict.ACCEPT
    assert set(judgement.ends) == {100, 200}


def test_merged_rows_and_differences_pass() -> None:
    server, gate = held()
    alice = Replica(77)
    alice.apply(server.update_since())
    before = server.state_vector()
    rows = rows_of(alice, (3, 0, "日本"), (3, 3, ""), (0, 2, "🙂"), (4, 0, "é"), (0, 0, "q"))
    judgement = gate.judge(merge_rows(rows, before), authors={77})
    assert judgement.verdict is Verdict.ACCEPT
    assert Gate(Replica(5)).judge(alice.update_since()).verdict is Verdict.ACCEPT
    server.apply(*rows[:2])
    fresh = Gate(server)
    assert fresh.judge(alice.update_since(server.state_vector()), authors={77}).verdict is Verdict.ACCEPT
    assert fresh.judge(merge_rows(rows, server.state_vector()), authors={77}).verdict is Verdict.ACCEPT


def scattered(server: Replica, edits: int) -> bytes:
    alice = Replica(77)
    alice.apply(server.update_since())
    rows = rows_of(alice, *((index * 7919 % 6, 0, "x") for index in range(edits)))
    assert rows
    return alice.update_since(server.state_vector())


def test_slices_end_with_the_same_judgement() -> None:
    server, gate = held()
    update = scattered(server, 900)
    slices = 0
    work = gate.judging(update, authors={77})
    while True:
        try:
            next(work)
        except StopIteration as stop:
            judgement = stop.value
            break
        slices += 1
    assert slices >= 2
    assert judgement == held()[1].judge(update, authors={77})
    assert judgement.ends == {77: 900}


@pytest.mark.parametrize("moves", [True, False])
def test_what_moves_between_slices_makes_it_stale(moves: bool) -> None:
    server, gate = held()
    update = scattered(server, 900)
    work = gate.judging(update)
    next(work)
    other = typed(77 if moves else 78, 0, "z", LEFT, RIGHT)
    judgement = gate.judge(other)
    server.apply(other)
    gate.applied(judgement)
    assert finish(work).verdict is (Verdict.STALE if moves else Verdict.ACCEPT)


def test_own_edits_and_undo_are_learnt() -> None:
    alice = Replica(ALICE, has_undo=True)
    gate = Gate(alice)
    alice.on_update = gate.learn
    alice.edit(0, 0, "a🙂b")
    alice.edit(1, 4, "")
    alice.undo()
    alice.redo()
    assert gate.judge(typed(BOB, 0, "x", (ALICE, 1))).verdict is Verdict.HOSTILE
    assert gate.judge(typed(BOB, 0, "x", (ALICE, 2), (ALICE, 3))).verdict is Verdict.ACCEPT


def test_the_index_is_learnt_once_and_agrees_with_looking_up() -> None:
    server, gate = held()
    server_gate = Gate(server)
    finish(server_gate.indexing())
    finish(server_gate.indexing())
    server.index_of = lambda *_, **__: pytest.fail("looked up")  # type: ignore[method-assign,assignment]
    for clock in (0, 3, 8, 12):
        update = typed(MALLORY, 0, "x", (ALICE, clock), (ALICE, clock + 1))
        assert server_gate.judge(update).verdict is Verdict.ACCEPT
    del gate


@given(st.binary(max_size=80), st.booleans())
def test_no_bytes_make_it_raise(data: bytes, is_ours: bool) -> None:
    _, gate = held()
    gate.judge(data, authors={MALLORY} if is_ours else None)
    gate.judge(b"\x01\x01" + data)


@given(
    st.lists(st.tuples(st.integers(0, 40), st.integers(0, 3), st.sampled_from(["a", "é", "日", "🙂", "xy"])))
)
def test_honest_edits_pass_one_by_one_and_merged(edits: list[tuple[int, int, str]]) -> None:
    server, one_by_one = held()
    merged = Gate(server)
    alice = Replica(77)
    alice.apply(server.update_since())
    before = server.state_vector()
    rows: list[bytes] = []
    alice.on_update = rows.append
    for place, gone, text in edits:
        have = alice.text()
        at = place % (len(have) + 1)
        alice.edit(len(have[:at].encode()), len(have[at : at + gone].encode()), text)
    for row in rows:
        judgement = one_by_one.judge(row, authors={77})
        assert judgement.verdict is Verdict.ACCEPT, judgement
        one_by_one.applied(judgement)
    if rows:
        assert merged.judge(merge_rows(rows, before), authors={77}).verdict is Verdict.ACCEPT
