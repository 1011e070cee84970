"""One setting, looked up: what was typed, over COLLAB_* variables, over config.toml, over its default."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from collab_cli.exits import UsageError
from collab_cli.settings.file import ConfigFile
from collab_cli.settings.setting import Setting
from collab_cli.settings.values import short_repr

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Found(Generic[T]):
    """A value, and where it comes from: "--name", "COLLAB_NAME", "…/config.toml:3" or "default"."""

    value: T | None
    source: str


class Layers:
    """Looks one setting up: what was typed, then the environment, then the file, then the default."""

    def __init__(self, environ: Mapping[str, str], file: ConfigFile) -> None:
        self.file = file
        self._environ = environ

    def find(self, setting: Setting[T], typed: object = None) -> Found[T]:
        """Return the first value that is there, parsed.

        Raises:
            UsageError: that value is wrong and may not be passed over; the text says where it stands.
        """
        if typed is not None:
            source, value = setting.flag, typed
        elif setting.has_variable and setting.variable in self._environ:
            source, value = setting.variable, self._environ[setting.variable]
        elif setting.key in self.file.values:
            source, value = self.file.place(setting.key), self.file.values[setting.key]
        elif setting.is_needed_right and (wrong := self.file.wrong_at(setting.key)):
            raise UsageError(wrong)
        else:
            return Found(setting.default, "default")
        try:
            return Found(setting.parse(value), source)
        except ValueError as error:
            raise UsageError(f"{source}: {short_repr(value)} is not {error}") from error
