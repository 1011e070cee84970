"""Markdown as it is typed and read: lists that go on, boxes, headings, and where a link leads.

Pure functions of the text; what they look at is bounded. This is not a parser: code spans and fenced code
are heeded, HTML and indented code are not.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final
from urllib.parse import unquote

from collab_client.carets import Span
from collab_client.clusters import next_boundary
from collab_client.indentation import Indentation
from collab_client.lines import Edit, Lines, Position, Replacement

_LOOKED_AT: Final = 2000
"""Code points of a line, and rows around the caret."""

_ROWS_MOST: Final = 200_000
_HEADINGS_MOST: Final = 5000

_QUOTES: Final = r"(?P<quotes>(?:[ \t]*>[ \t]?)*+)"
_ITEM: Final = re.compile(
    _QUOTES + r"(?P<indent>[ \t]*)"
    r"(?:(?P<marker>(?P<bullet>[-*+])|(?P<number>\d{1,9})(?P<delimiter>[.)]))(?P<gap>[ \t]+)"
    r"(?:\[(?P<box>[ xX])\](?P<box_gap>[ \t]+|(?=\r?$)))?)?"
)
"""What a line begins with: signs of quotes, blanks, and the marker of a list; all of it may be empty."""

_BARE_MARKER: Final = re.compile(r"(?:[-*+]|\d{1,9}[.)])(?=\r?$)")
"""All that the line holds: a list's marker that no blank is behind."""

