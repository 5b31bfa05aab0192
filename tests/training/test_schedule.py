from __future__ import annotations

import pytest

from dahlia.training.optimisation import averaged_share, rate_factor


@pytest.mark.parametrize(
    ("step", "steps", "expected"),
    [(0, 100, 0.1), (9, 100, 1.0), (10, 100, 1.0), (55, 100, 0.5), (100, 100, 0.0), (150, 100, 0.0)],
)
def test_warm_up_then_cosine(step: int, steps: int, expected: float) -> None:
    assert rate_factor(step, steps, 0.1) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("steps", [1, 2, 7])
def test_short_schedules_learn(steps: int) -> None:
    factors = [rate_factor(step, steps, 0.1) for step in range(steps)]
    assert all(0 < factor <= 1 for factor in factors)


def test_warm_up_may_be_short() -> None:
    assert [rate_factor(step, 100, 0.02) for step in range(3)] == [0.5, 1.0, 1.0]


def test_an_average_starts_where_the_weights_are_and_slows_down() -> None:
    shares = [averaged_share(step, 0.99) for step in range(2000)]
    assert shares[0] == pytest.approx(0.9)
    assert shares == sorted(shares, reverse=True)
    assert shares[-1] == pytest.approx(0.01)
