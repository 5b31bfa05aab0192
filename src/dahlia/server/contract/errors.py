"""Refusals of the training API."""

from __future__ import annotations

from dahlia.errors import DahliaError
from dahlia.server.contract.codes import status_of


class ServiceError(DahliaError):
    """A request that is refused.

    Args:
        code: one of `CODES`.
        message: what the client reads: expected, received, what to do.
        status: the HTTP status; that of the code's first word where it is left out.
        retry_after: seconds after which asking again makes sense.
    """

    def __init__(
        self, code: str, message: str, *, status: int | None = None, retry_after: int | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.status = status or status_of(code)
        self.retry_after = retry_after


class GatewayError(ServiceError):
    """A request refused before the service looks at it: no key, too many calls. Its body is nested."""

    def __init__(self, status: int, message: str, *, retry_after: int | None = None) -> None:
        super().__init__("BadRequest", message, status=status, retry_after=retry_after)


def not_found(what: str, identity: str) -> ServiceError:
    """There is no such thing.

    Args:
        what: `Project`, `Iteration`, `Tag`, `Image` or `Domain`.
        identity: the id that was asked for.
    """
    return ServiceError(
        f"NotFound{what}",
        f"{what} not found: there is no {what.lower()} {identity} here. List what there is, and take its id.",
    )
