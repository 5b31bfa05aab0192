"""Held-out predictions on disk."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from dahlia.errors import DatasetError
from dahlia.modeling.predictions import ClassPredictions, load_predictions, load_truth, save_predictions
from dahlia.modeling.scene_predictions import NO_SCENE, ScenePredictions


def predictions_of(images: int, tags: int = 3) -> ClassPredictions:
    draw = np.random.default_rng(images)
    return ClassPredictions(
        ids=tuple(f"{row:064x}" for row in range(images)),
        tags=tuple(f"tag {column}" for column in range(tags)),
        kind="multilabel",
        fold=draw.integers(-1, 5, images).astype(np.int32),
        truth=draw.random((images, tags)) < 0.3,
        probabilities=draw.random((images, tags)),
        uncalibrated=draw.random((images, tags)),
    )


def assert_same(one: ClassPredictions, other: ClassPredictions) -> None:
    for field in dataclasses.fields(ClassPredictions):
        first, second = getattr(one, field.name), getattr(other, field.name)
        if isinstance(first, np.ndarray):
            assert first.dtype == second.dtype
            assert first.shape == second.shape
            assert np.array_equal(first, second)
        else:
            assert first == second


@pytest.mark.parametrize("images", [0, 1, 1023, 1024, 2500])
def test_what_was_saved_is_loaded(tmp_path: Path, images: int) -> None:
    predictions = predictions_of(images)
    save_predictions(tmp_path / "predictions.parquet", predictions)
    assert_same(load_predictions(tmp_path / "predictions.parquet"), predictions)


def test_the_calibrated_ones_may_be_enough(tmp_path: Path) -> None:
    predictions = predictions_of(5)
    save_predictions(tmp_path / "predictions.parquet", predictions)
    loaded = load_predictions(tmp_path / "predictions.parquet", uncalibrated=False)
    assert_same(loaded, dataclasses.replace(predictions, uncalibrated=predictions.probabilities))
    assert loaded.uncalibrated is loaded.probabilities


@pytest.mark.parametrize("images", [0, 1, 2500])
def test_the_true_tags_alone(tmp_path: Path, images: int) -> None:
    predictions = predictions_of(images)
    save_predictions(tmp_path / "predictions.parquet", predictions)
    truth = load_truth(tmp_path / "predictions.parquet")
    assert tuple(truth) == predictions.ids
    for row, names in enumerate(truth.values()):
        assert names == tuple(np.array(predictions.tags)[predictions.truth[row]])


def test_true_tags_without_names(tmp_path: Path) -> None:
    save_predictions(tmp_path / "predictions.parquet", predictions_of(3))
    table = pq.read_table(tmp_path / "predictions.parquet").replace_schema_metadata(None)
    pq.write_table(table, tmp_path / "predictions.parquet")
    with pytest.raises(DatasetError, match="with the names of their tags"):
        load_truth(tmp_path / "predictions.parquet")


def test_files_that_are_no_predictions(tmp_path: Path) -> None:
    path = tmp_path / "predictions.parquet"
    with pytest.raises(DatasetError, match="is not there"):
        load_predictions(path)
    path.write_bytes(b"PAR1")
    with pytest.raises(DatasetError, match="not a readable Parquet file"):
        load_predictions(path)
    save_predictions(path, predictions_of(2000))
    whole = path.read_bytes()
    path.write_bytes(whole[:2000] + bytes(2000) + whole[4000:])
    with pytest.raises(DatasetError, match="not a readable Parquet file"):
        load_predictions(path)


def with_scenes(predictions: ClassPredictions) -> ClassPredictions:
    images = len(predictions.ids)
    probabilities = np.linspace(0, 1, images * 3).reshape(images, 3)
    probabilities[::5] = np.nan
    scenes = ScenePredictions(np.arange(images, dtype=np.int32) // 2, probabilities, named=True)
    return dataclasses.replace(predictions, new_scenes=scenes)


@pytest.mark.parametrize("images", [0, 1, 2500])
def test_scenes_are_kept_beside_the_others(tmp_path: Path, images: int) -> None:
    predictions = with_scenes(predictions_of(images))
    save_predictions(tmp_path / "predictions.parquet", predictions)
    loaded = load_predictions(tmp_path / "predictions.parquet")
    assert loaded.new_scenes is not None
    assert predictions.new_scenes is not None
    assert loaded.new_scenes.named
    assert np.array_equal(loaded.new_scenes.scene, predictions.new_scenes.scene)
    assert np.array_equal(
        loaded.new_scenes.probabilities, predictions.new_scenes.probabilities, equal_nan=True
    )
    assert_same(*(dataclasses.replace(each, new_scenes=None) for each in (loaded, predictions)))
    assert tuple(load_truth(tmp_path / "predictions.parquet")) == predictions.ids


def test_scenes_may_be_left_out(tmp_path: Path) -> None:
    predictions = predictions_of(5)
    save_predictions(tmp_path / "predictions.parquet", with_scenes(predictions))
    assert_same(load_predictions(tmp_path / "predictions.parquet", new_scenes=False), predictions)


def test_rows_with_their_scenes() -> None:
    predictions = with_scenes(predictions_of(10))
    chosen = predictions.where(np.array([7, 2])).new_scenes
    assert chosen is not None
    assert chosen.scene.tolist() == [3, 1]
    assert chosen.judged.tolist() == [True, True]


def test_images_beside_others_that_have_no_scene() -> None:
    scenes = ScenePredictions(np.array([0, 1], np.int32), np.full((2, 3), 0.5), named=False)
    spread = scenes.among(np.array([False, True, True, False]))
    assert spread.scene.tolist() == [NO_SCENE, 0, 1, NO_SCENE]
    assert spread.judged.tolist() == [False, True, True, False]
