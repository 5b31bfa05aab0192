"""What calibrates logits: a temperature, and a shift where tags are right or wrong by themselves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dahlia.kinds import Kind
from dahlia.modeling.likelihoods import LIKELIHOODS, Bernoulli

Values = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
Objective = Callable[[float, float], float]
_BOUNDS = (0.05, 20.0)
_PRIOR_IMAGES = 4.0
_PRIOR_OF_SHIFT = 1.0
_MOST_SHIFT = 20.0


@dataclass(frozen=True)
class Scaling:
    """What calibrates logits: they are divided by `temperature`, then `shift` is added.

    Attributes:
        temperature: 0.05 to 20; above 1 where the model was too sure of itself.
        shift: of all logits alike; 0 where it would change nothing.
        loss: of the images that it was fitted on, calibrated, summed, in nats; and what the priors take.
    """

    temperature: float
    shift: float
    loss: float

    def of(self, logits: Values) -> Values:
        """The calibrated logits."""
        return logits / self.temperature + self.shift

    @property
    def bias(self) -> float:
        """What `shift` is before the division, so that a head's bias can take it in."""
        return self.temperature * self.shift


def calibrate(logits: Values, truth: Mask, kind: Kind, *, prior_images: float = _PRIOR_IMAGES) -> Scaling:
    """The scaling that makes held-out predictions most likely.

    Guo, Pleiss, Sun and Weinberger, On Calibration of Modern Neural Networks, 2017; with a shift where tags
    are right or wrong by themselves, Platt, Probabilities for SV Machines, 1999: a head that has seen few
    photos with a tag finds it too rarely in others. Priors keep a small and perfectly separated set from
    asking for certainty: a log-normal one around 1, and a normal one around no shift.

    Args:
        logits: (N, K) of images that the scored model did not see.
        truth: (N, K) bool.
        kind: of the model.
        prior_images: the precision of the temperature's prior, about that of so many images.
    """
    likelihood = LIKELIHOODS[kind]

    def objective(logarithm: float, shift: float) -> float:
        loss = likelihood.negative_log_likelihood(logits / np.exp(logarithm) + shift, truth)
        return loss + 0.5 * prior_images * logarithm**2 + 0.5 * _PRIOR_OF_SHIFT * shift**2

    find = _shifted if likelihood.shifts else _unshifted
    logarithm, shift = find(objective, logits, truth, prior_images)
    return Scaling(float(np.exp(logarithm)), shift, objective(logarithm, shift))


def _unshifted(objective: Objective, logits: Values, truth: Mask, prior_images: float) -> tuple[float, float]:
    from scipy.optimize import minimize_scalar

    found = minimize_scalar(
        lambda logarithm: objective(logarithm, 0.0),
        bounds=np.log(_BOUNDS),
        method="bounded",
        options={"xatol": 1e-4},
    )
    return float(found.x), 0.0


def _shifted(objective: Objective, logits: Values, truth: Mask, prior_images: float) -> tuple[float, float]:
    from scipy.optimize import minimize

    def slope(point: Values) -> Values:
        scaled = logits / np.exp(point[0])
        error = Bernoulli().probabilities(scaled + point[1]) - truth
        return np.array(
            [prior_images * point[0] - (error * scaled).sum(), _PRIOR_OF_SHIFT * point[1] + error.sum()]
        )

    found = minimize(
        lambda point: objective(*point),
        np.zeros(2),
        jac=slope,
        method="L-BFGS-B",
        bounds=[tuple(np.log(_BOUNDS)), (-_MOST_SHIFT, _MOST_SHIFT)],
    )
    return float(found.x[0]), float(found.x[1])
