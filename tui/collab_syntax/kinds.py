"""What a piece of text is to the eye of a reader: the small set of kinds that themes give colours to."""

from __future__ import annotations

from enum import IntEnum


class Kind(IntEnum):
    """What a piece of text is. The numbers go between processes of one installation and onto no disk."""

    NONE = 0
    """Plain text."""
    COMMENT = 1
    DOC = 2
    """A comment or a string that documents what it stands at."""
    STRING = 3
    ESCAPE = 4
    """`\\n` in a string, `&amp;` in HTML."""
    NUMBER = 5
    CONSTANT = 6
    KEYWORD = 7
    OPERATOR = 8
    PUNCTUATION = 9
    FUNCTION = 10
    TYPE = 11
    VARIABLE = 12
    """One with a special sense: `self`, `this`, a built-in, a shell's `$HOME`; others are NONE."""
    PARAMETER = 13
    PROPERTY = 14
    TAG = 15
    ATTRIBUTE = 16
    """An attribute of a tag; a decorator, annotation or preprocessor's attribute."""
    NAMESPACE = 17
    LABEL = 18
    HEADING = 19
    EMPHASIS = 20
    STRONG = 21
    CODE = 22
    LINK = 23
    INSERTED = 24
    DELETED = 25
    CHANGED = 26
    ERROR = 27


Run = tuple[int, int, int]
"""Start column, end column, both in code points, and the Kind of what lies between.

The runs of a row come in order, don't overlap, aren't empty, and leave out what is NONE.
"""
