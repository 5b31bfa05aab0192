"""Stages that stay as they are: their maps are computed once, and the others learn from them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from dahlia.modeling.backbones import Backbone
from dahlia.modeling.classifier import Classifier
from dahlia.params import TrainerParams
from dahlia.training.advanced import train_advanced
from dahlia.training.fine_tuning.map_memory import LIMIT, MapMemory, map_views
from dahlia.training.fine_tuning.trunk import Trunk, separable, tail_of
from dahlia.training.fine_tuning.tuner import predict_logits
from dahlia.training.fine_tuning.tuning_data import PhotoMemory, TuningData
from small_projects import SIZE, SmallProject
from tuning_cases import Machine, finished, make_case, same, states, tuning, tuning_data

CPU = TrainerParams(accelerator="cpu")
STAGES = 3


@pytest.fixture(scope="module")
def backbone() -> Backbone:
    torch.manual_seed(0)
    return Backbone("test_efficientnet", None)


@pytest.fixture
def data(project: SmallProject) -> TuningData:
    return tuning_data(project)


def maps_of(
    backbone: Backbone,
    data: TuningData,
    *,
    views: int = 3,
    enough: bool = False,
    limit: int = LIMIT,
    graphs: Path | None = None,
) -> MapMemory | None:
    return map_views(
        *(backbone, STAGES, data, PhotoMemory(SIZE)),
        views=views,
        trainer=CPU,
        graphs=graphs,
        enough=lambda: enough,
        stop=lambda: False,
        limit=limit,
    )


def held(maps: MapMemory | None) -> MapMemory:
    assert maps is not None
    return maps


def test_both_parts_together_are_the_whole(backbone: Backbone) -> None:
    model = Classifier(backbone, 2, "multiclass").eval()
    pixels = torch.rand(2, 3, SIZE, SIZE) * 255
    with torch.inference_mode():
        maps = Trunk(backbone, STAGES)(pixels)
        torch.testing.assert_close(tail_of(model, STAGES)(maps), model(pixels))
    assert set(tail_of(model, STAGES).state_dict()) < set(model.state_dict())
    assert tail_of(model, 0) is model


def test_a_smoothed_photo_is_smoothed_once() -> None:
    torch.manual_seed(0)
    model = Classifier(Backbone("test_efficientnet", None, smoothing=0.25), 2, "multiclass").eval()
    pixels = torch.rand(1, 3, SIZE, SIZE) * 255
    with torch.inference_mode():
        seen = tail_of(model, STAGES)(Trunk(model.backbone, STAGES)(pixels))
        torch.testing.assert_close(seen, model(pixels))


def test_what_can_be_frozen(backbone: Backbone, tiny_backbone: Backbone) -> None:
    blocks = len(backbone.network.blocks)
    assert [separable(backbone, stages, SIZE) for stages in (0, 2, blocks, 99)] == [
        0,
        2,
        blocks - 1,
        blocks - 1,
    ]
    assert separable(tiny_backbone, 2, SIZE) == 0  # a ResNet has no such stages


@pytest.mark.parametrize("architecture", ["ghostnet_050", "repghostnet_050"])
def test_a_network_with_a_layer_between_both_parts_is_not_divided(architecture: str) -> None:
    torch.manual_seed(0)
    assert separable(Backbone(architecture, None), STAGES, 64) == 0


def test_plain_maps_predict_what_photos_do(backbone: Backbone, data: TuningData) -> None:
    model = Classifier(backbone, 2, "multiclass").eval()
    photos = list(zip(data.ids, data.paths, strict=True))
    by_maps = predict_logits(tail_of(model, STAGES), photos, held(maps_of(backbone, data)))
    np.testing.assert_allclose(by_maps, predict_logits(model, photos, PhotoMemory(SIZE)), atol=2e-3)


@pytest.mark.slow
def test_the_graph_makes_the_same_maps(backbone: Backbone, data: TuningData, tmp_path: Path) -> None:
    one, two = held(maps_of(backbone, data)), held(maps_of(backbone, data, graphs=tmp_path))
    assert list(tmp_path.glob("*.onnx"))
    for by_torch, by_graph in zip(one.maps, two.maps, strict=True):
        for name, found in by_torch.items():
            np.testing.assert_allclose(by_graph[name], found, rtol=5e-3, atol=5e-3)


def test_views_are_as_many_as_fit(backbone: Backbone, data: TuningData) -> None:
    whole = held(maps_of(backbone, data))
    assert whole.views == 3
    assert not all(np.array_equal(whole.maps[1][name], whole.maps[2][name]) for name in data.ids)
    of_view = sum(found.nbytes for found in whole.maps[0].values())
    assert held(maps_of(backbone, data, limit=2 * of_view)).views == 2
    assert maps_of(backbone, data, limit=2 * of_view - 1) is None
    assert held(maps_of(backbone, data, enough=True)).views == 2


def test_epochs_draw_views(backbone: Backbone, data: TuningData) -> None:
    memory = held(maps_of(backbone, data))
    loader = data.loader(memory, 0.0)
    batches: dict[int, list[torch.Tensor]] = {0: [], 1: []}
    for number in (0, 1, 0):
        loader.sampler.set_epoch(number)
        batches[number].append(torch.cat([maps for maps, _ in loader]))
    assert loader.num_workers == 0
    assert torch.equal(*batches[0])
    assert not torch.equal(batches[0][0], batches[1][0])


@pytest.mark.slow
def test_only_the_last_stages_learn(project: SmallProject, backbone: Backbone, state: Path) -> None:
    case = make_case(project, backbone)
    params = tuning(frozen_stages=STAGES, learning_rate=0.02, max_epochs=3)
    one, two = (finished(train_advanced(*case.arguments, params, state, trainer=CPU)) for _ in range(2))
    assert same(one, two)
    assert states(state) == []
    before, after = case.start.state_dict(), one.model.state_dict()
    moved = {name for name, value in before.items() if not torch.equal(value, after[name])}
    stages = tuple(f"backbone.network.blocks.{number}." for number in range(STAGES))
    assert "head.weight" in moved
    assert any(name.startswith(f"backbone.network.blocks.{STAGES}.") for name in moved)
    assert not [name for name in moved if name.startswith((*stages, "backbone.network.conv_stem"))]


@pytest.mark.slow
def test_a_run_that_was_cut_off_goes_on_with_its_views(
    project: SmallProject, backbone: Backbone, state: Path, machine: Machine
) -> None:
    case = make_case(project, backbone)
    params = tuning(frozen_stages=STAGES)
    whole = finished(train_advanced(*case.arguments, params, state, trainer=CPU, clock=machine))

    def killed(machine: Machine) -> None:
        if machine.photos > 60:
            raise KeyboardInterrupt

    machine.photos, machine.change = 0, killed
    with pytest.raises(KeyboardInterrupt):
        train_advanced(*case.arguments, params, state, trainer=CPU, clock=machine)
    machine.change = None
    resumed = finished(train_advanced(*case.arguments, params, state, trainer=CPU, clock=machine))
    assert same(whole, resumed)
