"""Predictions of new scenes: nobody judges a photo after learning from its scene."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from test_scene_folds import record
from test_scenes import photos

from dahlia.modeling.scene_predictions import ScenePredictions
from dahlia.training.new_scenes import predict_new_scenes
from dahlia.training.quick import QuickResult, train_quick

Features = npt.NDArray[np.float32]
Truth = npt.NDArray[np.bool_]
KINDS = pytest.mark.parametrize("kind", ["multiclass", "multilabel"])


def prepared(scenes: int, shots: int) -> tuple[Features, Truth, npt.NDArray[np.int32]]:
    """Scenes that differ more than tags do, so that a new one is harder; folds by chance."""
    features, truth, _ = photos(scenes, shots, tags=3, spread=0.2, size=60)
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    folds = np.random.default_rng(2).permutation(len(features)) % 5
    return features, truth, folds.astype(np.int32)


def quick_of(features: Features, truth: Truth, folds: npt.NDArray[np.int32], kind: str) -> QuickResult:
    return train_quick([features], truth, folds, kind=kind, strengths=[1e-5, 1e-4, 1e-3], max_iterations=60)


def predicted(
    features: Features,
    truth: Truth,
    folds: npt.NDArray[np.int32],
    kind: str,
    groups: list[str | None] | None = None,
) -> tuple[ScenePredictions, QuickResult]:
    quick = quick_of(features, truth, folds, kind)
    named = groups or [None] * len(features)
    result = predict_new_scenes(
        [features],
        truth,
        folds,
        quick,
        records=[record(row, group) for row, group in enumerate(named)],
        kind=kind,
        max_iterations=60,
        seed=0,
    )
    return result, quick


@KINDS
def test_a_photo_has_no_say_in_what_is_said_of_its_scene(kind: str) -> None:
    features, truth, folds = prepared(6, 4)
    names: list[str | None] = [f"scene {row // 4}" for row in range(len(features))]
    before, quick = predicted(features, truth, folds, kind, names)
    changed = features.copy()
    changed[1] = -changed[1]  # of the first photo's scene
    records = [record(row, name) for row, name in enumerate(names)]
    settings = {"records": records, "kind": kind, "max_iterations": 60, "seed": 0}
    after = predict_new_scenes([changed], truth, folds, quick, **settings)
    logits = [np.log(each.probabilities[0] / each.probabilities[0].max()) for each in (before, after)]
    # Its temperature is of other folds, which did learn from the changed photo.
    assert logits[0].argmax() == logits[1].argmax()
    assert not np.array_equal(before.probabilities[40], after.probabilities[40])


@KINDS
def test_where_no_photos_share_a_scene_the_figures_are_those_of_photos_like_these(kind: str) -> None:
    features, truth, folds = prepared(12, 1)
    found, quick = predicted(features, truth, folds, kind, [f"{row}" for row in range(36)])
    assert found.scene.tolist() == list(range(36))
    assert np.array_equal(found.probabilities, quick.probabilities)
    assert found.named


@KINDS
def test_new_scenes_are_harder_than_photos_of_known_ones(kind: str) -> None:
    features, truth, folds = prepared(4, 8)
    found, quick = predicted(features, truth, folds, kind)
    assert not found.named
    assert found.judged.all()
    assert ((found.probabilities >= 0) & (found.probabilities <= 1)).all()
    sure = [
        np.log(np.maximum(each[truth], 1e-9)).mean() for each in (found.probabilities, quick.probabilities)
    ]
    assert sure[0] < sure[1]


def test_the_same_photos_give_the_same_predictions() -> None:
    data = prepared(4, 6)
    first, second = (predicted(*data, "multiclass")[0] for _ in range(2))
    assert np.array_equal(first.scene, second.scene)
    assert np.array_equal(first.probabilities, second.probabilities)


def test_tags_of_one_scene_are_not_judged() -> None:
    features, truth, folds = prepared(4, 6)
    names: list[str | None] = [f"scene {row // 6 if row >= 24 else 0}" for row in range(len(features))]
    found, _ = predicted(features, truth, folds, "multiclass", names)
    assert found.judged.tolist() == [row >= 24 for row in range(len(features))]


def test_without_a_division_nothing_is_said() -> None:
    features, truth, folds = prepared(4, 6)
    names: list[str | None] = [f"scene {row // 24}" for row in range(len(features))]
    found, quick = predicted(features, truth, folds, "multiclass", names)
    assert not found.judged.any()
    without_axes = replace(quick, principal=None)
    assert without_axes.principal is None
