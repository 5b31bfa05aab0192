from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch

from dahlia.dataset.records import ImageRecord
from dahlia.errors import DatasetError, TrainingError
from dahlia.modeling.backbones import Backbone
from dahlia.params import TrainerParams
from dahlia.training.feature_cache import FeatureCache, Key
from dahlia.training.features import PhotoViews, extract_features
from small_projects import SIZE, SmallProject, photo

Features = dict[str, npt.NDArray[np.float32]]
VIEWS = ["plain", "mirror"]
TRAINER = TrainerParams()


class Bench:
    """Extracts features of a project, and counts what is computed and kept."""

    def __init__(self, project: SmallProject, backbone: Backbone) -> None:
        self.project = project
        self.backbone = backbone
        self.seen = 0

    def extract(
        self,
        records: list[ImageRecord],
        views: list[str] = VIEWS,
        *,
        cache: str = "cache",
        trainer: TrainerParams = TRAINER,
    ) -> dict[str, npt.NDArray[np.float32]]:
        bench = self

        class Counted(FeatureCache):
            def put(self, keys: Sequence[Key], vectors: npt.NDArray[np.float32]) -> None:
                bench.seen += len(keys)
                super().put(keys, vectors)

        return extract_features(
            records,
            views,
            root=self.project.root,
            backbone=self.backbone,
            size=SIZE,
            cache=Counted(self.project.root / cache, self.backbone.fingerprint, SIZE),
            batch_size=8,
            trainer=trainer,
        )


@pytest.fixture
def bench(project: SmallProject, tiny_backbone: Backbone) -> Bench:
    return Bench(project, tiny_backbone)


def test_features_are_those_of_the_backbone(bench: Bench) -> None:
    records = bench.project.records
    found = bench.extract(records)
    assert list(found) == VIEWS
    assert all(part.shape == (24, bench.backbone.features) for part in found.values())
    photos = PhotoViews(
        [(r.id, "plain") for r in records], {r.id: bench.project.root / r.path for r in records}, SIZE
    )
    for number, row in enumerate(found["plain"]):
        item = photos[number]
        assert not isinstance(item, TrainingError)
        with torch.inference_mode():
            expected = bench.backbone(item[1].float())[0].numpy()
        np.testing.assert_allclose(row, expected, atol=1e-5)


@pytest.mark.portable
def test_rows_follow_the_records(bench: Bench) -> None:
    forwards = bench.extract(bench.project.records)
    backwards = bench.extract(bench.project.records[::-1])
    assert np.array_equal(forwards["mirror"], backwards["mirror"][::-1])


@pytest.mark.portable
@pytest.mark.parametrize("views", [["plain"], VIEWS, ["plain", "mirror", "zoom"]], ids=len)
def test_features_do_not_depend_on_what_else_is_missing(bench: Bench, views: list[str]) -> None:
    records = bench.project.records[:9]  # the last batch holds one photo
    whole = bench.extract(records, views)
    for record in records:
        bench.extract([record], views, cache="one by one")
    parts = bench.extract(records, views, cache="one by one")
    assert bench.seen == 2 * len(records) * len(views)
    assert all(np.array_equal(whole[view], parts[view]) for view in views)


@pytest.mark.portable
def test_the_backbone_stays_as_it_is(bench: Bench) -> None:
    """Weights in another layout are multiplied by another kernel, whose sums differ in the last bits."""

    def layout() -> dict[str, tuple[int, ...]]:
        return {name: value.stride() for name, value in bench.backbone.state_dict().items()}

    before, pixels = layout(), torch.rand(3, 3, SIZE, SIZE) * 255
    with torch.inference_mode():
        answered = bench.backbone(pixels)
        bench.extract(bench.project.records)
        assert layout() == before
        assert torch.equal(bench.backbone(pixels), answered)


def test_features_in_another_precision(bench: Bench) -> None:
    exact = bench.extract(bench.project.records)
    narrow = TrainerParams(accelerator="cpu", precision="bf16-mixed")
    found = bench.extract(bench.project.records, cache="narrow", trainer=narrow)
    assert not np.array_equal(found["plain"], exact["plain"])
    np.testing.assert_allclose(found["plain"], exact["plain"], atol=0.05)


def test_only_what_is_new_is_computed(bench: Bench) -> None:
    bench.extract(bench.project.records)
    assert bench.seen == 24 * 2
    bench.extract(bench.project.records)
    assert bench.seen == 24 * 2
    bench.project.plant(red=5, blue=5)
    bench.extract(bench.project.records)
    assert bench.seen == (24 + 10) * 2
    bench.extract(bench.project.records, ["plain", "mirror", "zoom"])
    assert bench.seen == (24 + 10) * 3


def test_what_was_computed_is_kept_when_a_photo_fails(bench: Bench) -> None:
    records = bench.project.records
    (bench.project.root / records[-1].path).unlink()
    with pytest.raises(DatasetError):
        bench.extract(records)
    kept = bench.seen
    assert kept > 0
    bench.extract(records[:-1])
    assert bench.seen == 23 * 2


@pytest.mark.parametrize("extra", [0, 64], ids=["here", "in a loader's process"])
@pytest.mark.parametrize("change", ["gone", "another", "damaged", "folder"])
def test_photos_that_changed_after_ingest(bench: Bench, change: str, extra: int) -> None:
    bench.project.plant(red=extra)
    record = bench.project.records[3]
    path = bench.project.root / record.path
    data = path.read_bytes()
    path.unlink()
    if change == "folder":
        path.mkdir()
    elif change != "gone":
        path.write_bytes(photo((1, 2, 3), 99) if change == "another" else data[: len(data) // 2])
    with pytest.raises(
        DatasetError, match=r"003\.jpg (could be read by ingest|is not the photo).*dvc repro"
    ) as caught:
        bench.extract(bench.project.records)
    assert "Traceback" not in str(caught.value)


def test_features_that_are_not_finite(bench: Bench) -> None:
    with torch.no_grad():
        next(bench.backbone.network.parameters()).fill_(float("nan"))
    with pytest.raises(TrainingError, match="test_resnet gave features that are not finite"):
        bench.extract(bench.project.records)


def test_a_photo_is_decoded_once_for_all_views(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[Path] = []
    original = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda self: read.append(self) or original(self))
    bench.extract(bench.project.records, ["plain", "mirror", "zoom", "dim", "tilt"])
    assert len(read) == 24
