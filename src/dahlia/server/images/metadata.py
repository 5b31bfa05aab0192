"""Metadata of images, texts by their names: which may be stored, and the `$filter` of images by them.

Such as `metadata=shelf eq '3' and (row ne '1' or day eq 'Mon')`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from sqlalchemy import ColumnElement, and_, exists, func, not_, or_, select
from sqlalchemy.orm import Session

from dahlia.dataset.groups import tidy_group
from dahlia.errors import ServiceError
from dahlia.server.contract.enums import MetadataStatus
from dahlia.server.contract.models import ImageMetadataUpdateEntry
from dahlia.server.database.changes import among_named
from dahlia.server.database.tables import ImageRow, ProjectRow

if TYPE_CHECKING:
    from dahlia.settings.sections import LimitsSection

GROUP = "group"  # the entry that names the group of an image; see `dahlia.dataset.groups`
MAX_LENGTH = 8192  # characters
MAX_COMPARISONS = 32
MAX_DEPTH = 16
_PREFIX = "metadata="
_TOKEN = re.compile(r"\s*(?:(?P<bracket>[()])|'(?P<text>(?:[^']|'')*)'|(?P<word>[^\s()']+))")
# Functions of SQLite and PostgreSQL that make a table with the columns key and value of a JSON object.
_PAIRS = {"sqlite": func.json_each, "postgresql": func.json_each_text}


def check_metadata(metadata: Mapping[str, str], limits: LimitsSection) -> None:
    """Let metadata pass that an image may have.

    Raises:
        ServiceError: there are too many entries, or one has a name or value that is too long or cannot be
            stored.
    """
    if len(metadata) > limits.metadata_pairs:
        raise ServiceError(
            "BadRequestImageMetadataKey",
            f"Expected at most {limits.metadata_pairs} metadata entries, received {len(metadata)}. Leave "
            "some out.",
        )
    for key, value in metadata.items():
        if not 0 < len(key) <= limits.metadata_key or not is_storable(key):
            raise _refusal("BadRequestImageMetadataKey", "keys", f"1 to {limits.metadata_key}", key)
        if len(value) > limits.metadata_value or not is_storable(value):
            raise _refusal("BadRequestImageMetadataValue", "values", f"0 to {limits.metadata_value}", value)


def is_storable(text: str) -> bool:
    """Whether a text is one for both databases: no zero character, no half of a surrogate pair."""
    return not any(letter == "\0" or "\ud800" <= letter <= "\udfff" for letter in text)


def update_metadata(
    session: Session,
    project: ProjectRow,
    identities: Sequence[str],
    metadata: Mapping[str, str],
    limits: LimitsSection,
) -> list[ImageMetadataUpdateEntry]:
    """Set entries of images' metadata; entries of other names stay.

    The project's revision rises if that puts an image into another group.

    Args:
        session: that locked the project.
        project: of the images.
        identities: of the images.
        metadata: the entries, checked.
        limits: of the settings.

    Returns:
        What became of each image, in the order of the ids.
    """
    live = among_named(project.key), ImageRow.removed.is_(None)
    rows = session.scalars(select(ImageRow).where(*live, ImageRow.id.in_(identities)))
    found = {row.id: row for row in rows}
    groups = {row.id: group_of(row.details) for row in found.values()}
    entries = [_updated(identity, found.get(identity), metadata, limits) for identity in identities]
    project.revision += any(group_of(row.details) != groups[row.id] for row in found.values())
    return entries


def group_of(metadata: Mapping[str, str]) -> str | None:
    """The group that an image's metadata names, as the pipeline spells it; None where there is none."""
    return tidy_group(metadata.get(GROUP, ""))


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
        raise _no_filter(f"one of {len(text):,} characters, or with some that no metadata can hold")
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
            raise _no_filter(f"one with more than {MAX_DEPTH} brackets within each other")
        inner = self.either(depth - 1)
        if not self._takes(")"):
            raise self._unexpected("a closing bracket")
        return inner

    def _comparison(self) -> Filter:
        if self._left == 0:
            raise _no_filter(f"one with more than {MAX_COMPARISONS} comparisons")
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
        return _no_filter(
            f"{rest[:40]!r} where {expected} should be" if rest else f"its end before {expected}"
        )


def _updated(
    identity: str, row: ImageRow | None, metadata: Mapping[str, str], limits: LimitsSection
) -> ImageMetadataUpdateEntry:
    if row is None:
        return ImageMetadataUpdateEntry(image_id=identity, status=MetadataStatus.NOT_FOUND, metadata=None)
    merged = {**row.details, **metadata}
    if len(merged) > limits.metadata_pairs:
        return ImageMetadataUpdateEntry(
            image_id=identity, status=MetadataStatus.ERROR_LIMIT, metadata=row.details
        )
    row.details = merged
    return ImageMetadataUpdateEntry(image_id=identity, status=MetadataStatus.OK, metadata=merged)


def _refusal(code: str, what: str, length: str, received: str) -> ServiceError:
    return ServiceError(
        code,
        f"Expected metadata {what} of {length} characters, without zero characters; received one of "
        f"{len(received):,}. Shorten or correct it.",
    )


def _joined(parts: list[Filter], *, all_of: bool) -> Filter:
    return parts[0] if len(parts) == 1 else Joined(tuple(parts), all_of)


def _no_filter(received: str) -> ServiceError:
    return ServiceError(
        "BadRequestInvalid",
        "Expected a $filter such as metadata=camera eq 'left' and row ne '3', with eq, ne, and, or, and "
        f"brackets; received {received}.",
    )
