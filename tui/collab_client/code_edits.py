"""What keys do in code: Enter indents, brackets close, Backspace takes a step; and lines are commented.

Pure functions of the text, one call for each own caret; what they look at is bounded, whatever the text.
Where one returns None, the key does what it does in plain text.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Final

from collab_client.carets import Span
from collab_client.clusters import TAB_CELLS, cells_before, is_word, next_boundary, previous_boundary
from collab_client.indentation import Indentation
from collab_client.lines import Edit, Lines, Position, Replacement

_LOOKED_AT: Final = 2000
"""Code points of a line to either side of the caret, and rows above it."""

_OPENING_MOST: Final = 200_000
"""Code points above the caret in which a bracket's partner is looked for: 1 ms."""

_WRAPPED_MOST: Final = 100_000
"""Code points; a longer selection is typed over, as plain text is: wrapping writes it anew."""

_TIMEOUT_S: Final = 0.01

_BLANKS: Final = re.compile(r"[ \t]*")
_BRACKETS: Final = {"(": ")", "[": "]", "{": "}"}
_OPENERS: Final = {closer: opener for opener, closer in _BRACKETS.items()}
_CLOSED_BEFORE: Final = frozenset(" \t\r)]}>,;:")
"""What may follow where a bracket or quote closes itself; besides the line's end."""

_BEHIND: Final = " \t\r"
"""What may stand behind a comment in its line."""

_QUOTES: Final = "\"'`"
"""What holds no comment, where the style names no quotes because nothing closes itself."""


@dataclass(frozen=True, slots=True)
class CodeStyle:
    """What typing in a language needs to know; as it stands, plain text."""

    line_comment: str = ""
    block_comment: tuple[str, str] | None = None
    pairs: tuple[str, ...] = ()
    """Each an opening sign and its closing one, "()"; or a quote of three signs, '\"\"\"'."""
    indent_after: str = ""
    """Searched in the text before the caret, from its end: where it fits, a new line is one step deeper.

    A comment behind `line_comment` is not searched.
    """
    dedent_at: str = ""
    """Matched behind the indentation: where it fits, the line is one step shallower."""
    is_markdown: bool = False

    def closers(self) -> dict[str, str]:
        """Return what closes each sign that is one character long."""
        return {pair[0]: pair[1] for pair in self.pairs if len(pair) == 2}

    def triples(self) -> list[str]:
        """Return the quotes of three signs."""
        return [pair for pair in self.pairs if len(pair) == 3]


def newline(lines: Lines, span: Span, style: CodeStyle, unit: Indentation) -> Replacement | None:
    """Return what Enter does: the new line is indented like this one, or a step deeper.

    Between two brackets a line of its own opens. Blanks are not left behind on a line that holds nothing
    else. A word that makes its line shallower, such as `fi`, does so here.
    """
    if style.is_markdown:
        from collab_client import markdown_edits  # 3 ms, for those who write Markdown

        replacement = markdown_edits.newline(lines, span, unit)
        if replacement is not None:
            return replacement
    start, end = span.start, span.end
    line = lines.line(start.row)
    indent = line[: _indent_end(line, start.column)]
    if len(indent) == start.column:
        return Replacement(Position(start.row, 0), end, "\n" + indent, 1 + len(indent)) if indent else None
    kept = indent
    if start.column - len(indent) <= _LOOKED_AT:
        words = line[len(indent) : start.column]
        if _dedent_end(words, style) == len(words) and is_word(words[-1]):
            kept = _shallower_here(lines, start.row, indent, "", style, unit)
    between = _between_brackets(line, start.column, lines.line(end.row), end.column)
    inner, behind = kept, ""
    if between is not None and (style.pairs or style.indent_after):
        start, end = Position(start.row, between[0]), Position(end.row, between[1])
        inner, behind = kept + unit.unit, "\n" + kept
    elif _opens_block(line, start.column, style):
        inner = kept + unit.unit
    if not inner and kept == indent:
        return None
    if kept == indent:
        return Replacement(start, end, "\n" + inner + behind, 1 + len(inner))
    text = line[len(indent) : start.column] + "\n" + inner
    return Replacement(Position(start.row, len(kept)), end, text + behind, len(text))


