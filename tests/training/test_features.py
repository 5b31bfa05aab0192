from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from lightning.pytorch.loggers import CSVLogger

from dahlia.dataset.manifest import read_photo
from dahlia.dataset.records import ImageRecord
from dahlia.errors import DatasetError, TrainingError
from dahlia.modeling.backbones import Backbone
from dahlia.params import TrainerParams
from dahlia.training import photo_views
from dahlia.training.feature_cache import FeatureCache, Key
from dahlia.training.features import extract_features
from dahlia.training.photo_views import PhotoViews
from small_projects import SIZE, SmallProject, photo

Features = dict[str, npt.NDArray[np.float32]]
VIEWS = ["plain", "mirror"]
TRAINER = TrainerParams()


class FeatureCase:
    """Extracts features of a project, and counts what is computed and kept."""

    def __init__(self, project: SmallProject, backbone: Backbone, graphs: Path) -> None:
        self.project = project
        self.graphs = graphs
        self.backbone = backbone
        self.seen = 0
        self.passes = 0

    def extract(
        self,
        records: list[ImageRecord],
        views: list[str] = VIEWS,
        *,
        cache: str = "cache",
        trainer: TrainerParams = TRAINER,
    ) -> Features:
        return self.extract_each(dict.fromkeys(views, records), cache=cache, trainer=trainer)

    def extract_each(
        self,
        wanted: dict[str, list[ImageRecord]],
        *,
        cache: str = "cache",
        trainer: TrainerParams = TRAINER,
    ) -> Features:
        case = self

        class Counted(FeatureCache):
            def put(self, keys: Sequence[Key], vectors: npt.NDArray[np.float32]) -> None:
                case.seen += len(keys)
                case.passes += 1
                super().put(keys, vectors)

        return extract_features(
            wanted,
            root=self.project.root,
            backbone=self.backbone,
            size=SIZE,
            cache=Counted(self.project.root / cache, self.backbone.fingerprint, SIZE),
            graphs=self.graphs,
            batch_size=8,
            trainer=trainer,
        )


@pytest.fixture
def case(project: SmallProject, tiny_backbone: Backbone, graphs: Path) -> FeatureCase:
    return FeatureCase(project, tiny_backbone, graphs)


def test_features_are_those_of_the_backbone(case: FeatureCase) -> None:
    records = case.project.records
    found = case.extract(records)
    assert list(found) == VIEWS
    assert all(part.shape == (24, case.backbone.features) for part in found.values())
    photos = PhotoViews(
        [(r.id, "plain") for r in records], {r.id: case.project.root / r.path for r in records}, SIZE
    )
    for number, row in enumerate(found["plain"]):
        item = photos[number]
        assert not isinstance(item, TrainingError)
        with torch.inference_mode():
            expected = case.backbone(item[1].float())[0].numpy()
        np.testing.assert_allclose(row, expected, atol=1e-5)


@pytest.mark.portable
def test_rows_follow_the_records(case: FeatureCase) -> None:
    forwards = case.extract(case.project.records)
    backwards = case.extract(case.project.records[::-1])
    assert np.array_equal(forwards["mirror"], backwards["mirror"][::-1])


@pytest.mark.portable
@pytest.mark.parametrize("views", [["plain"], VIEWS, ["plain", "mirror", "zoom"]], ids=len)
def test_features_do_not_depend_on_what_else_is_missing(case: FeatureCase, views: list[str]) -> None:
    records = case.project.records[:9]  # the last batch holds one photo
    whole = case.extract(records, views)
    for record in records:
        case.extract([record], views, cache="one by one")
    parts = case.extract(records, views, cache="one by one")
    assert case.seen == 2 * len(records) * len(views)
    assert all(np.array_equal(whole[view], parts[view]) for view in views)


@pytest.mark.portable
def test_the_backbone_stays_as_it_is(case: FeatureCase) -> None:
    """Weights in another layout are multiplied by another kernel, whose sums differ in the last bits."""

    def layout() -> dict[str, tuple[int, ...]]:
        return {name: value.stride() for name, value in case.backbone.state_dict().items()}

    before, pixels = layout(), torch.rand(3, 3, SIZE, SIZE) * 255
    with torch.inference_mode():
        answered = case.backbone(pixels)
        case.extract(case.project.records)
        assert layout() == before
        assert torch.equal(case.backbone(pixels), answered)


