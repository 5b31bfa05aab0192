from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import load_file, save_file

from dahlia.errors import WeightsError
from dahlia.modeling.backbones import Backbone, load_backbone
from small_projects import ARCHITECTURE

Tensors = dict[str, torch.Tensor]
PIXELS = torch.randint(0, 256, (3, 3, 48, 48), generator=torch.Generator().manual_seed(0)).float()


def make(architecture: str = ARCHITECTURE, seed: int = 0) -> Backbone:
    torch.manual_seed(seed)
    return Backbone(architecture, None)


@torch.inference_mode()
def features(backbone: Backbone, pixels: torch.Tensor = PIXELS) -> torch.Tensor:
    return backbone(pixels)


@pytest.mark.parametrize(
    "architecture",
    ["test_resnet", "test_byobnet", "test_mambaout", "mobilenetv3_small_050", "test_efficientnet"],
)
def test_features_are_vectors_of_known_length(architecture: str) -> None:
    backbone = make(architecture)
    found = features(backbone)
    assert found.shape == (3, backbone.features)
    assert found.dtype == torch.float32
    assert torch.isfinite(found).all()


@pytest.mark.parametrize(
    ("architecture", "parts"),
    [("test_resnet", [96]), ("mobilenetv3_small_050", [288, 1024]), ("test_efficientnet", [64, 256])],
)
def test_each_part_has_unit_length(architecture: str, parts: list[int]) -> None:
    backbone = make(architecture)
    assert (backbone.parts, backbone.features) == (tuple(parts), sum(parts))
    for part in features(backbone).split(parts, 1):
        torch.testing.assert_close(part.norm(dim=1), torch.ones(3))


def test_a_map_is_read_before_it_is_widened() -> None:
    now = make("test_efficientnet")
    older = Backbone("test_efficientnet", now.network.state_dict(), reads="map")
    widened = now.network.forward_features((PIXELS - now.mean) / now.std).mean((2, 3))
    last = torch.nn.functional.normalize(widened, dim=1)
    torch.testing.assert_close(features(now)[:, 64:], last)
    torch.testing.assert_close(features(older), last)
    assert now.fingerprint != older.fingerprint
    resnet = make()
    assert resnet.fingerprint == Backbone(ARCHITECTURE, resnet.network.state_dict(), reads="map").fingerprint


def test_channels_last_networks_are_averaged_over_space() -> None:
    backbone = make("test_mambaout")
    assert backbone.features == 64 + 256


def test_the_bundled_backbone_joins_its_last_map_and_its_head() -> None:
    backbone = load_backbone("mobilenetv4_conv_small", "bundled")
    assert backbone.parts == (960, 1280)


@pytest.mark.parametrize("size", [(32, 32), (64, 64), (48, 80)])
def test_any_size_is_seen(size: tuple[int, int]) -> None:
    assert features(make(), torch.zeros(2, 3, *size)).shape == (2, 96)


def test_black_and_one_colour_give_numbers() -> None:
    assert torch.isfinite(features(make(), torch.zeros(1, 3, 32, 32))).all()
    assert torch.isfinite(features(make(), torch.full((1, 3, 32, 32), 255.0))).all()


def test_normalisation_is_inside() -> None:
    own = make()
    plain = make()
    plain.mean.zero_()
    plain.std.fill_(1)
    mean, std = (torch.tensor(part).view(1, 3, 1, 1) for part in own.normalisation)
    expected = features(plain, (PIXELS / 255 - mean) / std)
    torch.testing.assert_close(features(own), expected, rtol=1e-4, atol=1e-5)


def test_normalisation_can_be_given() -> None:
    other = Backbone(ARCHITECTURE, make().network.state_dict(), ((0.1, 0.2, 0.3), (0.4, 0.5, 0.6)))
    assert other.mean.flatten().tolist() == pytest.approx([25.5, 51, 76.5])
    assert other.std.flatten().tolist() == pytest.approx([102, 127.5, 153])
    assert not torch.allclose(features(other), features(make()))


def test_it_is_in_evaluation_mode_and_repeats_itself() -> None:
    backbone = make()
    assert not any(module.training for module in backbone.modules())
    assert torch.equal(features(backbone), features(backbone))


