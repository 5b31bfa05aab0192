"""The file that training hands to evaluation: what is written comes back, and nothing else is taken."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dahlia.errors import TrainingError
from dahlia.modeling.predictions import (
    FoldOutcomes,
    LearningCurve,
    load_learning_curve,
    save_learning_curve,
)


def small() -> LearningCurve:
    fold = FoldOutcomes(fold=0, learned=(2, 4), outcomes={"01": 1, "11": 3})
    none = FoldOutcomes(fold=0, learned=(1, 2), outcomes={})
    return LearningCurve(
        recipe="quick",
        classification="multiclass",
        shares=(0.5, 1.0),
        tags=("Ünïcödé", "b"),
        whole=(fold,),
        by_tag=((fold,), (none,)),
    )


def test_round_trip_to_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        save_learning_curve(tmp_path / name, small())
    assert load_learning_curve(tmp_path / "one") == small()
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"format": 2}, "at format"),
        ({"surprise": 1}, "at surprise"),
        ({"recipe": "slow"}, "at recipe"),
        ({"shares": [0.5]}, "at shares"),
        ({"shares": [1.0, 0.5]}, "rise to 1, 0.5 among them"),
        ({"shares": [0.25, 1.0]}, "rise to 1, 0.5 among them"),
        ({"tags": ["a"]}, "outcomes of 1 tags, received 2"),
        ({"whole": []}, "at whole"),
        ({"whole": [{"fold": 0, "learned": [1], "outcomes": {}}]}, "expected 2 counts"),
        ({"whole": [{"fold": 0, "learned": [1, 2], "outcomes": {"0x": 1}}]}, "digits 0 or 1"),
        ({"whole": [{"fold": 0, "learned": [1, 2], "outcomes": {"011": 1}}]}, "digits 0 or 1"),
        ({"whole": [{"fold": 0, "learned": [1, 2], "outcomes": {"01": 0}}]}, "greater than 0"),
    ],
)
def test_refuses(tmp_path: Path, change: dict[str, Any], words: str) -> None:
    path = tmp_path / "learning_curve.json"
    path.write_text(json.dumps(small().model_dump(mode="json") | change))
    with pytest.raises(TrainingError, match=words) as caught:
        load_learning_curve(path)
    assert "dvc repro train" in str(caught.value)


@pytest.mark.parametrize("text", [None, "", "{", "[]"], ids=["missing", "empty", "cut off", "a list"])
def test_what_is_no_file_of_ours(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "learning_curve.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(TrainingError, match="dvc repro train"):
        load_learning_curve(path)
