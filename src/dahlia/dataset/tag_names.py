"""What a tag cannot be called, in photo folders, annotation files and projects of the server alike.

Commas, quotes, semicolons, slashes and all scripts can be in names. What cannot is what would break the lines
of `labels.txt` in exports, and what MLflow takes for a path to elsewhere.
"""

from __future__ import annotations

import unicodedata

MAX_TAG_LENGTH = 200  # MLflow takes 250 for a metric's name, which adds `tag/` and `/precision`

_ONE_LINE = {"Cc": "a control character", "Zl": "a line separator", "Zp": "a paragraph separator"}
_NO_TEXT = {"Cs": "half of a surrogate pair"}


def trouble_with(name: str) -> str | None:
    """Why a tag cannot have this name, as a sentence; None where it can.

    Args:
        name: not empty, without spaces around it.
    """
    for character in name:
        trouble = (_ONE_LINE | _NO_TEXT).get(unicodedata.category(character))
        if trouble:
            return f"Expected a name in one line of text, received {trouble} (U+{ord(character):04X}) in it."
    if len(name) > MAX_TAG_LENGTH:
        return f"Expected at most {MAX_TAG_LENGTH} characters in the name of a tag, received {len(name)}."
    if {"", "."} & set(name.lstrip("/").split("/")):
        return f"Expected something on both sides of a slash, and more than a dot, received {name!r}."
    return None
