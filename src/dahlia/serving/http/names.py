"""Names of parameters and fields as clients write them, and those that are mistaken for others."""

from __future__ import annotations

import re
from difflib import SequenceMatcher
from functools import lru_cache
from typing import TYPE_CHECKING

from dahlia.errors import ServingError
from dahlia.serving.http.key_texts import names_a_key

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

_INDEX = re.compile(r"(\[\w{0,40}\]|\{\}|\.\d{1,6}){1,3}$")  # how libraries number the items of a list
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+")
_CLOSE = 0.7  # `tags` and `tagIds` have 0.8, `correlationId` and `iterationId` 0.67
_LONGEST = 40  # characters of a name that is compared
_MOST = 20  # names that are compared; each comparison takes some 10 µs


def plain_name(written: str) -> str:
    """A name without case, spaces, underscores and the number of an item: `Tag_Ids[0]` is `tagids`."""
    # `&` is `&amp;` in pages, from which addresses are copied.
    text = written.strip().lower().removeprefix("amp;")
    return _INDEX.sub("", text).strip().replace("_", "")


class Names:
    """The names that an operation or a model has.

    Args:
        scalars: of what has one value.
        lists: of what has several; the singular counts as well, unless it is a scalar's name.
    """

    def __init__(self, scalars: Iterable[str], lists: Iterable[str] = ()) -> None:
        self._lists = tuple(lists)
        self._plain = {plain_name(name): name for name in (*self._lists, *scalars)}
        self._known = {plain_name(name).removesuffix("s"): name for name in self._lists} | self._plain

    def match(self, written: str) -> str | None:
        """The name that is meant; None for an unknown one."""
        return self._known.get(plain_name(written))

    def close(self, unknown: Iterable[str], given: Collection[str]) -> tuple[str, str] | None:
        """An unknown name that was probably mistaken for a known one, and that one.

        Args:
            unknown: as they were written; the first 20 are looked at.
            given: known names that came as well, for which nothing was mistaken.
        """
        absent = {plain: name for plain, name in self._plain.items() if name not in given}
        for written in list(unknown)[:_MOST] if absent else ():
            plain = plain_name(written)[:_LONGEST]
            if len(plain) < 3 or names_a_key(written):
                continue
            for other, name in absent.items():
                if _similar(plain, other) or (name in self._lists and _shares_a_word(written, name)):
                    return written[:_LONGEST], name
        return None

    def refuse_close(self, unknown: Iterable[str], given: Collection[str], what: str) -> None:
        """Let names pass that are quite different from those that are known.

        Args:
            unknown: as they were written.
            given: known names that came as well.
            what: they are names of, such as `parameters`.

        Raises:
            ServingError: one was probably mistaken for another.
        """
        if found := self.close(unknown, given):
            known = ", ".join(self._plain.values())
            raise ServingError(
                f"Expected the {what} {known}; received {found[0]}. Did you mean {found[1]}?",
                code="BadRequestInvalid",
                status=400,
            )


@lru_cache(maxsize=256)
def names_of(scalars: tuple[str, ...], lists: tuple[str, ...] = ()) -> Names:
    """The names of an operation, which are made once."""
    return Names(scalars, lists)


def _similar(one: str, other: str) -> bool:
    matcher = SequenceMatcher(None, one, other, autojunk=False)
    return matcher.real_quick_ratio() >= _CLOSE and matcher.quick_ratio() >= _CLOSE <= matcher.ratio()


def _shares_a_word(written: str, name: str) -> bool:
    """Whether a name begins like a list's name, or is its last word."""
    words, own = ([word.lower() for word in _WORD.findall(text)] for text in (written[:_LONGEST], name))
    return bool(words) and (words[0] == own[0] or words == own[-1:])
