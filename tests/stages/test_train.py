from __future__ import annotations

import csv
import shutil
import sqlite3
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from safetensors.torch import load_file

from dahlia import layout
from dahlia.dataset.records import ImageRecord
from dahlia.errors import DahliaError, DatasetError, WeightsError
from dahlia.modeling.card import load_card, tag_id
from dahlia.modeling.classifier import load_bundle
from dahlia.modeling.predictions import ClassPredictions, load_learning_curve, load_predictions
from dahlia.stages import train
from dahlia.training import recipes
from random_negatives import with_random_negatives
from small_projects import SmallProject, make_params

PICKLES = (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05", b"PK\x03\x04")


def outputs(root: Path) -> Iterator[Path]:
    return (path for path in sorted((root / "models").rglob("*")) if path.is_file())


def computed(root: Path) -> set[tuple[str, str]]:
    """The id and the view of all features that were computed."""
    (path,) = (layout.home(root) / layout.FEATURE_CACHE).glob("*.sqlite")
    with closing(sqlite3.connect(path)) as connection:
        return set(connection.execute("SELECT id, view FROM features"))


def run(project: SmallProject) -> ClassPredictions:
    train.run(project.params, project.root)
    return load_predictions(project.root / layout.PREDICTIONS)


def test_what_training_leaves(project: SmallProject, capsys: pytest.CaptureFixture[str]) -> None:
    predictions = run(project)
    assert [path.relative_to(project.root / "models").as_posix() for path in outputs(project.root)] == [
        "bundle/model.json",
        "bundle/model.safetensors",
        "bundle/photos.zip",
        "bundle/reference.parquet",
        "history.csv",
        "learning_curve.json",
        "predictions.parquet",
    ]
    assert predictions.tags == ("blue", "red")
    assert set(predictions.ids) == {record.id for record in project.records}
    assert (predictions.probabilities.argmax(1) == predictions.truth.argmax(1)).mean() > 0.9
    said = capsys.readouterr().out
    assert said.startswith(
        "train: test_resnet with weights: file tiny.safetensors, as asked for\n"
        "train: no negative set for test_resnet with these weights at 32 px: "
        "photos of anything else will get a tag (docs/training.md)\n"
        "train: quick, test_resnet, 24 images, 2 tags"
    )


@pytest.mark.portable
def test_two_clean_runs_are_alike_to_the_byte(project: SmallProject, tmp_path: Path) -> None:
    other = SmallProject(tmp_path / "other", project.params)
    other.plant(red=12, blue=12)
    for each in (project, other):
        train.run(each.params, each.root)
    first, second = (
        {path.relative_to(each.root): path.read_bytes() for path in outputs(each.root)}
        for each in (project, other)
    )
    assert first == second


@pytest.mark.portable
def test_a_second_run_from_the_cache_is_alike(project: SmallProject) -> None:
    train.run(project.params, project.root)
    first = {path: path.read_bytes() for path in outputs(project.root)}
    train.run(project.params, project.root)
    assert {path: path.read_bytes() for path in outputs(project.root)} == first


def test_nothing_is_pickled(project: SmallProject) -> None:
    train.run(project.params, project.root)
    for path in (path for path in project.root.rglob("*") if path.is_file()):
        if path.name == layout.PHOTOS:  # a zip file of photos, as torch's files of pickles are
            names = zipfile.ZipFile(path).namelist()
            assert {Path(name).suffix for name in names} == {".json", ".jpg"}
            continue
        assert not path.read_bytes().startswith(PICKLES), path
        assert path.suffix not in {".pkl", ".pickle", ".pt", ".pth", ".ckpt", ".joblib", ".npy"}


def test_the_card_says_how(project: SmallProject) -> None:
    project.plant(test=True, red=3)
    train.run(project.params, project.root)
    card = load_card(project.root / layout.BUNDLE)
    assert [(tag.name, tag.type) for tag in card.tags] == [("blue", "Regular"), ("red", "Regular")]
    assert card.tags[0].id == tag_id(project.params.project.name, "blue")
    assert card.training.recipe == "quick"
    assert card.training.images == 24
    assert card.training.regularisation in project.params.training.regularisation
    assert card.git_revision is None
    used = card.backbone.weights, card.backbone.source, card.backbone.reason
    assert used == ("tiny.safetensors", "file tiny.safetensors", "as asked for")
    assert str(project.root.parent) not in (project.root / layout.BUNDLE / "model.json").read_text()
    model, _ = load_bundle(project.root / layout.BUNDLE)
    assert model.backbone.fingerprint == card.backbone.fingerprint
    assert load_file(project.root / layout.BUNDLE / "model.safetensors")["temperature"] == pytest.approx(
        card.temperature
    )


def test_the_users_test_set_is_judged_and_not_learned(project: SmallProject) -> None:
    before = run(project)
    project.plant(test=True, red=4, blue=4)
    after = run(project)
    assert len(after.test.ids) == 8
    assert after.held_out.ids == before.ids
    np.testing.assert_allclose(after.held_out.probabilities, before.probabilities, atol=1e-4)
    np.testing.assert_allclose(after.test.probabilities.sum(1), 1)
    model, _ = load_bundle(project.root / layout.BUNDLE)
    assert isinstance(model.head, torch.nn.Linear)


@pytest.mark.portable
def test_the_test_set_is_seen_in_the_plain_view_alone(
    project: SmallProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tested = project.plant(test=True, red=4, blue=4)
    other = project.copy(tmp_path / "other")
    train.run(project.params, project.root)
    assert Counter(view for _, view in computed(project.root)) == {"plain": 32, "mirror": 24}
    assert {view for name, view in computed(project.root) if name in {photo.id for photo in tested}} == {
        "plain"
    }
    extract = recipes.extract_features

    def of_all(wanted: dict[str, Sequence[ImageRecord]], **how: Any) -> dict[str, npt.NDArray[np.float32]]:
        found = extract(dict.fromkeys(wanted, wanted["plain"]), **how)
        assert all(len(rows) == 32 for rows in found.values())
        return extract(wanted, **how)

    monkeypatch.setattr(recipes, "extract_features", of_all)
    train.run(other.params, other.root)
    assert len(computed(other.root)) == 64
    for path in outputs(project.root):
        assert path.read_bytes() == (other.root / path.relative_to(project.root)).read_bytes()


def test_history_is_the_search(project: SmallProject) -> None:
    train.run(project.params, project.root)
    with (project.root / layout.HISTORY).open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["strength"]) for row in rows] == [1e-3, 1e-4]
    assert all(0 < float(row["held_out_loss"]) < 1 for row in rows)


