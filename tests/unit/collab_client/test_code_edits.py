"""Enter, typing and Backspace in code, and commenting: what becomes of text and caret.

In the examples ^ is the caret and ‹ the selection's other end.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from collab_client.carets import Span
from collab_client.clusters import next_boundary, previous_boundary
from collab_client.code_edits import CodeStyle, backspace, newline, toggle_comment, type_text
from collab_client.indentation import Indentation
from collab_client.lines import Edit, Lines, Position, Replacement

FOUR, TWO, TAB = Indentation("    "), Indentation("  "), Indentation("\t")

PLAIN = CodeStyle()
PYTHON = CodeStyle(
    "#",
    None,
    ("()", "[]", "{}", '""', "''", '"""', "'''"),
    r"[:\[({]\s*(#.*)?$",
    r"(else|finally)\s*:|(elif|except)\b|[\])}]",
)
BARE = replace(PYTHON, pairs=())
SCRIPT = CodeStyle(
    "//",
    ("/*", "*/"),
    ("()", "[]", "{}", '""', "''", "``"),
    r"[\[({]\s*(//.*|/\*.*\*/\s*)?$|\bcase\b.*:\s*$|=>\s*$",
    r"[\])}]",
)
BASH = CodeStyle(
    "#",
    None,
    ("()", "[]", "{}", '""', "''", "``"),
    r"(\b(then|do|else|elif.*;\s*then|in)|[{(])\s*(#.*)?$",
    r"(fi|done|else|elif|esac)\b|[})]",
)
HTML = CodeStyle("", ("<!--", "-->"), ("()", "[]", "{}", '""', "''"), r"<[a-z]+(\s[^<>]*)?(?<!/)>\s*$", r"</")
YAML = CodeStyle("#", None, ("()", "[]", "{}", '""', "''"), r"(:|[\[({])\s*(#.*)?$", r"[\])}]")
PROSE = CodeStyle(block_comment=("<!--", "-->"), pairs=("()", "[]", "{}", '""', "``"), is_markdown=True)
STYLES = [PLAIN, PYTHON, SCRIPT, BASH, HTML, YAML, PROSE]


def parsed(marked: str) -> tuple[Lines, Span]:
    head = _place(marked.replace("‹", ""), "^")
    anchor = _place(marked.replace("^", ""), "‹") if "‹" in marked else head
    return Lines(marked.replace("^", "").replace("‹", "")), Span(head, anchor)


def _place(text: str, sign: str) -> Position:
    before = text[: text.index(sign)]
    return Position(before.count("\n"), len(before) - before.rfind("\n") - 1)


def done(lines: Lines, replacement: Replacement) -> str:
    """Apply to a copy, and mark the caret and the selection's other end."""
    start, end, text, head, anchor = replacement
    signs = {head: "^"} if anchor is None else {head: "^", anchor: "‹"}
    for at in sorted(signs, reverse=True):
        text = text[:at] + signs[at] + text[at:]
    copy = Lines(lines.text())
    copy.replace(start, end, text)
    return copy.text()


def typed(marked: str, text: str, style: CodeStyle, unit: Indentation = FOUR) -> str:
    """Type one character after the other, as the editor does."""
    for character in text:
        lines, span = parsed(marked)
        if character == "\n":
            replacement = newline(lines, span, style, unit)
        elif character == "\b":
            replacement = backspace(lines, span, style, unit)
        else:
            replacement = type_text(lines, span, character, style, unit)
        if replacement is None:
            start = span.start
            if character == "\b" and span.is_bare:
                assert start.column, "joining lines is not for these functions"
                start = Position(start.row, start.column - 1)
            inserted = "" if character == "\b" else character
            replacement = Replacement(start, span.end, inserted, len(inserted))
        marked = done(lines, replacement)
    return marked


def applied(text: str, edits: list[Edit]) -> str:
    places = [place for edit in edits for place in (edit.start, edit.end)]
    assert places == sorted(places)
    lines = Lines(text)
    for edit in reversed(edits):
        lines.replace(*edit)
    return lines.text()


def toggled(text: str, style: CodeStyle) -> str:
    lines = Lines(text)
    return applied(text, toggle_comment(lines, range(lines.row_count), style))


