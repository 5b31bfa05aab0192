"""How long a training will take, roughly: figures of two cores of a server of 2026."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Recipe = Literal["quick", "advanced"]

_BUDGET_MINUTES = 5.0  # what conf/training/advanced.yaml ships
# Fine-tuning at its longest: a photo is drawn in four of five folds and for the final model, in each epoch.
_DRAWS = 5 * 20
_DRAW_SECONDS = 0.2  # measured with both cores in use by others too
_PREPARING_SECONDS = 30.0


@dataclass(frozen=True)
class _Cost:
    """Seconds of a stage: in new processes, in ones that have imported everything, and for each photo."""

    cold: float
    warm: float
    photo: float = 0.0
    photo_and_tag: float = 0.0
    new_photo: float = 0.0
    first: float = 0.0


_COSTS = {
    "ingest": _Cost(1.3, 0.7, photo=0.0015),
    "validate": _Cost(0.8, 0.3),
    "split": _Cost(0.7, 0.3),
    "train": _Cost(4.0, 1.2, photo=0.0055, photo_and_tag=0.0008, new_photo=0.018),
    "evaluate": _Cost(1.6, 0.6),
    "export": _Cost(1.4, 0.8),
    "track": _Cost(2.1, 0.7, first=1.3),
}


def estimate_seconds(
    photos: int,
    tags: int,
    recipe: Recipe,
    budget_minutes: float | None,
    *,
    warm: bool,
    new: int | None = None,
) -> float:
    """Seconds from the start of the pipeline to its end.

    Args:
        photos: tagged ones.
        tags: that they have.
        recipe: quick, or advanced, which takes at most its budget, and at most all its epochs: mostly less.
        budget_minutes: of the advanced recipe; None: what is shipped.
        warm: whether processes start with everything imported.
        new: photos that the workspace has not been trained on; None: all.
    """
    return sum(stage_seconds(photos, tags, recipe, budget_minutes, warm=warm, new=new).values())


def stage_seconds(
    photos: int,
    tags: int,
    recipe: Recipe,
    budget_minutes: float | None,
    *,
    warm: bool,
    new: int | None = None,
) -> dict[str, float]:
    """Seconds of each stage, in the pipeline's order; see `estimate_seconds`."""
    unseen = photos if new is None else new
    seconds = {
        stage: (cost.warm if warm else cost.cold)
        + photos * (cost.photo + tags * cost.photo_and_tag)
        + unseen * cost.new_photo
        + (cost.first if unseen == photos else 0.0)
        for stage, cost in _COSTS.items()
    }
    if recipe == "advanced":
        budget = 60 * (_BUDGET_MINUTES if budget_minutes is None else budget_minutes)
        seconds["train"] += min(budget, _PREPARING_SECONDS + photos * _DRAWS * _DRAW_SECONDS)
    return seconds