def test_the_learning_curve_ends_at_the_held_out_figure(project: SmallProject) -> None:
    project.plant(test=True, red=4, blue=4)
    held_out = run(project).held_out
    curve = load_learning_curve(project.root / layout.LEARNING_CURVE)
    ways = [(way, count) for fold in curve.whole for way, count in fold.outcomes.items()]
    right = held_out.probabilities.argmax(1) == held_out.truth.argmax(1)
    assert sum(count for _, count in ways) == len(held_out.ids) == 24
    assert sum(count for way, count in ways if way[-1] == "1") == right.sum()
    assert max(fold.learned[-1] for fold in curve.whole) < 24
    assert (curve.recipe, curve.tags) == ("quick", ("blue", "red"))


def test_multilabel_with_the_negative_tag(project: SmallProject, tiny_weights: Path) -> None:
    project.params = make_params(tiny_weights, classification="multilabel")
    project.plant(Negative=12)
    predictions = run(project)
    assert predictions.tags == ("blue", "red")
    assert not predictions.truth.any(1).all()
    assert load_card(project.root / layout.BUNDLE).classification == "multilabel"


def test_ten_more_photos(project: SmallProject) -> None:
    first = run(project)
    project.plant(red=5, blue=5)
    second = run(project)
    assert len(second.ids) == len(first.ids) + 10
    assert load_card(project.root / layout.BUNDLE).training.images == 34


@pytest.mark.parametrize(
    ("mishap", "error", "message"),
    [
        (lambda p: (p.root / layout.MANIFEST).unlink(), DatasetError, "manifest.parquet was expected"),
        (lambda p: (p.root / layout.FOLDS).unlink(), DatasetError, "folds.parquet was expected"),
        (lambda p: (p.root / p.records[0].path).unlink(), DatasetError, "cannot be now"),
        (lambda p: setattr(p, "params", make_params(Path("gone.safetensors"))), WeightsError, "is not there"),
    ],
    ids=["no manifest", "no folds", "no photo", "no weights"],
)
@pytest.mark.parametrize("cached", [True, False], ids=["features kept", "features gone"])
def test_what_stops_it_leaves_the_last_model(
    project: SmallProject,
    mishap: Callable[[SmallProject], object],
    error: type[DahliaError],
    message: str,
    cached: bool,
) -> None:
    train.run(project.params, project.root)
    before = {path: path.read_bytes() for path in outputs(project.root)}
    mishap(project)
    project.params = project.params.model_copy(
        update={"training": project.params.training.model_copy(update={"max_iterations": 3})}
    )
    if not cached:
        shutil.rmtree(project.root / layout.FEATURE_CACHE)
    with pytest.raises(error, match=message):
        train.run(project.params, project.root)
    assert {path: path.read_bytes() for path in outputs(project.root)} == before


def test_a_negative_set_gives_the_model_a_gate(project: SmallProject) -> None:
    train.run(project.params, project.root)
    before = load_predictions(project.root / layout.PREDICTIONS)
    with with_random_negatives():
        train.run(project.params, project.root)
    after = load_predictions(project.root / layout.PREDICTIONS)
    model, card = load_bundle(project.root / layout.BUNDLE)
    assert (before.gated, after.gated) == (False, True)
    assert model.gate is not None
    assert card.negatives is not None
    assert card.negatives.sources == {"numbers": 60}
    # Each photo's tags keep their order and their ratios.
    np.testing.assert_array_equal(before.probabilities.argmax(1), after.probabilities.argmax(1))
    share = after.probabilities / before.probabilities
    np.testing.assert_allclose(share, share[:, :1] * np.ones(share.shape[1]), rtol=1e-9)
    assert (share <= 1).all()
    assert (after.uncalibrated <= before.uncalibrated).all()


def test_a_project_may_want_no_gate(project: SmallProject) -> None:
    unwanted = project.params.project.model_copy(update={"negatives": "none"})
    with with_random_negatives():
        train.run(project.params.model_copy(update={"project": unwanted}), project.root)
    model, card = load_bundle(project.root / layout.BUNDLE)
    assert model.gate is None
    assert card.negatives is None


def test_a_multilabel_project_has_a_gate_too(project: SmallProject, tiny_weights: Path) -> None:
    project.params = make_params(tiny_weights, classification="multilabel")
    with with_random_negatives():
        predictions = run(project)
    model, _ = load_bundle(project.root / layout.BUNDLE)
    assert model.gate is not None
    assert predictions.gated
    assert ((predictions.probabilities >= 0) & (predictions.probabilities <= 1)).all()