@pytest.mark.parametrize(
    ("before", "style", "unit", "after"),
    [
        ("foo^", PLAIN, FOUR, "foo\n^"),
        ("  foo^", PLAIN, FOUR, "  foo\n  ^"),
        ("  fo^o", PLAIN, FOUR, "  fo\n  ^o"),
        (" ^ foo", PLAIN, FOUR, "\n ^ foo"),
        ("^  foo", PLAIN, FOUR, "\n^  foo"),
        ("    ^", PLAIN, FOUR, "\n    ^"),
        ("\t\tx^", PLAIN, TAB, "\t\tx\n\t\t^"),
        ("a(^)", PLAIN, FOUR, "a(\n^)"),
        ("def f():^", PYTHON, FOUR, "def f():\n    ^"),
        ("def f():  # why^", PYTHON, FOUR, "def f():  # why\n    ^"),
        ("  if x:^", PYTHON, TWO, "  if x:\n    ^"),
        ("    # Note:^", PYTHON, FOUR, "    # Note:\n    ^"),
        ("    #Note (^", PYTHON, FOUR, "    #Note (\n    ^"),
        ("x = 1  # Note:^", PYTHON, FOUR, "x = 1  # Note:\n^"),
        ("if x == ' # ':^", PYTHON, FOUR, "if x == ' # ':\n    ^"),
        ("if x == ' # ':^", BARE, FOUR, "if x == ' # ':\n    ^"),
        ("    # Note:^", BARE, FOUR, "    # Note:\n    ^"),
        ("for a in $#; do^", BASH, FOUR, "for a in $#; do\n    ^"),
        ("# what to do^", BASH, FOUR, "# what to do\n^"),
        ("x => // why^", SCRIPT, FOUR, "x => // why\n    ^"),
        ("// case a:^", SCRIPT, FOUR, "// case a:\n^"),
        ("x = {'a': 1}^", PYTHON, FOUR, "x = {'a': 1}\n^"),
        ("if x: ^return", PYTHON, FOUR, "if x: \n    ^return"),
        ("f(^)", PYTHON, FOUR, "f(\n    ^\n)"),
        ("  f( ^ )", PYTHON, TWO, "  f(\n    ^\n  )"),
        ("\tif (a) {^}", SCRIPT, TAB, "\tif (a) {\n\t\t^\n\t}"),
        ("f(‹a^)", SCRIPT, FOUR, "f(\n    ^\n)"),
        ("f(‹\n    a\n^)", SCRIPT, FOUR, "f(\n    ^\n)"),
        ("f(a^)", SCRIPT, FOUR, "f(a\n^)"),
        ("(^]", SCRIPT, FOUR, "(\n    ^]"),
        ("x => ^", SCRIPT, FOUR, "x => \n    ^"),
        ("  ‹foo\n    b^ar", SCRIPT, FOUR, "\n  ^ar"),
        ("a:^", YAML, TWO, "a:\n  ^"),
        ("  b: 1^", YAML, TWO, "  b: 1\n  ^"),
        ("<div>^", HTML, TWO, "<div>\n  ^"),
        ("<br/>^", HTML, TWO, "<br/>\n^"),
        ("if a; then\n    b\n    fi^", BASH, FOUR, "if a; then\n    b\nfi\n^"),
        ("if a; then\n    b\n    else^", BASH, FOUR, "if a; then\n    b\nelse\n    ^"),
        ("if a; then\n    b\nfi^", BASH, FOUR, "if a; then\n    b\nfi\n^"),
        ("- a^", PROSE, TWO, "- a\n- ^"),
        ("  word^", PROSE, TWO, "  word\n  ^"),
    ],
)
def test_enter_indents(before: str, style: CodeStyle, unit: Indentation, after: str) -> None:
    assert typed(before, "\n", style, unit) == after


def test_enter_leaves_no_blanks_behind() -> None:
    assert typed("def f():^", "\n\n\nx", PYTHON) == "def f():\n\n\n    x^"


