"""Names of the server's users in the spelling that the pipeline understands."""

from __future__ import annotations

import re
import unicodedata

from dahlia.dataset.readers.sources import tag_name

MAX_TAG_LENGTH = 200  # MLflow takes 250 for a metric's name, which adds `tag/` and `/precision`

_MAX_PROJECT_LENGTH = 64
_ONE_LINE = {"Cc": "a control character", "Zl": "a line separator", "Zp": "a paragraph separator"}
_NO_TEXT = {"Cs": "half of a surrogate pair"}


def pipeline_name(name: str, project_id: str) -> str:
    """A name that the pipeline accepts, from any project name and the project's UUID.

    `Grandma's garden` becomes `Grandma-s garden-1a2b3c4d`: at most 64 letters, digits, spaces and `_ . -`.
    """
    ending = "-" + re.sub(r"[^0-9a-f]", "", project_id.lower())[:8]
    readable = re.sub(r"\s*[^\w .-]+[^\w.]*", "-", unicodedata.normalize("NFC", name))
    readable = re.sub(r"^\W+", "", readable)[: _MAX_PROJECT_LENGTH - len(ending)].strip(" .-")
    return (readable or "project") + ending


def spelling(name: str) -> str:
    """A tag's name as models know it: in Unicode's composed form (NFC), without outer spaces."""
    return unicodedata.normalize("NFC", name).strip()


def check_tag_name(name: str) -> str | None:
    """Why a tag cannot have this name; None where it can.

    Commas, quotes, semicolons, slashes and all scripts can be in names. What cannot is what the annotation
    table would give back otherwise than it was written (see `spelling`), what would break the lines of
    `labels.txt` in exports, and what MLflow takes for a path to elsewhere.
    """
    if not name.strip():
        return "Expected the name of a tag, received nothing but spaces. Fill it in."
    for character in name:
        trouble = (_ONE_LINE | _NO_TEXT).get(unicodedata.category(character))
        if trouble:
            return f"Expected a name in one line of text, received {trouble} (U+{ord(character):04X}) in it."
    if len(name) > MAX_TAG_LENGTH:
        return f"Expected at most {MAX_TAG_LENGTH} characters in the name of a tag, received {len(name)}."
    if {"", "."} & set(name.lstrip("/").split("/")):
        return f"Expected something on both sides of a slash, and more than a dot, received {name!r}."
    if tag_name(name, "the tag") != name:
        return (
            "Expected a name without spaces around it, in Unicode's composed form (NFC), "
            f"received {name!r}. Write {spelling(name)!r}."
        )
    return None