def type_text(lines: Lines, span: Span, text: str, style: CodeStyle, unit: Indentation) -> Replacement | None:
    """Return what typing `text` does, if it is one sign that closes, is closed, or moves its line.

    A selection is wrapped in the pair and stays selected. A closing sign before the same sign is typed over
    it where that closes something in this line.
    """
    if len(text) != 1:
        return None
    if not span.is_bare:
        return _wrapped(lines, span, text, style)
    return (
        _typed_over(lines, span.head, text, style)
        or _closed(lines, span.head, text, style)
        or _dedented(lines, span.head, text, style, unit)
    )


def backspace(lines: Lines, span: Span, style: CodeStyle, unit: Indentation) -> Replacement | None:
    """Return what Backspace does: in an empty pair both signs go, in leading blanks a step of `unit`."""
    row, column = span.head
    line = lines.line(row)
    if not span.is_bare or not column:
        return None
    closing = _empty_pair(line, column, style)
    if closing and previous_boundary(line, column) == column - 1:
        last = column + closing
        if next_boundary(line, last - 1) == last:
            return Replacement(Position(row, column - 1), Position(row, last), "", 0)
    if unit.unit == "\t" or column > _LOOKED_AT or line[:column].strip(" "):
        return None
    size = (column - 1) % len(unit.unit) + 1
    return Replacement(Position(row, column - size), span.head, "", 0) if size > 1 else None


def toggle_comment(lines: Lines, rows: Sequence[int], style: CodeStyle) -> list[Edit]:
    """Return the edits, ascending, that comment the lines, or uncomment them if all are commented.

    Blank lines are left alone. Where the language has only block comments, each line is one, which ends
    before a carriage return. [] where it has none.
    """
    texts = {row: line for row in rows if _stripped(line := lines.line(row))}
    opening, closing = (style.line_comment, "") if style.line_comment else style.block_comment or ("", "")
    if not opening or not texts:
        return []
    if all(_is_commented(_stripped(line), opening, closing) for line in texts.values()):
        return [edit for row, line in texts.items() for edit in _uncommented(row, line, opening, closing)]
    indents = [line[: _indent_end(line, len(line))] for line in texts.values()]
    # What the first and the last in order begin with, all do.
    shared = takewhile(lambda pair: pair[0] == pair[1], zip(min(indents), max(indents), strict=False))
    column = sum(1 for _ in shared)
    edits = []
    for row, line in texts.items():
        start = Position(row, column)
        edits.append(Edit(start, start, opening + " "))
        if closing:
            end = Position(row, len(line.rstrip(_BEHIND)))
            edits.append(Edit(end, end, " " + closing))
    return edits


# Indentation


def _indent_end(line: str, column: int) -> int:
    """Return where the blanks that `line` begins with end, before `column`."""
    match = _BLANKS.match(line, 0, min(column, _LOOKED_AT))
    return match.end() if match else 0


def _opens_block(line: str, column: int, style: CodeStyle) -> bool:
    """Whether `indent_after` fits in the 2,000 code points before `column`; not if that takes long."""
    if not style.indent_after:
        return False
    import regex  # 15 ms, at the first key that needs it

    _, comment = _scanned(line, column, style)
    end = column if comment is None else comment
    try:
        # From the end, where the pattern is bound to: from the start each bracket would be tried to the end.
        found = regex.search(
            style.indent_after,
            line,
            regex.REVERSE,
            pos=max(0, column - _LOOKED_AT),
            endpos=end,
            timeout=_TIMEOUT_S,
        )
    except TimeoutError:
        return False
    return found is not None


def _dedent_end(text: str, style: CodeStyle) -> int:
    """Return where that ends which makes a line shallower that begins with `text`; 0 if nothing does."""
    if not style.dedent_at or len(text) > _LOOKED_AT:
        return 0
    import regex

    try:
        match = regex.match(style.dedent_at, text, timeout=_TIMEOUT_S)
    except TimeoutError:
        return 0
    return match.end() if match else 0


def _between_brackets(line: str, column: int, after: str, behind: int) -> tuple[int, int] | None:
    """Return the columns between the brackets that stand around these two with only blanks between."""
    before = line[max(0, column - _LOOKED_AT) : column]
    column -= len(before) - len(before.rstrip(" \t"))
    match = _BLANKS.match(after, behind, behind + _LOOKED_AT)
    behind = match.end() if match else behind
    closer = _BRACKETS.get(line[column - 1 : column])
    return (column, behind) if closer and after.startswith(closer, behind) else None


