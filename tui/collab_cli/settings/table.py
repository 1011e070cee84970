"""Every setting: `collab config show` and the template of `collab config edit` are made from this table."""

from __future__ import annotations

from typing import Any, Final

from collab_cli.settings.join_table import JOIN_SETTINGS
from collab_cli.settings.serve_table import SERVE_SETTINGS
from collab_cli.settings.setting import Setting

SETTINGS: Final[tuple[Setting[Any], ...]] = (*JOIN_SETTINGS, *SERVE_SETTINGS)
"""In the order in which they are shown."""
