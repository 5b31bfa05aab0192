"""Rules about copies: the same bytes twice, and images whose perceptual hashes differ in few bits."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from dahlia.dataset.findings import Finding
from dahlia.dataset.inspection import Inspection, copies_by_id
from dahlia.dataset.records import ImageRecord
from dahlia.dataset.rules.survey import Survey


def same_bytes(survey: Survey) -> Iterator[Finding]:
    """Files with the same bytes: under one tag, under several, in training and test set."""
    for copies in copies_by_id(survey.rows).values():
        if len(copies) > 1:
            yield from _copies(copies, survey.several_tags)


def near_duplicates(survey: Survey) -> Iterator[Finding]:
    """Images that look alike, one finding a group, the gravest that applies."""
    bits = survey.params.validate_.near_duplicate_bits
    groups: dict[int, list[ImageRecord]] = defaultdict(list)
    labels = near_duplicate_groups([record.phash for record in survey.records], bits)
    for label, record in zip(labels.tolist(), survey.records, strict=True):
        groups[label].append(record)
    for group in groups.values():
        if len(group) > 1:
            yield _alike(group)


def _copies(copies: list[Inspection], several_tags: bool) -> Iterator[Finding]:
    files = tuple(dict.fromkeys(row.path for row in copies))
    tags = tuple(sorted({tag for row in copies for tag in row.tags}))
    training = tuple(dict.fromkeys(row.path for row in copies if row.subset == "train"))
    if len({row.subset for row in copies}) > 1:
        yield Finding(
            "train-and-test", "an image in one of the two", "the same bytes in both", files, tags, training
        )
    groups = sorted({row.group for row in copies if row.group})
    if len(groups) > 1:
        found = f"the same bytes in {_listed(tuple(groups))}"
        yield Finding("same-bytes-two-groups", "one group for an image", found, files, tags)
    if len({frozenset(row.tags) for row in copies if row.tags}) > 1:
        found = f"the same bytes under {_listed(tags)}"
        if several_tags:
            yield Finding("tags-merged", "one file with all of its tags", found, files, tags)
        else:
            yield Finding("same-bytes-two-tags", "one tag for an image", found, files, tags, files)
    elif len({row.subset for row in copies}) == 1:
        yield Finding("same-bytes", "each image once", f"the same bytes {len(copies)} times", files, tags)


def _alike(group: list[ImageRecord]) -> Finding:
    files = tuple(sorted(record.path for record in group))
    tags = tuple(sorted({tag for record in group for tag in record.tags}))
    found = f"{len(group)} images that look alike"
    if len({record.subset for record in group}) > 1:
        found += f", in training and in the test set, under {_listed(tags)}"
        return Finding("near-duplicate-test", "test images unlike those of training", found, files, tags)
    if len({record.tags for record in group if record.tags}) > 1:
        found += f" under {_listed(tags)}"
        return Finding("near-duplicate-tags", "images that look alike under one tag", found, files, tags)
    return Finding("near-duplicate", "images that differ", found, files, tags)


def _listed(tags: tuple[str, ...]) -> str:
    return " and ".join(f"“{tag}”" for tag in tags) or "no tag"


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
