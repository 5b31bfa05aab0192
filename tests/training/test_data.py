from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dahlia.dataset.records import ImageRecord
from dahlia.errors import TrainingError, WeightsError
from dahlia.training.recipes import TrainingData, gather, train
from small_projects import make_params


def record(name: str, *tags: str) -> ImageRecord:
    return ImageRecord(name * 64, f"{name}.jpg", 8, 8, tags, (), "train", "folder", "0" * 16)


def gathered(
    *rows: tuple[ImageRecord, int | None], classification: str = "multiclass", negative: str | None = None
) -> TrainingData:
    folds = {row.id: fold for row, fold in rows if fold is not None}
    return gather([row for row, _ in rows], folds, kind=classification, negative_tag=negative)


def test_a_table_by_id_and_tag() -> None:
    data = gathered((record("c", "rose"), 1), (record("a", "Aster"), 0), (record("b", "aster"), 2))
    assert [row.path for row in data.records] == ["a.jpg", "b.jpg", "c.jpg"]
    assert data.tags == ("Aster", "aster", "rose")
    assert data.truth.tolist() == [[True, False, False], [False, True, False], [False, False, True]]
    assert data.folds.tolist() == [0, 2, 1]
    assert data.folds.dtype == np.int32
    assert data.training.all()


def test_what_has_no_fold_is_left_out() -> None:
    data = gathered((record("a", "x"), 0), (record("b", "y"), 1), (record("c", "z"), None))
    assert data.tags == ("x", "y")
    assert len(data.records) == 2


def test_the_users_test_set_is_told_apart() -> None:
    data = gathered((record("a", "x"), 0), (record("b", "y"), 1), (record("c", "y"), -1))
    assert data.training.tolist() == [True, True, False]
    assert [row.path for row in data.where(data.training)] == ["a.jpg", "b.jpg"]
    assert data.truth[2].tolist() == [False, True]


@pytest.mark.parametrize(("classification", "kept"), [("multiclass", 2), ("multilabel", 3)])
def test_a_test_image_of_a_tag_that_was_never_learned(classification: str, kept: int) -> None:
    rows = ((record("a", "x"), 0), (record("b", "y"), 1), (record("c", "z"), -1))
    data = gathered(*rows, classification=classification)
    assert data.tags == ("x", "y")
    assert len(data.records) == len(data.truth) == len(data.folds) == kept
    assert not data.truth[2:].any()


def test_the_negative_tag_of_a_multilabel_project_is_no_tag() -> None:
    rows = ((record("a", "x", "y"), 0), (record("b", "Negative"), 1), (record("c", "y"), 2))
    data = gathered(*rows, classification="multilabel", negative="Negative")
    assert data.tags == ("x", "y")
    assert data.truth.tolist() == [[True, True], [False, False], [False, True]]


def test_one_tag_of_a_multilabel_project_is_told_from_the_negative_one() -> None:
    rows = ((record("a", "x"), 0), (record("b", "Negative"), 1))
    data = gathered(*rows, classification="multilabel", negative="Negative")
    assert (data.tags, data.truth.tolist()) == (("x",), [[True], [False]])


def test_the_negative_tag_of_a_multiclass_project_is_a_tag() -> None:
    data = gathered((record("a", "x"), 0), (record("b", "Negative"), 1), negative="Negative")
    assert data.tags == ("Negative", "x")


@pytest.mark.parametrize(
    ("rows", "classification", "negative", "message"),
    [
        ((), "multiclass", None, "at least 2 tags with training images, .*, received none"),
        (((record("a", "x"), 0),), "multiclass", None, "received 1: “x”. Add images of another tag"),
        (((record("a", "x"), 0), (record("b", "y"), -1)), "multiclass", None, "received 1: “x”"),
        (((record("a", "x"), 0), (record("b", "y"), None)), "multiclass", None, "received 1: “x”"),
        (((record("a", "x"), 0), (record("b", "x"), 1)), "multilabel", None, "received 1: “x”"),
        (((record("a", "x"), 0), (record("b"), 1)), "multilabel", "No", "or of the negative one"),
        (((record("a", "x"), 0), (record("b", "No"), -1)), "multilabel", "No", "received 1: “x”"),
        (((record("a", "No"), 0),), "multilabel", "No", "received 1: “No”"),
        (((record("a"), 0),), "multilabel", None, "received none"),
    ],
)
def test_too_few_tags(
    rows: tuple[tuple[ImageRecord, int | None], ...], classification: str, negative: str | None, message: str
) -> None:
    with pytest.raises(TrainingError, match=message):
        gathered(*rows, classification=classification, negative=negative)


def test_photos_too_small_for_the_network_are_refused_first(tmp_path: Path) -> None:
    params = make_params(Path("none"))
    backbone = params.domain.backbone.model_copy(update={"architecture": "tf_efficientnet_lite0"})
    domain = params.domain.model_copy(update={"backbone": backbone})
    data = gathered((record("a", "rose"), 0), (record("b", "aster"), 1))
    with pytest.raises(WeightsError, match=r"at least 64 px, and `domain.input.size` is 32"):
        train(data, params.model_copy(update={"domain": domain}), tmp_path)
