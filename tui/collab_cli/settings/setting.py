"""One setting: its key, what it takes, what it is without being set, and what to say about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Setting(Generic[T]):
    """One setting; `parse` raises ValueError with what would be right, as in "a whole number"."""

    key: str
    """As in "name" or "serve.port"."""
    parse: Callable[[object], T]
    default: T | None
    example: str
    """A value as TOML, for the template."""
    about: str
    is_needed_right: bool = False
    """A wrong value in the file ends the command that needs it, which else would do another thing than meant:
    open a room of that name on this machine, or serve at another place."""
    has_variable: bool = True
    """False for what gives up a protection: a variable is inherited, and meant for another program."""
    shown: Callable[[T], str] = str
    """Writes a value as `parse` reads it."""

    @property
    def name(self) -> str:
        """The key without its table."""
        return self.key.rpartition(".")[2]

    @property
    def table(self) -> str:
        return self.key.rpartition(".")[0]

    @property
    def variable(self) -> str:
        return f"COLLAB_{self.name.upper()}"

    @property
    def flag(self) -> str:
        return f"--{self.name.replace('_', '-')}"