def test_fingerprints_tell_networks_apart() -> None:
    weights = make().network.state_dict()
    moved = {name: value + 1e-6 if value.is_floating_point() else value for name, value in weights.items()}
    prints = [
        make().fingerprint,
        make(seed=1).fingerprint,
        make("test_byobnet").fingerprint,
        Backbone(ARCHITECTURE, moved).fingerprint,
        Backbone(ARCHITECTURE, weights, ((0.5, 0.5, 0.5), (0.2, 0.2, 0.2))).fingerprint,
    ]
    assert len(set(prints)) == len(prints)
    assert Backbone(ARCHITECTURE, weights).fingerprint == prints[0]
    assert len(prints[0]) == 64


def test_fingerprints_follow_fine_tuning() -> None:
    backbone = make()
    before = backbone.fingerprint
    with torch.no_grad():
        next(backbone.network.parameters()).add_(1)
    assert backbone.fingerprint != before


def test_no_weights_are_warned_of_and_repeat_themselves() -> None:
    with pytest.warns(UserWarning, match="random numbers: the model will be poor"):
        first = load_backbone(ARCHITECTURE, "none")
    with pytest.warns(UserWarning, match="meant for tests"):
        assert load_backbone(ARCHITECTURE, "none").fingerprint == first.fingerprint


def test_a_classifier_of_other_tags_is_left_out(tiny_weights: Path) -> None:
    assert any(name.startswith("fc.") for name in load_file(tiny_weights))
    backbone = load_backbone(ARCHITECTURE, str(tiny_weights))
    for name, value in backbone.network.state_dict().items():
        assert torch.equal(value, load_file(tiny_weights)[name])


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16])
def test_half_precision_is_read_as_single(tmp_path: Path, kind: torch.dtype) -> None:
    tensors = {
        name: value.to(kind) if value.is_floating_point() else value
        for name, value in make().network.state_dict().items()
    }
    save_file(tensors, tmp_path / "half.safetensors")
    backbone = load_backbone(ARCHITECTURE, str(tmp_path / "half.safetensors"))
    assert features(backbone).dtype == torch.float32


@pytest.mark.parametrize("weights", ["bundled", "none", "hub", "auto"])
def test_unknown_architectures(weights: str) -> None:
    with pytest.raises(
        WeightsError, match=r"'mobilenetv4_conv_smal' is not known.*mean mobilenetv4_conv_small or"
    ):
        load_backbone("mobilenetv4_conv_smal", weights)


@pytest.mark.filterwarnings("ignore:`weights. none`")
def test_networks_of_one_size_are_refused() -> None:
    with pytest.raises(
        WeightsError, match="'test_vit' sees photos of one size only, expected one that takes any"
    ):
        load_backbone("test_vit", "none")


def test_counters_may_be_missing(tmp_path: Path) -> None:
    tensors = make().network.state_dict()
    save_file(_without(tensors, "num_batches_tracked"), tmp_path / "without.safetensors")
    save_file(dict(tensors), tmp_path / "with.safetensors")
    without, whole = (
        load_backbone(ARCHITECTURE, str(tmp_path / f"{name}.safetensors")) for name in ("without", "with")
    )
    assert any("num_batches_tracked" in name for name in tensors)
    assert without.network.state_dict().keys() == tensors.keys()
    assert torch.equal(features(without), features(whole))


def _without(tensors: Tensors, word: str) -> Tensors:
    return {name: value for name, value in tensors.items() if word not in name}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda own: timm.create_model("test_byobnet", num_classes=0).state_dict(),
            r"\d+ keys missing, \d+ unk",
        ),
        (lambda own: _without(own, "conv1"), r"the first: missing \w+.*conv1.*Give weights that were saved"),
        (lambda own: own | {"more.weight": torch.zeros(1)}, "1 unknown.*the first: unknown more.weight"),
        (lambda own: own | {next(iter(own)): torch.zeros(1)}, "1 of another shape; the first: other shape"),
        (lambda own: {}, "0 unknown"),
    ],
    ids=["another architecture", "missing", "unknown", "shape", "empty"],
)
def test_weights_that_do_not_fit(tmp_path: Path, change: Callable[[Tensors], Tensors], message: str) -> None:
    save_file(change(make().network.state_dict()), tmp_path / "other.safetensors")
    with pytest.raises(WeightsError, match=rf"do not fit {ARCHITECTURE}.*{message}"):
        load_backbone(ARCHITECTURE, str(tmp_path / "other.safetensors"))


def test_normalisation_can_be_written(tiny_backbone: Backbone) -> None:
    assert json.loads(json.dumps(tiny_backbone.normalisation)) == [
        list(part) for part in tiny_backbone.normalisation
    ]
