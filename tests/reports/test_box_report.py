from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from PIL import Image
from report_pages import Page

from dahlia.dataset.records import ImageRecord
from dahlia.evaluation.detection.evaluation import evaluate_detector
from dahlia.modeling.box_predictions import BoxPredictions
from dahlia.params import EvaluateParams
from dahlia.reports.box_report import write_box_report
from generated_boxes import Written, generated, written

BOX = (0, 0.1, 0.1, 0.4, 0.4)
FAR = (0, 0.7, 0.7, 0.2, 0.2)


def report(
    predictions: BoxPredictions,
    params: EvaluateParams,
    root: Path,
    photos: Sequence[str] = (),
    curve: Sequence[tuple[float, float]] = (),
) -> Page:
    for image in photos:
        (root / "photos").mkdir(exist_ok=True)
        Image.new("RGB", (60, 40), "grey").save(root / "photos" / f"{image[-4:]}.jpg")
    records = [
        ImageRecord(image, f"photos/{image[-4:]}.jpg", 60, 40, (), (), "train", "csv", "0" * 16)
        for image in predictions.ids
    ]
    evaluation = evaluate_detector(predictions, params, seed=0, records=records, curve=curve)
    path = root / "evaluation.html"
    write_box_report(evaluation, predictions, records, root, path, title="cutlery")
    return Page(path.read_text(encoding="utf-8"))


def test_says_how_good_the_detector_is(params: EvaluateParams, tmp_path: Path) -> None:
    page = report(generated(photos=40, test=10), params, tmp_path)
    assert "boxes found," in page.words
    assert "Mean average precision is likely between" in page.words
    for title in (
        "Tags",
        "Precision and recall",
        "What was taken for what",
        "What went wrong",
        "How exact are the boxes?",
        "Can its scores be believed?",
        "Recommended thresholds",
        "Boxes to check",
        "Worst photos",
        "Your own test set",
    ):
        assert title in page.words
    for tag in ("fork", "knife", "spoon"):
        assert tag in page.words


def test_needs_no_other_file(params: EvaluateParams, tmp_path: Path) -> None:
    predictions = generated(photos=12, skill=0.5)
    page = report(predictions, params, tmp_path, predictions.ids)
    pictures = [attributes["href"] or "" for tag, attributes in page.attributes if tag == "image"]
    assert pictures
    assert all(reference.startswith("data:image/jpeg") for reference in [*page.references, *pictures])


def test_photos_show_what_was_missed_and_what_was_found(params: EvaluateParams, tmp_path: Path) -> None:
    predictions = written([[BOX, FAR], [BOX]], [[(*BOX, 0.91), (1, *FAR[1:], 0.83)], []])
    page = report(predictions, params, tmp_path, predictions.ids)
    told = [attributes.get("aria-label", "") for tag, attributes in page.attributes if tag == "svg"]
    assert any("fork missed" in (text or "") for text in told)
    assert any("knife 83%" in (text or "") and "fork 91%" in (text or "") for text in told)
    assert "wrong tag knife 83%, is fork" in page.words


def test_boxes_lie_where_they_are(params: EvaluateParams, tmp_path: Path) -> None:
    page = report(written([[BOX]], [[]]), params, tmp_path)
    paths = [attributes["d"] for tag, attributes in page.attributes if tag == "path"]
    assert "M40.0 26.7H200.0V133.4H40.0Z" in paths  # of a drawing of 400 x 266.7


def test_a_photo_that_is_gone_is_an_empty_frame(params: EvaluateParams, tmp_path: Path) -> None:
    page = report(written([[BOX]], [[]]), params, tmp_path)
    assert "no preview" in page.words
    assert "image" not in page.seen


def test_the_learning_curve_is_drawn_where_there_is_one(params: EvaluateParams, tmp_path: Path) -> None:
    page = report(generated(), params, tmp_path, curve=[(13.0, 0.4), (26.0, 0.7)])
    assert "More photos would likely help" in page.words
    assert "Would more photos help?" not in report(generated(), params, tmp_path).words


def test_names_of_tags_are_escaped(params: EvaluateParams, tmp_path: Path) -> None:
    tags = ("<script>alert(1)</script>", 'a "b" & c', "d")
    predictions = generated(photos=30, tags=tags, skill=0.5)
    page = report(predictions, params, tmp_path)
    assert "script" not in page.seen
    assert tags[1] in page.words


@pytest.mark.parametrize(
    ("truth", "found", "said"),
    [
        ([[], []], [[], []], "No box is drawn in 2 held\u2011out photos; no false alarms"),
        ([[BOX], [FAR]], [[], []], "No box was found with a score of 10 % or more"),
        ([[BOX], [FAR]], [[(*BOX, 0.9)], [(*FAR, 0.9)]], "No box was missed in any held-out photo"),
        ([[BOX]], [[(*BOX, 0.9)]], "1 of 1 held"),
    ],
)
def test_edges(
    truth: list[Written], found: list[Written], said: str, params: EvaluateParams, tmp_path: Path
) -> None:
    assert said in report(written(truth, found), params, tmp_path).words


def test_many_tags_and_boxes_stay_a_small_page(params: EvaluateParams, tmp_path: Path) -> None:
    boxes = [(column % 40, 0.02 * (column % 45), 0.02 * (column // 7), 0.05, 0.05) for column in range(300)]
    found = [(tag + 1 if tag < 39 else 0, *place, 0.9) for tag, *place in boxes]
    predictions = written([boxes] * 3, [found] * 3, tags=[f"product {number}" for number in range(40)])
    page = report(predictions, params, tmp_path)
    assert "The 8 tags with the lowest average precision" in page.words
    assert "Confusion matrix" not in str(page.attributes)
    assert (tmp_path / "evaluation.html").stat().st_size < 1_500_000
