from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from report_pages import Page

from dahlia.dataset.records import ImageRecord
from dahlia.evaluation.evaluation import evaluate
from dahlia.modeling.predictions import ClassPredictions, LearningCurve
from dahlia.params import EvaluateParams
from dahlia.reports.evaluation import render, write_report

Make = Callable[..., ClassPredictions]
HOSTILE = "<script>alert('\"&')</script>"


def records_of(predictions: ClassPredictions, folder: Path, missing: int) -> list[ImageRecord]:
    for number in range(missing, len(predictions.ids)):
        pixels = np.full((30, 40, 3), number * 3 % 256, np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.jpg")
    return [
        ImageRecord(image, f"{number}.jpg", 40, 30, ("oak",), (), "train", "folder", "0" * 16)
        for number, image in enumerate(predictions.ids)
    ]


def drawn(predictions: ClassPredictions, params: EvaluateParams, **options: object) -> str:
    curve = options.get("curve")
    assert curve is None or isinstance(curve, LearningCurve)
    evaluation = evaluate(predictions, params, seed=0, negative_tag=options.get("negative_tag"), curve=curve)
    return render(evaluation, predictions, lambda image: None, str(options.get("title", "Trees")))


def test_is_one_file_that_needs_no_network(generated: Make, params: EvaluateParams, tmp_path: Path) -> None:
    predictions = generated(30, wrong=6, test=6)
    records = records_of(predictions, tmp_path, missing=3)
    path = tmp_path / "reports" / "evaluation.html"
    evaluation = evaluate(predictions, params, seed=0, negative_tag=None, records=records)
    write_report(evaluation, predictions, records, tmp_path, path, title="Trees")
    text = path.read_text(encoding="utf-8")
    page = Page(text)
    assert page.references
    assert all(reference.startswith("data:image/jpeg;base64,") for reference in page.references)
    assert not re.search(r"https?://|@import|url\(", text)
    assert "script" not in page.seen
    assert "no preview" in page.text
    assert str(tmp_path) not in text


def test_the_same_bytes_twice(generated: Make, params: EvaluateParams) -> None:
    assert drawn(generated(30), params) == drawn(generated(30), params)


@pytest.mark.parametrize("classification", ["multiclass", "multilabel"])
def test_every_tag_is_there_and_escaped(generated: Make, params: EvaluateParams, classification: str) -> None:
    tags = (HOSTILE, "Ünïcödé 森林", "a name that is far longer than any column of the report is wide")
    text = drawn(generated(30, tags, classification, wrong=5, test=6), params, title=HOSTILE)
    page = Page(text)
    assert "<script" not in text
    assert all(tag in page.text for tag in tags)


def test_says_how_good_and_how_sure(generated: Make, params: EvaluateParams) -> None:
    page = Page(drawn(generated(30, wrong=0, strength=40.0), params))
    assert "30 of 30 held\u2011out photos are right." in page.text
    assert "The true rate is likely between 85 % and 100 %." in page.text
    assert "No held-out photo was judged wrong." in page.text


def test_marks_the_negative_tag(generated: Make, params: EvaluateParams) -> None:
    assert Page(drawn(generated(30), params)).seen.count("span") < Page(
        drawn(generated(30), params, negative_tag="birch")
    ).seen.count("span")


def test_the_test_set_is_apart(generated: Make, params: EvaluateParams) -> None:
    assert "Your own test set" not in drawn(generated(30), params)
    assert "Your own test set" in drawn(generated(30, test=6), params)


@pytest.mark.parametrize(
    ("images", "tags"), [(1, 2), (2, 2), (4, 1), (80, 40)], ids=["one", "two", "one tag", "40 tags"]
)
@pytest.mark.parametrize("classification", ["multiclass", "multilabel"])
def test_tiny_and_wide_sets(
    generated: Make, params: EvaluateParams, images: int, tags: int, classification: str
) -> None:
    names = tuple(f"tag {number}" for number in range(tags))
    page = Page(drawn(generated(images, names, classification, wrong=0), params))
    assert all(name in page.text for name in names)
    assert "nan" not in page.text.lower().split()


@pytest.mark.parametrize("classification", ["multiclass", "multilabel"])
@pytest.mark.parametrize(("images", "tags"), [(60, 3), (6, 2), (2, 2), (120, 12)])
def test_draws_the_learning_curve(
    generated: Make,
    curved: Callable[..., LearningCurve],
    params: EvaluateParams,
    classification: str,
    images: int,
    tags: int,
) -> None:
    names = (HOSTILE, *(f"tag {number}" for number in range(1, tags)))
    predictions = generated(images, names, classification, wrong=0, test=4)
    curve = curved(predictions)
    text = drawn(predictions, params, curve=curve)
    page = Page(text)
    evaluation = evaluate(predictions, params, seed=0, negative_tag=None, curve=curve)
    assert evaluation.learning is not None
    assert "Would more photos help?" in page.text
    assert all(sentence in page.text for sentence in evaluation.learning.sentences)
    assert "The last point is the held-out figure above." in page.text
    assert "<script" not in text
    numbers = [
        float(each) for path in re.findall(r'd="([^"]+)"', text) for each in re.findall(r"[-\d.]+", path)
    ]
    assert all(0 <= number <= 440 for number in numbers)


def test_no_learning_curve_no_section(generated: Make, params: EvaluateParams) -> None:
    assert "Would more photos help?" not in drawn(generated(30), params)


@pytest.mark.parametrize(
    ("classification", "recipe", "threshold", "words"),
    [
        ("multiclass", "advanced", 0.5, "the model itself was fine-tuned"),
        ("multilabel", "quick", 0.3, "Here a tag counts from 50% on, above from 30%"),
        ("multiclass", "quick", 0.3, "The last point is the held-out figure above."),
    ],
)
def test_says_where_the_curve_ends_elsewhere(
    generated: Make,
    curved: Callable[..., LearningCurve],
    params: EvaluateParams,
    classification: str,
    recipe: str,
    threshold: float,
    words: str,
) -> None:
    predictions = generated(60, classification=classification)
    changed = params.model_copy(update={"threshold": threshold})
    page = Page(drawn(predictions, changed, curve=curved(predictions, recipe)))
    assert words in page.text
    assert ("The last point is" in page.text) == (words.startswith("The last point is"))


def gated(predictions: ClassPredictions, opening: float, images: int) -> ClassPredictions:
    """The first images are taken for none."""
    share = np.where(np.arange(len(predictions.ids)) < images, opening, 1.0)[:, None]
    return replace(
        predictions,
        probabilities=predictions.probabilities * share,
        uncalibrated=predictions.uncalibrated * share,
        gated=True,
    )


def test_photos_taken_for_none_are_shown(generated: Make, params: EvaluateParams) -> None:
    text = Page(drawn(gated(generated(30, wrong=0), 0.1, 15), params)).text
    assert "15 photos of 30 look like none of the tags" in text
    assert text.count("sure of none") == 12
    assert "The 12 surest are shown" in text


def test_a_model_that_takes_none_for_none_says_so(generated: Make, params: EvaluateParams) -> None:
    assert "No held-out photo with a tag was taken for none." in drawn(gated(generated(30), 1.0, 0), params)


def test_a_model_without_a_gate_says_so(generated: Make, params: EvaluateParams) -> None:
    text = Page(drawn(generated(30), params)).text
    assert "trained without a negative set" in text
    assert "taken for none" not in text
