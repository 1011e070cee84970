"""Syntax: what the pieces of a text are, told by a parser that lives in a process of its own."""