def _dedented(
    lines: Lines, head: Position, text: str, style: CodeStyle, unit: Indentation
) -> Replacement | None:
    """Return the line's beginning a step shallower, if `text` completes what makes it so."""
    row, column = head
    line = lines.line(row)
    indent = line[: _indent_end(line, column)]
    if not indent or not style.dedent_at or is_word(text) or column - len(indent) > _LOOKED_AT:
        return None
    before = line[len(indent) : column]
    end, earlier = _dedent_end(before + text, style), _dedent_end(before, style)
    has_ended_word = bool(before) and end == len(before) and is_word(before[-1])
    if not end or (earlier and not has_ended_word):
        return None
    kept = _shallower_here(lines, row, indent, text if not before else "", style, unit)
    start = Position(row, len(kept))
    return None if kept == indent else Replacement(start, head, before + text, len(before) + 1)


def _shallower_here(
    lines: Lines, row: int, indent: str, closer: str, style: CodeStyle, unit: Indentation
) -> str:
    """Return `indent` without its last step; whole, if the line is already as shallow as it should be.

    A bracket that closes is so beside the line that opens it; else a line that is shallower than Enter has
    made it.
    """
    expected = ""
    opening = _opening_line(lines, row, closer)
    if opening is not None:
        expected = opening[: _indent_end(opening, len(opening))]
        is_deep = cells_before(indent, len(indent)) > cells_before(expected, len(expected))
    else:
        for above in range(row - 1, max(-1, row - 1 - _LOOKED_AT), -1):
            line = lines.line(above)
            blanks = line[: _indent_end(line, len(line))]
            if len(blanks) < len(line):
                expected = blanks + (unit.unit if _opens_block(line, len(line), style) else "")
                break
        is_deep = cells_before(indent, len(indent)) >= cells_before(expected, len(expected))
    return _shallower(indent, unit) if is_deep else indent


def _shallower(indent: str, unit: Indentation) -> str:
    if indent.endswith("\t"):
        return indent[:-1]
    most = TAB_CELLS if unit.unit == "\t" else len(unit.unit)
    return indent[: max(len(indent.rstrip(" ")), len(indent) - most)]


def _opening_line(lines: Lines, row: int, closer: str) -> str | None:
    """Return the line above `row` that opens what `closer` closes there."""
    opener = _OPENERS.get(closer)
    if opener is None:
        return None
    pattern = re.compile(f"[\\{opener}\\{closer}]")
    depth, passed = 0, 0
    for above in range(row - 1, max(-1, row - 1 - _LOOKED_AT), -1):
        line = lines.line(above)
        passed += min(len(line), _LOOKED_AT)
        if passed > _OPENING_MOST:
            break
        for sign in reversed(pattern.findall(line, 0, _LOOKED_AT)):
            depth += 1 if sign == closer else -1
            if depth < 0:
                return line
    return None


# Pairs


def _wrapped(lines: Lines, span: Span, text: str, style: CodeStyle) -> Replacement | None:
    closer = style.closers().get(text)
    start, end = span.start, span.end
    if closer is None or end.row - start.row > _LOOKED_AT:
        return None
    selected = lines.slice(start, end)
    last = len(selected) + 1
    wrapped = text + selected + closer
    if last > _WRAPPED_MOST or next_boundary(wrapped, 0) != 1 or previous_boundary(wrapped, last + 1) != last:
        return None
    head, anchor = (last, 1) if span.head == end else (1, last)
    return Replacement(start, end, wrapped, head, anchor)


def _typed_over(lines: Lines, head: Position, text: str, style: CodeStyle) -> Replacement | None:
    row, column = head
    line = lines.line(row)
    if not line.startswith(text, column) or text not in style.closers().values():
        return None
    if _is_escaped(line, column) or next_boundary(line, column) != column + 1:
        return None
    if text in _OPENERS:
        opened, closed = _unpaired(line, column, _OPENERS[text], text)
        closes = 0 < opened <= closed
    else:
        closes = (_open_quote(line, column, style) or "").startswith(text)
    return Replacement(head, Position(row, column + 1), text, 1) if closes else None


def _closed(lines: Lines, head: Position, text: str, style: CodeStyle) -> Replacement | None:
    row, column = head
    line = lines.line(row)
    closer = style.closers().get(text)
    if closer is None or _is_escaped(line, column):
        return None
    following = line[column : column + 1]
    quote, comment = _scanned(line, column, style)
    if following and following not in _CLOSED_BEFORE and not (quote and quote.startswith(following)):
        return None
    if closer != text:
        return Replacement(head, head, text + closer, 1)
    if quote is not None or comment is not None or following == text:
        return None
    before = line[max(0, column - 3) : column]
    if before.endswith(text * 2):
        is_third = text * 3 in style.triples() and before != text * 3
        return Replacement(head, head, text * 4, 1) if is_third else None
    if before and (is_word(before[-1]) or before[-1] == text):
        return None
    return Replacement(head, head, text * 2, 1)


