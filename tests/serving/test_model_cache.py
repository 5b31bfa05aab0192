from __future__ import annotations

import threading
from pathlib import Path

import pytest
from serving_helpers import FakeSource, load, picture

from dahlia.errors import ServiceError
from dahlia.serving.models import loading as module
from dahlia.serving.models.loading import ModelCache, Servable
from dahlia.serving.models.runtime import Model


class Loader:
    """Loads the fake model, and says what it loaded; a number in `broken` is refused."""

    def __init__(self, source: FakeSource) -> None:
        self.source = source
        self.loaded: list[int] = []
        self.broken: set[int] = set()

    def __call__(self, servable: Servable) -> Model:
        self.loaded.append(servable.number)
        if servable.number in self.broken:
            raise ServiceError("ErrorPredictionModelNotFound", "cannot be served")
        return load(servable)


@pytest.fixture
def loader(source: FakeSource) -> Loader:
    return Loader(source)


def servable(source: FakeSource, number: int) -> Servable:
    """Any number, with the files of the first model."""
    return Servable(number, f"00000000-0000-0000-0000-{number:012d}", source.folder / "1")


def test_a_model_is_loaded_once(loader: Loader, source: FakeSource) -> None:
    cache = ModelCache(loader, 1 << 30)
    assert cache.get(servable(source, 1)) is cache.get(servable(source, 1))
    assert loader.loaded == [1]


def test_the_least_recently_used_goes(loader: Loader, source: FakeSource) -> None:
    size = load(servable(source, 1)).memory
    told: list[tuple[int, int]] = []
    cache = ModelCache(loader, 3 * size, lambda count, memory: told.append((count, memory)))
    for number in (1, 2, 3, 1, 4):
        cache.get(servable(source, number))
    assert [number for number in range(1, 5) if servable(source, number) in cache] == [1, 3, 4]
    assert told == [(1, size), (2, 2 * size), (3, 3 * size), (3, 3 * size)]
    cache.get(servable(source, 2))
    assert loader.loaded == [1, 2, 3, 4, 2]


def test_room_is_what_the_models_leave(loader: Loader, source: FakeSource) -> None:
    size = load(servable(source, 1)).memory
    cache = ModelCache(loader, 2 * size)
    assert cache.has_room(2 * size)
    cache.get(servable(source, 1))
    assert cache.has_room(size)
    assert not cache.has_room(size + 1)


def test_one_model_stays_however_small_the_budget(loader: Loader, source: FakeSource) -> None:
    cache = ModelCache(loader, 1)
    for number in (1, 2):
        cache.get(servable(source, number))
        assert len(cache) == 1
        assert servable(source, number) in cache


def test_a_model_that_was_given_up_answers_who_has_it(loader: Loader, source: FakeSource) -> None:
    cache = ModelCache(loader, 1)
    model = cache.get(servable(source, 1))
    cache.get(servable(source, 2))
    assert model.predict(picture())


def test_threads_wait_for_one_loading(source: FakeSource) -> None:
    begun, go_on = threading.Event(), threading.Event()
    loaded: list[int] = []

    def slow(one: Servable) -> Model:
        loaded.append(one.number)
        begun.set()
        assert go_on.wait(30)
        return load(one)

    cache = ModelCache(slow, 1 << 30)
    models: list[Model] = []
    threads = [
        threading.Thread(target=lambda: models.append(cache.get(servable(source, 1)))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    assert begun.wait(30)
    go_on.set()
    for thread in threads:
        thread.join(30)
    assert loaded == [1]
    assert len(models) == 4
    assert len(set(map(id, models))) == 1


def test_what_cannot_be_loaded_is_tried_again_later(
    loader: Loader, source: FakeSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = ModelCache(loader, 1 << 30)
    loader.broken = {1}
    for _ in range(2):
        with pytest.raises(ServiceError, match="iteration 1 cannot be loaded") as caught:
            cache.get(servable(source, 1))
        assert caught.value.code == "ErrorPredictionModelNotFound"
    assert loader.loaded == [1]
    loader.broken = set()
    monkeypatch.setattr(module, "_RETRY_SECONDS", 0.0)
    later = ModelCache(loader, 1 << 30)
    loader.broken = {1}
    with pytest.raises(ServiceError):
        later.get(servable(source, 1))
    loader.broken = set()
    assert later.get(servable(source, 1)).number == 1


def test_an_error_that_nobody_foresaw_leaves_nobody_waiting(source: FakeSource) -> None:
    def broken(one: Servable) -> Model:
        raise MemoryError

    cache = ModelCache(broken, 1 << 30)
    for _ in range(2):
        with pytest.raises(MemoryError):
            cache.get(servable(source, 1))


def test_missing_files(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever is wrong with a model, clients get an error of the service; the log alone names files."""
    cache = ModelCache(load, 1)
    for _ in range(2):
        with pytest.raises(ServiceError) as caught:
            cache.get(Servable(1, "x", tmp_path))
        assert (caught.value.code, caught.value.status) == ("ErrorPredictionModelNotFound", 500)
        assert str(tmp_path) not in str(caught.value)
    assert str(tmp_path / "model.json") in caplog.text


def test_a_refusal_keeps_its_code(source: FakeSource) -> None:
    def unsupported(one: Servable) -> Model:
        raise ServiceError("BadRequestOperationNotSupported", "no map")

    cache = ModelCache(unsupported, 1)
    for _ in range(2):
        with pytest.raises(ServiceError, match="no map") as caught:
            cache.get(servable(source, 1))
        assert (caught.value.code, caught.value.status) == ("BadRequestOperationNotSupported", 400)


def test_nobody_waits_for_a_model_that_cannot_be_put_down(loader: Loader, source: FakeSource) -> None:
    def refuses(count: int, memory: int) -> None:
        raise OSError("no more")

    with pytest.raises(OSError, match="no more"):
        ModelCache(loader, 1 << 30, refuses).get(servable(source, 1))
