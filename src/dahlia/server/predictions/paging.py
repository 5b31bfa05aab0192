"""Pages of predictions and suggestions: which come next, in an order that new ones do not disturb.

A *session* is the highest key at the first query: what comes later is not part of it. A *continuation* is the
order and the last result of a page. Both say all that there is to know, so that any server can go on.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVarTuple

from sqlalchemy import ColumnElement, Select, literal, select, tuple_
from sqlalchemy.orm import Session

from dahlia.errors import ServiceError
from dahlia.server.database.work_tables import PredictionRow

DEFAULT_COUNT = 64

_SESSION = re.compile(r"2:(\d{1,18})")  # as the original's look
_CONTINUATION = re.compile(r"([a-z]):(\d{1,18}):([01](?:\.\d{1,21})?(?:e-\d{1,3})?)")

_Columns = TypeVarTuple("_Columns")


@dataclass(frozen=True)
class Order:
    """An order of rows; `letter` stands for it in continuations."""

    letter: str
    by_uncertainty: bool
    falling: bool


NEWEST = Order("n", by_uncertainty=False, falling=True)
OLDEST = Order("o", by_uncertainty=False, falling=False)
SUREST = Order("a", by_uncertainty=True, falling=False)
UNSUREST = Order("d", by_uncertainty=True, falling=True)


@dataclass(frozen=True)
class Window:
    """A part of what a query finds.

    Attributes:
        highest: the key of the newest row that counts.
        order: of the rows.
        after: key and uncertainty of the last row of the page before; None for the first page.
        count: rows on the page.
    """

    highest: int
    order: Order
    after: tuple[int, float] | None
    count: int

    @property
    def session(self) -> str:
        """The window's session, for the token."""
        return f"2:{self.highest}"

    def of(self, statement: Select[*_Columns]) -> Select[*_Columns]:
        """The rows of the page, and one more if there is one."""
        columns = (PredictionRow.uncertainty, PredictionRow.key)[not self.order.by_uncertainty :]
        # As a sum it tempts no database to find the rows by their keys and to sort them all.
        key = PredictionRow.key + 0 if self.order.by_uncertainty else PredictionRow.key
        statement = statement.where(key <= self.highest)
        if self.after:
            statement = statement.where(self._is_beyond(self.after))
        directed = (column.desc() if self.order.falling else column.asc() for column in columns)
        return statement.order_by(*directed).limit(self.count + 1)

    def continuation(self, rows: Sequence[PredictionRow]) -> str | None:
        """What the next page is asked for with; None where there is none.

        Args:
            rows: what `of` found.
        """
        if len(rows) <= self.count:
            return None
        last = rows[self.count - 1]
        return f"{self.order.letter}:{last.key}:{last.uncertainty!r}"

    def _is_beyond(self, place: tuple[int, float]) -> ColumnElement[bool]:
        key, uncertainty = place
        if self.order.by_uncertainty:
            here: Any = tuple_(PredictionRow.uncertainty, PredictionRow.key)
            there: Any = tuple_(literal(uncertainty), literal(key))
        else:
            here, there = PredictionRow.key, literal(key)
        beyond: ColumnElement[bool] = here < there if self.order.falling else here > there
        return beyond


def open_window(
    session: Session,
    project_key: int,
    order: Order,
    asked: tuple[str | None, str | None, int | None],
    most: int,
) -> Window:
    """The window that a client asks for.

    Args:
        session: to read.
        project_key: of the project.
        order: of the rows.
        asked: the token's `session`, `continuation` and `maxCount`.
        most: rows that a page may have.

    Raises:
        ServiceError: the token is not one that this server gave for this order, or the page is too large.
    """
    given, continuation, count = asked
    count = _count(count, most)
    if given:
        return Window(_highest(given), order, _place(continuation, order, given), count)
    if continuation:
        raise _wrong("a continuation without a session")
    newest = (
        select(PredictionRow.key)
        .where(PredictionRow.project_key == project_key)
        .order_by(PredictionRow.key.desc())
        .limit(1)
    )
    return Window(session.scalar(newest) or 0, order, None, count)


def _count(count: int | None, most: int) -> int:
    if count is not None and count < 0:
        raise _wrong(f"a maxCount of {count}")
    if count and count > most:
        raise ServiceError(
            "BadRequestPredictionResultsExceededCount",
            f"Expected a maxCount of at most {most}, received {count}. Ask for fewer, and continue with the "
            "token of the answer.",
        )
    return count or min(DEFAULT_COUNT, most)


def _highest(session: str) -> int:
    match = _SESSION.fullmatch(session)
    if not match:
        raise _wrong(f"the session {session[:40]!r}")
    return int(match[1])


def _place(continuation: str | None, order: Order, session: str) -> tuple[int, float] | None:
    if not continuation:
        return None
    match = _CONTINUATION.fullmatch(continuation)
    if not match or match[1] != order.letter or int(match[2]) > _highest(session):
        raise _wrong(f"the continuation {continuation[:60]!r}")
    return int(match[2]), float(match[3])


def _wrong(received: str) -> ServiceError:
    return ServiceError(
        "BadRequestPredictionInvalidQueryParameters",
        f"Expected a query without session and continuation, or the token of an answer as it is; received "
        f"{received}. Begin again without both.",
    )
