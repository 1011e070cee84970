"""Nodes around a range, folds and symbols."""

from __future__ import annotations

import pytest

from collab_syntax.document import Document, Interrupted
from tests.unit.collab_syntax.samples import SAMPLES, open_document

PYTHON = """\
X = 1
class A:
    y = [
        1,
    ]

    @d
    def é(self):
        if x:
            a
        else:
            c

        return f(1, "ü")


def g():
    '''a
    b'''
"""


def test_python_folds_begin_where_their_first_line_is() -> None:
    document = open_document("python", PYTHON)
    assert document.folds() == [(1, 13), (2, 4), (6, 13), (7, 13), (8, 11), (10, 11), (16, 18), (17, 18)]


@pytest.mark.parametrize(
    ("row", "rows"),
    [(0, None), (2, (2, 4)), (3, (2, 4)), (5, (1, 13)), (7, (7, 13)), (9, (8, 11)), (99, None)],
)
def test_the_fold_of_a_row_is_that_which_begins_there_or_that_around(
    row: int, rows: tuple[int, int] | None
) -> None:
    assert open_document("python", PYTHON).fold_at(row) == rows


def test_every_fold_is_found_from_its_first_row() -> None:
    for language, (text, _) in SAMPLES.items():
        document = open_document(language, text * 2)
        for first, last in document.folds():
            assert first < last
            assert document.fold_at(first) == (first, last), language


@pytest.mark.parametrize("language", SAMPLES)
def test_every_row_may_be_asked_the_empty_last_one_too(language: str) -> None:
    sample = SAMPLES[language][0]
    for text in ("", "\n", "x", sample, sample + "\n\n"):
        document = open_document(language, text)
        for row in range(text.count("\n") + 3):
            rows = document.fold_at(row)
            assert rows is None or rows[0] <= row <= rows[1]


def test_a_dense_line_is_passed_over_and_what_is_urgent_comes_first() -> None:
    document = open_document("json", "[1," * 20_000)
    assert document.fold_at(0) is None
    text = "def f():\n    return 1\n" * 30_000
    document = open_document("python", text)
    assert len(document.symbols()) == 5_000
    for ask in (document.symbols, document.folds, lambda is_urgent: document.fold_at(2, is_urgent)):
        with pytest.raises(Interrupted):
            ask(lambda: True)


def test_selections_grow_from_node_to_node_and_end_below_the_root() -> None:
    document = open_document("python", PYTHON)
    row = 13
    start, end = (row, 20), (row, 21)
    grown = []
    while (around := document.enclosing(start, end)) is not None:
        assert around != (start, end)
        assert around[0] <= start <= end <= around[1]
        start, end = around
        grown.append(around)
    assert grown[:4] == [
        ((13, 20), (13, 23)),
        ((13, 16), (13, 24)),
        ((13, 15), (13, 24)),
        ((13, 8), (13, 24)),
    ]
    assert grown[-1] == ((1, 0), (13, 24))


def test_places_beyond_the_text_have_no_node() -> None:
    document = open_document("python", "a = 1\n")
    assert document.enclosing((99, 0), (99, 5)) is None
    assert open_document("python", "").enclosing((0, 0), (0, 0)) is None


SYMBOLS = {
    "python": (PYTHON, [("X", "constant", 0), ("A", "class", 0), ("é", "method", 1), ("g", "function", 0)]),
    "javascript": (
        "class A {\n m() { }\n}\nconst g = () => {\n}\n",
        [("A", "class", 0), ("m", "method", 1), ("g", "function", 0)],
    ),
    "typescript": (
        "interface I { m(): void }\nenum E { A }\n",
        [("I", "interface", 0), ("m", "method", 1), ("E", "type", 0)],
    ),
    "rust": (
        "struct A;\nimpl A {\n fn new() {}\n}\nfn f() {}\n",
        [("A", "class", 0), ("new", "method", 0), ("f", "function", 0)],
    ),
    "go": (
        "package m\ntype S struct {}\nfunc (s S) M() {}\nfunc F() {}\n",
        [("S", "type", 0), ("M", "method", 0), ("F", "function", 0)],
    ),
    "c": ("struct s { int a; };\nint f(void) { g(); }\n", [("s", "class", 0), ("f", "function", 0)]),
    "cpp": (
        "namespace n { class A { void m() {} }; }\nvoid n::A::q() {}\n",
        [("n", "module", 0), ("A", "class", 1), ("m", "method", 2), ("q", "method", 0)],
    ),
    "java": (
        "class A {\n A() {}\n void m() {}\n}\n",
        [("A", "class", 0), ("A", "method", 1), ("m", "method", 1)],
    ),
    "css": ("p,\na { x: y }\n", [("p, a", "rule", 0)]),
    "json": ('{"a": {"b": 1}, "c": 2}', [("a", "key", 0), ("c", "key", 0)]),
    "yaml": ("a:\n  b: 1\nd: 2\n", [("a", "key", 0), ("d", "key", 0)]),
    "toml": ("[a]\nb = 1\n[[d.e]]\n", [("a", "table", 0), ("d.e", "table", 0)]),
    "markdown": (
        "# One *x*\n\n### Two\n\nThree\n-----\n",
        [("One *x*", "heading", 0), ("Two", "heading", 2), ("Three", "heading", 1)],
    ),
    "bash": ("f() {\n :\n}\n", [("f", "function", 0)]),
    "sql": ("CREATE TABLE a.t (x INT);\n", [("a.t", "table", 0)]),
    "dockerfile": ("FROM a AS b\n", [("a", "stage", 0), ("b", "stage", 1)]),
    "diff": ("diff --git a/x b/x\n@@ -1 +1 @@\n", [("b/x", "file", 0)]),
    "html": ("<p>x</p>", []),
    "gitcommit": ("x", []),
}


@pytest.mark.parametrize("language", SYMBOLS)
def test_what_has_a_name_is_listed(language: str) -> None:
    text, expected = SYMBOLS[language]
    symbols = open_document(language, text).symbols()
    assert [(symbol.name, symbol.kind, symbol.depth) for symbol in symbols] == expected
    lines = text.split("\n")
    for symbol in symbols:
        assert (
            lines[symbol.row][symbol.column :].startswith(symbol.name.partition(" ")[0].partition(",")[0])
            or language == "diff"
        )


def test_folds_and_symbols_have_bounds() -> None:
    document = open_document("python", "def f():\n    pass\n" * 11_000)
    assert isinstance(document, Document)
    assert len(document.folds()) == 10_000
    assert len(document.symbols()) == 5_000
