"""What publishing says of the iteration."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from dahlia.tracking.iteration import Iteration
from dahlia.tracking.tables import expected, iterations_table

LIKE = {"accuracy": 0.9444, "accuracy_low": 0.871, "accuracy_high": 0.978}
NEW = {
    "new_scenes_accuracy": 0.85,
    "new_scenes_accuracy_low": 0.76,
    "new_scenes_accuracy_high": 0.913,
}


def iteration(metrics: dict[str, float]) -> Iteration:
    return Iteration(
        1, "", "", datetime(2026, 1, 1, tzinfo=UTC), "Completed", metrics, "", "", 1, None, False, "", ()
    )


@pytest.mark.parametrize(
    ("metrics", "said"),
    [
        (
            LIKE | NEW,
            "Expected to be right: photos like these 94 % [87, 98]; photos of new scenes 85 % [76, 92].",
        ),
        (LIKE, "Expected to be right: photos like these 94 % [87, 98]."),
        ({"accuracy": 1.0}, "Expected to be right: photos like these 100 %."),
        ({"accuracy": 0.9996}, "Expected to be right: photos like these 99.9 %."),
        (
            {"map50": 0.8333, "map50_low": 0.6912, "map50_high": 0.941, "map": 0.5},
            "Expected mean average precision at an overlap of 0.5: photos like these 83 % [69, 95].",
        ),
        ({}, ""),
    ],
)
def test_what_is_expected(metrics: dict[str, float], said: str) -> None:
    assert expected(iteration(metrics)) == said


def test_the_list_of_iterations_has_a_column_where_one_has_the_figure() -> None:
    headers = [
        [column.header for column in iterations_table([iteration(metrics)]).columns]
        for metrics in (LIKE, LIKE | NEW)
    ]
    assert "new_scenes_accuracy" not in headers[0]
    assert "new_scenes_accuracy" in headers[1]


def test_the_list_of_iterations_shows_the_figures_of_detectors() -> None:
    table = iterations_table([iteration({"map50": 0.83, "map": 0.5, "precision": 0.9})])
    assert [column.header for column in table.columns][4:6] == ["map50", "map"]
