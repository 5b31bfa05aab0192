from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from dahlia.dataset.imaging import RULES
from dahlia.modeling.negative_set import NegativeRecord, NegativeSet
from dahlia.training.gate import Gate, GateProblem, _discriminant, _logistic, _weights

FEATURES, AXES, OTHERS = 40, 24, 300
RECORD = NegativeRecord(
    architecture="none", fingerprint="0", size=64, rules=RULES, sources={}, licence="", dahlia_version=""
)
Floats = npt.NDArray[np.float32]


def unit(rows: npt.NDArray[np.floating]) -> Floats:
    return (rows / np.linalg.norm(rows, axis=-1, keepdims=True)).astype(np.float32)


@pytest.fixture
def negatives() -> NegativeSet:
    rng = np.random.default_rng(0)
    features = unit(rng.normal(size=(OTHERS, FEATURES)))
    axes = np.linalg.qr(rng.normal(size=(FEATURES, AXES)))[0]
    centre = features.mean(0)
    return NegativeSet(centre, axes, (features - centre) @ axes, RECORD)


def photos(
    count: int, tags: int, seed: int = 1, spread: float = 0.5
) -> tuple[list[Floats], npt.NDArray[np.bool_]]:
    """Two views of photos that lie around a place of their tag."""
    rng = np.random.default_rng(seed)
    places = np.random.default_rng(99).normal(size=(tags, FEATURES))
    tag = np.arange(count) % tags
    plain = places[tag] + spread * rng.normal(size=(count, FEATURES))
    views = [unit(plain), unit(plain + 0.1 * rng.normal(size=plain.shape))]
    return views, np.eye(tags, dtype=bool)[tag]


def everyone(truth: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    return np.ones(len(truth), bool)


def test_own_photos_pass_and_others_do_not(negatives: NegativeSet) -> None:
    views, truth = photos(30, 3)
    gate = GateProblem(views, truth, negatives).fit(everyone(truth))
    new, _ = photos(60, 3, seed=2)
    others = unit(np.random.default_rng(3).normal(size=(200, FEATURES)))
    assert (gate.probabilities(new[0]) > 0.5).mean() > 0.95
    assert (gate.probabilities(others) < 0.5).mean() > 0.75  # three tags in 24 axes


def test_what_it_says_of_a_photo_left_out_is_what_a_fit_without_it_says(negatives: NegativeSet) -> None:
    views, truth = photos(12, 3)
    places = np.stack([negatives.along(view) for view in views], 1)
    others = negatives.places[:40]
    weights = _weights(truth, 2, len(others))
    whole = _discriminant(places, others, weights)
    for left in (0, 7):
        rows = np.arange(len(truth)) != left
        kept = np.concatenate([np.repeat(rows, 2), np.ones(len(others), bool)])
        # The weights stay as they were: leaving out takes rows away and changes nothing else.
        part = _refit(places[rows], others, weights[kept])
        assert whole.left_out[left] == pytest.approx(places[left, 0] @ part[0] + part[1], abs=1e-8)
    without = np.delete(others, 5, 0)
    part = _refit(places, without, np.delete(weights, 24 + 5))
    assert whole.left_out[12 + 5] == pytest.approx(others[5] @ part[0] + part[1], abs=1e-8)


def _refit(
    places: npt.NDArray[np.float64], others: npt.NDArray[np.float64], weights: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.float64], float]:
    """Ridge regression with a free intercept, from its normal equations."""
    rows = np.concatenate([places.reshape(-1, AXES), others])
    targets = np.where(np.arange(len(rows)) < places.shape[0] * 2, 1.0, -1.0)
    design = np.concatenate([rows, np.ones((len(rows), 1))], 1)
    penalty = np.diag([1e-3] * AXES + [0.0])
    found = np.linalg.solve(design.T @ (design * weights[:, None]) + penalty, design.T @ (weights * targets))
    return found[:-1], float(found[-1])


def test_both_sides_and_every_tag_weigh_the_same() -> None:
    truth = np.zeros((10, 2), bool)
    truth[:8, 0] = truth[8:, 1] = True
    weights = _weights(truth, 2, 7)
    own = weights[:20].reshape(10, 2).sum(1)
    assert own.sum() == pytest.approx(0.5)
    assert weights[20:].sum() == pytest.approx(0.5)
    assert own[:8].sum() == pytest.approx(own[8:].sum())


def test_a_fold_does_not_change_what_is_said_of_it(negatives: NegativeSet) -> None:
    views, truth = photos(30, 3)
    folds = (np.arange(30) // 3 % 5).astype(np.int32)
    before = GateProblem(views, truth, negatives).held_out(folds, views[0])
    fold = folds == 2
    # Other photos in the fold's place: the gate that judges them is the same.
    changed = [view.copy() for view in views]
    others, _ = photos(30, 3, seed=8, spread=2.0)
    for view, other in zip(changed, others, strict=True):
        view[fold] = other[fold]
    problem = GateProblem(changed, truth, negatives)
    gate = GateProblem(views, truth, negatives).fit(~fold)
    np.testing.assert_array_equal(
        problem.held_out(folds, changed[0])[fold], gate.probabilities(changed[0][fold])
    )
    np.testing.assert_array_equal(before[fold], gate.probabilities(views[0][fold]))


def test_photos_without_a_tag_count_as_others(negatives: NegativeSet) -> None:
    views, truth = photos(40, 2)
    bare, _ = photos(40, 2, seed=5)
    shifted = unit(bare[0] + 2 * np.random.default_rng(7).normal(size=FEATURES))
    joined = [np.concatenate([view, shifted]) for view in views]
    known = np.concatenate([truth, np.zeros((40, 2), bool)])
    alone = GateProblem(views, truth, negatives).fit(everyone(truth))
    taught = GateProblem(joined, known, negatives).fit(everyone(known))
    assert taught.probabilities(shifted).mean() < alone.probabilities(shifted).mean()


def test_a_single_photo_of_each_tag_will_do(negatives: NegativeSet) -> None:
    views, truth = photos(3, 3)
    found = GateProblem(views, truth, negatives).fit(everyone(truth))
    assert np.isfinite(found.weight).all()
    assert np.isfinite(found.bias)


def test_perfect_separation_asks_for_no_certainty() -> None:
    scores = np.array([1.0, 0.9, -1.0, -0.9])
    slope, intercept = _logistic(scores, scores > 0, np.full(4, 0.25))
    assert 1 < slope < 100
    assert abs(intercept) < 1e-3


def test_the_far_ends_are_probabilities() -> None:
    gate = Gate(np.array([1e6]), 0.0)
    np.testing.assert_array_equal(gate.probabilities(np.array([[1.0], [-1.0]], np.float32)).round(3), [1, 0])
