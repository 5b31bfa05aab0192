from __future__ import annotations

from pathlib import Path

import pytest

from dahlia.dataset.manifest import TEST_FOLD, load_folds, save_folds
from dahlia.errors import DatasetError


def test_round_trip(tmp_path: Path) -> None:
    folds = {"b": 3, "a": TEST_FOLD, "c": 0}
    save_folds(tmp_path / "folds.parquet", folds)
    assert load_folds(tmp_path / "folds.parquet") == folds


def test_folds_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="dvc repro split"):
        load_folds(tmp_path / "folds.parquet")
