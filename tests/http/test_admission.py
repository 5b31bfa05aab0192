from __future__ import annotations

from collections import deque
from contextlib import ExitStack

import pytest
from starlette.datastructures import Headers

from dahlia.errors import ServiceError
from dahlia.http.admission import FEW, Admission

MOST = 64


class Clock:
    """Stands still until it is told to go on."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(
    ("each", "admitted"), [(0.001, MOST), (0.012, MOST), (0.025, 41), (0.05, 21), (0.2, FEW), (5.0, FEW)]
)
def test_a_slow_model_has_fewer_places(each: float, admitted: int) -> None:
    clock = Clock()
    admission = Admission(None, MOST, clock=clock)
    for _ in range(100):
        _predict(admission, clock, each)
    assert _places(admission) == admitted


def test_at_first_all_places_are_there() -> None:
    assert _places(Admission(None, MOST, clock=Clock())) == MOST


def test_a_model_that_is_being_loaded_is_not_slow() -> None:
    clock = Clock()
    admission = Admission(None, MOST, clock=clock)
    with ExitStack() as stack:
        for _ in range(32):
            stack.enter_context(admission.prediction())
        clock.now += 2.0
    assert _places(admission) == MOST


def test_few_places_stay_few() -> None:
    assert _places(Admission(None, 2, clock=Clock())) == 2


def test_a_model_that_is_fast_again_gets_its_places_back() -> None:
    clock = Clock()
    admission = Admission(None, MOST, clock=clock)
    for each in (1.0, 0.01):
        for _ in range(100):
            _predict(admission, clock, each)
    assert _places(admission) == MOST


def test_those_that_wait_count_for_the_time_of_one() -> None:
    """One is through every 10 ms, and each was 160 ms under way: it is the 10 that count."""
    clock = Clock()
    admission = Admission(None, MOST, clock=clock)
    waiting = deque[ExitStack]()
    for _ in range(500):
        waiting.append(ExitStack())
        waiting[-1].enter_context(admission.prediction())
        if len(waiting) == 16:
            clock.now += 0.01
            waiting.popleft().close()
    while waiting:
        waiting.popleft().close()
    assert _places(admission) == MOST


def test_too_many_are_refused_before_the_body_is_read() -> None:
    clock = Clock()
    admission = Admission(None, MOST, clock=clock)
    for _ in range(100):
        _predict(admission, clock, 1.0)
    with ExitStack() as stack:
        for _ in range(FEW):
            admission.enter(Headers({}))
            stack.enter_context(admission.prediction())
        with pytest.raises(ServiceError, match="More predictions"):
            admission.enter(Headers({}))


def _predict(admission: Admission, clock: Clock, seconds: float) -> None:
    with admission.prediction():
        clock.now += seconds


def _places(admission: Admission) -> int:
    """How many predictions may be under way at once; leaves none."""
    with ExitStack() as stack:
        for count in range(MOST + 1):
            try:
                stack.enter_context(admission.prediction())
            except ServiceError:
                return count
    raise AssertionError("no end")


@pytest.mark.parametrize("key", ["a-Secret", "schlüssel", "🌼", "\udcff\udcfe"])
def test_a_key_is_compared_as_the_bytes_that_it_is(key: str) -> None:
    admission = Admission(key, MOST)
    sent = key.encode("utf-8", "surrogateescape").decode("latin-1")  # as headers come
    admission.enter(Headers({"prediction-key": sent}))
    for wrong in ("", sent[:-1], sent + "x", sent[::-1] + "x", "\xff" * 100, "a" * 60_000):
        with pytest.raises(ServiceError) as refused:
            admission.enter(Headers({"prediction-key": wrong}))
        assert refused.value.status == 401