@pytest.mark.parametrize(
    ("before", "text", "style", "after"),
    [
        # closing
        ("f^", "(", PYTHON, "f(^)"),
        ("f^ x", "(", PYTHON, "f(^) x"),
        ("f^)", "[", PYTHON, "f[^])"),
        ("f^x", "(", PYTHON, "f(^x"),
        ("f^\r", "('", PYTHON, "f('^')\r"),
        ("f^", "(", PLAIN, "f(^"),
        ("^", "([{", SCRIPT, "([{^}])"),
        ("x = ^", '"', PYTHON, 'x = "^"'),
        ("x = ^y", '"', PYTHON, 'x = "^y'),
        ("f(^)", "'", PYTHON, "f('^')"),
        ("f(^, 2)", "'", PYTHON, "f('^', 2)"),
        ('"^"', "(", PYTHON, '"(^)"'),
        ('f^"a"', "(", PYTHON, 'f(^"a"'),
        ("<a href=^>", '"', HTML, '<a href="^">'),
        ("\\^", "(", BASH, "\\(^"),
        ("\\^", '"', BASH, '\\"^'),
        ("\\\\^", '"', BASH, '\\\\"^"'),
        ("see ^", "`", PROSE, "see `^`"),
        ("``^", "`", PROSE, "```^"),
        ("`^`", "``", PROSE, "```^"),
        # apostrophes
        ("don^", "'t", PYTHON, "don't^"),
        ("# the dogs^", "' bone", PYTHON, "# the dogs' bone^"),
        ("^", "it's ana's", PROSE, "it's ana's^"),
        ('"it^"', "'s", PYTHON, '"it\'s^"'),
        ('"say ^"', "'", PYTHON, '"say \'^"'),
        # a comment
        ("# the ^", "'90s", PYTHON, "# the '90s^"),
        ("# don't ^", '"', PYTHON, "# don't \"^"),
        ("x = 1  # the ^", "'90s \"", PYTHON, "x = 1  # the '90s \"^"),
        ("# the (^)", "'90s)", PYTHON, "# the ('90s)^"),
        ("x = '#', ^", "'a", PYTHON, "x = '#', 'a^'"),
        ("x = ' # \\' # ', ^", "'a", PYTHON, "x = ' # \\' # ', 'a^'"),
        ("f(a, // the ^)", "'", SCRIPT, "f(a, // the '^)"),
        ("f('http://x', ^)", "'", SCRIPT, "f('http://x', '^')"),
        ("a //b ^", "`", SCRIPT, "a //b `^"),
        ("echo ${#a} ^", "'", BASH, "echo ${#a} '^'"),
        ("a; # ^", '"', BASH, 'a; # "^'),
        ("ana: don^", "'t", YAML, "ana: don't^"),
        # typing over
        ("f(^)", ")", PYTHON, "f()^"),
        ("f(a^)", ")", PYTHON, "f(a)^"),
        ("f((a^)", ")", PYTHON, "f((a)^)"),
        ("f((a^))", "))", PYTHON, "f((a))^"),
        ("a^)", ")", PYTHON, "a)^)"),
        ("f(a)^)", ")", PYTHON, "f(a))^)"),
        ('x = "a^"', '"', PYTHON, 'x = "a"^'),
        ('^"a"', '"', PYTHON, '"^"a"'),
        ('"a\\^"', '"', PYTHON, '"a\\"^"'),
        ("f'a^'", "'", PYTHON, "f'a'^"),
        ("'it^'", "'", SCRIPT, "'it'^"),
        ("f(^)", ")", PLAIN, "f()^)"),
        # three quotes
        ("^", '"""', PYTHON, '"""^"""'),
        ("    ^", "'''doc'''", PYTHON, "    '''doc'''^"),
        ('"""^"""', 'a "b" c"""', PYTHON, '"""a "b" c"""^'),
        ("x = ^", '"""', SCRIPT, 'x = """^'),
        ('"a""^', '"', PYTHON, '"a"""^'),
        # a selection
        ("a ‹b^ c", "(", PYTHON, "a (‹b^) c"),
        ("a ^b‹ c", '"', PYTHON, 'a "^b‹" c'),
        ("‹a\nb^", "{", SCRIPT, "{‹a\nb^}"),
        ("‹a^", "(", PLAIN, "(^"),
        ("‹a^", ")", SCRIPT, ")^"),
        ("‹\u0301a^", "(", SCRIPT, "(^"),
        # shallower
        ("if (a) {\n    b\n    ^", "}", SCRIPT, "if (a) {\n    b\n}^"),
        ("if (a) {\n    ^", "}", SCRIPT, "if (a) {\n}^"),
        ("if (a) {\n    if (b)\n        c\n    ^", "}", SCRIPT, "if (a) {\n    if (b)\n        c\n}^"),
        ("a {\n    b {\n        c\n    ^", "}", SCRIPT, "a {\n    b {\n        c\n    }^"),
        ("    ^", "}", SCRIPT, "}^"),
        ("f(\n    [1],\n\n    ^", ")", PYTHON, "f(\n    [1],\n\n)^"),
        ("if a:\n    b\n    else^", ":", PYTHON, "if a:\n    b\nelse:^"),
        ("if a:\n    b\n    ^", "elif x", PYTHON, "if a:\n    b\nelif x^"),
        ("if a:\n    b\nelse^", ":", PYTHON, "if a:\n    b\nelse:^"),
        ("if a:\n    b\n    # Note:\n    else^", ":", PYTHON, "if a:\n    b\n    # Note:\nelse:^"),
        ("x = (\n    a\n    if b\n    ^", "else c", PYTHON, "x = (\n    a\n    if b\n    else c^"),
        ("x = (\n    a\n    if b\n    ^", "else (", PYTHON, "x = (\n    a\n    if b\n    else (^)"),
        ("try:\n    a\n    ^", "finally :", PYTHON, "try:\n    a\nfinally :^"),
        ("try:\n    a\n    ^", "except:", PYTHON, "try:\n    a\nexcept:^"),
        ("try:\n    a\n    ^", "exceptional:", PYTHON, "try:\n    a\n    exceptional:^"),
        ("try:\n    a\n    ^", "excep", PYTHON, "try:\n    a\n    excep^"),
        (
            "def f():\n    if a:\n        b\n    else^",
            ":",
            PYTHON,
            "def f():\n    if a:\n        b\n    else:^",
        ),
        (
            "if a:\n    if b:\n        c\n\n    else^",
            ":",
            PYTHON,
            "if a:\n    if b:\n        c\n\n    else:^",
        ),
        ("if a:\n    b\n    ^", "elsewhere = 1", PYTHON, "if a:\n    b\n    elsewhere = 1^"),
        ("if a:\n    b\n    x = else^", ":", PYTHON, "if a:\n    b\n    x = else:^"),
        ("<p>\n    <b>x</b>\n    ^", "</p>", HTML, "<p>\n    <b>x</b>\n</p>^"),
        ("a {\n    b\n    }^", ")", SCRIPT, "a {\n    b\n    })^"),
    ],
)
def test_typing(before: str, text: str, style: CodeStyle, after: str) -> None:
    assert typed(before, text, style) == after


