from __future__ import annotations

import json
from pathlib import Path

import pytest

from dahlia import layout
from dahlia.provenance import noted_time, stage_times


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in (layout.FOLDS, layout.BUNDLE / "model.safetensors", layout.EXPORTS / "onnx" / "model.onnx"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"made")
    return tmp_path


def test_a_stage_is_noted_with_what_it_wrote(root: Path) -> None:
    for stage, item in (("split", None), ("train", None), ("export", "onnx"), ("track", None)):
        with noted_time(root, stage, item):
            pass
    times = stage_times(root, ["onnx", "coreml"])
    assert set(times) == {"split", "train", "export/onnx"}
    assert all(time.began <= time.ended and time.seconds >= 0 for time in times.values())


@pytest.mark.parametrize(
    "change",
    [
        lambda root: (root / layout.BUNDLE / "model.safetensors").write_bytes(b"checked out"),
        lambda root: (root / layout.BUNDLE / "more.json").write_bytes(b"{}"),
        lambda root: (root / layout.STAGE_TIMES / "train.json").write_text("{"),
        lambda root: (root / layout.STAGE_TIMES / "train.json").write_text(json.dumps({"began": "?"})),
    ],
    ids=["another output", "one more file", "damaged", "not a time"],
)
def test_a_note_that_does_not_fit_is_not_used(root: Path, change: object) -> None:
    with noted_time(root, "train"):
        pass
    assert callable(change)
    change(root)
    assert stage_times(root, []) == {}


def test_a_stage_that_fails_is_not_noted(root: Path) -> None:
    with pytest.raises(ZeroDivisionError), noted_time(root, "train"):
        raise ZeroDivisionError
    assert stage_times(root, []) == {}
