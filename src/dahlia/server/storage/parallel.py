"""The same work on many files, several at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

_Item = TypeVar("_Item")


def spread(work: Callable[[_Item], None], items: Iterable[_Item], threads: int) -> None:
    """Do `work` on every item; threads take shares, since a task each costs more than a small file.

    The threads live as long as the call: processes that are forked later inherit none.
    """
    listed = list(items)
    if len(listed) < 2:
        _do(work, listed)
        return
    shares = [listed[start::threads] for start in range(min(threads, len(listed)))]
    with ThreadPoolExecutor(len(shares)) as pool:
        for done in [pool.submit(_do, work, share) for share in shares]:
            done.result()


def _do(work: Callable[[_Item], None], share: list[_Item]) -> None:
    for item in share:
        work(item)
