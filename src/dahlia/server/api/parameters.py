"""What the operations share: routers, ids, lists and enumerations in paths and queries, pages of long lists.

A page names where the next one begins, whatever is added meanwhile.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, Protocol, TypeVar

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from fastapi.routing import APIRoute
from pydantic import BeforeValidator
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse

from dahlia.errors import ServiceError
from dahlia.server.contract.models import GatewayErrorBody, ServiceErrorBody
from dahlia.server.http.access import TheServer, identify_early
from dahlia.server.http.middleware import OWN, TRAINING
from dahlia.server.http.requests import REFUSAL, Form, in_one_form

BatchTags = Annotated[
    list[str] | None,
    Query(alias="tagIds", description="tags of every image; repeated or comma-separated"),
]
"""Tags in the query of an upload, whichever form the images have."""
PROJECT = "/projects/{project_id}"
ITERATION = PROJECT + "/iterations/{iteration_id}"
JSON = "application/json; charset=utf-8"
"""The type of an answer's content."""
_USUAL = 50  # rows of a page
_LONGEST = 18  # digits of a continuation; a row's number has at most 19
_REFUSALS: dict[int | str, dict[str, Any]] = {
    status: {"model": GatewayErrorBody if status == 401 else ServiceErrorBody, "description": what}
    for status, what in {
        400: "the request cannot be used",
        401: "no key, or a wrong one",
        403: "the key may not do this",
        404: "not found",
        409: "conflicts with the current state",
        503: "temporarily unavailable",
    }.items()
}


def one_id(text: str, place: str = "") -> str:
    """A UUID as the database spells it.

    Args:
        text: as the client sent it.
        place: of it in the request's body, such as `regions[3].tagId`; empty where there is one id alone.

    Raises:
        ServiceError: it is none.
    """
    try:
        return str(uuid.UUID(text))
    except ValueError:
        raise ServiceError(
            "BadRequestInvalidIds",
            f"Expected an id, a UUID,{f' as {place},' if place else ''} received {text[:80]!r}. Copy it from "
            "an answer.",
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


class _Row(Protocol):
    @property
    def key(self) -> int: ...


_Numbered = TypeVar("_Numbered", bound=_Row)


@dataclass(frozen=True)
class Page:
    """Which rows: `take` of those that come after the row with the number `after`.

    Attributes:
        take: how many.
        after: None for those that come first.
    """

    take: int
    after: int | None

    @property
    def looked_at(self) -> int:
        """How many to read: one more, which tells whether there is a next page."""
        return self.take + 1

    def cut(self, rows: Sequence[_Numbered]) -> tuple[Sequence[_Numbered], str | None]:
        """The rows of the page, and where the next one begins; None at the end."""
        shown = rows[: self.take]
        return shown, str(shown[-1].key) if len(rows) > self.take else None


def _page(
    server: TheServer,
    take: Annotated[int, Query(ge=1, description="how many; at most 256")] = _USUAL,
    continuation: Annotated[
        str | None, Query(description="of the previous page (default: the first page)")
    ] = None,
) -> Page:
    check_take(take, server.settings.limits.page, then="Read page by page, with continuation.")
    if continuation is None:
        return Page(take, None)
    if not (continuation.isascii() and continuation.isdecimal() and len(continuation) <= _LONGEST):
        raise ServiceError(
            "BadRequestInvalid",
            f"Expected the continuation of an answer, received {continuation[:40]!r}. Send it unchanged, or "
            "omit it for the first page.",
        )
    return Page(take, int(continuation))


OnePage = Annotated[Page, Depends(_page)]


class _Json(JSONResponse):
    media_type = JSON


class _Route(APIRoute):
    """Brings requests into one form, and leaves out of an answer what was not given.

    Absent and null are different things to clients.
    """

    def __init__(self, *given: Any, **options: Any) -> None:
        options["response_model_exclude_unset"] = True
        super().__init__(*given, **options)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        form = Form.of(self.dependant, streamed=self.openapi_extra is not None)

        async def handler(request: Request) -> Response:
            await self.admit(request)
            formed = await in_one_form(request, form)
            self.check(formed)
            return await handle(formed)

        return handler

    async def admit(self, request: Request) -> None:
        """See whose key a request brings, before its body is read."""
        await run_in_threadpool(identify_early, request)

    def check(self, request: Request) -> None:
        """Nothing yet: what could not be read is refused once the key has been checked."""


class _KeylessRoute(_Route):
    async def admit(self, request: Request) -> None:
        """Everyone may ask."""

    def check(self, request: Request) -> None:
        """Refuse what could not be read: no key is checked that would do it."""
        if refusal := getattr(request.state, REFUSAL, None):
            raise refusal


def training_router(area: str) -> APIRouter:
    """A router of the training API; `area` heads its operations on the page."""
    return _router(TRAINING, area)


def own_router(area: str, *, keyless: bool = False) -> APIRouter:
    """A router of operations that Custom Vision does not have; see `training_router`.

    Args:
        area: heads its operations on the page.
        keyless: whether they need no key.
    """
    return _router(OWN, f"Dahlia: {area}", _KeylessRoute if keyless else _Route)


def _router(prefix: str, area: str, route_class: type[APIRoute] = _Route) -> APIRouter:
    return APIRouter(
        prefix=prefix,
        tags=[area],
        route_class=route_class,
        responses=_REFUSALS,
        default_response_class=_Json,
    )