def test_features_in_another_precision(case: FeatureCase) -> None:
    exact = case.extract(case.project.records)
    narrow = TrainerParams(accelerator="cpu", precision="bf16-mixed")
    found = case.extract(case.project.records, cache="narrow", trainer=narrow)
    assert not np.array_equal(found["plain"], exact["plain"])
    np.testing.assert_allclose(found["plain"], exact["plain"], atol=0.05)


def test_loggers_get_no_run_of_features(case: FeatureCase, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Path] = []
    original = CSVLogger.__init__
    monkeypatch.setattr(
        CSVLogger, "__init__", lambda self, save_dir: made.append(save_dir) or original(self, save_dir)
    )
    logger = {"_target_": "lightning.pytorch.loggers.CSVLogger", "save_dir": "logs"}
    case.extract(case.project.records, trainer=TrainerParams(accelerator="cpu", logger={"csv": logger}))
    assert made == []


def test_only_what_is_new_is_computed(case: FeatureCase) -> None:
    case.extract(case.project.records)
    assert case.seen == 24 * 2
    case.extract(case.project.records)
    assert case.seen == 24 * 2
    case.project.plant(red=5, blue=5)
    case.extract(case.project.records)
    assert case.seen == (24 + 10) * 2
    case.extract(case.project.records, ["plain", "mirror", "zoom"])
    assert case.seen == (24 + 10) * 3


@pytest.mark.portable
def test_some_photos_in_fewer_views_are_less_work_and_change_nothing(case: FeatureCase) -> None:
    records, views = case.project.records, ["plain", "mirror", "zoom", "tilt"]
    whole = case.extract(records, views, cache="whole")
    assert (case.seen, case.passes) == (24 * 4, 12)  # of 8 rows each
    learned = records[::3]
    wanted = {"plain": records} | dict.fromkeys(views[1:], learned)
    found = case.extract_each(wanted)
    assert (case.seen, case.passes) == (24 * 4 + 8 * 4 + 16, 12 + 4 + 2)
    assert np.array_equal(found["plain"], whole["plain"])
    assert all(np.array_equal(found[view], whole[view][::3]) for view in views[1:])
    case.extract_each(wanted)
    assert case.passes == 18


def test_what_was_computed_is_kept_when_a_photo_fails(case: FeatureCase) -> None:
    records = case.project.records
    (case.project.root / records[-1].path).unlink()
    with pytest.raises(DatasetError):
        case.extract(records)
    kept = case.seen
    assert kept > 0
    case.extract(records[:-1])
    assert case.seen == 23 * 2


@pytest.mark.parametrize("extra", [0, 64], ids=["here", "in a loader's process"])
@pytest.mark.parametrize("change", ["gone", "another", "damaged", "folder"])
def test_photos_that_changed_after_ingest(case: FeatureCase, change: str, extra: int) -> None:
    case.project.plant(red=extra)
    record = case.project.records[3]
    path = case.project.root / record.path
    data = path.read_bytes()
    path.unlink()
    if change == "folder":
        path.mkdir()
    elif change != "gone":
        path.write_bytes(photo((1, 2, 3), 99) if change == "another" else data[: len(data) // 2])
    with pytest.raises(
        DatasetError, match=r"003\.jpg (could be read by ingest|is not the photo).*dvc repro"
    ) as caught:
        case.extract(case.project.records)
    assert "Traceback" not in str(caught.value)


def test_features_that_are_not_finite(case: FeatureCase) -> None:
    with torch.no_grad():
        next(case.backbone.network.parameters()).fill_(float("nan"))
    with pytest.raises(TrainingError, match="test_resnet gave features that are not finite"):
        case.extract(case.project.records)


def test_a_photo_is_decoded_once_for_all_views(case: FeatureCase, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[Path] = []

    def counted(path: Path, image_id: str) -> bytes:
        read.append(path)
        return read_photo(path, image_id)

    monkeypatch.setattr(photo_views, "read_photo", counted)
    case.extract(case.project.records, ["plain", "mirror", "zoom", "dim", "tilt"])
    assert len(read) == 24