def test_a_tab_is_taken_away_before_a_closing_bracket() -> None:
    assert typed("f {\n\tx\n\t^", "}", SCRIPT, TAB) == "f {\n\tx\n}^"


def test_only_one_character_is_looked_at() -> None:
    lines, span = parsed("^")
    assert type_text(lines, span, "((", PYTHON, FOUR) is None
    assert type_text(lines, span, "", PYTHON, FOUR) is None


@pytest.mark.parametrize(
    ("before", "style", "unit", "after"),
    [
        ("f(^)", PYTHON, FOUR, "f^"),
        ('x = "^"', PYTHON, FOUR, "x = ^"),
        ('"""^"""', PYTHON, FOUR, '""^'),
        ('""^"a"', PYTHON, FOUR, '"^"a"'),
        ("f(^)", PLAIN, FOUR, "f^)"),
        ("f(^]", PYTHON, FOUR, "f^]"),
        ("# '^'", PYTHON, FOUR, "# ^'"),
        ("# (^)", PYTHON, FOUR, "# ^"),
        ('"a"^"b"', PYTHON, FOUR, '"a^"b"'),
        ("\\(^)", BASH, FOUR, "\\^)"),
        ("(^)\u0301", PYTHON, FOUR, "^)\u0301"),
        ("        ^x", PYTHON, FOUR, "    ^x"),
        ("      ^x", PYTHON, FOUR, "    ^x"),
        ("   ^x", PYTHON, TWO, "  ^x"),
        ("\t    ^x", PYTHON, FOUR, "\t   ^x"),
        ("    ^x", PYTHON, TAB, "   ^x"),
        ("a    ^x", PYTHON, FOUR, "a   ^x"),
        ("    ^", PLAIN, FOUR, "^"),
        ("‹    ^x", PYTHON, FOUR, "^x"),
    ],
)
def test_backspace(before: str, style: CodeStyle, unit: Indentation, after: str) -> None:
    assert typed(before, "\b", style, unit) == after


