from __future__ import annotations

import json
from pathlib import Path

import pytest

from dahlia.errors import TrainingError
from dahlia.modeling.card import load_card

BEFORE = {
    "format": 1,
    "project": "garden",
    "project_id": "p",
    "domain": "General",
    "domain_id": "d",
    "classification": "multiclass",
    "tags": [{"id": "t", "name": "rose", "type": "Regular"}],
    "input": {"size": 160, "resize": "squash", "channels": "RGB"},
    "backbone": {
        "architecture": "mobilenetv4_conv_small",
        "weights": "bundled",
        "fingerprint": "0" * 64,
        "features": 2240,
        "mean": [0.485, 0.456, 0.406],
        "std": [0.229, 0.224, 0.225],
    },
    "temperature": 1.0,
    "training": {"recipe": "quick", "regularisation": 0.1, "views": ["plain"], "images": 9, "seed": 0},
    "data_fingerprint": "0" * 64,
    "git_revision": None,
    "dahlia_version": "0.1.0",
}


def test_models_of_before_origins_were_kept_are_read(tmp_path: Path) -> None:
    (tmp_path / "model.json").write_text(json.dumps(BEFORE))
    backbone = load_card(tmp_path).backbone
    assert (backbone.weights, backbone.source, backbone.reason) == ("bundled", "", "")
    assert (backbone.licence, backbone.note, backbone.start) == ("", "", "bundled")


def test_keys_that_are_not_known_are_refused(tmp_path: Path) -> None:
    (tmp_path / "model.json").write_text(json.dumps(BEFORE | {"later": 1}))
    with pytest.raises(TrainingError, match="is not the card of a model of this version"):
        load_card(tmp_path)
