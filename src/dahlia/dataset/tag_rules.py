"""What tags mean, by kind, how many are needed, and what a tag cannot be called.

Commas, quotes, semicolons, slashes and all scripts can be in names. What cannot is what would break the lines
of `labels.txt` in exports, and what MLflow takes for a path to elsewhere.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from dahlia.kinds import Kind

LEAST_TAGS = 2
EXPECTED_TAGS = f"at least {LEAST_TAGS} tags with training images, of which one may be the negative tag"


@dataclass(frozen=True)
class TagRules:
    """What holds of the tags in projects of a kind.

    Attributes:
        exclusive: one tag of an image is right. So an image without one teaches nothing, and the negative
            tag is a tag like any other; elsewhere an image under the negative tag is one with no tag.
        boxed: regions are what is learned; elsewhere they only carry tags.
    """

    exclusive: bool
    boxed: bool = False

    def learned(self, tags: Iterable[str], negative_tag: str | None) -> tuple[str, ...]:
        """The tags of an image that a model learns."""
        return tuple(tag for tag in tags if self.exclusive or tag != negative_tag)


TAG_RULES: dict[Kind, TagRules] = {
    "multiclass": TagRules(exclusive=True),
    "multilabel": TagRules(exclusive=False),
    "detection": TagRules(exclusive=False, boxed=True),
}


def too_few_tags(tags: Collection[str]) -> str | None:
    """What was received instead of `EXPECTED_TAGS`; None where the tags suffice.

    A classifier tells tags apart, in a multilabel project too: where all images have the one tag, nothing
    shows how an image without it looks. Images under the negative tag do.

    Args:
        tags: the tags of the training images, the negative one among them.
    """
    if len(tags) >= LEAST_TAGS:
        return None
    named = ", ".join(f"“{tag}”" for tag in sorted(tags))
    return f"{len(tags)}: {named}" if tags else "none"


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
