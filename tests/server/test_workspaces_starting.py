"""A training that starts from another's network, whatever stands on it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file
from workspace_projects import NAME, PhotoSet, small_photo_set

from dahlia.config import load_params
from dahlia.errors import TrainingError
from dahlia.modeling.card import load_card, save_card
from dahlia.server.workspaces.laying import lay_out
from dahlia.server.workspaces.models import WEIGHTS, start_from
from small_detectors import SmallDetector, make_detector
from small_projects import ARCHITECTURE

DOMAIN = "detection_general_compact"


@pytest.fixture(scope="module")
def detector(tmp_path_factory: pytest.TempPathFactory) -> SmallDetector:
    return make_detector(tmp_path_factory.mktemp("detector"), "grid", photos=1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    photo_set: PhotoSet = small_photo_set(tmp_path / "store")
    folder = tmp_path / "workspaces" / NAME
    lay_out(folder, photo_set.snapshot(kind="detection", domain=DOMAIN), photo_set.fetch)
    return folder


def test_the_backbone_of_a_detector_is_taken(folder: Path, detector: SmallDetector, tmp_path: Path) -> None:
    from dahlia.modeling.backbones import Backbone, load_backbone

    bundle = tmp_path / "bundle"
    bundle.symlink_to(detector.bundle)
    with pytest.raises(TrainingError, match=f"network tf_efficientnet_lite0 .* one with {ARCHITECTURE}"):
        start_from(folder, bundle, "base")
    weights = folder / WEIGHTS / "base.safetensors"
    trained = load_file(detector.bundle / "model.safetensors")
    own = load_backbone(ARCHITECTURE, str(weights)).network.state_dict()
    assert own.keys() == Backbone(ARCHITECTURE, None).network.state_dict().keys()
    for name, value in own.items():
        np.testing.assert_array_equal(value.numpy(), trained[f"taps.backbone.network.{name}"])


def test_the_next_training_starts_from_it(folder: Path, detector: SmallDetector, tmp_path: Path) -> None:
    bundle = tmp_path / "bundle"
    bundle.mkdir()
    (bundle / "model.safetensors").symlink_to(detector.bundle / "model.safetensors")
    card = load_card(detector.bundle)
    wanted = card.backbone.model_copy(update={"architecture": "tf_efficientnet_lite0"})
    save_card(bundle, card.model_copy(update={"backbone": wanted}))
    start_from(folder, bundle, "base")
    params = load_params(folder / "params.yaml")
    assert params.domain.backbone.weights == "data/base/base.safetensors"
    assert (params.domain.task, params.kind) == ("detection", "detection")
