"""Threads that compute apart: the same bits for any number, and torch's own number afterwards."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from dahlia.training.heads import HeadProblems, Heads, fit_heads
from dahlia.training.threads import in_threads, one_thread


@pytest.fixture(autouse=True)
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


def counting(part: int) -> Iterator[int]:
    for number in range(part):
        assert torch.get_num_threads() == 1
        yield 10 * part + number


def failing(part: int) -> Iterator[int]:
    yield part
    if part == 2:
        raise ValueError("two")


def test_results_are_in_the_order_of_the_parts() -> None:
    assert in_threads(counting, [3, 0, 1, 2, 1]) == [[30, 31, 32], [], [10], [20, 21], [10]]
    assert torch.get_num_threads() == 3


@pytest.mark.parametrize("parts", [[2], [1, 2, 3]], ids=["one", "several"])
def test_an_error_leaves_the_number_of_threads(parts: list[int]) -> None:
    with pytest.raises(ValueError, match="two"):
        in_threads(failing, parts)
    assert torch.get_num_threads() == 3


def test_one_thread_within() -> None:
    with one_thread() as before:
        assert (before, torch.get_num_threads()) == (3, 1)
    assert torch.get_num_threads() == 3


def fitted(photos: int, tags: int, threads: int) -> list[Heads]:
    generator = torch.Generator().manual_seed(0)
    tag = torch.arange(photos) % tags
    features = torch.randn(photos, 700, generator=generator) / 26 + torch.eye(tags, 700)[tag]
    folds = torch.arange(photos) // tags % 5
    rows = torch.stack([folds != number % 5 for number in range(18)])
    torch.set_num_threads(threads)
    return fit_heads(
        HeadProblems(features, torch.eye(tags)[tag], rows, "multiclass"), [1e-2, 1e-3], max_iterations=6
    )


@pytest.mark.parametrize(("photos", "tags"), [(60, 2), (600, 20)], ids=["small", "large"])
def test_heads_are_the_same_to_the_last_bit_with_any_number_of_threads(photos: int, tags: int) -> None:
    alone = fitted(photos, tags, 1)
    for number in (2, 4):
        for heads, same in zip(fitted(photos, tags, number), alone, strict=True):
            assert torch.equal(heads.weight, same.weight)
            assert torch.equal(heads.bias, same.bias)
