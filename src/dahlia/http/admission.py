"""Who may ask, how often, and how much a process takes on at once: what goes beyond is refused early."""

from __future__ import annotations

import hmac
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dahlia.errors import GatewayError, ServiceError
from dahlia.http.body import MAX_DISCARD
from dahlia.http.replies import access_denied, keys_in

if TYPE_CHECKING:
    from starlette.datastructures import Headers

    from dahlia.http.origins import Policy

MAX_HELD = 128 * 1024 * 1024
MAX_WAIT = 1.0  # seconds that a prediction is to take at most, with those before it
FEW = 16  # admitted at once however long they take
PRESSED = 5.0  # seconds for which a refused request counts as waiting
_WEIGHT = 0.1  # of the latest prediction in the mean
_STEP = 0.02  # seconds, the most that counts at first
_RISE = 4  # times the mean, the most that counts later: a model that is loaded once is not slow
_MOST_BUCKETS = 10_000


class Capacity:
    """What requests hold at once, all together; used by one event loop.

    Args:
        held: bytes of bodies that may be in memory at once.
        fetches: images, or batches of them, that may be fetched at once.
        what: there is too much of where one is refused, such as `images are on their way`.
    """

    def __init__(self, held: int, fetches: int, what: str) -> None:
        self._most_held = held
        self._most_fetches = fetches
        self._what = what
        self._held: Counter[str] = Counter()
        self._refused: dict[str, float] = {}
        self._fetches = 0

    @contextmanager
    def body(self, owner: str = "") -> Iterator[Callable[[int], None]]:
        """Gives what counts the bytes of a body as they come; they count until the block ends.

        The function that it gives raises ServiceError where too much is held: by all together, or by one
        owner, who has no more than half while another's requests are refused. From then on the body counts
        no more.

        Args:
            owner: the id of the key, where there are several.
        """
        mine = 0

        def hold(size: int) -> None:
            nonlocal mine
            if self._held.total() + size > self._most_held:
                self._refused[owner] = time.monotonic()
            elif self._held[owner] + size <= self._most_held // 2 or not self._is_pressed_by_others(owner):
                self._held[owner] += size
                mine += size
                return
            release()
            raise self._busy()

        def release() -> None:
            nonlocal mine
            self._held -= Counter({owner: mine})  # leaves no owner who holds nothing
            mine = 0

        try:
            yield hold
        finally:
            release()

    def _is_pressed_by_others(self, owner: str) -> bool:
        since = time.monotonic() - PRESSED
        self._refused = {other: at for other, at in self._refused.items() if at > since}
        return any(other != owner for other in self._refused)

    @contextmanager
    def fetch(self) -> Iterator[None]:
        """A place among the images that are fetched.

        Raises:
            ServiceError: there is none.
        """
        if self._fetches >= self._most_fetches:
            raise self._busy()
        self._fetches += 1
        try:
            yield
        finally:
            self._fetches -= 1

    def _busy(self, *, unread: bool = False) -> ServiceError:
        return GatewayError(
            429,
            f"More {self._what} than this server admits. Ask again in 1 second.",
            retry_after=1,
            unread=unread,
        )


class Admission(Capacity):
    """Counts what is under way; used by one event loop.

    Bodies that arrive slowly hold the bytes that have come, and no place among the predictions. A slow model
    has fewer places than a fast one: not more than are expected to be through within `MAX_WAIT`, and `FEW`.

    Args:
        key: the key that every request must bring; None admits everybody but pages of other origins.
        most: predictions that may wait or be computed at once, and images that may be fetched at once.
        most_held: bytes of bodies that may be in memory at once.
        clock: seconds.
        pages: the origins whose pages may ask where no key is needed; None for all.
    """

    def __init__(
        self,
        key: str | None,
        most: int,
        most_held: int = MAX_HELD,
        clock: Callable[[], float] = time.perf_counter,
        pages: Policy | None = None,
    ) -> None:
        super().__init__(most_held, most, "predictions are under way")
        self.predictions = 0
        # The bytes of the variable, whatever the locale; clients send the same.
        self._key = key.encode("utf-8", "surrogateescape") if key else None
        self._most = most
        self._clock = clock
        self._pages = None if key else pages
        self._each = 0.0  # mean seconds from the end of one prediction to that of the next
        self._ended = 0.0

    def enter(self, headers: Headers, query: bytes = b"") -> None:
        """Let a request in before its body is read.

        Args:
            headers: of the request.
            query: of the request, for the refusal.

        Raises:
            ServiceError: it brings no key or a wrong one, comes from a page that may not ask, or too many
                predictions are under way.
        """
        given = [key.encode("latin-1") for key in keys_in(headers)]
        if self._key is not None and not any(hmac.compare_digest(one, self._key) for one in given):
            text = access_denied("Prediction-Key", headers, query)
            raise GatewayError(401, text, unread=_stays_unread(headers))
        # A browser sends a form without asking; a server that lets it in does and keeps what any page wants.
        if self._pages and (complaint := self._pages.complaint(headers)):
            raise ServiceError("Forbidden", complaint, unread=_stays_unread(headers))
        if self._full():
            raise self._busy(unread=_stays_unread(headers))

    @contextmanager
    def prediction(self) -> Iterator[None]:
        """A place among the predictions.

        Raises:
            ServiceError: there is none.
        """
        if self._full():
            raise self._busy()
        self.predictions += 1
        began = self._clock()
        try:
            yield
        finally:
            self.predictions -= 1
            now = self._clock()
            each = min(now - max(began, self._ended), max(_STEP, _RISE * self._each))
            self._each += _WEIGHT * (each - self._each)
            self._ended = now

    def _full(self) -> bool:
        late = self.predictions >= FEW and self.predictions * self._each > MAX_WAIT
        return late or self.predictions >= self._most


@dataclass
class _Bucket:
    tokens: float
    filled: float


class Rates:
    """Refuses what comes faster than it may; a second's worth may come at once.

    The count is this process's own: several servers admit several times as much.

    Args:
        clock: seconds that never go back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._buckets: OrderedDict[tuple[str, str], _Bucket] = OrderedDict()

    def take(self, key_id: str, kind: str, per_second: float) -> None:
        """Count a call.

        Args:
            key_id: whose call.
            kind: what is counted together.
            per_second: how many are allowed; 0 for any number.

        Raises:
            GatewayError: too many; it says when to ask again.
        """
        if not per_second:
            return
        with self._lock:
            now = self._clock()
            bucket = self._buckets.setdefault((key_id, kind), _Bucket(max(1.0, per_second), now))
            self._buckets.move_to_end((key_id, kind))
            if len(self._buckets) > _MOST_BUCKETS:
                self._buckets.popitem(last=False)
            bucket.tokens = min(max(1.0, per_second), bucket.tokens + (now - bucket.filled) * per_second)
            bucket.filled = now
            if bucket.tokens >= 1:
                bucket.tokens -= 1
                return
        raise GatewayError(
            429,
            f"Requests to {kind} have exceeded the rate limit of {per_second:g} per second for this key. "
            "Please retry after 1 second.",
            retry_after=1,
        )


def _stays_unread(headers: Headers) -> bool:
    # A small body is taken from the connection, which then serves the next request; another ends it.
    declared = headers.get("content-length", "")
    return not (declared.isdecimal() and int(declared) <= MAX_DISCARD)
