"""Folds for judging photos of new scenes: a scene is never in two folds.

Photos that are a scene by themselves stay in the fold that they have. So where no photos share a scene, these
are the folds of photos like these, and the figure is the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from dahlia.dataset.records import ImageRecord
from dahlia.dataset.splitting import assign_folds
from dahlia.errors import DatasetError

Folds = npt.NDArray[np.int32]


@dataclass(frozen=True)
class SceneFolds:
    """Where N photos are.

    Attributes:
        folds: (N,) from 0.
        judged: (N,) false for photos of a tag that has one scene only: without it, nothing shows the tag.
    """

    folds: Folds
    judged: npt.NDArray[np.bool_]


def scene_folds(
    records: Sequence[ImageRecord],
    truth: npt.NDArray[np.bool_],
    scenes: npt.NDArray[np.int64],
    folds: Folds,
    seed: int,
) -> SceneFolds | None:
    """Divide scenes into as many folds as there are, or as many as there are scenes where those are fewer.

    Args:
        records: N photos.
        truth: (N, K) bool, their tags.
        scenes: (N,) see `dahlia.training.scenes.find_scenes`.
        folds: (N,) those of photos like these.
        seed: decides where chance does.

    Returns:
        None where no division leaves every tag in the training part of each fold, or where fewer than two
        tags have several scenes.
    """
    lone = np.array([len(np.unique(scenes[column])) < 2 for column in truth.T], bool)
    if (~lone).sum() < min(2, truth.shape[1]):
        return None
    judged = np.ones(len(truth), bool)
    judged[truth[:, lone].any(1)] = False
    units = np.where(judged, scenes, scenes.max() + 1 + np.arange(len(scenes)))
    alone = np.bincount(units)[units] == 1
    numbers = np.unique(folds, return_inverse=True)[1]
    count = min(int(numbers.max()) + 1, len(np.unique(units)))
    tagged = [
        replace(record, tags=tuple(str(tag) for tag in np.flatnonzero(row)), subset="train")
        for record, row in zip(records, truth, strict=True)
    ]
    kept = {tagged[row].id: int(numbers[row]) for row in np.flatnonzero(alone)}
    try:
        assigned = assign_folds(tagged, units.tolist(), count, seed, kept)
    except DatasetError:
        return None
    return SceneFolds(np.array([assigned[record.id] for record in tagged], np.int32), judged)