def _empty_pair(line: str, column: int, style: CodeStyle) -> int:
    """Return how many characters behind `column` close what the one before it opens, with nothing between."""
    for triple in style.triples():
        if line.endswith(triple, 0, column) and line.startswith(triple, column):
            return len(triple) if _scanned(line, column - len(triple), style) == (None, None) else 0
    opener = line[column - 1]
    closer = style.closers().get(opener)
    if closer is None or not line.startswith(closer, column) or _is_escaped(line, column - 1):
        return 0
    return 1 if closer != opener or _scanned(line, column - 1, style) == (None, None) else 0


def _is_escaped(line: str, column: int) -> bool:
    before = line[max(0, column - _LOOKED_AT) : column]
    return (len(before) - len(before.rstrip("\\"))) % 2 == 1


def _unpaired(line: str, column: int, opener: str, closer: str) -> tuple[int, int]:
    """Return how many brackets are open at `column`, and how many behind it close something before it."""
    opened = closed = depth = 0
    for sign in line[max(0, column - _LOOKED_AT) : column]:
        opened = opened + 1 if sign == opener else max(0, opened - (sign == closer))
    for sign in line[column : column + _LOOKED_AT]:
        depth += (sign == opener) - (sign == closer)
        if depth < 0:
            closed, depth = closed + 1, 0
    return opened, closed


def _open_quote(line: str, column: int, style: CodeStyle) -> str | None:
    """Return the quote that is open at `column`, as far as its line tells; an apostrophe opens none."""
    return _scanned(line, column, style)[0]


def _scanned(line: str, column: int, style: CodeStyle) -> tuple[str | None, int | None]:
    """Return the quote that is open at `column`, and where a comment began that is: one of them, or none."""
    quotes = "".join(opener for opener, closer in style.closers().items() if opener == closer)
    signs = [r"\\.", *map(re.escape, style.triples()), f"[{re.escape(quotes or _QUOTES)}]"]
    if style.line_comment:
        signs.append(rf"(?<![^ \t;]){re.escape(style.line_comment)}")
    quote: str | None = None
    for match in re.compile("|".join(signs)).finditer(line, max(0, column - _LOOKED_AT), column):
        sign = match[0]
        if quote is not None:
            quote = None if sign in (quote, quote * 3) else quote
        elif sign == style.line_comment:
            return None, match.start()
        elif sign[0] != "\\" and not (sign == "'" and _is_apostrophe(line, match.start())):
            quote = sign
    return quote, None


def _is_apostrophe(line: str, column: int) -> bool:
    """Whether a word goes on around `column`; but f'x', rb'x' and the like are strings."""
    if not column or not is_word(line[column - 1]) or not is_word(line[column + 1 : column + 2] or " "):
        return False
    return re.search(r"(?<!\w)[bfru]{1,2}\Z", line[max(0, column - 3) : column], re.IGNORECASE) is None


# Comments


def _stripped(line: str) -> str:
    return line.lstrip(" \t").rstrip(_BEHIND)


def _is_commented(text: str, opening: str, closing: str) -> bool:
    """Whether `text`, without blanks around, is one comment."""
    if not closing:
        return text.startswith(opening)
    if len(text) < len(opening) + len(closing) or not (text.startswith(opening) and text.endswith(closing)):
        return False
    depth, ended = 0, False
    for match in re.finditer(f"{re.escape(opening)}|{re.escape(closing)}", text):
        if match[0] == opening and ended:
            return False  # a second comment in the same line
        depth += 1 if match[0] == opening else -1
        ended = ended or depth <= 0
    return True


def _uncommented(row: int, line: str, opening: str, closing: str) -> list[Edit]:
    start = len(line) - len(line.lstrip(" \t"))
    text_start = start + len(opening) + line.startswith(" ", start + len(opening))
    edits = [Edit(Position(row, start), Position(row, text_start), "")]
    if closing:
        end = len(line.rstrip(_BEHIND))
        text_end = end - len(closing)
        text_end -= text_end > text_start and line[text_end - 1] == " "
        edits.append(Edit(Position(row, max(text_start, text_end)), Position(row, end), ""))
    return edits
