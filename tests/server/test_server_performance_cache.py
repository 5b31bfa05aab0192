"""Performance of iterations in memory: bounded, safe from several threads, with each image's predictions."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from performance_cases import predictions_of

from dahlia.errors import DatasetError
from dahlia.modeling.predictions import ClassPredictions
from dahlia.server.iterations.figures import score
from dahlia.server.iterations.performance import ImageScore, ImageScores, PerformanceCache


class Loader:
    """Makes other predictions for every iteration, and remembers who asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, iteration: str) -> ClassPredictions:
        self.asked.append(iteration)
        return predictions_of(50, 3, seed=len(iteration))


@pytest.fixture
def loader() -> Loader:
    return Loader()


def size_of_one() -> int:
    performances = PerformanceCache(Loader())
    performances.score("a", 0.5)
    return performances.size


def test_loaded_once_for_figures_and_images(loader: Loader) -> None:
    performances = PerformanceCache(loader)
    for threshold in (0.1, 0.5):
        assert performances.score("a", threshold) == score(predictions_of(50, 3, seed=1), threshold)
    assert len(performances.images("a")) == 50
    assert loader.asked == ["a"]


@pytest.mark.parametrize(
    ("room", "reloaded"),
    [(3, []), (2, ["bb"]), (1, ["a", "bb", "a"]), (0, ["a", "bb", "a"])],
)
def test_what_was_not_asked_for_longest_makes_room(loader: Loader, room: int, reloaded: list[str]) -> None:
    performances = PerformanceCache(loader, most_bytes=int((room + 0.5) * size_of_one()))
    for iteration in ("a", "bb", "a", "ccc"):
        performances.score(iteration, 0.5)
    loader.asked.clear()
    for iteration in ("a", "bb", "a") if room != 3 else ("a", "bb", "ccc"):
        performances.score(iteration, 0.5)
    assert loader.asked == reloaded
    assert performances.size <= max(room + 0.5, 1) * size_of_one()


def test_one_that_is_larger_than_all_room_stays_while_it_is_asked_for(loader: Loader) -> None:
    performances = PerformanceCache(loader, most_bytes=1)
    for threshold in (0.1, 0.2, 0.3):
        performances.score("a", threshold)
    assert loader.asked == ["a"]


def test_what_is_deleted_is_forgotten(loader: Loader) -> None:
    performances = PerformanceCache(loader)
    performances.score("a", 0.5)
    performances.forget("a")
    performances.forget("never there")
    assert performances.size == 0
    performances.score("a", 0.5)
    assert loader.asked == ["a", "a"]


def test_what_is_deleted_while_it_is_loaded_is_not_kept() -> None:
    def deleting(iteration: str) -> ClassPredictions:
        performances.forget(iteration)
        return predictions_of(20, 2)

    performances = PerformanceCache(deleting)
    performances.score("a", 0.5)
    assert performances.size == 0


def test_a_failure_is_the_callers_and_is_not_kept() -> None:
    answers: list[ClassPredictions | DatasetError] = [DatasetError("gone"), predictions_of(20, 2)]

    def loading(iteration: str) -> ClassPredictions:
        answer = answers.pop(0)
        if isinstance(answer, DatasetError):
            raise answer
        return answer

    performances = PerformanceCache(loading)
    with pytest.raises(DatasetError, match="gone"):
        performances.score("a", 0.5)
    assert performances.score("a", 0.5) == score(predictions_of(20, 2), 0.5)


def test_threads_that_want_the_same_one_wait_for_one_loading(loader: Loader) -> None:
    together = threading.Barrier(8)
    performances = PerformanceCache(loader)

    def ask(_: int) -> object:
        together.wait()
        return performances.score("a", 0.5)

    with ThreadPoolExecutor(8) as pool:
        assert len({repr(found) for found in pool.map(ask, range(8))}) == 1
    assert loader.asked == ["a"]


def test_what_is_kept_is_answered_while_another_is_loaded() -> None:
    loading, go_on = threading.Event(), threading.Event()

    def slow(iteration: str) -> ClassPredictions:
        if iteration == "slow":
            loading.set()
            assert go_on.wait(60)
        return predictions_of(20, 2)

    performances = PerformanceCache(slow)
    expected = performances.score("kept", 0.5)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(performances.score, "slow", 0.5)
        assert loading.wait(60)
        assert performances.score("kept", 0.5) == expected
        go_on.set()
        assert waiting.result(60) == expected


def test_the_most_probable_tag_comes_first() -> None:
    predictions = predictions_of(1, 3, "multilabel")
    predictions.probabilities[0] = [0.2, 0.7, 0.2]
    predictions.truth[0] = [True, False, True]
    image = predictions.ids[0]
    assert ImageScores(predictions)[image] == ImageScore(
        image, ("tag 0", "tag 2"), (("tag 1", 0.7), ("tag 0", 0.2), ("tag 2", 0.2))
    )


def test_every_image_is_there_by_its_id() -> None:
    predictions = predictions_of(20, 4, test=5)
    scores = ImageScores(predictions)
    assert list(scores) == list(predictions.ids)
    assert len(scores) == 20
    for row, image in enumerate(predictions.ids):
        assert scores[image].tags == (predictions.tags[int(predictions.truth[row].argmax())],)
        assert np.isclose(sum(probability for _, probability in scores[image].probabilities), 1)


def test_an_image_that_was_not_predicted() -> None:
    scores = ImageScores(predictions_of(2, 2))
    assert "rose" not in scores
    assert scores.get("rose") is None
    with pytest.raises(KeyError):
        scores["rose"]


def test_probabilities_are_plain_numbers() -> None:
    predictions = predictions_of(1, 2)
    assert {type(value) for _, value in ImageScores(predictions)[predictions.ids[0]].probabilities} == {float}