def test_backspace_at_a_line_start_is_a_plain_one() -> None:
    assert backspace(*parsed("a\n^b"), PYTHON, FOUR) is None


@pytest.mark.parametrize(
    ("before", "style", "after"),
    [
        ("a\nb", PYTHON, "# a\n# b"),
        ("# a\n# b", PYTHON, "a\nb"),
        ("#a\n#  b", PYTHON, "a\n b"),
        ("# a\nb", PYTHON, "# # a\n# b"),
        ("    a\n\n        b\n   ", PYTHON, "    # a\n\n    #     b\n   "),
        ("    # a\n\n#     b", PYTHON, "    a\n\n    b"),
        ("\ta\n  b", PYTHON, "# \ta\n#   b"),
        ("  f()", SCRIPT, "  // f()"),
        ("  <p>\n    <b>", HTML, "  <!-- <p> -->\n  <!--   <b> -->"),
        ("<!--a-->\n<!-- b -->", HTML, "a\nb"),
        ("<!-- -->", HTML, ""),
        ("<!---->", HTML, ""),
        ("<!-->", HTML, "<!-- <!--> -->"),
        ("<!-- a --> b <!-- c -->", HTML, "<!-- <!-- a --> b <!-- c --> -->"),
        ("a  ", HTML, "<!-- a -->  "),
        ("<p>\r\n\r\n<b> \r", HTML, "<!-- <p> -->\r\n\r\n<!-- <b> --> \r"),
        ("<!-- <p> -->\r\n<!--b-->", HTML, "<p>\r\nb"),
        ("  a\r\n\r", PYTHON, "  # a\r\n\r"),
        ("# a\r\n\r", PYTHON, "a\r\n\r"),
        ("\r# a", PYTHON, "# \r# a"),
        ("a", PLAIN, "a"),
        ("\n  \n", PYTHON, "\n  \n"),
    ],
)
def test_comments(before: str, style: CodeStyle, after: str) -> None:
    assert toggled(before, style) == after


def test_only_the_given_rows_are_commented() -> None:
    lines = Lines("a\nb\nc")
    assert applied(lines.text(), toggle_comment(lines, [0, 2], PYTHON)) == "# a\nb\n# c"


# Properties

SIGNS = st.text(st.sampled_from("ab \t\r\n()[]{}'\"`\\:#;é\u0301👩\u200d漢-*>1.x<!/"), max_size=40)


@given(SIGNS, st.sampled_from([PYTHON, SCRIPT, HTML]))
@example("<!-- <b> -->\nx", HTML)
def test_commenting_twice_changes_nothing(text: str, style: CodeStyle) -> None:
    text = text.replace("<!--", "").replace("-->", "")
    once = toggled(text, style)
    rows = [line.strip(" \t") for line in text.split("\n") if line.strip(" \t")]
    if style.line_comment and all(row.startswith(style.line_comment) for row in rows):
        return  # it may have been commented without a blank
    assert toggled(once, style) == text


@st.composite
def places(draw: st.DrawFn) -> tuple[Lines, Span]:
    """Make a text, and a caret and a selection that lie between clusters."""
    lines = Lines(draw(SIGNS))
    ends = []
    for _ in range(2):
        row = draw(st.integers(0, lines.row_count - 1))
        line = lines.line(row)
        column = draw(st.integers(0, len(line)))
        ends.append(Position(row, next_boundary(line, previous_boundary(line, column)) if column else 0))
    return lines, Span(ends[0], draw(st.sampled_from([ends[0], ends[1]])))


