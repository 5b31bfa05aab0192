"""From what a detector answers to the boxes that are given: the same for training, exports and servers."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from dahlia.boxes import Boxes, suppressed

MOST_CANDIDATES = 1000  # of the highest scores: those below are suppressed or too many anyway


def candidates(places: npt.NDArray[np.float32], scores: npt.NDArray[np.float32], least: float) -> Boxes:
    """All boxes of one photo that score at least `least`; a position gives one for each tag that does.

    Args:
        places: (P, 4) left, top, width, height as fractions of the photo.
        scores: (P, K).
        least: 0 to 1.
    """
    position, tag = picked(scores, least)
    return Boxes(tag.astype(np.int32), places[position].astype(np.float32), scores[position, tag])


def picked(
    scores: npt.NDArray[np.float32], least: float
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Positions and tags of the candidates: of `scores` (P, K), those of at least `least`, 1000 at most."""
    position, tag = np.nonzero(scores >= least)
    if len(tag) > MOST_CANDIDATES:
        best = np.argsort(-scores[position, tag], kind="stable")[:MOST_CANDIDATES]
        position, tag = position[np.sort(best)], tag[np.sort(best)]
    return position, tag


def given(
    places: npt.NDArray[np.float32],
    scores: npt.NDArray[np.float32],
    *,
    overlap: float,
    least: float,
    most: int,
) -> Boxes:
    """The boxes of one photo after suppression, the highest score first; see `suppressed`."""
    return suppressed(candidates(places, scores, least), overlap, least, most)
