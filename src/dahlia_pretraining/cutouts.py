"""Objects cut out of the photos of a corpus: those that stand out from what surrounds them.

GrabCut: Rother, Kolmogorov and Blake, "GrabCut": Interactive Foreground Extraction using Iterated Graph Cuts,
2004. It starts from the frame of a photo as what surrounds its object.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.uint8]
Cutout = npt.NDArray[np.uint8]
"""(H, W, 4) red, green, blue and how much of a pixel the object covers, 0 to 255."""

_EDGE = 80  # pixels at which photos are cut: smaller ones give ragged outlines
_FRAME = 0.04  # of the edge: what is no object
_ROUNDS = 3
_AREA = (0.06, 0.62)  # of the photo
_LEAST_EDGE = 0.25  # likewise
_MOST_CUT = 0.12  # of the frame's length that an object may reach: more, and the photo shows a part of it
_LEAST_CONTRAST = 0.35  # between both sides, as the distance of their histograms of colours
_LEAST_SHARE = 0.85  # of what was found, in its largest piece
_BINS = (8, 8, 8)
_SOFT = 0.8  # pixels


def cut_out(photo: Image) -> Cutout | None:
    """The object in the middle of a square photo (S, S, 3) RGB; None where none stands out."""
    seen = np.asarray(cv2.resize(photo, (_EDGE, _EDGE), interpolation=cv2.INTER_CUBIC), np.uint8)
    mask = _largest(_grabbed(seen))
    if mask is None or not _is_whole(mask) or _contrast(seen, mask) < _LEAST_CONTRAST:
        return None
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    part = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
    alpha = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), _SOFT)
    inner = np.clip(2 * alpha - 1, 0, 1)  # outside, colours are those of another background
    return np.ascontiguousarray(np.dstack([seen, (255 * inner).astype(np.uint8)])[part])


def _grabbed(seen: Image) -> npt.NDArray[np.uint8]:
    frame = max(1, round(_FRAME * _EDGE))
    mask = np.full((_EDGE, _EDGE), cv2.GC_PR_BGD, np.uint8)
    middle = _EDGE // 2
    cv2.circle(mask, (middle, middle), round(0.42 * _EDGE), cv2.GC_PR_FGD, -1)
    mask[:frame] = mask[-frame:] = cv2.GC_BGD
    mask[:, :frame] = mask[:, -frame:] = cv2.GC_BGD
    cv2.setRNGSeed(0)  # of this thread: the same photo gives the same outline
    models = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.grabCut(seen, mask, (0, 0, 1, 1), *models, _ROUNDS, cv2.GC_INIT_WITH_MASK)
    return np.asarray((mask == cv2.GC_FGD) | (mask == cv2.GC_PR_FGD), np.uint8)


def _largest(mask: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_] | None:
    """The largest piece with its holes filled, if it is nearly all of what was found."""
    count, pieces, facts, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    if count < 2:
        return None
    areas = facts[1:, cv2.CC_STAT_AREA]
    if areas.max() < _LEAST_SHARE * areas.sum():
        return None
    piece = np.asarray(pieces == 1 + int(areas.argmax()), np.uint8)
    outlines, _ = cv2.findContours(piece, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(piece, outlines, -1, 1, -1)
    return np.asarray(piece, bool)


def _is_whole(mask: npt.NDArray[np.bool_]) -> bool:
    inset = max(1, round(_FRAME * _EDGE))
    edges = (mask[inset], mask[-1 - inset], mask[:, inset], mask[:, -1 - inset])
    reached = sum(int(edge.sum()) for edge in edges) / (4 * _EDGE)
    across, down = (np.ptp(np.flatnonzero(mask.any(axis))) / _EDGE for axis in (0, 1))
    return bool(
        _AREA[0] <= mask.mean() <= _AREA[1]
        and reached <= _MOST_CUT
        and min(across, down) >= _LEAST_EDGE / 2
        and max(across, down) >= _LEAST_EDGE
    )


def _contrast(seen: Image, mask: npt.NDArray[np.bool_]) -> float:
    """0 where the object has the colours of what surrounds it, 1 where it shares none."""
    found = []
    for side in (mask, ~mask):
        histogram = cv2.calcHist([seen], [0, 1, 2], side.astype(np.uint8), _BINS, [0, 256] * 3)
        found.append(histogram / histogram.sum())
    return float(1 - np.minimum(*found).sum())
