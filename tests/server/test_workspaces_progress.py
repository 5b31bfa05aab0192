from __future__ import annotations

import pytest

from dahlia.server.workspaces import estimate_seconds, stage_seconds
from dahlia.server.workspaces.progress import Course

EXPECTED = {"ingest": 1.0, "train": 8.0, "export": 1.0}


class _Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_course() -> None:
    clock = _Clock()
    course = Course(EXPECTED, clock)
    assert (course.progress.stage, course.progress.fraction) == ("", 0.0)
    course.hear("Stage 'ingest' didn't change, skipping")
    assert (course.progress.stage, course.progress.done) == ("", 1)
    course.hear("Running stage 'train':")
    clock.now = 4.0
    course.hear("")
    now = course.progress
    assert (now.stage, now.done, now.count, now.line) == ("train", 1, 3, "Running stage 'train':")
    assert now.fraction == pytest.approx(0.5)
    assert now.seconds_left == pytest.approx(5.0)
    clock.now = 400.0
    assert course.progress.fraction == pytest.approx(0.1 + 0.95 * 0.8)
    assert course.progress.seconds_left is None
    course.hear("Running stage 'export@onnx':")
    assert (course.progress.stage, course.progress.done) == ("export", 2)
    assert course.progress.seconds_left == pytest.approx(1.0)
    course.finish()
    assert (course.progress.fraction, course.progress.seconds_left, course.progress.done) == (1.0, 0.0, 3)


def test_it_never_goes_back() -> None:
    clock = _Clock()
    course = Course(EXPECTED, clock)
    seen = []
    lines = (
        "Running stage 'ingest':",
        "Updating lock file 'dvc.lock'",
        "Stage 'train' is cached - skipping run, checking out outputs",
        "Running stage 'export@onnx':",
        "Running stage 'unheard-of':",
    )
    for line in lines:
        course.hear(line)
        for _ in range(3):
            clock.now += 0.6
            seen.append(course.progress.fraction)
    assert seen == sorted(seen)
    assert seen[-1] <= 1


@pytest.mark.parametrize(
    ("less", "more"),
    [
        ({}, {"photos": 1000, "new": 1000}),
        ({}, {"tags": 50}),
        ({"warm": True}, {}),
        ({"new": 10}, {}),
        ({"recipe": "advanced", "budget_minutes": 1}, {"recipe": "advanced", "budget_minutes": 2}),
        ({"recipe": "advanced", "budget_minutes": 1}, {"recipe": "advanced"}),
    ],
)
def test_estimates_grow(less: dict[str, object], more: dict[str, object]) -> None:
    def estimate(changes: dict[str, object]) -> float:
        given = {"photos": 100, "tags": 2, "recipe": "quick", "budget_minutes": None, "warm": False}
        return estimate_seconds(**(given | changes))  # type: ignore[arg-type]

    assert 0 < estimate(less) < estimate(more)


@pytest.mark.parametrize("hours", [1, 5])
def test_few_photos_do_not_use_a_long_budget_up(hours: int) -> None:
    seconds = estimate_seconds(16, 2, "advanced", 60.0 * hours, warm=False)
    assert 264 < seconds < 600  # one took 264 seconds on two busy cores
    assert estimate_seconds(100_000, 2, "advanced", 60.0 * hours, warm=False) > 3600 * hours


def test_an_estimate_is_the_sum_of_its_stages() -> None:
    stages = stage_seconds(100, 2, "quick", None, warm=True)
    assert list(stages) == ["ingest", "validate", "split", "train", "evaluate", "export", "track"]
    assert sum(stages.values()) == pytest.approx(estimate_seconds(100, 2, "quick", None, warm=True))
