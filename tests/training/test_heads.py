"""Heads against scikit-learn's logistic regression on the same convex problem."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from dahlia.errors import TrainingError
from dahlia.modeling.likelihoods import LIKELIHOODS
from dahlia.training.heads import HeadProblems, Heads, fit_heads

Array = npt.NDArray[np.float64]
KINDS = pytest.mark.parametrize("classification", ["multiclass", "multilabel"])
SHAPES = pytest.mark.parametrize("shape", [(90, 20), (40, 120)], ids=["tall", "wide"])


def make(
    classification: str, shape: tuple[int, int], rows: npt.NDArray[np.bool_] | None = None
) -> HeadProblems:
    """Three overlapping clouds of unit vectors; every head on all rows unless `rows` says otherwise."""
    count, size = shape
    rng = np.random.default_rng(0)
    tags = np.arange(count) % 3
    features = rng.normal(size=(count, size)) + 1.5 * rng.normal(size=(3, size))[tags]
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    truth = np.eye(3)[tags]
    if classification == "multilabel":
        truth = np.maximum(truth, rng.random((count, 3)) < 0.2)
    return HeadProblems(
        torch.from_numpy(features).float(),
        torch.from_numpy(truth).float(),
        torch.from_numpy(np.ones((1, count), bool) if rows is None else rows),
        classification,
    )


def objective(problems: HeadProblems, head: int, weight: Array, bias: Array, strength: float) -> float:
    rows = problems.rows[head].numpy()
    features, truth = problems.features.double().numpy()[rows], problems.targets.numpy()[rows] > 0.5
    loss = LIKELIHOODS[problems.kind].negative_log_likelihood(features @ weight + bias, truth)
    return loss / rows.sum() + strength / 2 * float((weight**2).sum())


def optimum(problems: HeadProblems, head: int, strength: float) -> float:
    """The objective at scikit-learn's solution; C is 1 / (rows * strength)."""
    rows = problems.rows[head].numpy()
    features, truth = problems.features.double().numpy()[rows], problems.targets.numpy()[rows]
    options = {"C": 1 / (rows.sum() * strength), "tol": 1e-8, "max_iter": 5000}
    if problems.kind == "multiclass":
        fitted = LogisticRegression(**options).fit(features, truth.argmax(1))
        return objective(problems, head, fitted.coef_.T, fitted.intercept_, strength)
    fits = [LogisticRegression(**options).fit(features, column > 0.5) for column in truth.T]
    weight = np.stack([fit.coef_[0] for fit in fits], 1)
    return objective(problems, head, weight, np.array([fit.intercept_[0] for fit in fits]), strength)


def reached(problems: HeadProblems, head: int, heads: Heads, strength: float) -> float:
    weight, bias = heads.weight[head].double().numpy(), heads.bias[head].double().numpy()
    return objective(problems, head, weight, bias, strength)


@KINDS
@SHAPES
def test_the_optimum_is_reached(classification: str, shape: tuple[int, int]) -> None:
    problems = make(classification, shape)
    strengths = [1e-1, 1e-2, 1e-3, 1e-4]
    for heads, strength in zip(fit_heads(problems, strengths, max_iterations=60), strengths, strict=True):
        best = optimum(problems, 0, strength)
        assert reached(problems, 0, heads, strength) == pytest.approx(best, rel=0.005, abs=1e-4)


@pytest.mark.slow
@KINDS
@SHAPES
def test_each_head_is_fitted_on_its_own_rows(classification: str, shape: tuple[int, int]) -> None:
    count = shape[0]
    rows = np.stack([np.arange(count) % 4 != left_out for left_out in range(4)] + [np.ones(count, bool)])
    problems = make(classification, shape, rows)
    (heads,) = fit_heads(problems, [1e-3], max_iterations=60)
    for head in range(len(rows)):
        assert reached(problems, head, heads, 1e-3) == pytest.approx(optimum(problems, head, 1e-3), rel=0.005)


@pytest.mark.portable
@KINDS
def test_rows_that_are_left_out_teach_nothing(classification: str) -> None:
    rows = np.ones((1, 90), bool)
    rows[0, 60:] = False
    problems = make(classification, (90, 20), rows)
    (heads,) = fit_heads(problems, [1e-2], max_iterations=200)
    targets = problems.targets.clone()
    targets[60:] = targets[60:].roll(1, 1)
    (relabelled,) = fit_heads(
        HeadProblems(problems.features, targets, problems.rows, classification), [1e-2], max_iterations=200
    )
    assert torch.equal(heads.weight, relabelled.weight)
    features = problems.features.clone()
    features[60:] = torch.nn.functional.normalize(features[60:].flip(1), dim=1)
    (moved,) = fit_heads(
        HeadProblems(features, problems.targets, problems.rows, classification), [1e-2], max_iterations=200
    )
    torch.testing.assert_close(
        heads.logits(problems.features[:60], 0), moved.logits(problems.features[:60], 0), atol=0.02, rtol=0
    )


@KINDS
def test_strengths_are_sorted_to_fall(classification: str) -> None:
    problems = make(classification, (90, 20))
    path = fit_heads(problems, [1e-4, 1e-1, 1e-2], max_iterations=40)
    lengths = [heads.weight.norm().item() for heads in path]
    assert lengths == sorted(lengths)
    assert [heads.weight.shape for heads in path] == [(1, 20, 3)] * 3
    assert path[0].bias.shape == (1, 3)


@pytest.mark.portable
@KINDS
def test_fitting_repeats_itself(classification: str) -> None:
    problems = make(classification, (40, 120))
    one, two = (fit_heads(problems, [1e-3], max_iterations=30)[0] for _ in range(2))
    assert torch.equal(one.weight, two.weight)
    assert torch.equal(one.bias, two.bias)


def test_features_that_say_nothing_leave_the_shares() -> None:
    truth = torch.eye(2)[torch.tensor([0, 0, 0, 1])]
    problems = HeadProblems(torch.full((4, 5), 0.4), truth, torch.ones(1, 4, dtype=torch.bool), "multiclass")
    (heads,) = fit_heads(problems, [1e-3], max_iterations=50)
    shares = heads.logits(problems.features, 0).softmax(1)
    torch.testing.assert_close(shares, torch.tensor([[0.75, 0.25]]).expand(4, 2), atol=0.01, rtol=0)


def test_a_tag_without_photos_in_a_part_is_no_error() -> None:
    problems = make("multiclass", (90, 20), (np.arange(90) % 3 != 2)[None])
    (heads,) = fit_heads(problems, [1e-3], max_iterations=60)
    assert torch.isfinite(heads.weight).all()
    assert heads.logits(problems.features, 0).softmax(1)[:, 2].max() < 0.1


def test_a_loss_that_is_no_number() -> None:
    problems = make("multiclass", (90, 20), np.zeros((1, 90), bool))
    with pytest.raises(TrainingError, match=r"no number at strength 0\.001, expected a finite"):
        fit_heads(problems, [1e-3], max_iterations=5)
