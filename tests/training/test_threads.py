"""Threads that compute apart: the same bits for any number, and torch's own number afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Event

import pytest
import torch

from dahlia.training import threads
from dahlia.training.heads import HeadProblems, Heads, fit_heads
from dahlia.training.threads import in_threads, one_thread


@pytest.fixture(autouse=True)
def three_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


def test_threads_are_bounded_by_cores_and_by_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    for cores, expected in ((1, 1), (2, 2), (8, 3)):
        monkeypatch.setattr(threads, "usable_cores", lambda cores=cores: cores)
        assert threads.thread_count() == expected


def test_in_threads_gives_in_order_and_not_much_ahead() -> None:
    made: list[int] = []

    def make(number: int) -> int:
        made.append(number)
        return number

    found = in_threads(make, range(1000), workers=3)
    assert [next(found) for _ in range(5)] == [0, 1, 2, 3, 4]
    found.close()  # type: ignore[attr-defined]
    assert len(made) < 30
    assert list(in_threads(make, range(50), workers=3)) == list(range(50))


def test_torch_computes_alone_in_each_thread() -> None:
    assert list(in_threads(lambda _: torch.get_num_threads(), range(9), workers=3)) == [1] * 9


@pytest.mark.parametrize("workers", [1, 3])
def test_an_error_stops_what_has_begun(workers: int) -> None:
    stopped = Event()

    def make(number: int) -> int:
        if number == 2:
            raise ValueError("two")
        stopped.wait(0.01 * number)
        return number

    found = in_threads(make, range(40), workers, stopped)
    assert [next(found), next(found)] == [0, 1]
    with pytest.raises(ValueError, match="two"):
        next(found)
    assert stopped.is_set()


def test_one_thread_within() -> None:
    with one_thread():
        assert torch.get_num_threads() == 1
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
