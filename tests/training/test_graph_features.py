"""Features by the graph: as torch's, alone or together, and what is kept when they end early."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch

from dahlia.errors import ExportError, TrainingError
from dahlia.modeling.backbones import Backbone, load_backbone
from dahlia.params import TrainerParams
from dahlia.training import features, graph_features
from dahlia.training.feature_cache import FeatureCache, Key
from dahlia.training.features import extract_features
from dahlia.training.graph_features import GraphFeatures
from dahlia.training.photo_views import PhotoViews
from dahlia.training.torch_features import compute_by_torch
from small_projects import SIZE, SmallProject

VIEWS = ("plain", "mirror", "zoom", "zoom_mirror")


class Case:
    """A project's photos in views, and where features go."""

    def __init__(self, project: SmallProject, graphs: Path) -> None:
        self.project = project
        self.graphs = graphs
        self.paths = {record.id: project.root / record.path for record in project.records}
        self.keys: list[Key] = [(name, view) for name in self.paths for view in VIEWS]

    def cache(self, name: str, size: int = SIZE) -> FeatureCache:
        return FeatureCache(self.project.root / name, "f" * 64, size)

    def extract(self, backbone: Backbone, trainer: TrainerParams) -> npt.NDArray[np.float32]:
        return extract_features(
            {"plain": self.project.records},
            root=self.project.root,
            backbone=backbone,
            size=SIZE,
            cache=self.cache("cache"),
            graphs=self.graphs,
            batch_size=8,
            trainer=trainer,
        )["plain"]


@pytest.fixture
def case(project: SmallProject, graphs: Path) -> Case:
    return Case(project, graphs)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("architecture", "weights", "size", "smoothing"),
    [
        ("mobilenetv4_conv_small", "bundled", 160, 0.16),
        ("tf_efficientnet_lite0", "package", 224, 0.0),
        ("tf_efficientnet_lite2", "package", 260, 0.16),
    ],
)
def test_features_are_torchs(
    case: Case, shipped_graphs: Path, architecture: str, weights: str, size: int, smoothing: float
) -> None:
    backbone = load_backbone(architecture, weights, smoothing)
    case.graphs = shipped_graphs
    keys, by_graph, by_torch = case.keys[:20], case.cache("graph", size), case.cache("torch", size)
    GraphFeatures(backbone, size, case.graphs).compute(keys, case.paths, by_graph, rows=8)
    trainer = TrainerParams(accelerator="cpu", precision="32-true")
    compute_by_torch(keys, case.paths, backbone, by_torch, size=size, rows=8, trainer=trainer)
    np.testing.assert_allclose(by_graph.get(keys), by_torch.get(keys), rtol=0, atol=1e-5)
    again = case.cache("again", size)
    for key in keys[::7]:
        GraphFeatures(backbone, size, case.graphs).compute([key], case.paths, again, rows=8)
    assert np.array_equal(again.get(keys[::7]), by_graph.get(keys[::7]))


@pytest.mark.portable
def test_threads_do_not_change_features(
    case: Case, tiny_backbone: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    graph, found = GraphFeatures(tiny_backbone, SIZE, case.graphs), []
    for number in (1, 2, 5):
        monkeypatch.setattr(graph_features, "thread_count", lambda number=number: number)
        graph.compute(case.keys, case.paths, case.cache(f"cache {number}"), rows=8)
        found.append(case.cache(f"cache {number}").get(case.keys))
    assert all(np.array_equal(found[0], other) for other in found[1:])


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
def test_what_was_computed_is_kept_when_it_is_interrupted(
    case: Case, tiny_backbone: Backbone, monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    look = PhotoViews.__getitem__

    def interrupted(self: PhotoViews, index: int) -> object:
        if index == 11:
            raise error
        return look(self, index)

    monkeypatch.setattr(PhotoViews, "__getitem__", interrupted)
    cache = case.cache("cache")
    with pytest.raises(error):
        GraphFeatures(tiny_backbone, SIZE, case.graphs).compute(case.keys, case.paths, cache, rows=1000)
    assert cache.missing(case.keys) == case.keys[11 * len(VIEWS) :]


def test_a_cache_that_fails_is_not_asked_again(case: Case, tiny_backbone: Backbone) -> None:
    asked: list[int] = []

    class Full(FeatureCache):
        def put(self, keys: object, vectors: npt.NDArray[np.float32]) -> None:
            asked.append(len(vectors))
            raise TrainingError("full")

    cache = Full(case.project.root / "cache", "f" * 64, SIZE)
    with pytest.raises(TrainingError, match="full"):
        GraphFeatures(tiny_backbone, SIZE, case.graphs).compute(case.keys, case.paths, cache, rows=8)
    assert asked == [8]


def test_a_runtime_that_fails_is_told(
    case: Case, tiny_backbone: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    graph = GraphFeatures(tiny_backbone, SIZE, case.graphs)

    class Failing:
        def run(self, *_: object) -> None:
            raise RuntimeError("bad allocation")

    monkeypatch.setattr(graph, "_session", Failing())
    with pytest.raises(TrainingError, match=r"features of test_resnet at 32 px \(bad allocation\)"):
        graph.compute(case.keys, case.paths, case.cache("cache"), rows=8)


def test_another_answer_than_torchs_is_refused(
    case: Case, tiny_backbone: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = GraphFeatures._of_view
    monkeypatch.setattr(
        GraphFeatures, "_of_view", lambda self, pixels: answer(self, pixels) + np.float32(1e-4)
    )
    with pytest.raises(ExportError, match=r"differ from torch's by 0\.0001, expected 1e-05 at most"):
        GraphFeatures(tiny_backbone, SIZE, case.graphs)


def test_without_a_graph_torch_computes(
    case: Case, tiny_backbone: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ExportError("No form.")

    expected = case.extract(tiny_backbone, TrainerParams(accelerator="cpu"))
    case.cache("cache").path.unlink()
    monkeypatch.setattr(features, "GraphFeatures", fail)
    with pytest.warns(UserWarning, match=r"by torch, which takes longer. No form\."):
        found = case.extract(tiny_backbone, TrainerParams(accelerator="cpu"))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)


WATCH = {"watch": {"_target_": "lightning.pytorch.callbacks.LearningRateMonitor"}}


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"accelerator": "cpu"}, True),
        ({"accelerator": "cpu", "precision": "32-true"}, True),
        ({"accelerator": "cpu", "precision": "bf16-mixed"}, False),
        ({"accelerator": "gpu"}, False),
        ({"accelerator": "mps"}, False),
        ({"accelerator": "cpu", "callbacks": WATCH}, False),
    ],
    ids=str,
)
def test_who_computes(
    case: Case,
    tiny_backbone: Backbone,
    monkeypatch: pytest.MonkeyPatch,
    settings: dict[str, object],
    expected: bool,
) -> None:
    asked: list[object] = []
    monkeypatch.setattr(features, "compute_by_torch", lambda *_, **__: asked.append("torch"))
    monkeypatch.setattr(GraphFeatures, "compute", lambda *_, **__: asked.append("graph"))
    monkeypatch.setattr(FeatureCache, "get", lambda self, keys: np.zeros((len(keys), 1), np.float32))
    case.extract(tiny_backbone, TrainerParams.model_validate(settings))
    assert asked == ["graph" if expected else "torch"]


@pytest.mark.parametrize("there", [True, False])
def test_auto_is_torch_where_there_is_an_accelerator(monkeypatch: pytest.MonkeyPatch, there: bool) -> None:
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: there)
    assert features._is_plain(TrainerParams()) is not there
