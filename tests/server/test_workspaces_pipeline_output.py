from __future__ import annotations

import pytest

from dahlia.server.workspaces.progress import ProgressTracker, reason

EXPECTED = {"ingest": 1.0, "train": 8.0, "export": 1.0}

PLACE = "/srv/workspaces/garden"
BEFORE = "Running stage 'ingest':\n> python -m dahlia stage ingest\nValueError: of an earlier stage\n\n"
STAGE = "Running stage 'train':\n> python -m dahlia stage train\ntrain: words\n"
FAILED = "ERROR: failed to reproduce 'train': failed to run: python -m dahlia stage train, exited with "
TRACEBACK = 'Traceback (most recent call last):\n  File "/x.py", line 1, in f\n'


class _Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_progress_follows_the_stages() -> None:
    clock = _Clock()
    tracker = ProgressTracker(EXPECTED, clock)
    assert (tracker.progress.stage, tracker.progress.fraction) == ("", 0.0)
    tracker.hear("Stage 'ingest' didn't change, skipping")
    assert (tracker.progress.stage, tracker.progress.done) == ("", 1)
    tracker.hear("Running stage 'train':")
    clock.now = 4.0
    tracker.hear("")
    now = tracker.progress
    assert (now.stage, now.done, now.count, now.line) == ("train", 1, 3, "Running stage 'train':")
    assert now.fraction == pytest.approx(0.5)
    assert now.seconds_left == pytest.approx(5.0)
    clock.now = 400.0
    assert tracker.progress.fraction == pytest.approx(0.1 + 0.95 * 0.8)
    assert tracker.progress.seconds_left is None
    tracker.hear("Running stage 'export@onnx':")
    assert (tracker.progress.stage, tracker.progress.done) == ("export", 2)
    assert tracker.progress.seconds_left == pytest.approx(1.0)
    tracker.finish()
    assert (tracker.progress.fraction, tracker.progress.seconds_left, tracker.progress.done) == (1.0, 0.0, 3)


def test_a_training_that_is_slower_than_was_thought_says_so() -> None:
    clock = _Clock()
    tracker = ProgressTracker(EXPECTED, clock)
    tracker.hear("Stage 'ingest' didn't change, skipping")
    tracker.hear("Running stage 'train':")
    clock.now = 6.0
    before = tracker.progress
    tracker.hear("train: quick, 25 % of the steps, about 20 s left")
    after = tracker.progress
    assert (before.seconds_left, after.seconds_left) == (pytest.approx(3.0), pytest.approx(21.0))
    assert after.fraction == before.fraction  # nobody sees it go back
    clock.now = 16.0
    tracker.hear("train: quick, 75 % of the steps, about 4 s left")
    assert tracker.progress.seconds_left == pytest.approx(11.0)  # what was told first stays: more may follow
    clock.now = 24.0
    assert tracker.progress.fraction > before.fraction


def test_progress_never_goes_back() -> None:
    clock = _Clock()
    tracker = ProgressTracker(EXPECTED, clock)
    seen = []
    lines = (
        "Running stage 'ingest':",
        "Updating lock file 'dvc.lock'",
        "Stage 'train' is cached - skipping run, checking out outputs",
        "Running stage 'export@onnx':",
        "Running stage 'unheard-of':",
    )
    for line in lines:
        tracker.hear(line)
        for _ in range(3):
            clock.now += 0.6
            seen.append(tracker.progress.fraction)
    assert seen == sorted(seen)
    assert seen[-1] <= 1


@pytest.mark.parametrize(
    ("printed", "expected"),
    [
        (
            "ValidationError: The dataset has 1 error.\ntoo-few-tags: expected at least 2 tags.\n"
            f"  1: “daffodil”\nAll findings: reports/validation.html\n{FAILED}2",
            "The dataset has 1 error.\ntoo-few-tags: expected at least 2 tags.\n  1: “daffodil”",
        ),
        (
            f"WeightsError: {PLACE}/models/a.safetensors was expected.\n{FAILED}1",
            "models/a.safetensors was expected.",
        ),
        (f"DahliaError: {PLACE} could not be written.\n{FAILED}1", "the workspace could not be written."),
        (
            f"{TRACEBACK}dahlia.errors.TrainingError: Too few photos. Add some.\n{FAILED}1",
            "Too few photos. Add some.",
        ),
        (
            f"Out of memory. Close other programs, or lower `training.batch_size`.\n{FAILED}1",
            "Out of memory. Close other programs, or lower `training.batch_size`.",
        ),
        (
            f"{FAILED}-9",
            "The stage train was killed by the system, which happens where memory runs out. Give the worker "
            "more memory or let fewer trainings run at once, then train again.",
        ),
        (
            f"{TRACEBACK}torch.OutOfMemoryError: tried to allocate {PLACE}\n{FAILED}1",
            "The stage train failed unexpectedly (OutOfMemoryError: tried to allocate the workspace). Train "
            "again; if it fails again, the worker's log has the details.",
        ),
        (
            "ERROR: unexpected error - [Errno 28] No space left on device",
            "The pipeline could not run (unexpected error - [Errno 28] No space left on device). Train "
            "again; if it fails again, see the worker's log.",
        ),
    ],
)
def test_reasons(printed: str, expected: str) -> None:
    assert reason((BEFORE + STAGE + printed).splitlines(), PLACE) == expected


@pytest.mark.parametrize(
    ("printed", "expected"),
    [("", "it printed nothing"), ("sh: dvc: not found\n\n", "sh: dvc: not found")],
)
def test_a_pipeline_that_never_began(printed: str, expected: str) -> None:
    assert expected in reason(printed.splitlines(), PLACE)
