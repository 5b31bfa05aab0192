"""Parameters of a request: their names as clients write them, each once, and lists in every form.

A name that was probably mistaken for another is refused, and not passed over.
"""

from __future__ import annotations

import re
from difflib import SequenceMatcher
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes

from dahlia.errors import ServiceError
from dahlia.http.replies import names_a_key

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from starlette.types import Scope


_INDEX = re.compile(r"(\[\w{0,40}\]|\{\}|\.\d{1,6}){1,3}$")  # how libraries number the items of a list
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+")
_CLOSE = 0.7  # `tags` and `tagIds` have 0.8, `correlationId` and `iterationId` 0.67
_LONGEST = 40  # characters of a name that is compared
_MOST = 20  # names that are compared; each comparison takes some 10 µs
_PREDICTION = ("application", "iterationId", "explain", "draw", "threshold", "store")
_FALSE = ("false", "0", "no", "off")
_AROUND_ITEMS = " \t[]\"'"  # what is left of a list that was turned into text


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
            ServiceError: one was probably mistaken for another.
        """
        if found := self.close(unknown, given):
            known = ", ".join(self._plain.values())
            raise ServiceError(
                "BadRequestInvalid",
                f"Expected the {what} {known}; received {found[0]}. Did you mean {found[1]}?",
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


def query_of(scope: Scope) -> dict[str, str]:
    """The parameters of a prediction, by their names in camelCase.

    Raises:
        ServiceError: one is there twice, or is not UTF-8.
    """
    found = read_query(scope.get("query_string", b""), _PREDICTION)
    return {name: values[0] for name, values in found.items()}


def check_prediction(query: Mapping[str, str], *, named: bool, stored: bool) -> None:
    """Let parameters pass that a prediction can follow.

    Args:
        query: as `query_of` gives it.
        named: whether the path names what is published.
        stored: whether image and answer would be stored.

    Raises:
        ServiceError: the query names another iteration, or wants nothing stored.
    """
    if named and "iterationId" in query:
        raise _refusal(
            "Expected the iteration by its publish name in the path, received iterationId as well, which is "
            "for versions 1 and 2. Omit it, or publish that iteration and put its name into the path."
        )
    if stored and query.get("store", "").strip().lower() in _FALSE:
        raise _refusal(
            "Expected /nostore at the end of the path where nothing is to be stored, received the parameter "
            "store. POST to .../image/nostore or .../url/nostore."
        )


def read_query(
    query: bytes, scalars: Collection[str], lists: Collection[str] = (), required: Collection[str] = ()
) -> dict[str, list[str]]:
    """The parameters that an operation has; others are left out, and so are empty ones.

    Names match as `plain_name` has them. A list may be repeated (`ids=a&ids=b`), comma-joined (`ids=a,b`),
    numbered (`ids[]=a`, `ids[0]=a`), or all of these.

    Args:
        query: as it was sent.
        scalars: names of parameters that have one value.
        lists: names of parameters that have several.
        required: names of parameters that are kept although they are empty, since operations have errors of
            their own for these.

    Raises:
        ServiceError: a scalar is there twice, a value is not UTF-8, or a name was mistaken for another.
    """
    names = names_of(tuple(scalars), tuple(lists))
    found: dict[str, list[str]] = {}
    unknown: list[str] = []
    for pair in query.split(b"&"):
        written, _, value = pair.partition(b"=")
        label = _unquoted(written).decode("utf-8", "replace")
        name = names.match(label)
        if name is None:
            unknown += [label] if value else []
            continue
        text = _text(name, value)
        values = items_of(text) if name in lists else [text] if text else []
        if values or name in required:
            found.setdefault(name, []).extend(values)
    names.refuse_close(unknown, found, "parameters")
    for name, values in found.items():
        if name in scalars and len(values) > 1:
            raise _refusal(
                f"Expected the parameter {name} once, received it {len(values)} times. Send one value."
            )
    return {name: values or [""] for name, values in found.items()}


def items_of(text: str) -> list[str]:
    """The items of a list that is one text, such as `a,b` or `["a", "b"]`."""
    items = (item.strip(_AROUND_ITEMS) for item in text.split(","))
    return [item for item in items if item]


def _text(name: str, value: bytes) -> str:
    try:
        return _unquoted(value).decode()
    except UnicodeDecodeError:
        raise _refusal(
            f"Expected the parameter {name} in UTF-8, percent-encoded; received bytes in another encoding. "
            "Let an HTTP library write the query."
        ) from None


def _unquoted(text: bytes) -> bytes:
    return unquote_to_bytes(text.replace(b"+", b" "))


def _refusal(text: str) -> ServiceError:
    return ServiceError("BadRequestInvalid", text)
