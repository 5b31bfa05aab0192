"""What a graph of 8 bits says, held to what is right and to what the model is sure of."""

from __future__ import annotations

import numpy as np
import pytest

from dahlia.modeling.card import TagCard
from dahlia.serving.choice.judging_quantised import QuantisedComparison, compare_quantised, part_of
from dahlia.serving.models.readers import Place, Scored

CAT, DOG = TagCard(id="1", name="cat"), TagCard(id="2", name="dog")


def said(*chances: float) -> list[Scored]:
    both = [Scored(tag, chance) for tag, chance in zip((CAT, DOG), chances, strict=True)]
    return sorted(both, key=lambda one: -one.probability)


def compared(kind: str, *answers: tuple[list[Scored], list[Scored]]) -> QuantisedComparison:
    return compare_quantised([(("cat",), *pair) for pair in answers], kind)  # type: ignore[arg-type]


def test_a_top_tag_that_the_model_is_sure_of_may_not_change() -> None:
    found = compared("multiclass", (said(0.9, 0.1), said(0.4, 0.6)))
    assert found == QuantisedComparison(photos=1, compared=1, asked=1, right=1, changed=1, moved=0.5)
    assert "sure" in (found.refusal() or "")


def test_half_a_point_may_be_lost() -> None:
    kept = [(said(0.9, 0.1), said(0.899, 0.101))] * 199
    unsure = (said(0.6, 0.4), said(0.4, 0.6))
    assert compared("multiclass", *kept, unsure).refusal() is None
    assert "1.0 points" in (compared("multiclass", *kept[:198], unsure, unsure).refusal() or "")


def test_what_gets_right_instead_counts() -> None:
    unsure = said(0.502, 0.498), said(0.498, 0.502)
    turned = unsure[::-1]
    assert compared("multiclass", unsure, turned).refusal() is None


def test_probabilities_may_move_a_little_on_average() -> None:
    near, far = (said(0.9, 0.1), said(0.895, 0.105)), (said(0.9, 0.1), said(0.85, 0.15))
    assert compared("multiclass", near, near, near, far).mean_moved == pytest.approx(0.01625)
    assert "on average" in (compared("multiclass", near, near, near, far).refusal() or "")
    assert compared("multiclass", *[near] * 9, far).refusal() is None


def test_each_tag_is_a_decision_where_there_may_be_several() -> None:
    found = compared("multilabel", (said(0.6, 0.2), said(0.4, 0.2)), (said(0.9, 0.8), said(0.9, 0.2)))
    assert (found.photos, found.compared, found.asked) == (2, 2, 4)
    assert (found.right, found.kept, found.changed) == (3, 3, 1)
    assert found.moved == pytest.approx(0.8)


def test_boxes_are_those_of_the_model() -> None:
    def box(score: float, left: float = 0.1, tag: TagCard = CAT) -> Scored:
        return Scored(tag, score, Place(left, 0.1, 0.3, 0.3))

    assert compared("detection", ([box(0.9)], [box(0.895, 0.12)])).refusal() is None
    assert compared("detection", ([box(0.505)], [box(0.496)])).refusal() is None
    assert "on average" in (compared("detection", ([box(0.9)], [box(0.7, 0.12)])).refusal() or "")
    assert compared("detection", ([box(0.4), box(0.2)], [])).moved == 0.4
    for others in ([], [box(0.9, 0.5)], [box(0.9, tag=DOG)]):
        assert "sure" in (compared("detection", ([box(0.9)], others)).refusal() or "")
    assert "points" in (compared("detection", ([box(0.9)], [box(0.9), box(0.8, 0.6)])).refusal() or "")


@pytest.mark.parametrize("kind", ["multiclass", "multilabel"])
def test_what_is_no_number_is_a_change(kind: str) -> None:
    found = compared(kind, (said(0.5, 0.4), said(float("nan"), float("nan"))))
    assert found.changed == 1
    assert found.refusal()


def test_nothing_compared_is_no_proof() -> None:
    assert QuantisedComparison().refusal() == "there are no photos to compare on"


def test_parts_are_the_corners() -> None:
    photo = np.zeros((20, 20, 3), np.uint8)
    photo[:10, :10], photo[:10, 10:], photo[10:, :10], photo[10:, 10:] = 10, 20, 30, 40
    assert [int(part_of(photo, number)[place]) for number, place in (
        (0, (0, 0, 0)), (1, (0, 19, 0)), (2, (19, 0, 0)), (3, (19, 19, 0))
    )] == [10, 20, 30, 40]  # fmt: skip
    assert part_of(photo, 5).shape == photo.shape
