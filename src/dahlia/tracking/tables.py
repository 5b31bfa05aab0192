"""Iterations and comparisons as tables for the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from dahlia.tracking.comparison import Row
from dahlia.tracking.iteration import Iteration

if TYPE_CHECKING:
    from rich.table import Table

HEADLINE = ("accuracy", "ap")
_TITLES = {"parameter": "Parameter", "metric": "Metric", "tag": "Tag"}


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


def _figure(value: str | float | None) -> str:
    if value is None:
        return "–"
    return value if isinstance(value, str) else f"{value:.4g}"


def _commit(iteration: Iteration) -> str:
    if not iteration.git_revision:
        return ""
    return iteration.git_revision[:8] + ("+" if iteration.git_dirty else "")