def is_boundary(lines: Lines, place: Position) -> bool:
    line = lines.line(place.row)
    if not 0 <= place.column <= len(line):
        return False
    return place.column == 0 or next_boundary(line, previous_boundary(line, place.column)) == place.column


@given(
    places(), st.sampled_from(STYLES), st.sampled_from([FOUR, TWO, TAB]), st.sampled_from("([{}])\"'`:/ x")
)
def test_a_replacement_lies_in_the_text_and_splits_no_cluster(
    place: tuple[Lines, Span], style: CodeStyle, unit: Indentation, sign: str
) -> None:
    lines, span = place
    before = lines.text()
    for replacement in (
        newline(lines, span, style, unit),
        type_text(lines, span, sign, style, unit),
        backspace(lines, span, style, unit),
    ):
        assert lines.text() == before
        if replacement is None:
            continue
        start, end, text, head, anchor = replacement
        assert start <= span.start
        assert span.end <= end
        assert is_boundary(lines, start)
        assert is_boundary(lines, end)
        copy = Lines(before)
        copy.replace(start, end, text)
        for at in (head, head if anchor is None else anchor):
            assert 0 <= at <= len(text)
            rows = text[:at].split("\n")
            column = len(rows[-1]) + (start.column if len(rows) == 1 else 0)
            assert is_boundary(copy, Position(start.row + len(rows) - 1, column))


@given(places(), st.sampled_from(STYLES), st.sampled_from("([{\"'`"))
def test_backspace_takes_back_what_closed_itself(
    place: tuple[Lines, Span], style: CodeStyle, sign: str
) -> None:
    lines, span = place[0], Span(place[1].head, place[1].head)
    replacement = type_text(lines, span, sign, style, FOUR)
    if replacement is None or replacement.start != replacement.end:
        return
    copy = Lines(lines.text())
    copy.replace(replacement.start, replacement.end, replacement.text)
    head = Position(span.head.row, span.head.column + replacement.head)
    taken = backspace(copy, Span(head, head), style, FOUR)
    assert taken is not None
    copy.replace(taken.start, taken.end, taken.text)
    assert copy.text() == lines.text()


@given(st.text(st.sampled_from("ab \t)]}.'\"x:"), max_size=20), st.integers(0, 20), st.sampled_from("([{"))
def test_a_bracket_that_closed_itself_is_typed_over(text: str, column: int, sign: str) -> None:
    before, after = text[:column], text[column:]
    closer = {"(": ")", "[": "]", "{": "}"}[sign]
    if typed(f"{before}^{after}", sign, SCRIPT) == f"{before}{sign}^{closer}{after}":
        assert typed(f"{before}^{after}", sign + closer, SCRIPT) == f"{before}{sign}{closer}^{after}"


def test_a_pattern_that_takes_too_long_fits_nowhere() -> None:
    slow = CodeStyle(indent_after=r"(a|aa)+$|(a|aa|aaa)+b", dedent_at=r"(a|aa)+!")
    lines, span = parsed("  " + "a" * 1900 + "c^")
    assert newline(lines, span, slow, FOUR) == Replacement(span.head, span.head, "\n  ", 3)
    assert type_text(lines, span, ";", slow, FOUR) is None


def test_2000_characters_to_either_side_are_looked_at() -> None:
    for far, after in ((1999, ")^"), (2000, ")^)")):
        assert typed(f"({' ' * far}^)", ")", SCRIPT)[far + 1 :] == after
    for far, deeper in ((1999, "    ^"), (2000, "^")):
        assert typed(f"({' ' * far}^", "\n", SCRIPT).split("\n")[1] == deeper


def test_a_selection_too_long_to_be_written_anew_is_typed_over() -> None:
    for size, after in ((99_998, "(‹"), (100_000, "(^")):
        assert typed(f"‹{'a' * size}^", "(", SCRIPT)[:2] == after


def test_2000_rows_above_are_looked_at() -> None:
    for far, after in ((2000, "\n    }^"), (2001, "\n}^")):
        text = "    {" + "\n" * far + "    ^"
        assert typed(text, "}", SCRIPT).endswith(after)