_BREAK: Final = re.compile(r"[ \t>]*([-*_])(?:[ \t]*\1){2,}[ \t]*$")
_FENCE: Final = re.compile(r"(?:[ \t]*>)*[ \t]*(?:(?:[-*+]|\d{1,9}[.)])[ \t]+)?(`{3,}(?=[^`]*$)|~{3,})")
_ATX: Final = re.compile(r" {0,3}(#{1,6})(?:[ \t]+(.*))?$")
_SETEXT: Final = re.compile(r" {0,3}(?:(=+)|-+)[ \t]*$")
_BLANKS: Final = re.compile(r"[ \t]*")
_BEGINNINGS: Final = frozenset("#=-`~>[*+0123456789 \t")
"""What headings, fences and definitions begin with; most lines begin with a letter."""


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading in line `row`; `level` is 1 to 6, `title` is what is written, with its markup."""

    row: int
    level: int
    title: str


@dataclass(frozen=True, slots=True)
class Link:
    """Where a link leads, and what it says. A heading of the same text is "#" and its slug."""

    target: str
    text: str


# Lists


def newline(lines: Lines, span: Span, unit: Indentation) -> Replacement | None:
    """Return what Enter does in an item of a list or a quote: it begins the next, or ends the list.

    None where it is a plain one: elsewhere, before the item's text, and in fenced code. `renumber` is then
    for the items that follow.
    """
    start, end = span.start, span.end
    line = lines.line(start.row)
    item = _item(line)
    least = item.end()
    if least == len(line):  # an empty item, whatever number of blanks it has
        least = item.end("box") + 1 if item["box"] else item.end("marker") + 1 if item["marker"] else 1
    if not (item["marker"] or item["quotes"]) or start.column < least:
        return None
    if _BREAK.match(line, 0, _LOOKED_AT) or is_in_fence(lines, start.row):
        return None
    last = lines.line(end.row)
    text = line[item.end() : min(start.column, item.end() + _LOOKED_AT)]
    if not text.strip(" \t"):
        following = _BLANKS.match(last, end.column, end.column + _LOOKED_AT)
        if following is not None and following.end() == len(last):
            return _without_marker(start.row, item, Position(end.row, len(last)))
    prefix = item["quotes"] + item["indent"]
    if item["marker"]:
        number = item["number"]
        if number and not (
            _is_repeated(lines, start.row, item, -1) or _is_repeated(lines, start.row, item, 1)
        ):
            number = str(int(number) + 1).zfill(len(number))
        number = number if number is None or len(number) <= 9 else item["number"]
        prefix += (number + item["delimiter"]) if number else item["bullet"]
        prefix += item["gap"] if len(item["gap"]) <= 4 else " "
        prefix += "[ ] " if item["box"] else ""
    elif not prefix.endswith((" ", "\t")):
        prefix += " "
    return Replacement(
        start, Position(end.row, _skip_blanks(last, end.column)), "\n" + prefix, 1 + len(prefix)
    )


def renumber(lines: Lines, row: int) -> list[Edit]:
    """Return the edits, ascending, by which the items below the one in `row` count on from it.

    As far as they have counted on from the one above: for after an item came in between. A list whose items
    all have the same number is left so.
    """
    first = _item(lines.line(row))
    if not first["number"] or _is_repeated(lines, row, first, -1):
        return []
    edits, expected = [], int(first["number"]) + 1
    for below, item in _siblings(lines, range(row + 1, min(row + _LOOKED_AT, lines.row_count)), first):
        number = item["number"]
        if int(number) != expected - 1:
            break
        start = Position(below, item.start("number"))
        edits.append(Edit(start, Position(below, item.end("number")), str(expected).zfill(len(number))))
        expected += 1
    return edits


def toggle_checkbox(lines: Lines, rows: Sequence[int]) -> list[Edit]:
    """Return the edits, ascending, that tick each box, or clear it; a line without one gets an empty one.

    A box that comes is one insertion before the line's text. Where there is no text that is the line's end:
    a caret that stands there belongs behind it, to write on. Blank lines are left alone, unless there are
    only such.
    """
    chosen = [row for row in rows if lines.line(row).strip(" \t\r")] or rows
    edits = []
    for row in chosen:
        line = lines.line(row)
        item = _item(line)
        if item["box"]:
            start, end = Position(row, item.start("box")), Position(row, item.end("box"))
            edits.append(Edit(start, end, "x" if item["box"] == " " else " "))
        else:
            # Behind a marker, another one is the text.
            marker = None if item["marker"] else _BARE_MARKER.match(line, item.end())
            place = Position(row, marker.end() if marker else item.end())
            edits.append(Edit(place, place, " [ ] " if marker else "[ ] " if item["marker"] else "- [ ] "))
    return edits


def is_in_fence(lines: Lines, row: int) -> bool:
    """Whether `row` is fenced code or its last line, as far as 2,000 rows above tell."""
    fence = ""
    for above in range(max(0, row - _LOOKED_AT), row):
        fence = _fence_after(fence, lines.line(above))
    return bool(fence)


def _fence_after(fence: str, line: str) -> str:
    """Return the fence that is open after `line`, if `fence` was before; "" for none."""
    match = _FENCE.match(line, 0, _LOOKED_AT)
    if match is None:
        return fence
    if not fence:
        return match[1]
    closes = match[1].startswith(fence) and not line[match.end() : match.end() + _LOOKED_AT].strip()
    return "" if closes else fence


def _item(line: str) -> re.Match[str]:
    match = _ITEM.match(line, 0, _LOOKED_AT)
    assert match is not None  # noqa: S101 - it may be empty everywhere
    return match


def _without_marker(row: int, item: re.Match[str], end: Position) -> Replacement:
    """Return the line of an empty item without its marker, or without its last sign of a quote."""
    kept = item["quotes"] if item["marker"] else item["quotes"].rstrip(" \t")[:-1]
    return Replacement(Position(row, len(kept)), end, "", 0)


def _is_repeated(lines: Lines, row: int, item: re.Match[str], step: int) -> bool:
    """Whether the next item of the list, or with step -1 the one before, has the same number."""
    behind = min(lines.row_count, row + _LOOKED_AT) if step > 0 else max(-1, row - _LOOKED_AT)
    other = next(_siblings(lines, range(row + step, behind, step), item), None)
    return other is not None and int(other[1]["number"]) == int(item["number"])


def _siblings(lines: Lines, rows: range, item: re.Match[str]) -> Iterator[tuple[int, re.Match[str]]]:
    """Find the items of the same ordered list in `rows`, which begin beside it."""
    blanks = 0
    for row in rows:
        line = lines.line(row)
        if not line[:_LOOKED_AT].strip():
            blanks += 1
            if blanks > 1:
                return
            continue
        blanks = 0
        other = _item(line)
        depth = len(other["quotes"]) - len(item["quotes"]) or len(other["indent"]) - len(item["indent"])
        if depth > 0:
            continue
        if depth < 0 or other["delimiter"] != item["delimiter"]:
            return
        yield row, other


def _skip_blanks(line: str, column: int) -> int:
    """Return where the blanks from `column` on end, at a boundary of clusters."""
    match = _BLANKS.match(line, column, column + _LOOKED_AT)
    end = match.end() if match else column
    return end if end == column or next_boundary(line, end - 1) == end else end - 1


# Headings


def headings(lines: Lines) -> list[Heading]:
    """Return the headings in order, of either form; at most 5,000, in the first 200,000 rows."""
    return list(islice(_headings(lines), _HEADINGS_MOST))


def next_heading(lines: Lines, row: int) -> Position | None:
    """Return the start of the next heading below `row`."""
    return next((Position(found.row, 0) for found in headings(lines) if found.row > row), None)


def previous_heading(lines: Lines, row: int) -> Position | None:
    """Return the start of the nearest heading above `row`."""
    rows = [found.row for found in headings(lines) if found.row < row]
    return Position(rows[-1], 0) if rows else None


def heading_target(lines: Lines, target: str) -> Position | None:
    """Return the heading that "#slug" names, by GitHub's rules: a second one of the same title has -1."""
    wanted = unquote(target.removeprefix("#")).lower()
    seen: dict[str, int] = {}
    for heading in headings(lines):
        plain = slug = _slug(heading.title)
        while slug in seen:
            seen[plain] += 1
            slug = f"{plain}-{seen[plain]}"
        seen[slug] = 0
        if slug == wanted:
            return Position(heading.row, 0)
    return None


