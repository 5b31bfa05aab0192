"""Which photos of a tag were taken at one scene: one shelf, one bed, one thing in one light.

Photos of one scene are more alike than chance would have it, and how alike chance would have photos differs
from set to set and from tag to tag. So no distance is fixed. The distances between the photos of a tag, each
over what is usual for the two photos, are pooled over the tags. Where nothing but chance is at work, the
share of pairs within a distance r grows as a power of r (Grassberger and Procaccia, 1983); the power is
measured where most pairs are, and tells how many pairs chance would make at any smaller distance. Up to the
cut, at most `_BY_CHANCE` of the pairs are chance's: a false discovery rate (Storey, 2002). The photos of a
tag are then grouped by average linkage up to the cut.

Where a tag has two or three scenes, as many as half of its pairs are of one scene, and no longer few beside
the others. So the power is also measured on the pairs above each possible cut alone. This finds too much
where there is nothing, because what is above a cut lacks what is below it: of half of the pairs, where their
logarithms are normally distributed, it makes a seventh chance's. `_BY_CHANCE_ABOVE` is a third of that. A
power that few photos show is uncertain, and is taken lower by one part in the root of their number.

Features are read along their principal axes, each divided by the fourth root of its standard deviation: the
few axes along which varieties differ (red and green apples) would otherwise hide what scenes share. More
whitening lost scenes, and maps of early layers found none that these features did not.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from dahlia.training.heads import PrincipalAxes
from dahlia.training.threads import one_thread

_BY_CHANCE = 0.5
_BY_CHANCE_ABOVE = 0.05
_WINDOW = (0.25, 0.5)  # of the pairs, nearest first: where the power is measured
_MOST_BELOW = 0.5  # of the pairs
_SMOOTHING = 0.25
_LEAST_PHOTOS = 4
_MOST_PHOTOS = 512  # that are compared with each other; memory grows with the square
_MOST_CUTS = 100_000

Labels = npt.NDArray[np.int64]
Distances = npt.NDArray[np.float64]


def find_scenes(
    features: npt.NDArray[np.float32],
    truth: npt.NDArray[np.bool_],
    principal: PrincipalAxes,
    named: Sequence[str | None] = (),
) -> Labels:
    """Number the scenes. The same photos give the same numbers, whatever their order and the threads.

    Two photos are of one scene if they are so for any tag that they share. A photo that is like no other is a
    scene by itself.

    Args:
        features: (N, D) of the plain view.
        truth: (N, K) bool; photos without a tag are compared with each other.
        principal: axes of the features.
        named: N groups as the user names them, or None for a photo without; empty where there are none. They
            are taken as they are, and the other photos are compared with each other.

    Returns:
        (N,) numbers from 0, in the order in which scenes appear.
    """
    names = list(named) or [None] * len(features)
    given = np.array([name is not None for name in names], bool)
    first: dict[str, int] = {}
    links = [(first.setdefault(name, row), row) for row, name in enumerate(names) if name is not None]
    links += _found(features, truth & ~given[:, None], ~given, principal)
    return _connected(len(features), links)


def _found(
    features: npt.NDArray[np.float32],
    truth: npt.NDArray[np.bool_],
    among: npt.NDArray[np.bool_],
    principal: PrincipalAxes,
) -> list[tuple[int, int]]:
    from scipy.cluster.hierarchy import fcluster, linkage

    with one_thread():  # its sums have one order
        points = _smoothed(features, principal)
        pools = [*truth.T, among & ~truth.any(1)]
        parts = [part for pool in pools for part in _parts(np.flatnonzero(pool), points)]
        compared = [_Part(rows, _relative(points[rows])) for rows in parts]
    cut = _cut([part.distances for part in compared], sum(len(part.rows) for part in compared))
    links = []
    for part in compared:
        labels = fcluster(linkage(part.distances, "average"), cut, "distance")
        first = dict(zip(labels[::-1], part.rows[::-1], strict=True))
        links += [(int(first[label]), int(row)) for label, row in zip(labels, part.rows, strict=True)]
    return links


@dataclass(frozen=True)
class _Part:
    """M photos that are compared with each other.

    Attributes:
        rows: (M,) their numbers.
        distances: (M (M - 1) / 2,) of their pairs, as scipy orders them, over what is usual for the two.
    """

    rows: npt.NDArray[np.intp]
    distances: Distances


def _smoothed(features: npt.NDArray[np.float32], principal: PrincipalAxes) -> torch.Tensor:
    """(N, A) float64."""
    centred = torch.from_numpy(features) - principal.centre.float()
    return (centred @ principal.axes.float()).double() * principal.variances.pow(-_SMOOTHING / 2)


def _parts(rows: npt.NDArray[np.intp], points: torch.Tensor) -> Iterator[npt.NDArray[np.intp]]:
    """The rows in parts that are few enough, halved along the axis where they differ most."""
    if len(rows) <= _MOST_PHOTOS:
        if len(rows) >= _LEAST_PHOTOS:
            yield rows
        return
    values = points[rows].numpy()
    widest = values[:, int(values.var(0).argmax())]
    order = np.argsort(widest, kind="stable")
    for half in np.array_split(order, 2):
        yield from _parts(np.sort(rows[half]), points)


def _relative(points: torch.Tensor) -> Distances:
    """Distances of all pairs over the geometric mean of the two photos' median distances."""
    from scipy.spatial.distance import squareform

    distances = torch.cdist(points, points, compute_mode="donot_use_mm_for_euclid_dist").numpy()
    np.fill_diagonal(distances, np.nan)
    usual = np.nanmedian(distances, axis=1)
    scale = np.sqrt(np.outer(usual, usual))
    relative = np.divide(distances, scale, out=np.zeros_like(distances), where=scale > 0)
    np.fill_diagonal(relative, 0.0)
    return np.asarray(squareform(relative, checks=False), np.float64)


