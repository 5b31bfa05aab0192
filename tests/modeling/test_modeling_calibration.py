from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from dahlia.modeling.likelihoods import LIKELIHOODS
from dahlia.modeling.scaling import calibrate

KINDS = pytest.mark.parametrize("classification", ["multiclass", "multilabel"])
Case = tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]


def drawn(classification: str, count: int = 4000) -> Case:
    """Logits, and truth drawn from the probabilities that they stand for."""
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, (count, 3))
    shares = LIKELIHOODS[classification].probabilities(logits)
    if classification == "multilabel":
        return logits, rng.random((count, 3)) < shares
    picks = (shares.cumsum(1) < rng.random((count, 1))).sum(1)
    return logits, np.eye(3, dtype=bool)[picks]


@KINDS
@pytest.mark.parametrize("temperature", [0.3, 1.0, 3.0])
def test_the_temperature_is_recovered(classification: str, temperature: float) -> None:
    logits, truth = drawn(classification)
    found = calibrate(logits * temperature, truth, classification)
    assert found.temperature == pytest.approx(temperature, rel=0.1)
    assert found.shift == pytest.approx(0, abs=0.1)


@KINDS
def test_it_does_not_depend_on_order(classification: str) -> None:
    logits, truth = drawn(classification, 60)
    order = np.random.default_rng(1).permutation(60)
    found = calibrate(logits[order], truth[order], classification)
    again = calibrate(logits, truth, classification)
    assert found.temperature == pytest.approx(again.temperature, rel=1e-3)
    assert found.shift == pytest.approx(again.shift, abs=1e-3)


@KINDS
def test_perfect_separation_does_not_ask_for_certainty(classification: str) -> None:
    truth = np.eye(3, dtype=bool)[np.arange(9) % 3]
    logits = np.where(truth, 4.0, -4.0)
    scaling = calibrate(logits, truth, classification)
    assert 0.2 < scaling.temperature < 1
    assert (LIKELIHOODS[classification].probabilities(scaling.of(logits)) < 1).all()


@KINDS
def test_always_wrong_stays_within_bounds(classification: str) -> None:
    truth = np.eye(3, dtype=bool)[np.arange(300) % 3]
    scaling = calibrate(np.where(truth, -50.0, 50.0), truth, classification)
    assert 1 < scaling.temperature <= 20.001


@KINDS
def test_huge_logits_give_numbers(classification: str) -> None:
    logits = np.array([[1e6, -1e6, 0.0]])
    likelihood = LIKELIHOODS[classification]
    shares = likelihood.probabilities(logits)
    assert np.isfinite(shares).all()
    assert ((shares >= 0) & (shares <= 1)).all()
    assert np.isfinite(likelihood.negative_log_likelihood(logits, np.array([[True, False, False]])))


@KINDS
def test_the_loss_is_that_of_the_probabilities(classification: str) -> None:
    logits, truth = drawn(classification, 50)
    likelihood = LIKELIHOODS[classification]
    shares = likelihood.probabilities(logits)
    said = np.where(truth, shares, 1 - shares) if classification == "multilabel" else shares[truth]
    assert likelihood.negative_log_likelihood(logits, truth) == pytest.approx(-np.log(said).sum())


def test_no_image_means_one() -> None:
    none = np.zeros((0, 3))
    scaling = calibrate(none, none.astype(bool), "multiclass")
    assert scaling.temperature == pytest.approx(1, abs=1e-3)
    assert (scaling.shift, scaling.loss) == pytest.approx((0, 0), abs=1e-6)


def test_tags_that_are_found_too_rarely_are_shifted() -> None:
    logits, truth = drawn("multilabel")
    scaling = calibrate(logits - 1.5, truth, "multilabel")
    assert (scaling.temperature, scaling.shift) == pytest.approx((1, 1.5), abs=0.1)
    assert scaling.of(logits - 1.5) == pytest.approx((logits - 1.5 + scaling.bias) / scaling.temperature)


def test_of_tags_that_exclude_each_other_nothing_is_shifted() -> None:
    logits, truth = drawn("multiclass")
    assert calibrate(logits - 1.5, truth, "multiclass").shift == 0


@pytest.mark.parametrize("present", [True, False])
def test_one_state_alone_does_not_ask_for_certainty(present: bool) -> None:
    scaling = calibrate(np.full((30, 2), 3.0 if present else -3.0), np.full((30, 2), present), "multilabel")
    assert abs(scaling.of(np.array([3.0 if present else -3.0])))[0] < 9
