"""The scenes of the photos as the report shows them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dahlia.evaluation.figures import Evaluation, SceneTag
from dahlia.evaluation.summary import rate_range
from dahlia.modeling.predictions import ClassPredictions

MOST_TAGS = 12
MOST_SCENES = 12


@dataclass(frozen=True)
class Scene:
    """One scene: an example's image, how many photos are of it, and their tags."""

    image: str
    photos: int
    tags: tuple[str, ...]


@dataclass(frozen=True)
class ScenesView:
    """What the header and the section of scenes show.

    Attributes:
        measured: whether the figure differs from that of photos like these.
        lead: what follows the interval of photos like these.
        notes: which figure to expect when, and what neither covers.
        tags: those whose photos share most, first.
        hidden: tags that are left out.
        largest: the scenes of most photos; none of a single one.
    """

    measured: bool
    lead: str
    notes: list[str]
    tags: list[SceneTag]
    hidden: int
    largest: list[Scene]


def scenes_view(evaluation: Evaluation, predictions: ClassPredictions) -> ScenesView | None:
    """None where training looked for no scenes."""
    figures, held_out = evaluation.new_scenes, predictions.held_out.by_id()
    if figures is None or held_out.new_scenes is None:
        return None
    measured = figures.accuracy.value is not None and figures.shared > 0
    lead = f" for photos like these, and between {rate_range(figures.accuracy)} for photos of new scenes"
    tags = sorted(figures.tags, key=lambda tag: tag.scenes / max(1, tag.images))
    return ScenesView(
        measured=measured,
        lead=lead if measured else "",
        notes=list(figures.sentences[1:] if measured else figures.sentences),
        tags=tags[:MOST_TAGS],
        hidden=len(tags) - len(tags[:MOST_TAGS]),
        largest=_largest(held_out),
    )


def _largest(held_out: ClassPredictions) -> list[Scene]:
    assert held_out.new_scenes is not None
    scene, tags = held_out.new_scenes.scene, np.array(held_out.tags)
    numbers, first, counts = np.unique(scene, return_index=True, return_counts=True)
    order = sorted(range(len(numbers)), key=lambda at: (-counts[at], first[at]))
    return [
        Scene(
            image=held_out.ids[first[at]],
            photos=int(counts[at]),
            tags=tuple(tags[held_out.truth[scene == numbers[at]].any(0)].tolist()),
        )
        for at in order[:MOST_SCENES]
        if counts[at] > 1
    ]
