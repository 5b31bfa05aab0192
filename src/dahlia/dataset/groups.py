"""Groups that users name: photos that resemble each other for reasons that a new photo will not share.

A group is a scene, a place, a session, a product, an animal or a customer. One name is one group, whatever
the tags of its photos: two plants in one garden share its light and its background.
"""

from __future__ import annotations

import hashlib
import math
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from dahlia.dataset.records import ImageRecord
from dahlia.errors import DatasetError

MAX_GROUP_LENGTH = 200  # characters
NAMELESS = frozenset({"", "nan", "<na>", "n/a", "#n/a", "none", "null"})  # as programs write that nothing is

_NO_TEXT = ("Cc", "Cs")  # Unicode's control characters, and halves of surrogate pairs
_WHOLE = re.compile(r"(-?\d+)\.0+", re.ASCII)  # which pandas makes of numbers where some cells are empty
_REMEDY = "Correct it there, or call it otherwise if it names no group."


@dataclass(frozen=True)
class NamedGroups:
    """How the training images of a dataset are grouped by name.

    Attributes:
        groups: how many there are.
        named: images that are in one.
        unnamed: images that are in none.
        tags: for each tag, by name, in how many groups its images are.
    """

    groups: int
    named: int
    unnamed: int
    tags: dict[str, int]


def named_groups(records: Iterable[ImageRecord]) -> NamedGroups | None:
    """Count the groups of the training images; None where none of them is in one."""
    training = [record for record in records if record.subset == "train"]
    of_tags: dict[str, set[str]] = {tag: set() for record in training for tag in record.tags}
    sizes: dict[str, int] = defaultdict(int)
    for record in training:
        if record.group:
            sizes[record.group] += 1
            for tag in record.tags:
                of_tags[tag].add(record.group)
    if not sizes:
        return None
    named = sum(sizes.values())
    counts = {tag: len(of_tags[tag]) for tag in sorted(of_tags)}
    return NamedGroups(len(sizes), named, len(training) - named, counts)


def group_name(value: object, where: str) -> str | None:
    """The name of a group as it is spelt everywhere: in Unicode's composed form (NFC), spaces single.

    Args:
        value: text or a number; None, and what programs write for it, is no name.
        where: the file and the place in it, for messages.

    Raises:
        DatasetError: it is something else, is too long, or has control characters.
    """
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise DatasetError(
            f"{where}: expected the name of a group as text, received {value!r:.60}. {_REMEDY}"
        )
    name = _spelt(str(value))
    if any(unicodedata.category(sign) in _NO_TEXT for sign in name):
        raise DatasetError(
            f"{where}: expected the name of a group without control characters, received {name!r:.60}. "
            f"{_REMEDY}"
        )
    if len(name) > MAX_GROUP_LENGTH:
        raise DatasetError(
            f"{where}: expected at most {MAX_GROUP_LENGTH} characters in the name of a group, received "
            f"{len(name):,}. {_REMEDY}"
        )
    return None if _names_nothing(name) else name


def tidy_group(text: str) -> str | None:
    """A name that `group_name` takes, of any text: without what it refuses, the end of a long one hashed."""
    name = _spelt("".join(sign for sign in _spelt(text) if unicodedata.category(sign) not in _NO_TEXT))
    if len(name) > MAX_GROUP_LENGTH:
        digest = hashlib.sha256(name.encode()).hexdigest()[:16]
        name = _spelt(f"{name[: MAX_GROUP_LENGTH - 20]} {digest}")
    return None if _names_nothing(name) else name


def _names_nothing(name: str) -> bool:
    return name.casefold() in NAMELESS or all(unicodedata.category(sign) == "Cf" for sign in name)


def _spelt(text: str) -> str:
    name = " ".join(unicodedata.normalize("NFC", text).split())
    whole = _WHOLE.fullmatch(name)
    return whole[1] if whole else name
