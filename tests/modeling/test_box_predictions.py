"""Boxes that were found: written and read, chosen by row, and refused where they are others."""

from pathlib import Path

import numpy as np
import pytest

from dahlia.boxes import Boxes, no_boxes
from dahlia.errors import DatasetError
from dahlia.modeling.box_predictions import BoxPredictions, load_box_predictions, save_box_predictions


def _predictions() -> BoxPredictions:
    true = Boxes(
        np.array([1], np.int32), np.array([[0.1, 0.2, 0.3, 0.4]], np.float32), np.ones(1, np.float32)
    )
    found = Boxes(
        np.array([1, 0], np.int32),
        np.array([[0.1, 0.2, 0.3, 0.5], [0.5, 0.5, 0.1, 0.1]], np.float32),
        np.array([0.9, 0.2], np.float32),
    )
    return BoxPredictions(
        ids=("b", "a", "c"),
        tags=("dahlia", "rose, red"),
        fold=np.array([0, 1, -1], np.int32),
        truth=(true, no_boxes(), true),
        found=(found, no_boxes(), no_boxes()),
        uncalibrated=(np.array([0.8, 0.3], np.float32), np.zeros(0, np.float32), np.zeros(0, np.float32)),
    )


def test_what_is_written_is_read(tmp_path: Path) -> None:
    given = _predictions()
    save_box_predictions(tmp_path / "predictions.parquet", given)
    read = load_box_predictions(tmp_path / "predictions.parquet")
    assert (read.ids, read.tags, read.fold.tolist()) == (given.ids, given.tags, [0, 1, -1])
    for one, other in zip((*read.truth, *read.found), (*given.truth, *given.found), strict=True):
        assert one.places.shape == other.places.shape
        assert one.tags.tolist() == other.tags.tolist()
        assert one.places.tolist() == other.places.tolist()
        assert one.scores.tolist() == other.scores.tolist()
    assert [row.tolist() for row in read.uncalibrated] == [row.tolist() for row in given.uncalibrated]


def test_parts_and_order() -> None:
    given = _predictions()
    assert given.held_out.ids == ("b", "a")
    assert given.test.ids == ("c",)
    assert given.by_id().ids == ("a", "b", "c")
    assert len(given.by_id().found[1]) == 2


def test_another_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "predictions.parquet").write_bytes(b"no table")
    with pytest.raises(DatasetError, match="dvc repro train"):
        load_box_predictions(tmp_path / "predictions.parquet")
