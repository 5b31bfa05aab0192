from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pretraining_corpora import folder_corpus

from dahlia.composition import compose_alone
from dahlia.errors import ConfigError
from dahlia.modeling.backbones import Backbone
from dahlia.modeling.negative_set import negative_set
from dahlia.project import create_project
from dahlia_pretraining import NegativesParams, negative_features
from dahlia_pretraining.corpus import open_corpus
from dahlia_pretraining.generated import pattern, scenery
from dahlia_pretraining.negative_features import axes_of, enlarged, evenly, make_negative_set, mosaic
from small_projects import ARCHITECTURE


def settings(project: Path, weights: Path, *overrides: str) -> NegativesParams:
    small = (
        f"backbone.architecture={ARCHITECTURE}",
        f"backbone.weights='{weights}'",
        "size=64",
        "stored_size=32",
        "photos=12",
        "generated=6",
        "axes=8",
        "source='a small corpus'",
        "licence=MIT",
    )
    return compose_alone(project, "negatives", NegativesParams, [*small, *overrides])


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    create_project(tmp_path / "project")
    folder_corpus(tmp_path / "project/corpus", classes=3, each=8)
    monkeypatch.setattr(negative_features, "_MOSAICS", 2)
    return tmp_path / "project"


def test_a_corpus_becomes_a_set(project: Path, tiny_weights: Path, tiny_backbone: Backbone) -> None:
    path = make_negative_set(settings(project, tiny_weights), project)
    found = negative_set(tiny_backbone.fingerprint, 64, project / "models/negatives")
    assert path.parent == project / "models/negatives"
    assert found is not None
    assert found.places.shape == (18, 8)
    assert found.axes.shape == (tiny_backbone.features, 8)
    assert found.record.sources == {"a small corpus": 12, "generated scenery": 3, "generated patterns": 3}
    np.testing.assert_allclose(found.axes.T @ found.axes, np.eye(8), atol=0.01)


def test_more_axes_than_photos_are_refused(project: Path, tiny_weights: Path) -> None:
    with pytest.raises(ConfigError, match="more photos than axes, received 18 for 18"):
        make_negative_set(settings(project, tiny_weights, "axes=18"), project)


def test_classes_have_as_many_photos_as_can_be(tmp_path: Path) -> None:
    source = folder_corpus(tmp_path / "corpus", classes=3, each=8)
    for number in range(2, 8):
        (source / f"class 0/{number}.jpg").unlink()
    corpus = open_corpus(source, tmp_path / "cache", 32)
    chosen = evenly(corpus, 10, np.random.default_rng(0))
    assert np.bincount(corpus.labels[chosen]).tolist() == [2, 4, 4]
    assert sorted(set(chosen)) == chosen.tolist()


def test_axes_follow_the_variance_but_not_the_movement() -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(200, 6)) * [5, 4, 3, 2, 1, 0.5]
    moved = np.outer(rng.normal(2, 0.1, 50), np.eye(6)[1])
    _, axes = axes_of(features, moved, 3, 1)
    np.testing.assert_allclose(axes[1], 0, atol=1e-9)
    assert np.abs(axes[[0, 2, 3]]).max(1) == pytest.approx(1, abs=0.1)
    np.testing.assert_allclose(axes.T @ axes, np.eye(3), atol=1e-9)


def test_a_mosaic_is_of_photos_of_the_corpus(tmp_path: Path) -> None:
    corpus = open_corpus(folder_corpus(tmp_path / "corpus"), tmp_path / "cache", 32)
    made = mosaic(corpus, 3, np.random.default_rng(0))
    assert made.shape == (96, 96, 3)
    assert any(np.array_equal(made[:32, 32:64], photo) for photo in corpus.images)


def test_an_enlarged_photo_has_lost_its_detail() -> None:
    image = np.random.default_rng(0).integers(0, 256, (200, 300, 3), np.uint8)
    assert enlarged(image, 32).shape == (32, 32, 3)
    assert enlarged(image, 32).std() < image.std() / 2


@pytest.mark.parametrize("draw", [scenery, pattern])
def test_pictures_are_drawn_alike_each_time_and_differ(draw: object) -> None:
    pictures = [draw(0, number) for number in range(5)]  # type: ignore[operator]
    for number, picture in enumerate(pictures):
        assert picture.dtype == np.uint8
        assert picture.shape[2] == 3
        np.testing.assert_array_equal(picture, draw(0, number))  # type: ignore[operator]
    assert len({picture.tobytes() for picture in pictures}) == 5
