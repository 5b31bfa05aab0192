"""Faults that one line explains: a full disk, a lost database. The same is logged once a minute."""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Callable

from sqlalchemy.exc import DBAPIError

from dahlia.dataset.decoding_memory import DecodingBusy
from dahlia.server.contract.errors import ServiceError
from dahlia.server.database.errors import StoreError
from dahlia.server.storage.errors import NotThere, StorageError

_SECONDS = 60.0
_NUMBER = re.compile(r"\d+")  # of bytes that are free, and the like
_MOST = 100  # texts that are told apart; what comes on top counts as one


class KnownFaults:
    """Counts what is not logged, for the line that is.

    Args:
        logger: gets the lines.
        seconds: between two lines of one text.
        clock: seconds.
    """

    def __init__(
        self,
        logger: logging.Logger,
        seconds: float = _SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._logger = logger
        self._seconds = seconds
        self._clock = clock
        self._logged: dict[str, float] = {}
        self._passed_over: dict[str, int] = {}
        self._lock = threading.Lock()

    def log(self, request: str, error: ServiceError) -> None:
        """Log a refusal, unless the same was logged within the last minute.

        Args:
            request: which it was, as a line begins.
            error: its text says why.
        """
        with self._lock:
            count = self._count(_NUMBER.sub("0", str(error)))
        if count is None:
            return
        more = f" ({count:,} more like it since the last line.)" if count else ""
        self._logger.error("%s: %d, %s. %s%s%s", request, error.status, error.code, error, _said(error), more)

    def _count(self, text: str) -> int | None:
        """How many were passed over since the last line; None where this one is passed over too."""
        now = self._clock()
        if text not in self._logged and len(self._logged) >= _MOST:
            self._forget(now)
            text = text if len(self._logged) < _MOST else ""
        if now - self._logged.get(text, -self._seconds) < self._seconds:
            self._passed_over[text] = self._passed_over.get(text, 0) + 1
            return None
        self._logged[text] = now
        return self._passed_over.pop(text, 0)

    def _forget(self, now: float) -> None:
        old = [text for text, moment in self._logged.items() if now - moment >= self._seconds]
        for text in old:
            del self._logged[text]
            self._passed_over.pop(text, None)


def is_known(error: ServiceError) -> bool:
    """Whether a line without a traceback says all there is to say."""
    cause = error.__cause__
    if isinstance(error, StoreError):
        return True
    if error.status != 503:
        return False
    known = isinstance(cause, StorageError | DecodingBusy) and not isinstance(cause, NotThere)
    return cause is None or known


def _said(error: ServiceError) -> str:
    """The words of the database's library, which tell more than a client is told."""
    cause = error.__cause__
    words = str(cause.orig).strip().splitlines() if isinstance(cause, DBAPIError) else []
    return f" [{words[0]}]" if words else ""
