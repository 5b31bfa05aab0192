"""What differs between two recorded runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from dahlia.tracking.evidence import TAG_METRICS

if TYPE_CHECKING:
    from mlflow.entities import Run


@dataclass(frozen=True)
class Row:
    """One line of a comparison.

    Attributes:
        kind: a parameter that differs, a metric, or a metric of one tag.
        name: the parameter's key, the metric's name, or `tag/metric`.
        first: the first iteration's value; None where it has none.
        second: the second iteration's value; None where it has none.
        difference: second minus first, for numbers that both have.
    """

    kind: Literal["parameter", "metric", "tag"]
    name: str
    first: str | float | None
    second: str | float | None
    difference: float | None = None


def compare_runs(first: Run, second: Run) -> list[Row]:
    """Parameters that differ, then all metrics, then each tag's metrics, each sorted by name."""
    parameters = [
        Row("parameter", key, first.data.params.get(key), second.data.params.get(key))
        for key in sorted({*first.data.params, *second.data.params})
        if first.data.params.get(key) != second.data.params.get(key)
    ]
    metrics = [
        _metric_row(key, first.data.metrics.get(key), second.data.metrics.get(key))
        for key in sorted({*first.data.metrics, *second.data.metrics})
    ]
    return parameters + sorted(metrics, key=lambda row: row.kind)


def _metric_row(key: str, first: float | None, second: float | None) -> Row:
    difference = None if first is None or second is None else second - first
    if key.startswith(TAG_METRICS):
        return Row("tag", key.removeprefix(TAG_METRICS), first, second, difference)
    return Row("metric", key, first, second, difference)
