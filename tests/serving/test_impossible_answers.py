"""What a graph answers that no detector can is refused, in whichever form it comes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from dahlia.boxes import Boxes
from dahlia.errors import ServiceError, TrainingError
from dahlia.modeling.card import TagCard, load_card
from dahlia.serving.models.readers import by_tag

TAGS = (TagCard(id="a", name="fork"), TagCard(id="b", name="knife"))
GOOD = (0.1, 0.2, 0.3, 0.4)


def found(place: tuple[float, ...] = GOOD, score: float = 0.9, tag: int = 1, count: int = 1) -> Boxes:
    return Boxes(
        np.full(count, tag, np.int32),
        np.array([place] * count, np.float32),
        np.full(count, score, np.float32),
    )


@pytest.mark.parametrize(
    ("boxes", "trouble"),
    [
        (found((np.nan, 0, 1, 1)), "no number"),
        (found((0, 0, np.inf, 1)), "no number"),
        (found(score=np.nan), "no number"),
        (found((0.5, 0.5, -0.2, 0.1)), "below 0"),
        (found(score=7), "not between 0 and 1"),
        (found(score=-1), "not between 0 and 1"),
        (found(tag=99), "tag number 99"),
        (found(tag=-1), "tag number 1"),
    ],
)
def test_impossible_answers_are_refused(boxes: Boxes, trouble: str) -> None:
    with pytest.raises(ServiceError, match=trouble):
        by_tag(TAGS, boxes, 64)


def test_no_more_than_the_card_says_are_given() -> None:
    many = found(count=100_000)
    many.scores[77] = 0.95
    kept = by_tag(TAGS, many, 64)
    assert len(kept) == 64
    assert kept[0].probability == pytest.approx(0.95)


def test_boxes_are_clipped_to_the_photo() -> None:
    (kept,) = by_tag(TAGS, found((-0.5, 0.9, 0.8, 5.0), score=1.0003), 64)
    assert kept.place == pytest.approx((0.0, 0.9, 0.3, 0.1), abs=1e-6)
    assert kept.probability == 1.0


@pytest.mark.parametrize(
    ("key", "value"),
    [("strides", []), ("strides", [0]), ("most", 0), ("most", 10**9), ("overlap", 0), ("least", -1)],
)
def test_a_card_that_no_detector_has_is_refused(tmp_path: Path, key: str, value: object) -> None:
    from small_detectors import make_detector

    bundle = make_detector(tmp_path, "grid", photos=1).bundle
    written = json.loads((bundle / "model.json").read_text())
    written["detector"][key] = value
    (bundle / "model.json").write_text(json.dumps(written))
    with pytest.raises(TrainingError, match=f"detector.{key}"):
        load_card(bundle)
