"""How many calls a key may make: token buckets, one per key and kind of call."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from dahlia.errors import GatewayError

_MOST_BUCKETS = 10_000


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
