"""What a room shares beside its text, on its way to disk: one write of a key at a time, the newest wins."""

from __future__ import annotations

from collections.abc import Callable

from collab_protocol import limits


class Settings:
    """The settings of one room. While the disk fails, the newest value of each key is put off."""

    def __init__(self, values: dict[str, str], store: Callable[[str, str], None]) -> None:
        """`values` are on disk; `store(key, value)` brings one there, and is answered by `committed`."""
        self.values = values
        self._store = store
        # Those under way count too: a Welcome with more of them than `limits.SETTINGS` cannot be read.
        self._keys = set(values)
        self._under_way: dict[str, str | None] = {}
        self._put_off: dict[str, str] = {}

    def set(self, key: str, value: str, *, is_put_off: bool) -> str:
        """Take a value, now or with `resume`; returns why not, for people, and nothing when it is taken."""
        if key not in self._keys and len(self._keys) >= limits.SETTINGS:
            return f"a room has {limits.SETTINGS} settings at most"
        self._keys.add(key)
        if is_put_off:
            self._put_off[key] = value
        elif key in self._under_way:
            self._under_way[key] = value  # the newest goes when that one is on disk
        else:
            self._under_way[key] = None
            self._store(key, value)
        return ""

    def resume(self) -> None:
        """Bring to disk what was put off."""
        put_off, self._put_off = self._put_off, {}
        for key, value in put_off.items():
            self.set(key, value, is_put_off=False)

    def committed(self, key: str, value: str) -> None:
        """Note that a value is on disk."""
        newer = self._under_way.pop(key, None)
        self.values[key] = value
        if newer is not None:
            self.set(key, newer, is_put_off=False)
