from __future__ import annotations

import numpy as np
import pytest

from dahlia.errors import VerificationError
from dahlia.export.port import Batch, Opened, Source
from dahlia.export.verify import LIMITS, Comparison, VerificationSet, compare, latency, require
from dahlia.modeling.card import ModelCard, load_card
from dahlia.modeling.likelihoods import LIKELIHOODS

SAID = np.array([[0.7, 0.2, 0.1], [0.1, 0.6, 0.3], [0.33335, 0.3333, 0.33335]], np.float32)
TRUTH = np.eye(3, dtype=bool)
TAGS = ("blue", "green", "red")


@pytest.fixture
def card(source: Source) -> ModelCard:
    return load_card(source.bundle)


def verification_photos(expected: Batch = SAID, *, held_out: bool = False) -> VerificationSet:
    count = len(expected)
    # The first pixel of a photo is its number: by it the stand-in for an artifact knows what to say.
    pixels = np.zeros((count, 3, 4, 4), np.float32)
    pixels[:, 0, 0, 0] = np.arange(count)
    paths = tuple(f"{row}.jpg" for row in range(count))
    truth = np.resize(TRUTH, (count, 3))
    return VerificationSet(paths, pixels, expected, truth, np.full(count, held_out))


def saying(answers: Batch, labels: tuple[str, ...] = TAGS) -> Opened:
    return Opened(lambda pixels: answers[[int(pixels[0, 0, 0, 0])]], labels, "a stand-in")


def judged(answers: Batch, card: ModelCard, precision: str = "float32") -> Comparison:
    limit = LIMITS[precision]  # type: ignore[index]
    comparison = compare(verification_photos(), saying(answers), card, limit)
    require(comparison, limit, "The file")
    return comparison


def test_the_same_answers_pass(card: ModelCard) -> None:
    comparison = judged(SAID, card)
    assert (comparison.largest, comparison.mean, comparison.agreement) == (0, 0, 1)
    assert (comparison.before, comparison.after, comparison.judged) == (
        pytest.approx(2 / 3),
        pytest.approx(2 / 3),
        3,
    )
    assert comparison.judged_on == "photos trained on"


def test_test_photos_are_judged_alone(card: ModelCard) -> None:
    photos = verification_photos()
    some = VerificationSet(
        photos.paths, photos.pixels, photos.expected, photos.truth, np.array([False, True, True])
    )
    comparison = compare(some, saying(SAID), card, LIMITS["float32"])
    assert (comparison.judged, comparison.judged_on, comparison.before) == (2, "test photos", 0.5)


def changed(row: int, by: list[float]) -> Batch:
    answers = SAID.copy()
    answers[row] += np.array(by, np.float32)
    return answers


@pytest.mark.parametrize(
    ("answers", "precision", "message"),
    [
        (
            changed(1, [0, -2e-4, 2e-4]),
            "float32",
            r"may differ by 0\.0001 and differ by up to 0\.0002, most on 1\.jpg",
        ),
        (
            changed(0, [0, -0.02, 0.02]),
            "float16",
            r"may differ by 0\.01 and differ by up to 0\.02, most on 0\.jpg",
        ),
        (changed(2, [np.nan, 0, 0]), "float32", r"differ by up to inf, most on 2\.jpg"),
        (changed(2, [np.nan, 0, 0]), "int8", r"gives what is no number: .* inf, most on 2\.jpg"),
        (
            changed(0, [-0.6, 0.6, 0]),
            "int8",
            r"may lose 1% of accuracy and loses 33\.3% on 3 photos trained on \(66\.7% before, ",
        ),
    ],
)
def test_what_differs_is_refused(card: ModelCard, answers: Batch, precision: str, message: str) -> None:
    with pytest.raises(VerificationError, match=message):
        judged(answers, card, precision)


def test_another_top_tag_is_refused_only_where_the_model_was_sure(card: ModelCard) -> None:
    assert judged(changed(2, [-5e-5, 5e-5, 0]), card).agreement == pytest.approx(2 / 3)
    sure = np.array([[0.50006, 0.49994, 0.0]], np.float32)
    limit = LIMITS["float32"]
    flipped = saying(np.array([[0.49998, 0.50002, 0.0]], np.float32))
    comparison = compare(verification_photos(sure), flipped, card, limit)
    assert comparison.largest < 1e-4
    with pytest.raises(
        VerificationError, match=r"gives 0\.jpg another top tag .* sure of it by more than 0\.0001"
    ):
        require(comparison, limit, "The file")


@pytest.mark.parametrize("labels", [("green", "blue", "red"), ("blue", "green"), (), ("a", "b", "c")])
def test_stale_labels_are_refused(card: ModelCard, labels: tuple[str, ...]) -> None:
    with pytest.raises(
        VerificationError, match=r"the trained model has blue, green, red\. It is of another training"
    ):
        compare(verification_photos(), saying(SAID, labels), card, LIMITS["float32"])


def test_answers_of_another_shape(card: ModelCard) -> None:
    with pytest.raises(
        VerificationError, match=r"answers with shape \(3, 2\), the trained model with \(3, 3\)"
    ):
        compare(verification_photos(), saying(SAID[:, :2]), card, LIMITS["float32"])


def test_accuracy_counts_photos_or_decisions() -> None:
    assert LIKELIHOODS["multiclass"].accuracy(SAID, TRUTH) == pytest.approx(2 / 3)
    assert LIKELIHOODS["multilabel"].accuracy(SAID, TRUTH) == pytest.approx(8 / 9)


def test_latency_is_of_one_photo_of_the_right_size() -> None:
    shapes = []

    def run(pixels: Batch) -> Batch:
        shapes.append(pixels.shape)
        return pixels

    assert latency(run, 24) > 0
    assert set(shapes) == {(1, 3, 24, 24)}
