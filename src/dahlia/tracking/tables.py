"""Iterations for people: tables, comparisons, and the note in Markdown that MLflow shows."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from dahlia.modeling.card import BackboneCard
from dahlia.tracking.evidence import TAG_METRICS, Evidence
from dahlia.tracking.iteration import Iteration

if TYPE_CHECKING:
    from mlflow.entities import Run
    from rich.table import Table


HEADLINE = ("accuracy", "new_scenes_accuracy", "ap", "map50", "map")
_EXPECTED = {
    "Expected to be right": {"accuracy": "photos like these", "new_scenes_accuracy": "photos of new scenes"},
    "Expected mean average precision at an overlap of 0.5": {"map50": "photos like these"},
}
_TITLES = {"parameter": "Parameter", "metric": "Metric", "tag": "Tag"}


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


def iterations_table(iterations: Sequence[Iteration], metrics: Sequence[str] = HEADLINE) -> Table:
    """A row per iteration; `metrics` are those shown, where any iteration has them."""
    from rich.table import Table

    shown = [name for name in metrics if any(name in iteration.metrics for iteration in iterations)]
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False)
    for name in ("N", "Created", "Domain", "Images", *shown, "Commit", "Published as"):
        table.add_column(name, no_wrap=name not in ("Domain", "Published as"), overflow="fold")
    for iteration in iterations:
        table.add_row(
            str(iteration.number),
            iteration.created.astimezone().strftime("%Y-%m-%d %H:%M"),
            iteration.domain,
            str(iteration.images),
            *(_figure(iteration.metrics.get(name)) for name in shown),
            _commit(iteration),
            ", ".join(iteration.published),
        )
    return table


def comparison_table(rows: Sequence[Row], first: int, second: int) -> Table:
    """The rows of `Registry.compare`, with the difference where both have a number."""
    from rich.table import Table

    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    for name in ("", "", f"Iteration {first}", f"Iteration {second}", "Difference"):
        table.add_column(name, overflow="fold")
    kind = ""
    for row in rows:
        table.add_row(
            _TITLES[row.kind] if row.kind != kind else "",
            row.name,
            _figure(row.first),
            _figure(row.second),
            "" if row.difference is None else f"{row.difference:+.4g}",
        )
        kind = row.kind
    return table


def expected(iteration: Iteration) -> str:
    """What to expect of photos like these, and of those of new scenes: a sentence, or empty."""
    told = [
        f"{what}: {'; '.join(figures)}."
        for what, metrics in _EXPECTED.items()
        if (
            figures := [
                f"{photos} {_range(iteration.metrics, metric)}"
                for metric, photos in metrics.items()
                if metric in iteration.metrics
            ]
        )
    ]
    return " ".join(told)


def _range(metrics: Mapping[str, float], metric: str) -> str:
    """`94 % [87, 97]`: rounded outwards; what is nearly perfect is not perfect."""
    low, high = metrics.get(f"{metric}_low"), metrics.get(f"{metric}_high")
    share = metrics[metric]
    value = f"{100 * min(share, 0.999):.1f} %" if 0.995 <= share < 1 else f"{100 * share:.0f} %"
    if low is None or high is None:
        return value
    return f"{value} [{math.floor(100 * low + 1e-6)}, {math.ceil(100 * high - 1e-6)}]"


def _figure(value: str | float | None) -> str:
    if value is None:
        return "–"
    return value if isinstance(value, str) else f"{value:.4g}"


def _commit(iteration: Iteration) -> str:
    if not iteration.git_revision:
        return ""
    return iteration.git_revision[:8] + ("+" if iteration.git_dirty else "")


def note(evidence: Evidence, number: int) -> str:
    """A summary of the iteration: what it is, its figures, and each tag's average precision."""
    card = evidence.card
    lines = [
        f"## {card.project}, iteration {number}",
        "",
        f"{card.domain}, {card.classification}, trained on {card.training.images} images by the "
        f"{card.training.recipe} recipe, from a {card.backbone.architecture} with weights "
        f"{_weights(card.backbone)}. The figures come from images that the scored model did not see.",
        "",
        "| figure | value |",
        "| --- | ---: |",
        *(
            f"| {_cell(name)} | {value:.4g} |"
            for name, value in sorted(evidence.metrics.items())
            if not name.startswith(TAG_METRICS)
        ),
        "",
        "| tag | average precision |",
        "| --- | ---: |",
        *(f"| {_cell(tag)} | {value:.4g} |" for tag, value in _average_precisions(evidence)),
        "",
        "Files of the run: `bundle/` is the trained network, `reports/` the evaluation, `exports/` the other "
        "exports. The model that predicts is the run's logged model, which `mlflow.pyfunc` loads.",
    ]
    return "\n".join(lines) + "\n"


def _weights(backbone: BackboneCard) -> str:
    if not backbone.source:
        return backbone.weights
    return f"{backbone.start} ({backbone.reason})"


def _average_precisions(evidence: Evidence) -> list[tuple[str, float]]:
    ending = "/ap"
    return [
        (key.removeprefix(TAG_METRICS).removesuffix(ending), value)
        for key, value in sorted(evidence.metrics.items())
        if key.startswith(TAG_METRICS) and key.endswith(ending)
    ]


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
