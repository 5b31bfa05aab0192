from __future__ import annotations

import pytest

from dahlia.training.fine_tuning.progress import Budget, Pace, Timetable
from tuning_cases import Machine


def test_time_of_an_interrupted_run_counts() -> None:
    clock = Machine(now=50.0)
    budget = Budget(60, 20, clock)
    clock.now += 15
    assert (budget.spent, budget.left) == (35, 25)
    clock.now += 30
    assert budget.left == -5


TABLE = Timetable((80, 80, 80, 120))


@pytest.mark.parametrize(
    ("run", "done", "horizon", "seconds", "expected"),
    [
        (0, 0, 10, 360.0, 10),  # an epoch of all runs draws 360 photos, a second for ten
        (0, 0, 10, 359.9, 9),
        (0, 0, 10, 35.9, 0),
        (0, 4, 10, 280.0, 8),  # half of them: (8 - 4) * 80 + 8 * 280 = 2,560
        (0, 4, 10, 60.0, 2),  # this run has had more than the others can
        (2, 10, 10, 120.0, 10),
        (3, 0, 10, 60.0, 5),
        (3, 3, 10, 0.0, 3),  # what the final model has, it has
        (3, 0, 10, -1.0, 0),
        (0, 0, 0, 1000.0, 0),
    ],
)
def test_what_fits(run: int, done: int, horizon: int, seconds: float, expected: int) -> None:
    assert TABLE.affordable(run, done, horizon, seconds, pace=0.1) == expected


def test_pace_forgets() -> None:
    pace = Pace()
    for seconds in (100.0, 1.0, 1.0, 1.0):
        pace.add(seconds, 10)
    assert pace.value == pytest.approx(0.1)
    pace.add(7.0, 10)
    assert pace.value == pytest.approx(0.3)
