"""Which views a run looks at, in which order, and how fast it learns: all fixed before the first step."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from dahlia.boxes import Boxes

WARM_UP = 20  # steps
WITHOUT_MOSAICS = 0.15  # of the steps, the last ones: the model ends on photos as they are
FIXED_BOXES = 0.25  # of the steps, the first ones: until then places are not to be trusted
_MOST_EMPTY = 0.3  # of what is drawn: photos without boxes
_BALANCING = 0.5
_LOWEST_RATE = 0.05  # of the highest


def learning_rate(step: int, steps: int) -> float:
    """The share of the highest rate: a linear warm-up, then a cosine down to a twentieth."""
    if step < WARM_UP:
        return (step + 1) / WARM_UP
    done = (step - WARM_UP) / max(1, steps - WARM_UP)
    return _LOWEST_RATE + (1 - _LOWEST_RATE) * 0.5 * (1 + math.cos(math.pi * done))


def blend(step: int, steps: int) -> float:
    """How much the overlap of a fixed box counts in assignment, falling to 0 over the first quarter."""
    return max(0.0, 1 - step / (FIXED_BOXES * steps))


def ends_plain(step: int, steps: int) -> bool:
    """Whether a step is one of the last, in which photos are looked at as they are."""
    return step >= int(steps * (1 - WITHOUT_MOSAICS))


def photo_weights(truth: Sequence[Boxes], tags: int) -> npt.NDArray[np.float64]:
    """How often each of N photos is drawn; the mean is 1.

    A photo with a tag that few photos have is drawn (mean / count) ** 0.5 times as often, as LVIS does it;
    photos without boxes make up at most three of ten draws.
    """
    counts = np.array([sum(bool((boxes.tags == tag).any()) for boxes in truth) for tag in range(tags)])
    mean = counts[counts > 0].mean() if counts.any() else 1.0
    factors = np.maximum(1.0, (mean / np.maximum(counts, 1)) ** _BALANCING)
    weights = np.array([factors[boxes.tags].max() if len(boxes) else 1.0 for boxes in truth])
    empty = np.array([len(boxes) == 0 for boxes in truth])
    if empty.any() and not empty.all():
        most = _MOST_EMPTY / (1 - _MOST_EMPTY) * weights[~empty].sum()
        weights[empty] = min(1.0, most / empty.sum())
    normalised: npt.NDArray[np.float64] = weights / weights.mean()
    return normalised


def draws(
    weights: npt.NDArray[np.float64], mosaics: Sequence[bool], *, steps: int, batch_size: int, seed: int
) -> npt.NDArray[np.int64]:
    """What each step looks at.

    Photos come in rounds, each in a random order and about as often as its weight says; each time a photo
    comes in another of its views, until it was seen in all.

    Args:
        weights: (N,) of the photos, mean 1.
        mosaics: which of the V views are mosaics.
        steps: of the run.
        batch_size: views per step.
        seed: of the order.

    Returns:
        (steps, batch_size, 2) the number of a photo and of a view.
    """
    rng = np.random.default_rng(seed)
    needed = steps * batch_size
    photos: list[int] = []
    while len(photos) < needed:
        often = np.floor(weights + rng.random(len(weights))).astype(int)
        photos += rng.permutation(np.repeat(np.arange(len(weights)), often)).tolist()
    last = int(steps * (1 - WITHOUT_MOSAICS)) * batch_size
    plain = [number for number, is_mosaic in enumerate(mosaics) if not is_mosaic]
    early, late = list(range(len(mosaics))), plain or list(range(len(mosaics)))
    left: dict[tuple[int, bool], list[int]] = {}
    found = np.empty((needed, 2), np.int64)
    for place, photo in enumerate(photos[:needed]):
        key = (photo, place >= last)
        if not left.get(key):
            left[key] = rng.permutation(late if key[1] else early).tolist()
        found[place] = photo, left[key].pop()
    return found.reshape(steps, batch_size, 2)
