"""Folds of scenes: a scene is in one fold, and photos that are alone stay where they are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from dahlia.dataset.records import ImageRecord
from dahlia.training.scene_folds import SceneFolds, scene_folds

FOLDS = 5


def record(number: int, group: str | None = None) -> ImageRecord:
    return ImageRecord(
        id=f"{number:064x}",
        path=f"{number}.jpg",
        width=8,
        height=8,
        tags=(),
        regions=(),
        subset="train",
        source="folder",
        phash="0" * 16,
        group=group,
    )


def divided(truth: npt.NDArray[np.bool_], scenes: Sequence[int]) -> SceneFolds | None:
    return scene_folds(
        [record(number) for number in range(len(truth))],
        truth,
        np.array(scenes, np.int64),
        (np.arange(len(truth)) % FOLDS).astype(np.int32),
        seed=0,
    )


def of_two_tags(photos: int) -> npt.NDArray[np.bool_]:
    return np.eye(2, dtype=bool)[np.arange(photos) % 2]


def test_photos_that_are_alone_keep_their_fold() -> None:
    found = divided(of_two_tags(20), range(20))
    assert found is not None
    assert found.folds.tolist() == [row % FOLDS for row in range(20)]
    assert found.judged.all()


def test_a_scene_is_in_one_fold_and_every_fold_has_photos() -> None:
    scenes = np.arange(60) % 2 + 2 * (np.arange(60) // 6)
    found = divided(of_two_tags(60), scenes.tolist())
    assert found is not None
    for scene in np.unique(scenes):
        assert len(np.unique(found.folds[scenes == scene])) == 1
    assert np.unique(found.folds).tolist() == list(range(FOLDS))


def test_each_fold_can_learn_every_tag_from_others() -> None:
    truth = of_two_tags(24)
    found = divided(truth, (np.arange(24) % 2 + 2 * (np.arange(24) // 12)).tolist())
    assert found is not None
    for fold in np.unique(found.folds):
        assert truth[found.folds != fold].any(0).all()


def test_fewer_scenes_than_folds_make_fewer_folds() -> None:
    found = divided(of_two_tags(24), (np.arange(24) % 2 + 2 * (np.arange(24) // 12)).tolist())
    assert found is not None
    assert len(np.unique(found.folds)) == 4
    assert found.judged.all()


def test_a_tag_of_one_scene_is_not_judged_but_learned() -> None:
    truth = np.eye(3, dtype=bool)[np.arange(30) % 3]
    scenes = np.where(truth[:, 2], 0, 1 + np.arange(30))
    found = divided(truth, scenes.tolist())
    assert found is not None
    assert found.judged.tolist() == (~truth[:, 2]).tolist()
    assert len(np.unique(found.folds[truth[:, 2]])) > 1


def test_where_tags_have_one_scene_there_is_nothing_to_divide() -> None:
    assert divided(of_two_tags(20), [row % 2 for row in range(20)]) is None
    assert divided(of_two_tags(20), [0 if row % 2 else row for row in range(20)]) is None
