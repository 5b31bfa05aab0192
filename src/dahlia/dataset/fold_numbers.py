"""How many folds there are, and what their numbers say.

Of 20 folds, fold n is a part of fold n % 10 of 10, which is a part of fold n % 5 of 5. So a project whose
photos become more, and need fewer folds, merges them: no image changes its place.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from dahlia.dataset.manifest import TEST_FOLD

FEWEST = 5
LEVELS = (FEWEST, 10, 20)
_MORE = 10
_MOST_IMAGES, _MOST_OF_A_TAG = 200, 50  # from there on a tenth is no better than a fifth, and heads cost more


def automatic(images: int, rarest: int) -> int:
    """What `split.folds: auto` means: 10 where photos are few, but at least 10 of each tag; else 5.

    A fold must take the same share of every tag. Where it takes one of a tag's few photos and none of
    another's, the model that judges the photo knows less of its tag than of the others, and is wrong more
    often than the final one: leave-one-out is the worst of all.

    Args:
        images: for training.
        rarest: how many different ones have the rarest tag.
    """
    few = images <= _MOST_IMAGES and rarest < _MOST_OF_A_TAG
    return _MORE if few and rarest >= _MORE else FEWEST


def merged(folds: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
    """The folds (N,) as at most five, which are unions of them."""
    return folds if len(np.unique(folds)) <= FEWEST else np.asarray(folds % FEWEST, np.int32)


def recalled(previous: Mapping[str, int], folds: int) -> tuple[dict[str, int], int]:
    """What an earlier division says of one into `folds`.

    Args:
        previous: the fold of each image; test images are left out.
        folds: that are to be made.

    Returns:
        The fold of each image in a division into so many as the second number says, each of which is a union
        of the new folds or one of them; nothing and 0 where the two have nothing in common.
    """
    numbers = {name: fold for name, fold in previous.items() if fold != TEST_FOLD}
    made = max(numbers.values(), default=-1) + 1
    if made != folds and (folds not in LEVELS or made < FEWEST):
        return {}, 0
    level = folds if made == folds else min(folds, next(each for each in LEVELS if each >= made))
    return {name: fold % level for name, fold in numbers.items()}, level
