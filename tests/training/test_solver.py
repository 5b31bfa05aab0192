"""The solver: each problem alone, whatever the others are."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from dahlia.training.optimisation import minimise


def solve(matrices: Tensor, centres: Tensor, iterations: int = 100) -> Tensor:
    def objective(point: Tensor) -> tuple[Tensor, Tensor]:
        away = point - centres
        gradient = torch.einsum("pij,pj->pi", matrices, away)
        return (gradient * away).sum(1) / 2 + 1, gradient

    return minimise(
        objective, torch.zeros_like(centres), max_iterations=iterations, tolerance=1e-6, least_gain=0
    )


def bowls(count: int, size: int, spread: float) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    roots = torch.randn(count, size, size, generator=generator, dtype=torch.float64)
    scales = torch.logspace(0, spread, size, dtype=torch.float64)
    matrices = torch.einsum("pij,j,pkj->pik", roots, scales, roots) / size
    eye = torch.eye(size, dtype=torch.float64)
    return matrices + 0.1 * eye, torch.randn(count, size, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("spread", [0.0, 1.0, 2.0])
def test_the_minimum_is_found(spread: float) -> None:
    matrices, centres = bowls(3, 6, spread)
    torch.testing.assert_close(solve(matrices, centres, 400), centres, atol=1e-4, rtol=0)


@pytest.mark.portable
def test_a_problem_is_not_touched_by_its_neighbours() -> None:
    matrices, centres = bowls(4, 5, 1.0)
    before = solve(matrices, centres, 7)
    centres[1:] *= 100
    matrices[2] *= 30
    after = solve(matrices, centres, 7)
    assert torch.equal(after[0], before[0])
    assert not torch.equal(after[1:], before[1:])


def test_a_problem_that_starts_solved_stays() -> None:
    matrices, centres = bowls(2, 4, 0.0)
    centres[0] = 0
    assert torch.equal(solve(matrices, centres)[0], torch.zeros(4, dtype=torch.float64))


def test_no_step_is_taken_beyond_the_limit() -> None:
    matrices, centres = bowls(2, 4, 2.0)
    assert torch.equal(solve(matrices, centres, 0), torch.zeros_like(centres))


def test_a_step_that_overshoots_is_halved() -> None:
    def steep(point: Tensor) -> tuple[Tensor, Tensor]:
        return (20 * point.square()).sum(1), 40 * point

    found = minimise(steep, torch.ones(1, 1), max_iterations=50, tolerance=1e-6, least_gain=0)
    assert found.abs().max() < 1e-5
