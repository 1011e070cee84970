"""Copy, cut and paste: the editor's own register, and a clipboard beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collab_client.buffer import Buffer
    from collab_client.lines import Position


class Clipboard(Protocol):
    """Where copied text goes beside the editor's own register."""

    def copy(self, text: str) -> str:
        """Put `text` there; return what to tell the person."""
        ...

    async def paste(self) -> str | None:
        """Return what is there; None when that cannot be known."""
        ...

    async def close(self) -> None:
        """Finish what is under way."""
        ...


class NoClipboard:
    """The clipboard of an editor that has none."""

    def copy(self, text: str) -> str:
        return "copied"

    async def paste(self) -> str | None:
        return None

    async def close(self) -> None:
        pass


class Register:
    """What was copied or cut last. Methods return what to tell the person."""

    def __init__(self, clipboard: Clipboard | None) -> None:
        self._clipboard: Clipboard = clipboard or NoClipboard()
        self._text = ""
        self._parts: tuple[str, ...] = ()  # of which several carets' `_text` was made
        self._cut_at: Position | None = None

    def copy(self, buffer: Buffer) -> str:
        """Copy what is selected; without a selection, the lines of the carets."""
        from collab_client.edits import one_a_line  # what the buffer has loaded, not before
        from collab_client.line_edits import lines_at_carets

        if not (texts := buffer.selected_texts):
            return self.keep(lines_at_carets(buffer))
        return self.keep(one_a_line(texts), _parts(buffer))

    def cut(self, buffer: Buffer) -> str:
        """Delete what `copy` copies. Raises EditError where the buffer does."""
        from collab_client.line_edits import cut_lines  # what the buffer has loaded, not before

        if not buffer.selected_texts:
            return self.keep(cut_lines(buffer))
        parts = _parts(buffer)
        return self.keep(buffer.cut(), parts)

    def cut_lines(self, buffer: Buffer) -> str:
        """Cut whole lines; those that follow at once are added. Raises EditError where the buffer does."""
        from collab_client.line_edits import cut_lines

        before = self._text if self._cut_at == buffer.head and buffer.selection is None else ""
        told = self.keep(before + cut_lines(buffer))
        self._cut_at = buffer.head
        return told

    async def pasted(self) -> str:
        """Return what to paste: what the clipboard has, or what was copied here."""
        text = await self._clipboard.paste()
        return self._text if text is None else text

    def paste(self, buffer: Buffer, text: str) -> None:
        """Paste `text`; where it is what was copied here, at each caret its own. Raises as `Buffer.paste`."""
        from collab_client.edits import plain_breaks  # what the buffer has loaded, not before

        is_own = bool(self._parts) and plain_breaks(text) == plain_breaks(self._text)
        buffer.paste(text, self._parts if is_own else ())

    def keep(self, text: str, parts: tuple[str, ...] = ()) -> str:
        """Copy `text`, wherever it comes from; `parts` are what it has from each of several carets."""
        self._text, self._parts = text, parts
        self._cut_at = None
        return self._clipboard.copy(text)


def _parts(buffer: Buffer) -> tuple[str, ...]:
    """Return what each caret selects; nothing for those that select nothing."""
    return tuple(buffer.lines.slice(span.start, span.end) for span in buffer.spans)
