"""The `collab` command: the composition root, and the only reader of argv, environment and config files."""

__version__ = "0.1.0"
