"""Near-duplicates: images whose perceptual hashes differ in few bits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

HASH_BITS = 64

_Hashes = npt.NDArray[np.uint64]
_Indices = npt.NDArray[np.int64]


def near_duplicate_groups(hashes: Sequence[str], bits: int) -> _Indices:
    """Number the groups of images that pairs of near-duplicates connect.

    Args:
        hashes: N perceptual hashes of 16 hexadecimal digits.
        bits: two images belong together when their hashes differ in at most this many, 0 to 63.

    Returns:
        (N,) group numbers, counted from 0 in the order of appearance.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    pairs = near_duplicate_pairs(hashes, bits)
    links = coo_array((np.ones(len(pairs), bool), (pairs[:, 0], pairs[:, 1])), (len(hashes), len(hashes)))
    _, labels = connected_components(links, directed=False)
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    return np.asarray(np.argsort(np.argsort(first))[inverse], np.int64)


def near_duplicate_pairs(hashes: Sequence[str], bits: int) -> _Indices:
    """Find the pairs of near-duplicates, exactly.

    The hashes are cut into `bits + 1` parts. Two that differ in at most `bits` bits agree on at least
    one part whole, so only those that share a part are compared (multi-index hashing; Norouzi, Punjani
    and Fleet 2012). A flat image, whose hash has at most one bit set, has nothing to compare and is
    nobody's near-duplicate.

    Args:
        hashes: N perceptual hashes of 16 hexadecimal digits.
        bits: the largest number of bits that may differ, 0 to 63.

    Returns:
        (P, 2) positions, the lower first, sorted. Of several images with one and the same hash the first
        stands for all: it is paired with each of them, and alone with images of other hashes.
    """
    values = np.array([int(digits, 16) for digits in hashes], np.uint64)
    structured = np.flatnonzero(np.bitwise_count(values) > 1)
    unique, first, inverse = np.unique(values[structured], return_index=True, return_inverse=True)
    representative = structured[first]
    same = np.stack([representative[inverse], structured], axis=1)
    alike = [representative[pairs] for pairs in _close_pairs(unique, bits)]
    pairs = np.sort(np.concatenate([same[same[:, 0] != same[:, 1]], *alike]), axis=1)
    return np.asarray(np.unique(pairs, axis=0), np.int64).reshape(-1, 2)


def _close_pairs(values: _Hashes, bits: int) -> Iterator[_Indices]:
    cuts = [HASH_BITS * part // (bits + 1) for part in range(bits + 2)]
    for low, high in pairwise(cuts):
        part = (values >> np.uint64(low)) & np.uint64((1 << (high - low)) - 1)
        order = np.argsort(part, kind="stable")
        yield from _close_neighbours(values[order], part[order], order, bits)


def _close_neighbours(values: _Hashes, part: _Hashes, order: _Indices, bits: int) -> Iterator[_Indices]:
    # Equal parts lie side by side. Comparing each with the next, then with the one after, and so on,
    # keeps memory linear: who has left its run at one distance has left it at all greater ones.
    active = np.arange(len(values))
    for distance in range(1, len(values)):
        active = active[active + distance < len(values)]
        active = active[part[active] == part[active + distance]]
        if not len(active):
            return
        apart = np.bitwise_count(values[active] ^ values[active + distance])
        near = active[apart <= bits]
        if len(near):
            yield np.stack([order[near], order[near + distance]], axis=1)
