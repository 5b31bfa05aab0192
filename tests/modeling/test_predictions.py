"""Held-out predictions on disk."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from dahlia.errors import DatasetError
from dahlia.modeling.predictions import ClassPredictions, load_predictions, load_truth, save_predictions


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
