"""Would more photos help: what is said of steep, flat, small and odd curves, and what is not."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pytest

from dahlia.errors import EvaluationError
from dahlia.evaluation.figures import Learning
from dahlia.evaluation.learning import check_fits, learning, next_gain, points_of
from dahlia.modeling.predictions import ClassPredictions, FoldOutcomes, LearningCurve

Ways = Mapping[str, int]
FOLDS = 5
# Forty photos a tag, of which so many went so.
STEEP = {"0000": 2, "0001": 8, "0011": 8, "0111": 8, "1111": 14}
FLAT = {"0000": 4, "1111": 36}
NOISY = {"0000": 4, "0101": 2, "1010": 3, "0001": 3, "1110": 1, "1111": 27}


def spread(ways: Ways) -> list[dict[str, int]]:
    """The photos dealt to five folds in turn."""
    dealt = [way for way, count in sorted(ways.items()) for _ in range(count)]
    return [
        {way: dealt[part::FOLDS].count(way) for way in sorted(set(dealt[part::FOLDS]))} for part in range(5)
    ]


def curve(
    tags: Mapping[str, Ways], classification: str = "multiclass", recipe: str = "quick"
) -> LearningCurve:
    by_tag = {tag: spread(ways) for tag, ways in tags.items()}
    counts = {tag: [sum(part.values()) for part in parts] for tag, parts in by_tag.items()}

    def learned(names: Sequence[str], part: int) -> tuple[int, ...]:
        pools = [sum(counts[tag]) - counts[tag][part] for tag in names]
        return tuple(sum(-int(-share * pool // 1) for pool in pools) for share in (0.25, 0.5, 0.75, 1.0))

    def fold(names: Sequence[str], part: int) -> FoldOutcomes:
        ways: dict[str, int] = {}
        for tag in names:
            for way, count in by_tag[tag][part].items():
                ways[way] = ways.get(way, 0) + count
        return FoldOutcomes(fold=part, learned=learned(names, part), outcomes=ways)

    return LearningCurve.model_validate(
        {
            "recipe": recipe,
            "classification": classification,
            "shares": (0.25, 0.5, 0.75, 1.0),
            "tags": tuple(tags),
            "whole": tuple(fold(list(tags), part) for part in range(FOLDS)),
            "by_tag": tuple(tuple(fold([tag], part) for part in range(FOLDS)) for tag in tags),
        }
    )


def told(tags: Mapping[str, Ways], classification: str = "multiclass") -> Learning:
    return learning(curve(tags, classification), 0.95)


def test_a_steep_tag_among_flat_ones_is_named() -> None:
    found = told({"daisy": STEEP, "oak": FLAT, "birch": FLAT, "maple": FLAT})
    assert found.most_helped == ("daisy",)
    assert found.sentences[0] == (
        "More photos of “daisy” would likely help most: 55 % were recognised after learning from 16 of its "
        "photos, 95 % after 32."
    )
    daisy = found.tags[0]
    assert [point.value for point in daisy.points] == [0.35, 0.55, 0.75, 0.95]
    assert daisy.gain == 0.4
    assert daisy.gain_low is not None
    assert daisy.gain_high is not None
    assert 0 < daisy.gain_low < 0.4 < daisy.gain_high < 0.7


def test_a_steep_curve_says_what_doubling_would_bring() -> None:
    ways = {"0000": 12, "0001": 3, "0011": 4, "0111": 6, "1111": 15}
    found = told(dict.fromkeys(("oak", "birch", "maple", "elm"), ways))
    assert found.doubling is not None
    low, high = found.doubling
    assert found.whole.gain_low is not None
    assert found.whole.gain_high is not None
    error = 1 - found.whole.points[-1].value
    assert 0 < low < next_gain(found.whole.gain or 0, error) < high < error
    assert f"Doubling them would likely bring {points_of(low, high)}." in " ".join(found.sentences)
    assert any(each.startswith("More photos would likely help: 52 % were right") for each in found.sentences)


def test_no_figure_for_doubling_where_the_curve_is_no_power_law() -> None:
    late = {"0000": 8, "0001": 12, "1110": 2, "1111": 18}
    found = told(dict.fromkeys(("oak", "birch", "maple", "elm"), late))
    assert found.doubling is None
    assert "More photos would likely help" in " ".join(found.sentences)
    assert "Doubling" not in " ".join(found.sentences)


def test_a_flat_curve_of_many_photos_would_change_little() -> None:
    found = told(dict.fromkeys(("a", "b", "c", "d", "e", "f"), FLAT))
    assert found.most_helped == ()
    assert found.doubling is None
    assert found.sentences == (
        "More photos of the same kind would change little: 90 % were right after learning from 96 photos, "
        "90 % after 192.",
    )


def test_a_noisy_curve_cannot_be_told() -> None:
    found = told({"oak": NOISY, "birch": FLAT})
    assert found.doubling is None
    assert found.most_helped == ()
    assert found.sentences[0].startswith("Whether more photos would help is unknown: ")
    assert found.sentences[0].endswith("and chance could explain that.")
    assert found.sentences[1].startswith("Which tag would gain most is unknown: “oak” gained most, ")


def test_nothing_is_wrong() -> None:
    found = told({"oak": {"0111": 20, "1111": 20}, "birch": {"1111": 40}})
    assert found.sentences == (
        "None of 80 held-out photos is wrong, so more photos of the same kind cannot show a gain.",
    )
    assert found.most_helped == ()


def test_five_photos_a_tag_promise_nothing() -> None:
    found = told({"oak": {"0011": 3, "1111": 2}, "birch": {"0111": 2, "0000": 3}})
    assert found.doubling is None
    assert found.most_helped == ()
    assert "is unknown" in found.sentences[0]


def test_two_photos_cannot_be_halved() -> None:
    found = told({"oak": {"1111": 1}, "birch": {"0000": 1}})
    assert found.sentences == (
        "Whether more photos would help is unknown: 2 held-out photos are too few to halve.",
    )


@pytest.mark.parametrize("way", ["0000", "1111", "0001"])
def test_a_tag_with_one_photo_is_never_named(way: str) -> None:
    found = told({"oak": FLAT, "birch": FLAT, "rare": {way: 1}})
    rare = found.tags[2]
    assert (rare.images, len(rare.points), rare.gain) == (1, 1, None)
    assert "rare" not in " ".join(found.sentences)


def test_a_tag_without_photos_is_left_out() -> None:
    assert [each.tag for each in told({"oak": FLAT, "gone": {}}).tags] == ["oak"]


def test_two_steep_tags_most_to_gain_first() -> None:
    steeper = {"0000": 6, "0001": 10, "0011": 8, "0111": 8, "1111": 8}
    found = told({"oak": STEEP, "birch": FLAT, "elm": steeper, "ash": FLAT})
    assert found.most_helped == ("elm", "oak")
    assert found.sentences[0].startswith("More photos of “elm” would likely help most, then of “oak”: ")


def test_many_labels_are_found_and_right_in_every_tag() -> None:
    found = told({"oak": STEEP, "birch": FLAT}, "multilabel")
    assert "were found after learning" in found.sentences[0]
    assert "had every tag right" in found.sentences[1]
    assert found.threshold == 0.5
    assert told({"oak": STEEP}).threshold is None


def test_the_range_is_of_the_worst_and_best_fold() -> None:
    found = told({"oak": STEEP, "birch": FLAT})
    last = found.whole.points[-1]
    rates = [
        sum(count for way, count in fold.outcomes.items() if way[-1] == "1") / sum(fold.outcomes.values())
        for fold in curve({"oak": STEEP, "birch": FLAT}).whole
    ]
    assert (last.low, last.high) == (pytest.approx(min(rates)), pytest.approx(max(rates)))
    assert last.low <= last.value <= last.high


def test_flat_curves_rarely_name_a_tag() -> None:
    """Photos that are right by the toss of a coin: at most one set in twenty may name a tag."""
    random = np.random.default_rng(0)
    named = 0
    for _ in range(200):
        sets: dict[str, dict[str, int]] = {}
        for tag in "abcdefgh":
            tosses = random.random(30) < 0.7
            ways: dict[str, int] = {}
            for sure in tosses:
                digits = ["1" if (sure and random.random() > 0.15) else "0" for _ in range(4)]
                ways["".join(digits)] = ways.get("".join(digits), 0) + 1
            sets[tag] = ways
        named += bool(told(sets).most_helped)
    assert named <= 10


@pytest.mark.parametrize(
    ("gain", "error", "expected"),
    [(0.1, 0.1, 0.05), (0.0, 0.3, 0.0), (-0.1, 0.3, 0.0), (0.2, 0.0, 0.0), (0.0, 0.0, 0.0)],
)
def test_a_power_law_halves_the_gain_that_halved_the_error(
    gain: float, error: float, expected: float
) -> None:
    assert next_gain(gain, error) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        (0.011, 0.036, "1 to 4 points"),
        (0.0, 0.036, "4 points at most"),
        (0.004, 0.009, "1 point at most"),
        (0.02, 0.05, "2 to 5 points"),
    ],
)
def test_ranges_are_rounded_outwards(low: float, high: float, words: str) -> None:
    assert points_of(low, high) == words


def test_another_trainings_curve_is_refused(generated: Callable[..., ClassPredictions]) -> None:
    third = {"0011": 2, "1111": 18}
    predictions = generated(60, test=12)
    fits = curve({"oak": third, "birch": third, "maple": third})
    check_fits(fits, predictions.held_out)
    for other in (
        curve({"oak": third, "birch": third, "elm": third}),
        curve({"oak": third, "birch": third, "maple": FLAT}),
    ):
        with pytest.raises(EvaluationError, match="dvc repro train"):
            check_fits(other, predictions.held_out)