def _cut(parts: Sequence[Distances], photos: int) -> float:
    """The largest of all distances up to which few enough pairs are chance's; 0 where there is none."""
    distances = np.sort(np.concatenate([np.zeros(0), *parts]))
    pairs = len(distances)
    if pairs == 0:
        return 0.0
    logs = np.log(np.maximum(distances, np.finfo(np.float64).tiny))
    ends = np.arange(0, pairs, max(1, pairs // _MOST_CUTS))
    share = (ends + 1) / pairs
    certain = 1 - 1 / np.sqrt(photos)
    all_pairs = _chance(logs, logs[ends], np.zeros(len(ends)), certain)
    above = _chance(logs, logs[ends], share, certain)
    few = (all_pairs <= _BY_CHANCE * share) & (share < _WINDOW[0])
    few |= (above <= _BY_CHANCE_ABOVE * share) & (share <= _MOST_BELOW)
    return float(distances[ends[few][-1]]) if few.any() else 0.0


def _chance(logs: Distances, at: Distances, below: Distances, certain: float) -> Distances:
    """The share of pairs that chance would bring within distances, by the power of the pairs above.

    Args:
        logs: (P,) logarithms of distances, rising.
        at: (C,) logarithms of the distances in question.
        below: (C,) the share of the pairs that is left out when the power is measured.
        certain: by which the power is multiplied.
    """
    near, far = (
        logs[np.minimum((len(logs) * (below + share * (1 - below))).astype(np.int64), len(logs) - 1)]
        for share in _WINDOW
    )
    power = certain * np.log(_WINDOW[1] / _WINDOW[0]) / np.maximum(far - near, np.finfo(np.float32).eps)
    chance: Distances = _WINDOW[0] * np.exp(power * np.minimum(at - near, 0)) * (1 - below)
    return chance


def _connected(count: int, links: Sequence[tuple[int, int]]) -> Labels:
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    pairs = np.array(links, np.int64).reshape(-1, 2)
    matrix = coo_array((np.ones(len(pairs), bool), (pairs[:, 0], pairs[:, 1])), (count, count))
    _, labels = connected_components(matrix, directed=False)
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    return np.asarray(np.argsort(np.argsort(first))[inverse], np.int64)
