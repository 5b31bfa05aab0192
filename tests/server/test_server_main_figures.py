"""Main figures in memory: each file is read once, also where it is not there."""

from __future__ import annotations

import json
from typing import Any, cast

import pytest

from dahlia.server.iterations.main_figures import ABSENT_SECONDS, MainFiguresCache
from dahlia.server.jobs.training_data import EVALUATION, artifact_key
from dahlia.server.storage.backend import StorageError, not_there
from dahlia.server.storage.storage import Storage

_INTERVAL = {"value": 0.5, "low": 0.25, "high": 0.75}
_OVERALL = {"images": 40, **dict.fromkeys(("accuracy", "precision", "recall", "ap"), _INTERVAL)}
_GOOD = {"classification": "multiclass", "threshold": 0.5, "held_out": {"overall": _OVERALL}}
GOOD = json.dumps(_GOOD).encode()


class Files:
    """A storage of evaluations by iteration, which counts what is read."""

    def __init__(self) -> None:
        self.contents: dict[str, bytes | StorageError] = {}
        self.read: list[str] = []

    def get(self, key: str) -> bytes:
        self.read.append(key)
        found = self.contents.get(key)
        if found is None:
            raise not_there("the storage", key)
        if isinstance(found, StorageError):
            raise found
        return found

    def put(self, iteration: str, content: bytes | StorageError) -> None:
        self.contents[artifact_key(iteration, EVALUATION)] = content


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def files() -> Files:
    return Files()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def cache(files: Files, clock: Clock) -> MainFiguresCache:
    return MainFiguresCache(cast("Storage", files), clock)


def test_figures_are_read_once(files: Files, cache: MainFiguresCache, clock: Clock) -> None:
    files.put("a", GOOD)
    for clock.now in (0.0, 1e9):
        found: Any = cache.of(["a"])["a"]
        assert (found.images, found.threshold, found.average_precision.high) == (40, 0.5, 0.75)
    assert len(files.read) == 1


@pytest.mark.parametrize(
    "content",
    [
        None,
        b"",
        b"[]",
        b"{}",
        b'{"held_out": null}',
        b'{"classification": "x"}',
        GOOD.replace(b"0.5", b'"x"'),
    ],
)
def test_that_there_are_none_is_kept_for_a_while(
    files: Files, cache: MainFiguresCache, clock: Clock, content: bytes | None
) -> None:
    if content is not None:
        files.put("a", content)
    for clock.now in (0.0, ABSENT_SECONDS - 1):
        assert cache.of(["a"]) == {}
    assert len(files.read) == 1
    files.put("a", GOOD)  # restored from a backup
    clock.now = ABSENT_SECONDS
    assert list(cache.of(["a"])) == ["a"]


def test_what_cannot_be_read_now_is_read_with_the_next_request(files: Files, cache: MainFiguresCache) -> None:
    files.put("a", StorageError("The network is down."))
    files.put("b", GOOD)
    assert list(cache.of(["a", "b"])) == ["b"]
    files.put("a", GOOD)
    assert sorted(cache.of(["a", "b"])) == ["a", "b"]
    assert len(files.read) == 3


def test_photos_of_new_scenes_have_a_figure_where_training_judged_them(
    files: Files, cache: MainFiguresCache
) -> None:
    files.put("a", GOOD)
    files.put("b", json.dumps(json.loads(GOOD) | {"new_scenes": {"accuracy": _INTERVAL}}).encode())
    found = cache.of(["a", "b"])
    assert found["a"].new_scenes_accuracy is None
    assert found["b"].new_scenes_accuracy is not None
    assert found["b"].new_scenes_accuracy.low == 0.25


def test_detectors_have_an_overlap_instead_of_an_accuracy(files: Files, cache: MainFiguresCache) -> None:
    overall = {name: value for name, value in _OVERALL.items() if name != "accuracy"}
    detector = {"classification": "detection", "overlap": 0.3, "held_out": {"overall": overall}}
    files.put("a", json.dumps(_GOOD | detector).encode())
    files.put("b", GOOD)
    found = cache.of(["a", "b"])
    assert (found["a"].overlap, found["a"].accuracy, found["a"].new_scenes_accuracy) == (0.3, None, None)
    assert found["a"].average_precision.value == 0.5
    assert (found["b"].overlap, found["b"].accuracy is None) == (None, False)