def _slug(title: str) -> str:
    title = re.sub(r"!?\[([^\[\]]*)\](?:\([^()]*\)|\[[^\[\]]*\])", r"\1", title)
    title = re.sub(r"(?<!\w)(_{1,3})(\S(?:[^_]*\S)?)\1(?!\w)", r"\2", title)
    kept = [sign for sign in title.strip().lower() if sign in "- _" or unicodedata.category(sign)[0] in "LMN"]
    return "".join(kept).replace(" ", "-")


def _rows(lines: Lines) -> Iterator[tuple[int, str]]:
    """Find the lines that may begin with a sign, outside of fences and of the YAML at the top."""
    first, fence, behind = _front_matter_end(lines), "", 0
    for block in lines.blocks():
        found = [(row, line) for row, line in enumerate(block, behind) if line[:1] in _BEGINNINGS]
        behind += len(block)
        for row, line in found:
            if row >= _ROWS_MOST:
                return
            before = fence
            if row >= first:
                fence = _fence_after(fence, line)
                if not fence and not before:
                    yield row, line[:_LOOKED_AT]


def _front_matter_end(lines: Lines) -> int:
    if lines.line(0).rstrip() == "---":
        for row in range(1, min(lines.row_count, _LOOKED_AT)):
            if lines.line(row).rstrip() in ("---", "..."):
                return row + 1
    return 0


def _headings(lines: Lines) -> Iterator[Heading]:
    least = _front_matter_end(lines)  # the first row that may belong to the next heading
    in_item = -1  # the last row that is known to be text of such a paragraph as has no underline
    for row, line in _rows(lines):
        text = line.strip()
        atx = _ATX.match(line) if text[:1] == "#" else None
        setext = _SETEXT.match(line) if text[:1] in ("=", "-") else None
        if atx:
            yield Heading(row, len(atx[1]), _atx_title(atx[2] or ""))
            least = row + 1
        elif setext:
            paragraph = _paragraph_above(lines, row, least, in_item)
            if paragraph:
                title = " ".join(paragraph)[:_LOOKED_AT]
                yield Heading(row - len(paragraph), 1 if setext[1] else 2, title)
                least = row + 1
            elif paragraph is None:
                in_item = row


def _atx_title(text: str) -> str:
    """Return a heading's text without the signs that may close it, which stand behind a blank."""
    text = text.strip()
    title = text.rstrip("#")
    return text if title[-1:].strip() else title.strip()


def _paragraph_above(lines: Lines, row: int, least: int, in_item: int) -> list[str] | None:
    """Return the lines of the paragraph that ends above `row`.

    None if it is of an item or a quote, or longer than 2,000 rows.
    """
    paragraph: list[str] = []
    for above in range(row - 1, least - 1, -1):
        line = lines.line(above)[:_LOOKED_AT]
        item = _item(line)
        if not line.strip() or _FENCE.match(line) or _BREAK.match(line):
            break
        if above == in_item or item["marker"] or item["quotes"] or len(paragraph) == _LOOKED_AT:
            return None
        paragraph.append(line)
    while paragraph and paragraph[-1].startswith(("    ", "\t")):
        paragraph.pop()  # code; what goes on in a paragraph may be indented
    return [line.strip() for line in reversed(paragraph)]


