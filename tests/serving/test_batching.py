"""Predictions that are under way at once: computed together, each with its own answer."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from running_services import until

from dahlia.serving.models import batching
from dahlia.serving.models.batching import Batcher

OUTPUTS = ("scores",)


def photo(number: float, size: int = 4) -> Any:
    return np.full((1, 3, size, size), number, np.float32)


class Graph:
    """Says of each photo its number; waits until it may."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.may = threading.Event()
        self.may.set()
        self.begun = threading.Semaphore(0)

    def compute(self, outputs: Sequence[str], batch: Any) -> list[Any]:
        self.sizes.append(len(batch))
        self.begun.release()
        assert self.may.wait(30)
        if np.isnan(batch).any():
            raise RuntimeError("no number")
        return [batch[:, 0, 0, :1].copy() for _ in outputs]


@pytest.fixture
def graph() -> Graph:
    return Graph()


def batcher_of(graph: Graph, most: int = 4, at_once: int = 1) -> Batcher:
    batcher = Batcher(graph.compute, at_once)
    batcher.most = most
    return batcher


def ask_all(batcher: Batcher, photos: Sequence[Any], graph: Graph) -> list[Any]:
    """Ask about the first, and about the others while that is computed."""
    graph.may.clear()
    with ThreadPoolExecutor(len(photos)) as pool:
        asked = [pool.submit(batcher.run, OUTPUTS, photos[0])]
        assert graph.begun.acquire(timeout=30)
        for place, one in enumerate(photos[1:], 1):
            asked.append(pool.submit(batcher.run, OUTPUTS, one))
            until(lambda place=place: len(batcher._waiting) == place)  # type: ignore[misc]
        graph.may.set()
        return [one.exception() or one.result()[0] for one in asked]


def test_photos_that_wait_are_computed_together(graph: Graph) -> None:
    answers = ask_all(batcher_of(graph), [photo(number) for number in range(8)], graph)
    assert [float(one[0, 0]) for one in answers] == list(range(8))
    assert all(one.shape == (1, 1) for one in answers)
    assert graph.sizes == [1, 4, 3]


def test_one_by_one_where_that_is_as_quick(graph: Graph) -> None:
    answers = ask_all(batcher_of(graph, most=1), [photo(number) for number in range(4)], graph)
    assert [float(one[0, 0]) for one in answers] == list(range(4))
    assert graph.sizes == [1, 1, 1, 1]


def test_photos_of_other_sizes_are_computed_apart(graph: Graph) -> None:
    photos = [photo(0), photo(1), photo(2, size=8), photo(3, size=8), photo(4)]
    answers = ask_all(batcher_of(graph), photos, graph)
    assert [float(one[0, 0]) for one in answers] == list(range(5))
    assert graph.sizes == [1, 1, 2, 1]


def test_a_failure_concerns_the_photo_that_failed(graph: Graph) -> None:
    batcher = batcher_of(graph)
    answers = ask_all(batcher, [photo(0), photo(np.nan), photo(2), photo(3)], graph)
    assert [isinstance(one, RuntimeError) for one in answers] == [False, True, False, False]
    assert [float(one[0, 0]) for one in (answers[0], *answers[2:])] == [0, 2, 3]
    assert float(batcher.run(OUTPUTS, photo(5))[0][0, 0]) == 5


def test_several_batches_are_computed_at_once(graph: Graph) -> None:
    batcher = batcher_of(graph, at_once=2)
    graph.may.clear()
    with ThreadPoolExecutor(2) as pool:
        asked = [pool.submit(batcher.run, OUTPUTS, photo(number)) for number in range(2)]
        assert all(graph.begun.acquire(timeout=30) for _ in asked)  # neither has ended
        graph.may.set()
        assert [float(one.result()[0][0, 0]) for one in asked] == [0, 1]


def test_a_photo_waits_for_others_only_where_there_are_many(
    graph: Graph, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batching, "PATIENCE", 30)
    batcher = batcher_of(graph, most=2)
    with batcher.coming():  # one that is being decoded
        batcher.run(OUTPUTS, photo(0))
    assert graph.sizes == [1]
    with ThreadPoolExecutor(1) as pool, batcher.coming(), batcher.coming():
        with batcher.coming():
            asked = pool.submit(batcher.run, OUTPUTS, photo(1))
            until(lambda: len(batcher._waiting) == 1)
        batcher.run(OUTPUTS, photo(2))
        asked.result()
    assert graph.sizes == [1, 2]


def test_a_photo_waits_no_longer_than_it_should(graph: Graph) -> None:
    batcher = batcher_of(graph, most=2)
    with batcher.coming(), batcher.coming(), batcher.coming():
        assert float(batcher.run(OUTPUTS, photo(7))[0][0, 0]) == 7


def test_nobody_waits_for_what_does_not_come(graph: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where a photo cannot be decoded."""
    monkeypatch.setattr(batching, "PATIENCE", 30)
    batcher = batcher_of(graph, most=2)
    with ThreadPoolExecutor(1) as pool:
        with batcher.coming(), batcher.coming(), batcher.coming():
            asked = pool.submit(batcher.run, OUTPUTS, photo(1))
            until(lambda: len(batcher._waiting) == 1)
        assert float(asked.result()[0][0, 0]) == 1


def test_many_threads_get_their_own_answers(graph: Graph) -> None:
    batcher = batcher_of(graph, at_once=2)

    def ask(number: int) -> bool:
        with batcher.coming():
            batch = photo(number)
        return float(batcher.run(OUTPUTS, batch)[0][0, 0]) == number

    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(ask, range(2000)))
    assert sum(graph.sizes) == 2000
    assert batcher._free == 2
    assert (batcher._coming, batcher._computed, len(batcher._waiting)) == (0, 0, 0)
