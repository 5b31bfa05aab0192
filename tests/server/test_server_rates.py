from __future__ import annotations

import pytest

from dahlia.server.contract.errors import GatewayError
from dahlia.server.keys.rates import Rates


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def admitted(rates: Rates, calls: int, per_second: float, key: str = "a", kind: str = "calls") -> int:
    count = 0
    for _ in range(calls):
        try:
            rates.take(key, kind, per_second)
            count += 1
        except GatewayError:
            pass
    return count


@pytest.mark.parametrize(
    ("per_second", "first", "after_half", "after_long"), [(10, 10, 5, 10), (2, 2, 1, 2), (1, 1, 0, 1)]
)
def test_a_seconds_worth_at_once_then_as_time_goes_by(
    per_second: float, first: int, after_half: int, after_long: int
) -> None:
    clock = Clock()
    rates = Rates(clock)
    assert admitted(rates, 50, per_second) == first
    clock.now += 0.5
    assert admitted(rates, 50, per_second) == after_half
    clock.now += 3600
    assert admitted(rates, 50, per_second) == after_long


def test_keys_and_kinds_are_counted_apart() -> None:
    rates = Rates(Clock())
    assert admitted(rates, 5, 2) == 2
    assert admitted(rates, 5, 2, key="b") == 2
    assert admitted(rates, 5, 2, kind="train_project") == 2


def test_zero_is_no_limit() -> None:
    assert admitted(Rates(Clock()), 1000, 0) == 1000


def test_the_refusal_says_when_to_ask_again() -> None:
    rates = Rates(Clock())
    rates.take("a", "train_project", 1)
    with pytest.raises(GatewayError, match="retry after 1 second") as refusal:
        rates.take("a", "train_project", 1)
    assert (refusal.value.status, refusal.value.retry_after) == (429, 1)
