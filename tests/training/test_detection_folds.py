"""The runs of a detector: what ends them before their time, and what people are told meanwhile."""

from __future__ import annotations

from pathlib import Path
from threading import Event
from types import SimpleNamespace
from typing import Any

import pytest

from dahlia.errors import TrainingError
from dahlia.training.detection import folds
from dahlia.training.detection.folds import Phase, run_folds
from dahlia.training.detection.runs import Learned

STEPS = 100


def a_problem(jobs: list[int | None]) -> Any:
    return SimpleNamespace(
        jobs=jobs,
        finder=lambda tail: SimpleNamespace(load_state_dict=lambda weights: None),
        learned_from=lambda part: [],
        asked_of=lambda part: [],
        maps=None,
        training=None,
        seed=0,
        data=SimpleNamespace(truth=(), tags=()),
    )


def test_a_run_that_fails_ends_the_others(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    under_way, ended = Event(), []

    def train(finder: Any, data: Any, params: Any, *, checkpoint: Path, progress: Any, **_: Any) -> Learned:
        if "final" in checkpoint.name:
            assert under_way.wait(30)
            raise TrainingError("The loss is not finite.")
        try:
            while True:  # the end of it nobody would live to see
                progress(0)
                under_way.set()
        except Exception as error:
            ended.append(error)
            raise

    monkeypatch.setattr(folds, "train_run", train)
    monkeypatch.setattr(folds, "thread_count", lambda: 2)
    monkeypatch.setattr(folds, "answers", lambda *_: [])
    # The failing run is the first to be asked for its result.
    with pytest.raises(TrainingError, match="not finite"):
        run_folds(a_problem([None, 0]), Phase("quick", STEPS), tmp_path)
    assert len(ended) == 1


def test_an_interrupted_training_ends_its_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    ended = []

    def train(finder: Any, data: Any, params: Any, *, progress: Any, **_: Any) -> Learned:
        try:
            while True:
                progress(0)
        except Exception as error:
            ended.append(error)
            raise

    def interrupted(make: Any, given: Any, workers: int, stopped: Event) -> Any:
        def one_after_the_other() -> Any:
            results = folds_in_threads(make, given, workers, stopped)
            monkeypatch.setattr("concurrent.futures.Future.result", lambda self: _interrupt())
            yield from results

        return one_after_the_other()

    def _interrupt() -> None:
        raise KeyboardInterrupt

    folds_in_threads = folds.in_threads
    monkeypatch.setattr(folds, "train_run", train)
    monkeypatch.setattr(folds, "in_threads", interrupted)
    monkeypatch.setattr(folds, "thread_count", lambda: 2)
    with pytest.raises(KeyboardInterrupt):
        run_folds(a_problem([0, None]), Phase("quick", STEPS), tmp_path)
    assert len(ended) == 2


def test_what_a_killed_run_had_done_is_not_told_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def train(finder: Any, data: Any, params: Any, *, steps: int, progress: Any, **_: Any) -> Learned:
        progress(steps // 2)  # of a checkpoint
        for _step in range(steps // 2, steps):
            progress(1)
        return Learned({}, [])

    monkeypatch.setattr(folds, "train_run", train)
    monkeypatch.setattr(folds, "thread_count", lambda: 1)
    monkeypatch.setattr(folds, "answers", lambda *_: [])
    run_folds(a_problem([None]), Phase("quick", STEPS), tmp_path)
    said = capsys.readouterr().out
    assert "25 %" not in said
    assert "75 %" in said
