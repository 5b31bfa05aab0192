"""Folds whose number follows the number of photos, and that merge and divide without moving a photo."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from dahlia.dataset.fold_numbers import FEWEST, automatic, merged, recalled
from dahlia.dataset.records import ImageRecord
from dahlia.dataset.splitting import assign_folds, automatic_folds


def images(**counts: int) -> list[ImageRecord]:
    return [
        ImageRecord(f"{tag}{n}", f"{tag}{n}.jpg", 9, 9, (tag,), (), "train", "folder", "0" * 16)
        for tag, count in counts.items()
        for n in range(count)
    ]


def split(
    records: list[ImageRecord], folds: int, previous: dict[str, int] | None = None, together: int = 1
) -> dict[str, int]:
    return assign_folds(records, [n // together for n in range(len(records))], folds, 7, previous or {})


@pytest.mark.parametrize(
    ("images", "rarest", "folds"),
    [
        (12, 3, 5),
        (40, 5, 5),
        (90, 9, 5),
        (20, 10, 10),
        (80, 10, 10),
        (200, 10, 10),
        (201, 10, 5),
        (100, 50, 5),
    ],
)
def test_ten_folds_where_photos_are_few_but_ten_of_each_tag(images: int, rarest: int, folds: int) -> None:
    assert automatic(images, rarest) == folds


def test_near_duplicates_count_once() -> None:
    records = images(a=12, b=12)
    assert automatic_folds(records, list(range(24))) == 10
    assert automatic_folds(records, [n // 2 for n in range(24)]) == 5


def test_without_tags_there_are_few_folds() -> None:
    untagged = [ImageRecord(f"{n}", f"{n}.jpg", 9, 9, (), (), "train", "folder", "0" * 16) for n in range(9)]
    assert automatic_folds(untagged, list(range(9))) == FEWEST


@pytest.mark.parametrize("folds", [10, 20])
@pytest.mark.parametrize("counts", [{"a": 30, "b": 30}, {"a": 7, "b": 13, "c": 52}, {"a": 3, "b": 3, "c": 3}])
def test_each_part_has_its_share_of_every_tag(folds: int, counts: dict[str, int]) -> None:
    records = images(**counts)
    assigned = split(records, folds)
    for tag, count in counts.items():
        spread = Counter(fold for name, fold in assigned.items() if name[0] == tag)
        sizes = [spread[fold] for fold in range(folds)]
        assert max(sizes) - min(sizes) <= 1 + (count % FEWEST > 0)
        assert len({fold % FEWEST for fold in spread}) == min(FEWEST, count)


@pytest.mark.parametrize(("before", "after"), [(20, 10), (20, 5), (10, 5)])
def test_fewer_folds_are_unions_of_more(before: int, after: int) -> None:
    first = split(images(a=20, b=20), before)
    later = split(images(a=60, b=60), after, first)
    assert all(later[name] == fold % after for name, fold in first.items())


@pytest.mark.parametrize(("before", "after"), [(5, 10), (5, 20), (10, 20)])
def test_more_folds_divide_fewer(before: int, after: int) -> None:
    first = split(images(a=20, b=20), before)
    later = split(images(a=20, b=20), after, first)
    assert all(later[name] % before == fold for name, fold in first.items())
    sizes = Counter(later.values())
    assert set(sizes) == set(range(after))
    assert max(sizes.values()) - min(sizes.values()) <= 1


@pytest.mark.parametrize("folds", [10, 20])
def test_photos_keep_their_part_as_others_come_and_go(folds: int) -> None:
    first = split(images(a=20, b=20), folds)
    later = split([*images(a=26, b=20)[3:], *images(c=11)], folds, first)
    assert all(later[name] == fold for name, fold in first.items() if name in later)


def test_there_and_back_again_is_the_same_division_into_five() -> None:
    records, previous = images(a=12, b=15), {}
    seen = []
    for folds in (5, 10, 20, 10, 5):
        previous = split(records, folds, previous)
        seen.append({name: fold % FEWEST for name, fold in previous.items()})
    assert all(each == seen[0] for each in seen)


@pytest.mark.parametrize("folds", [10, 20])
def test_near_duplicates_share_a_part(folds: int) -> None:
    assigned = split(images(a=40, b=40), folds, together=4)
    assert all(
        len({assigned[f"{tag}{n + k}"] for k in range(4)}) == 1 for tag in "ab" for n in range(0, 40, 4)
    )


def test_a_test_photo_has_no_say_in_what_is_recalled() -> None:
    assert recalled({"a": 3, "t": -1, "b": 4}, 5) == ({"a": 3, "b": 4}, 5)


@pytest.mark.parametrize(("made", "folds"), [(5, 4), (3, 5), (7, 6), (10, 7)])
def test_other_numbers_have_nothing_in_common(made: int, folds: int) -> None:
    assert recalled({f"{n}": n for n in range(made)}, folds) == ({}, 0)


def test_a_number_of_ones_own_is_recalled() -> None:
    assert recalled({f"{n}": n for n in range(7)}, 7) == ({f"{n}": n for n in range(7)}, 7)


def test_few_folds_are_not_merged() -> None:
    few, many = np.array([4, 9, 14], np.int32), np.arange(10, dtype=np.int32)
    assert merged(few) is few
    assert merged(many).tolist() == [0, 1, 2, 3, 4] * 2
