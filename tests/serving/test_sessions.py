"""Predictions with one thread and with all cores: who gets which, and that both say the same."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from serving_helpers import FakeSource, build_client, picture, url

from dahlia.serving.models import sessions
from dahlia.serving.models.quicker import Quicker
from dahlia.serving.models.readers import OUTPUT
from dahlia.serving.models.runtime import Model, load_model
from dahlia.serving.models.sessions import Sessions


@pytest.fixture(autouse=True)
def _several_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "usable_cores", lambda: 3)


@pytest.fixture
def graph(source: FakeSource) -> Path:
    return source.folder / "1" / "model.onnx"


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The threads of each session that is opened."""
    threads: list[int] = []
    session = sessions._session

    def counted(graph: Path, count: int) -> Any:
        threads.append(count)
        return session(graph, count)

    monkeypatch.setattr(sessions, "_session", counted)
    return threads


@pytest.mark.parametrize(
    ("threads", "cores", "expected"), [(0, 1, [1]), (0, 3, [1, 3]), (0, 64, [1, 4]), (1, 3, [1]), (5, 3, [5])]
)
def test_threads_of_sessions(
    graph: Path,
    opened: list[int],
    monkeypatch: pytest.MonkeyPatch,
    threads: int,
    cores: int,
    expected: list[int],
) -> None:
    monkeypatch.setattr(sessions, "usable_cores", lambda: cores)
    both = Sessions(graph, threads)
    assert opened == expected
    assert both.memory == len(expected) * int(sessions._MEMORY * graph.stat().st_size)


def test_both_sessions_give_the_same_bits(graph: Path) -> None:
    both = Sessions(graph, 0)
    size = both._plain.get_inputs()[0].shape[-1]
    both.settle((OUTPUT,), size)
    assert both._wide is not None
    photo = np.random.default_rng(1).integers(0, 256, (1, 3, size, size)).astype(np.float32)
    answers = {both.run((OUTPUT,), photo, alone=alone)[0].tobytes() for alone in (False, True, True, True)}
    assert len(answers) == 1


class Rounding:
    """A session whose threads add in another order."""

    def __init__(self, session: Any) -> None:
        self._session = session

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)

    def run(self, *given: Any) -> Any:
        return [np.nextafter(answer, np.float32(1)) for answer in self._session.run(*given)]


def test_a_session_that_gives_other_bits_is_given_up(graph: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    session = sessions._session
    monkeypatch.setattr(
        sessions,
        "_session",
        lambda path, count: session(path, 1) if count == 1 else Rounding(session(path, 1)),
    )
    both = Sessions(graph, 0)
    size = both._plain.get_inputs()[0].shape[-1]
    both.settle((OUTPUT,), size)
    photo = np.full((1, 3, size, size), 90, np.float32)
    answers = {both.run((OUTPUT,), photo, alone=alone)[0].tobytes() for alone in (False, True, True, True)}
    assert len(answers) == 1
    assert both.memory == int(sessions._MEMORY * graph.stat().st_size)


def test_only_a_prediction_that_is_alone_takes_all_cores(
    source: FakeSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[bool] = []
    together = threading.Barrier(2)
    waits = threading.Event()
    run = Sessions.run

    def watched(self: Sessions, outputs: Any, batch: Any, *, alone: bool = False) -> Any:
        taken.append(alone)
        return run(self, outputs, batch, alone=alone)

    def predict(self: Model, data: bytes, alone: Any) -> Any:
        if waits.is_set():
            together.wait(timeout=30)
        return predicted(self, data, alone)

    predicted = Model.predict
    monkeypatch.setattr(Model, "predict", predict)
    with build_client(source, DAHLIA_THREADS="2") as client:

        def ask() -> Any:
            answer = client.post(url(), content=picture(), headers={"content-type": "image/jpeg"})
            assert answer.status_code == 200
            return answer.json()["predictions"]

        alone = ask()
        monkeypatch.setattr(Sessions, "run", watched)
        assert ask() == alone
        assert taken == [True]
        waits.set()
        with ThreadPoolExecutor(2) as pool:
            assert [one.result() for one in [pool.submit(ask), pool.submit(ask)]] == [alone, alone]
    assert taken[1] is False  # the second may be alone by the time that its graph is computed


def test_the_quicker_way_is_taken_and_may_change() -> None:
    quicker = Quicker()
    chosen = []
    for seconds in [(0.2, 0.1)] * 200 + [(0.05, 0.1)] * 200:
        way = quicker.choose()
        chosen.append(way)
        quicker.took(way, seconds[way])
    assert set(chosen[:2]) == {0, 1}
    assert chosen[2:200].count(0) == 10
    assert chosen[300:].count(1) == 5


def test_a_slow_first_time_is_forgotten_with_the_next_one() -> None:
    quicker = Quicker()
    for way, seconds in ((1, 0.9), (0, 0.2), (1, 0.1)):
        quicker.took(way, seconds)
    assert quicker.choose() == 1


def test_one_late_answer_changes_no_choice() -> None:
    quicker = Quicker()
    for way, seconds in ((0, 0.2), (1, 0.1), (1, 0.5)):
        quicker.took(way, seconds)
    assert quicker.choose() == 1


def test_a_model_that_is_loaded_for_one_thread_takes_no_other(source: FakeSource, opened: list[int]) -> None:
    model = load_model(source.folder / "1", "", 1)
    model.predict(picture(), lambda: True)
    assert opened == [1]
