from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from dahlia.dataset.rules.copies import near_duplicate_groups, near_duplicate_pairs

ONE = 0x0123456789ABCDEF


def digits(value: int) -> str:
    return f"{value:016x}"


def flipped(value: int, *bits: int) -> int:
    for bit in bits:
        value ^= 1 << bit
    return value


@pytest.mark.parametrize(
    ("hashes", "bits", "groups"),
    [
        ([], 4, []),
        ([ONE], 4, [0]),
        ([ONE, ONE], 0, [0, 0]),
        ([ONE, flipped(ONE, 63)], 0, [0, 1]),
        ([ONE, flipped(ONE, 0, 13, 26, 39)], 4, [0, 0]),
        ([ONE, flipped(ONE, 0, 13, 26, 39, 52)], 4, [0, 1]),
        ([~ONE % 2**64, ONE, flipped(ONE, 1, 2, 3), flipped(ONE, 1, 2, 3, 4, 5, 6)], 4, [0, 1, 1, 1]),
        ([0, 0, 1 << 63, 1 << 63], 16, [0, 1, 2, 3]),
    ],
    ids=["none", "one", "equal", "one-bit", "at-limit", "beyond-limit", "chain", "flat-images"],
)
def test_groups(hashes: list[int], bits: int, groups: list[int]) -> None:
    assert near_duplicate_groups([digits(value) for value in hashes], bits).tolist() == groups


@pytest.mark.parametrize("bits", [0, 1, 4, 7, 16])
def test_pairs_are_those_of_brute_force(bits: int) -> None:
    rng = np.random.default_rng(bits)
    bases = [int(value) for value in rng.integers(2**62, 2**63, 40)]
    values = sorted(
        {flipped(base, *rng.integers(0, 64, n).tolist()) for base in bases for n in range(0, 20, 2)}
    )
    expected = [
        [i, j] for i, j in combinations(range(len(values)), 2) if (values[i] ^ values[j]).bit_count() <= bits
    ]
    assert near_duplicate_pairs([digits(value) for value in values], bits).tolist() == expected


def test_equal_hashes_are_paired_with_the_first_alone() -> None:
    hashes = [digits(ONE)] * 4 + [digits(flipped(ONE, 5))]
    assert near_duplicate_pairs(hashes, 4).tolist() == [[0, 1], [0, 2], [0, 3], [0, 4]]


@pytest.mark.parametrize("value", [ONE, 0], ids=["equal", "flat"])
def test_a_dataset_of_one_image_over_and_over_is_cheap(value: int) -> None:
    groups = near_duplicate_groups([digits(value)] * 100_000, 4)
    assert len(np.unique(groups)) == (1 if value else 100_000)
