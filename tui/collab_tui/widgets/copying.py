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
        self._cut_at: Position | None = None

    def copy(self, buffer: Buffer) -> str:
        """Copy what is selected; without a selection, the line."""
        return self.keep("\n".join(buffer.selected_texts) or buffer.lines.line(buffer.head.row) + "\n")

    def cut(self, buffer: Buffer) -> str:
        """Delete what `copy` copies. Raises EditError where the buffer does."""
        from collab_client.line_edits import cut_lines  # what the buffer has loaded, not before

        return self.keep(buffer.cut() if buffer.selected_texts else cut_lines(buffer))

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

    def keep(self, text: str) -> str:
        """Copy `text`, wherever it comes from."""
        self._text = text
        self._cut_at = None
        return self._clipboard.copy(text)