# Links

_LINK: Final = re.compile(
    r"\\."
    r"|(?P<ticks>(?<!`)`+(?!`)).*?(?<!`)(?P=ticks)(?!`)"
    r"|\[\[(?P<wiki>[^\[\]]+)\]\]"
    r"|!?\[(?P<text>(?:\\.|[^\[\]\\]|\[[^\[\]]*\])*+)\]"
    r"(?:\((?:\s*(?:<(?P<angled>[^<>]*)>|(?P<target>(?:\\.|[^\s()\\]|\([^\s()]*\))+))"
    r"(?:\s+(?:\"[^\"]*\"|'[^']*'|\([^()]*\)))?\s*)\)"
    r"|\[(?P<name>[^\[\]]*)\])?"
    r"|<(?P<url>[A-Za-z][A-Za-z0-9+.-]{1,31}:[^\s<>]*)>"
    r"|(?P<bare>https?://[^\s<>`]+)"
)
_DEFINITION: Final = re.compile(r" {0,3}\[(?!\^)((?:\\.|[^\[\]\\])+)\]:\s*(?:<([^<>]*)>|(\S+))")
_ENTITY: Final = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|\w{1,32});", re.ASCII)
_ESCAPE: Final = re.compile(r"\\([!-/:-@\[-`{-~])")


def link_at(lines: Lines, position: Position) -> Link | None:
    """Return the link that stands around `position`: as Markdown has them, or a plain http(s) address.

    A reference is looked up in the first 200,000 rows; None where nothing defines it. [[A heading]] of the
    same text leads to its slug, [[a#b|text]] to what is written.
    """
    line, column = lines.line(position.row), position.column
    first = max(0, column - _LOOKED_AT)
    found = None
    for match in _LINK.finditer(line, first, column + _LOOKED_AT):
        if match.start() > column:
            break
        if column <= match.end() and match[0][0] not in "\\`":
            found = match  # of two that touch at the caret the second
    definition = _DEFINITION.match(line, 0, _LOOKED_AT)
    if definition and column <= definition.end():
        return Link(_unescaped(definition[2] or definition[3]), definition[1])
    return None if found is None else _link(lines, found, column)


def _link(lines: Lines, match: re.Match[str], column: int) -> Link | None:
    if match["bare"]:
        url = _trimmed(match["bare"])
        return Link(url, url) if column <= match.start() + len(url) else None
    if match["url"]:
        return Link(match["url"], match["url"])
    if match["wiki"]:
        page, _, text = match["wiki"].partition("|")
        page = page.strip()
        target = page if page.find("#") > 0 else "#" + _slug(page.removeprefix("#"))
        return Link(target, text.strip() or page.removeprefix("#"))
    target = match["target"] if match["angled"] is None else match["angled"]
    if target is not None:
        return Link(_unescaped(target), match["text"])
    target = _defined(lines, match["name"] or match["text"])
    return None if target is None else Link(target, match["text"])


def _defined(lines: Lines, name: str) -> str | None:
    """Return where the reference `name` leads; the first that defines it counts."""
    wanted = " ".join(name.split()).casefold()
    for _, line in _rows(lines):
        match = _DEFINITION.match(line) if "]:" in line else None
        if match and " ".join(match[1].split()).casefold() == wanted:
            return _unescaped(match[2] or match[3] or "")
    return None


def _unescaped(target: str) -> str:
    return _ENTITY.sub(lambda match: html.unescape(match[0]), _ESCAPE.sub(r"\1", target))


def _trimmed(url: str) -> str:
    """Return a plain address without what ends the sentence around it."""
    while url:
        opener = {")": "(", "]": "[", "}": "{"}.get(url[-1])
        ends_bracket = opener is not None and url.count(url[-1]) > url.count(opener)
        if url[-1] not in "?!.,:;*_~'\"" and not ends_bracket:
            break
        url = url[:-1]
    return url
