"""What the keys that write do in the language of the room: at each own caret as code wants it, or plainly."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from collab_client import clusters, code_edits
from collab_client.buffer import Buffer
from collab_client.carets import Span
from collab_client.code_edits import CodeStyle
from collab_client.indentation import Indentation
from collab_client.lines import Lines, Replacement
from collab_client.undo_steps import Kind

PLAIN: Final = CodeStyle()

Make = Callable[[Lines, Span], Replacement | None]


def type_text(buffer: Buffer, text: str, style: CodeStyle, unit: Callable[[], Indentation]) -> None:
    """Type `text`. Raises as `Buffer.replace`."""
    if len(text) != 1 or not (style.pairs or style.dedent_at):
        buffer.type_text(text)
        return
    _do(
        buffer,
        lambda lines, span: code_edits.type_text(lines, span, text, style, unit()),
        lambda lines, span: Replacement(span.start, span.end, text, len(text)),
        lambda: buffer.type_text(text),
    )


def newline(buffer: Buffer, style: CodeStyle, unit: Callable[[], Indentation]) -> None:
    """Break the line, and indent the new one. Raises as `Buffer.replace`."""
    _do(
        buffer,
        lambda lines, span: code_edits.newline(lines, span, style, unit()),
        lambda lines, span: Replacement(span.start, span.end, "\n", 1),
        buffer.newline,
        begins=True,
    )
    if style.is_markdown and len(buffer.spans) == 1:
        from collab_client import markdown_edits  # 3 ms, for those who write Markdown

        edits = markdown_edits.renumber(buffer.lines, buffer.head.row)
        if edits:
            buffer.edit_all(edits, goes_on=True)


def backspace(buffer: Buffer, style: CodeStyle, unit: Callable[[], Indentation]) -> None:
    """Delete what is selected or stands before each caret. Raises as `Buffer.replace`."""
    _do(
        buffer,
        lambda lines, span: code_edits.backspace(lines, span, style, unit()),
        _plain_backspace,
        buffer.backspace,
        kind=Kind.DELETING,
    )


def _plain_backspace(lines: Lines, span: Span) -> Replacement:
    start = span.start if span.start != span.end else clusters.left_of(lines, span.head)
    return Replacement(start, span.end, "", 0)


def _do(
    buffer: Buffer,
    make: Make,
    plain: Make,
    plainly: Callable[[], object],
    *,
    kind: Kind = Kind.TYPING,
    begins: bool = False,
) -> None:
    """Do what `make` says at each caret, and what `plain` does where it says nothing.

    `kind` is what that is to undo, where `begins` always begins a step.
    """
    made = {span: make(buffer.lines, span) for span in buffer.spans}
    if not any(made.values()):
        plainly()
        return
    buffer.edit_each(lambda lines, span: made[span] or plain(lines, span), kind=kind, begins=begins)
