"""Pages of long lists: each names where the next one begins, whatever is added meanwhile."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Protocol, TypeVar

from fastapi import Depends, Query

from dahlia.server.api.parameters import check_take
from dahlia.server.contract.errors import ServiceError
from dahlia.server.http.access import TheServer

_USUAL = 50
_LONGEST = 18  # digits; a row's number has at most 19


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
