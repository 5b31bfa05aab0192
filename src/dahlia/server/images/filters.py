"""The `$filter` of images by their metadata: `metadata=shelf eq '3' and (row ne '1' or day eq 'Mon')`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TypeAlias

from sqlalchemy import ColumnElement, and_, exists, func, not_, or_
from sqlalchemy.orm import Session

from dahlia.server.contract.errors import ServiceError
from dahlia.server.database.tables import ImageRow
from dahlia.server.images.metadata import is_storable

MAX_LENGTH = 8192  # characters
MAX_COMPARISONS = 32
MAX_DEPTH = 16

_PREFIX = "metadata="
_TOKEN = re.compile(r"\s*(?:(?P<bracket>[()])|'(?P<text>(?:[^']|'')*)'|(?P<word>[^\s()']+))")
# Functions of SQLite and PostgreSQL that make a table with the columns key and value of a JSON object.
_PAIRS = {"sqlite": func.json_each, "postgresql": func.json_each_text}


@dataclass(frozen=True, slots=True)
class Equals:
    """Whether an entry of the metadata has a value; an image without the entry has another one."""

    key: str
    value: str
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Joined:
    """All of several conditions, or any."""

    parts: tuple[Filter, ...]
    all_of: bool


Filter: TypeAlias = Equals | Joined


def parse_filter(text: str) -> Filter:
    """Read an expression: `eq`, `ne`, `and` (which binds tighter), `or`, brackets; `''` in a text is a quote.

    Raises:
        ServiceError: it is something else, or too long.
    """
    if len(text) > MAX_LENGTH or not is_storable(text):
        raise _refusal(f"one of {len(text):,} characters, or with some that no metadata can hold")
    parser = _Parser(text)
    found = parser.either(MAX_DEPTH)
    parser.end()
    return found


def condition(session: Session, wanted: Filter) -> ColumnElement[bool]:
    """An expression as the session's database understands it, about `ImageRow`."""
    if isinstance(wanted, Joined):
        parts = [condition(session, part) for part in wanted.parts]
        return and_(*parts) if wanted.all_of else or_(*parts)
    pairs = _PAIRS[session.get_bind().dialect.name](ImageRow.details).table_valued("key", "value")
    found = exists().where(pairs.c.key == wanted.key, pairs.c.value == wanted.value)
    return not_(found) if wanted.negated else found


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._place = 0
        self._left = MAX_COMPARISONS

    def either(self, depth: int) -> Filter:
        parts = [self._both(depth)]
        while self._takes("or"):
            parts.append(self._both(depth))
        return _joined(parts, all_of=False)

    def end(self) -> None:
        if self._text[self._place :].strip():
            raise self._unexpected("and, or, or the end")

    def _both(self, depth: int) -> Filter:
        parts = [self._one(depth)]
        while self._takes("and"):
            parts.append(self._one(depth))
        return _joined(parts, all_of=True)

    def _one(self, depth: int) -> Filter:
        self._takes_prefix()
        if not self._takes("("):
            return self._comparison()
        if depth == 0:
            raise _refusal(f"one with more than {MAX_DEPTH} brackets within each other")
        inner = self.either(depth - 1)
        if not self._takes(")"):
            raise self._unexpected("a closing bracket")
        return inner

    def _comparison(self) -> Filter:
        if self._left == 0:
            raise _refusal(f"one with more than {MAX_COMPARISONS} comparisons")
        self._left -= 1
        key = self._value("a metadata key", "word", "text")
        negated = self._takes("ne")
        if not negated and not self._takes("eq"):
            raise self._unexpected("eq or ne")
        return Equals(key, self._value("a text in single quotes", "text"), negated)

    def _value(self, expected: str, *kinds: str) -> str:
        match = _TOKEN.match(self._text, self._place)
        kind = match.lastgroup if match else None
        if match is None or kind not in kinds:
            raise self._unexpected(expected)
        self._place = match.end()
        return match[kind].replace("''", "'") if kind == "text" else match[kind]

    def _takes(self, word: str) -> bool:
        match = _TOKEN.match(self._text, self._place)
        found = match is not None and (match["word"] or match["bracket"] or "").lower() == word
        if match is not None and found:
            self._place = match.end()
        return found

    def _takes_prefix(self) -> None:
        rest = self._text[self._place :].lstrip()
        if rest[: len(_PREFIX)].lower() == _PREFIX:
            self._place = len(self._text) - len(rest) + len(_PREFIX)

    def _unexpected(self, expected: str) -> ServiceError:
        rest = self._text[self._place :].strip()
        return _refusal(f"{rest[:40]!r} where {expected} should be" if rest else f"its end before {expected}")


def _joined(parts: list[Filter], *, all_of: bool) -> Filter:
    return parts[0] if len(parts) == 1 else Joined(tuple(parts), all_of)


def _refusal(received: str) -> ServiceError:
    return ServiceError(
        "BadRequestInvalid",
        "Expected a $filter such as metadata=camera eq 'left' and row ne '3', with eq, ne, and, or, and "
        f"brackets; received {received}.",
    )
