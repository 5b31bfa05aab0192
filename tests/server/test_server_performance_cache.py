"""Performance of iterations in memory: bounded, safe from several threads, with each image's predictions."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from performance_cases import predictions_of

from dahlia.errors import DatasetError
from dahlia.kinds import Kind
from dahlia.server.iterations.figures import score
from dahlia.server.iterations.held_out import FoundTag, HeldOutTags, TagScores
from dahlia.server.iterations.performance_cache import PerformanceCache

KIND: Kind = "multiclass"
OVERLAP = 0.3


class Loader:
    """Makes other predictions for every iteration, and remembers who asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, iteration: str, kind: Kind) -> HeldOutTags:
        assert kind == KIND
        self.asked.append(iteration)
        return HeldOutTags(predictions_of(50, 3, seed=len(iteration)))


@pytest.fixture
def loader() -> Loader:
    return Loader()


def size_of_one() -> int:
    performances = PerformanceCache(Loader())
    performances.of("a", KIND).score(0.5, OVERLAP)
    return performances.size


def test_loaded_once_for_figures_and_images(loader: Loader) -> None:
    performances = PerformanceCache(loader)
    for threshold in (0.1, 0.5):
        assert performances.of("a", KIND).score(threshold, OVERLAP) == score(
            predictions_of(50, 3, seed=1), threshold
        )
    assert len(performances.of("a", KIND).images) == 50
    assert loader.asked == ["a"]


@pytest.mark.parametrize(
    ("room", "reloaded"),
    [(3, []), (2, ["bb"]), (1, ["a", "bb", "a"]), (0, ["a", "bb", "a"])],
)
def test_what_was_not_asked_for_longest_makes_room(loader: Loader, room: int, reloaded: list[str]) -> None:
    performances = PerformanceCache(loader, most_bytes=int((room + 0.5) * size_of_one()))
    for iteration in ("a", "bb", "a", "ccc"):
        performances.of(iteration, KIND).score(0.5, OVERLAP)
    loader.asked.clear()
    for iteration in ("a", "bb", "a") if room != 3 else ("a", "bb", "ccc"):
        performances.of(iteration, KIND).score(0.5, OVERLAP)
    assert loader.asked == reloaded
    assert performances.size <= max(room + 0.5, 1) * size_of_one()


def test_one_that_is_larger_than_all_room_stays_while_it_is_asked_for(loader: Loader) -> None:
    performances = PerformanceCache(loader, most_bytes=1)
    for threshold in (0.1, 0.2, 0.3):
        performances.of("a", KIND).score(threshold, OVERLAP)
    assert loader.asked == ["a"]


def test_what_is_deleted_is_forgotten(loader: Loader) -> None:
    performances = PerformanceCache(loader)
    performances.of("a", KIND).score(0.5, OVERLAP)
    performances.forget("a")
    performances.forget("never there")
    assert performances.size == 0
    performances.of("a", KIND).score(0.5, OVERLAP)
    assert loader.asked == ["a", "a"]


def test_what_is_deleted_while_it_is_loaded_is_not_kept() -> None:
    def deleting(iteration: str, kind: Kind) -> HeldOutTags:
        performances.forget(iteration)
        return HeldOutTags(predictions_of(20, 2))

    performances = PerformanceCache(deleting)
    performances.of("a", KIND).score(0.5, OVERLAP)
    assert performances.size == 0


def test_a_failure_is_the_callers_and_is_not_kept() -> None:
    answers: list[HeldOutTags | DatasetError] = [DatasetError("gone"), HeldOutTags(predictions_of(20, 2))]

    def loading(iteration: str, kind: Kind) -> HeldOutTags:
        answer = answers.pop(0)
        if isinstance(answer, DatasetError):
            raise answer
        return answer

    performances = PerformanceCache(loading)
    with pytest.raises(DatasetError, match="gone"):
        performances.of("a", KIND).score(0.5, OVERLAP)
    assert performances.of("a", KIND).score(0.5, OVERLAP) == score(predictions_of(20, 2), 0.5)


def test_threads_that_want_the_same_one_wait_for_one_loading(loader: Loader) -> None:
    together = threading.Barrier(8)
    performances = PerformanceCache(loader)

    def ask(_: int) -> object:
        together.wait()
        return performances.of("a", KIND).score(0.5, OVERLAP)

    with ThreadPoolExecutor(8) as pool:
        assert len({repr(found) for found in pool.map(ask, range(8))}) == 1
    assert loader.asked == ["a"]


def test_what_is_kept_is_answered_while_another_is_loaded() -> None:
    loading, go_on = threading.Event(), threading.Event()

    def slow(iteration: str, kind: Kind) -> HeldOutTags:
        if iteration == "slow":
            loading.set()
            assert go_on.wait(60)
        return HeldOutTags(predictions_of(20, 2))

    performances = PerformanceCache(slow)
    expected = performances.of("kept", KIND).score(0.5, OVERLAP)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(lambda: performances.of("slow", KIND).score(0.5, OVERLAP))
        assert loading.wait(60)
        assert performances.of("kept", KIND).score(0.5, OVERLAP) == expected
        go_on.set()
        assert waiting.result(60) == expected


def test_the_most_probable_tag_comes_first() -> None:
    predictions = predictions_of(1, 3, "multilabel")
    predictions.probabilities[0] = [0.2, 0.7, 0.2]
    expected = (FoundTag("tag 1", 0.7), FoundTag("tag 0", 0.2), FoundTag("tag 2", 0.2))
    assert TagScores(predictions)[predictions.ids[0]] == expected


def test_every_image_is_there_by_its_id() -> None:
    predictions = predictions_of(20, 4, test=5)
    scores = TagScores(predictions)
    assert list(scores) == list(predictions.ids)
    assert len(scores) == 20
    for image in predictions.ids:
        assert np.isclose(sum(one.probability for one in scores[image]), 1)


def test_an_image_that_was_not_predicted() -> None:
    scores = TagScores(predictions_of(2, 2))
    assert "rose" not in scores
    assert scores.get("rose") is None
    with pytest.raises(KeyError):
        scores["rose"]


def test_probabilities_are_plain_numbers() -> None:
    predictions = predictions_of(1, 2)
    assert {type(one.probability) for one in TagScores(predictions)[predictions.ids[0]]} == {float}
