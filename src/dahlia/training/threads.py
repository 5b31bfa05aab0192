"""Threads that compute apart, where torch's own would wait for each other.

torch cuts an operation in a part per core, and goes on when the last part is done. Other programs on a core
hold one part up, and with it all; of the small operations of a solver there are thousands. Where the threads
spin while they wait (OpenMP's default), they take the time of those they wait for: with four busy programs on
two cores a fit took 40 times as long. Threads that each compute something whole wait once, at their end. And
sums in one thread have one order: results are the same to the last bit, however many cores there are.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event
from typing import TypeVar

import torch

from dahlia.processes import usable_cores

_AHEAD = 4  # results for each thread that are made before earlier ones are asked for
_Given = TypeVar("_Given")
_Made = TypeVar("_Made")


def thread_count() -> int:
    """As many as there are cores for this process, and as torch takes where it was told to take fewer."""
    return max(1, min(usable_cores(), torch.get_num_threads()))


@contextmanager
def one_thread() -> Iterator[None]:
    """Within, torch computes in the calling thread only; afterwards in as many as before."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def in_threads(
    make: Callable[[_Given], _Made], given: Iterable[_Given], workers: int, stopped: Event | None = None
) -> Iterator[_Made]:
    """What `make` gives, in order; not much is made before it is asked for.

    Who stops early, or is interrupted, waits only for what is being made.

    Args:
        make: called in several threads at once. What it raises is raised in its turn.
        given: to each of which it is applied.
        workers: threads, in each of which torch computes alone.
        stopped: is set when nothing more is wanted, for a `make` that can end before its time.
    """
    # OpenMP and MKL count per thread.
    pool = ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,))
    waiting: deque[Future[_Made]] = deque()
    try:
        for one in given:
            waiting.append(pool.submit(make, one))
            if len(waiting) >= _AHEAD * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        if stopped is not None:
            stopped.set()
        pool.shutdown(cancel_futures=True)
