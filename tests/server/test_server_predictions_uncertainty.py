"""How unsure a prediction is."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from dahlia.server.predictions.uncertainty import uncertainties, uncertainty

CASES = {
    "sure, multilabel": ([1.0, 0.0, 0.0], "multilabel", 0.0),
    "every tag sure": ([1.0, 1.0], "multilabel", 0.0),
    "as unsure as can be, multilabel": ([0.5, 0.5], "multilabel", 1.0),
    "half of the tags": ([0.5, 1.0], "multilabel", 0.5),
    "one tag": ([0.25], "multilabel", 0.8112781244591328),
    "sure, multiclass": ([0.0, 1.0, 0.0], "multiclass", 0.0),
    "two tags": ([0.5, 0.5], "multiclass", 1.0),
    "five tags": ([0.2] * 5, "multiclass", 1.0),
    "two of four": ([0.5, 0.5, 0.0, 0.0], "multiclass", 0.5),
    "surely none of the tags": ([0.0, 0.0], "multiclass", 0.0),
    "one tag or none": ([0.5, 0.0, 0.0, 0.0], "multiclass", 0.5),
    "a single tag": ([1.0], "multiclass", 0.0),
    "no box": ([], "detection", 0.0),
    "sure boxes, and one that is surely wrong": ([1.0, 1.0, 0.0], "detection", 0.0),
    "a box of which nothing is known": ([0.5], "detection", 0.5),
    "one doubtful box of three": ([1.0, 0.5, 0.0], "detection", 0.5),
    "two doubtful boxes": ([0.5, 0.5], "detection", 0.75),
    "a likely box": ([0.75, 1.0], "detection", 0.25),
    "an unlikely box is as doubtful": ([0.25, 1.0], "detection", 0.25),
    "three kinds of doubt": ([0.9, 0.8, 0.3], "detection", 1 - 0.9 * 0.8 * 0.7),
    "ten unlikely boxes": ([0.02] * 10, "detection", 1 - 0.98**10),
}


@pytest.mark.parametrize(("probabilities", "kind", "expected"), CASES.values(), ids=CASES)
def test_from_no_doubt_to_all_of_it(probabilities: list[float], kind: str, expected: float) -> None:
    assert uncertainty(probabilities, kind) == pytest.approx(expected, abs=1e-12)


def test_the_recorded_answer_to_its_digits() -> None:
    answer = uncertainty(np.array([0.9999989, 1.37e-12], np.float32), "multilabel")
    assert f"{answer:.6e}" == "1.141163e-05"
    # It was computed with 32-bit numbers, whose next neighbour of 1.1411630e-05 is this far away.
    assert answer == pytest.approx(1.1411630e-05, abs=float(np.spacing(np.float32(1.141163e-05))))


@pytest.mark.parametrize("kind", ["multiclass", "multilabel"])
def test_many_at_once_are_each_alone(kind: str) -> None:
    draws = np.random.default_rng(0).dirichlet(np.ones(4), 20)
    together = uncertainties(draws, kind)
    assert together.shape == (20,)
    assert together.tolist() == [uncertainty(row, kind) for row in draws]
    assert ((together > 0) & (together < 1)).all()


def test_more_boxes_that_are_not_sure_make_a_photo_of_a_detector_no_surer() -> None:
    draws = np.random.default_rng(0).random((50, 12))
    sums = [uncertainties(draws[:, :count], "detection") for count in range(13)]
    assert all((few <= more).all() for few, more in pairwise(sums))
    assert (sums[0] == 0).all()
    assert (sums[-1] < 1).all()
