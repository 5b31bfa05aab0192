"""Ids, lists and enumerations in paths and queries."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import Annotated

from fastapi import Depends, Path, Query, Request
from pydantic import BeforeValidator

from dahlia.server.contract.errors import ServiceError

BatchTags = Annotated[
    list[str] | None,
    Query(alias="tagIds", description="tags of every image; repeated or comma-separated"),
]
"""Tags in the query of an upload, whichever form the images have."""


def one_id(text: str) -> str:
    """A UUID as the database spells it.

    Raises:
        ServiceError: it is none.
    """
    try:
        return str(uuid.UUID(text))
    except ValueError:
        raise ServiceError(
            "BadRequestInvalidIds", f"Expected an id, a UUID, received {text[:80]!r}. Copy it from an answer."
        ) from None


def many_ids(texts: Iterable[str] | None, most: int | None = None) -> list[str]:
    """The ids of a list, each once, in their order; none where there is no list.

    Args:
        texts: as the client sent them.
        most: how many they may be.

    Raises:
        ServiceError: one is no UUID, or there are too many.
    """
    found = list(dict.fromkeys(one_id(text) for text in texts or () if text))
    if most is not None and len(found) > most:
        raise ServiceError(
            "BadRequestExceededBatchSize",
            f"Expected at most {most} ids, received {len(found)}. Send them in several requests.",
        )
    return found


def check_take(take: int, most: int, *, then: str = "Read the images page by page, with skip.") -> None:
    """See that a page is no longer than may be.

    Raises:
        ServiceError: it is; `then` says what to do.
    """
    if take > most:
        raise ServiceError(
            "BadRequestExceededBatchSize", f"Expected take to be at most {most}, received {take}. {then}"
        )


def any_case(choices: type[StrEnum]) -> BeforeValidator:
    """Read a value of an enumeration in any case; an empty one counts as absent."""
    known = {choice.lower(): choice for choice in choices}

    def read(value: object) -> object:
        if not isinstance(value, str):
            return value
        return known.get(value.lower(), value) if value else None

    reading: Callable[[object], object] = read
    return BeforeValidator(reading)


def _project_id(project_id: Annotated[str, Path(json_schema_extra={"format": "uuid"})]) -> str:
    return one_id(project_id)


def _iteration_id(iteration_id: Annotated[str, Path(json_schema_extra={"format": "uuid"})]) -> str:
    return one_id(iteration_id)


def _optional_iteration(
    iteration_id: Annotated[
        str | None, Query(alias="iterationId", description="default: the workspace")
    ] = None,
) -> str | None:
    return one_id(iteration_id) if iteration_id else None


def _version(request: Request) -> str:
    version: str = getattr(request.state, "version", "v3.4-preview")
    return version


ProjectId = Annotated[str, Depends(_project_id)]
IterationId = Annotated[str, Depends(_iteration_id)]
OptionalIteration = Annotated[str | None, Depends(_optional_iteration)]
Version = Annotated[str, Depends(_version)]
