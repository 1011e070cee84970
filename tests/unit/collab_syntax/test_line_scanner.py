"""Diffs and commit messages."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from collab_syntax.kinds import Kind
from tests.unit.collab_syntax.samples import colours, kind_of, open_document

DIFF = """\
From: ana
diff --git a/x b/x
index 1..2 100644
--- a/x
+++ b/x
@@ -1,3 +1,3 @@
 a
--- b
+++ c
\\ No newline at end of file
 d
--- a/y
+++ b/y
@@ -7 +7 @@
-e
+f
"""


def test_a_deleted_line_of_dashes_is_no_head_of_a_file() -> None:
    rows = colours("diff", DIFF)
    kinds = [Kind(row[0][2]) if row else Kind.NONE for row in rows]
    assert kinds == [
        Kind.NONE,
        Kind.HEADING,
        Kind.HEADING,
        Kind.HEADING,
        Kind.HEADING,
        Kind.CHANGED,
        Kind.NONE,
        Kind.DELETED,
        Kind.INSERTED,
        Kind.COMMENT,
        Kind.NONE,
        Kind.HEADING,
        Kind.HEADING,
        Kind.CHANGED,
        Kind.DELETED,
        Kind.INSERTED,
        Kind.NONE,
    ]


@given(st.integers(0, 16), st.integers(0, 16))
def test_any_part_of_a_diff_has_the_colours_of_the_whole(first: int, last: int) -> None:
    document = open_document("diff", DIFF)
    assert document.colours((first, last))[0][1] == colours("diff", DIFF)[first : last + 1]


def test_a_diff_folds_by_file_and_hunk() -> None:
    document = open_document("diff", "diff --git a b\n@@ -1 +1 @@\n-a\n+b\ndiff --git c d\n@@ -1 +1 @@\n+x")
    assert document.folds() == [(0, 3), (1, 3), (4, 6), (5, 6)]
    assert document.fold_at(2) == (1, 3)
    assert document.fold_at(4) == (4, 6)


def test_a_second_line_under_the_subject_is_wrong() -> None:
    text = "# Please enter\n\nSubject\nnot empty\nBody: no\nCo-authored-by: bo\n"
    rows = colours("gitcommit", text)
    assert kind_of(rows, text, "Subject") is Kind.HEADING
    assert kind_of(rows, text, "not empty") is Kind.ERROR
    assert kind_of(rows, text, "Co-authored-by") is Kind.PROPERTY
    assert kind_of(rows, text, "bo\n".strip()) is Kind.NONE


@given(st.text(st.sampled_from("@-+ #\n\\a,1é>8"), max_size=80))
def test_any_text_is_scanned(text: str) -> None:
    for language in ("diff", "gitcommit"):
        rows = colours(language, text)
        for row, line in zip(rows, text.split("\n"), strict=True):
            assert all(0 <= start < end <= len(line) for start, end, _ in row)
