"""Threads that compute apart, where torch's own would wait for each other.

torch cuts an operation in a part per core, and goes on when the last part is done. Other programs on a core
hold one part up, and with it all; of the small operations of a solver there are thousands. Threads that each
compute something whole wait once, at their end. And sums in one thread have one order: results are the same
to the last bit, however many cores there are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event
from typing import TypeVar

import torch

T = TypeVar("T")
R = TypeVar("R")


@contextmanager
def one_thread() -> Iterator[int]:
    """Within, torch computes in the calling thread only; gives the number it had and gets back."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield threads
    finally:
        torch.set_num_threads(threads)


def in_threads(work: Callable[[T], Iterator[R]], parts: Sequence[T]) -> list[list[R]]:
    """What the work on each part gives, in the order of the parts; as many at once as torch has threads.

    An error or interruption ends the work on the other parts at what they give next.
    """
    ended = Event()

    def run(part: T) -> list[R]:
        torch.set_num_threads(1)  # of this thread: OpenMP and MKL count per thread
        results = []
        for result in work(part):
            results.append(result)
            if ended.is_set():
                break
        return results

    with one_thread() as threads:
        if min(threads, len(parts)) <= 1:
            return [list(work(part)) for part in parts]
        with ThreadPoolExecutor(min(threads, len(parts))) as pool:
            futures = [pool.submit(run, part) for part in parts]
            try:
                return [future.result() for future in futures]
            except BaseException:
                ended.set()
                pool.shutdown(wait=False, cancel_futures=True)
                raise
