"""Temperature scaling (Guo, Pleiss, Sun and Weinberger, On Calibration of Modern Neural Networks, 2017)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from dahlia.kinds import Kind
from dahlia.modeling.likelihoods import LIKELIHOODS

_BOUNDS = (0.05, 20.0)
_PRIOR_IMAGES = 4.0


def fit_temperature(logits: npt.NDArray[np.float64], truth: npt.NDArray[np.bool_], kind: Kind) -> float:
    """The temperature that makes held-out predictions most likely.

    A log-normal prior around 1 with the weight of a few images keeps a small and perfectly separated set
    from asking for certainty.

    Args:
        logits: (N, K) of images that the scored model did not see.
        truth: (N, K) bool.
        kind: of the model.

    Returns:
        A number between 0.05 and 20; above 1 the model was too sure of itself.
    """
    from scipy.optimize import minimize_scalar

    def objective(log_temperature: float) -> float:
        scaled = logits / np.exp(log_temperature)
        loss = LIKELIHOODS[kind].negative_log_likelihood(scaled, truth)
        return loss + (0.5 * _PRIOR_IMAGES * log_temperature**2)

    bounds = (float(np.log(_BOUNDS[0])), float(np.log(_BOUNDS[1])))
    found = minimize_scalar(objective, bounds=bounds, method="bounded", options={"xatol": 1e-4})
    return float(np.exp(found.x))
