"""Would more photos help a detector: two sizes of the training set are compared, and told with care.

Every size is judged on the same held-out photos, so the difference is sharper than two intervals; but each
size is trained once, and another order of steps alone moves the figure by some points. So a gain is only
called likely from `CLEAR` on, and only `LITTLE` is called little.
"""

from __future__ import annotations

from collections.abc import Sequence

from dahlia.evaluation.detection.figures import BoxLearning, BoxLearningPoint

CLEAR, LITTLE = 0.05, 0.02
_HALF = 0.75  # a point with more photos than this share says nothing of doubling


def box_learning(points: Sequence[tuple[float, float]]) -> BoxLearning | None:
    """The points and the verdict; None for fewer than two points.

    Args:
        points: photos learned from and mean average precision at an overlap of 0.5, by rising photos.
    """
    if len(points) < 2:
        return None
    photos, last = points[-1]
    fewer = [point for point in points[:-1] if point[0] <= _HALF * photos] or list(points[:1])
    before, first = fewer[-1]
    return BoxLearning(
        points=tuple(BoxLearningPoint(images=each, map50=value) for each, value in points),
        gain=last - first,
        sentence=_sentence(before, first, photos, last),
    )


def _sentence(before: float, first: float, photos: float, last: float) -> str:
    path = (
        f"mean average precision was {first:.2f} after learning from {before:.0f} photos, "
        f"{last:.2f} after {photos:.0f}"
    )
    if last - first >= CLEAR:
        return f"More photos would likely help: {path}."
    if abs(last - first) <= LITTLE:
        return f"More photos of the same kind would change little: {path}."
    return f"Whether more photos would help is unknown: {path}, and chance could explain that."
