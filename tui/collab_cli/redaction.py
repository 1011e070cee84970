"""Takes tokens out of what is printed or logged: whoever reads one could come in with it."""

from __future__ import annotations

from collab_protocol.names import TOKEN


def redact(text: str) -> str:
    """Return `text` with each token in it cut down to its kind, as in "ci1.…"."""
    # Most texts hold none; a scan for the literal is all that they cost.
    return TOKEN.sub(lambda found: f"{found[0][:4]}…", text) if "1." in text else text
