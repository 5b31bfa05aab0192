from __future__ import annotations

from typing import Any

import pytest

from dahlia.project import shipped_domains
from dahlia.server.workspaces.progress import estimate_seconds, stage_seconds


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


def detector(photos: int, domain: str, recipe: str = "quick", minutes: float | None = None) -> float:
    return estimate_seconds(photos, 2, recipe, minutes, warm=True, domain=shipped_domains()[domain])  # type: ignore[arg-type]


def test_detectors_take_minutes() -> None:
    assert 90 < detector(60, "detection_general_compact") < 200  # 140 seconds on two free cores
    assert detector(60, "detection_general_compact") > 10 * estimate_seconds(60, 2, "quick", None, warm=True)


@pytest.mark.parametrize(
    ("less", "more"),
    [
        ((60, "detection_general_compact"), (600, "detection_general_compact")),
        ((1000, "detection_general_compact"), (5000, "detection_general_compact")),
        ((60, "detection_general"), (60, "detection_general_a1")),
        ((60, "detection_general_compact"), (60, "detection_products_on_shelves")),
        ((60, "detection_general"), (60, "detection_general", "advanced", 60.0)),
    ],
)
def test_estimates_of_detectors_grow(less: tuple[Any, ...], more: tuple[Any, ...]) -> None:
    assert 0 < detector(*less) < detector(*more)
