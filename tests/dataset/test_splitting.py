from __future__ import annotations

import random
from collections import Counter
from itertools import combinations

import pytest

from dahlia.dataset.manifest import TEST_FOLD
from dahlia.dataset.records import ImageRecord
from dahlia.dataset.splitting import assign_folds
from dahlia.errors import DatasetError


def image(name: str, *tags: str, subset: str = "train") -> ImageRecord:
    return ImageRecord(name, f"{name}.jpg", 9, 9, tags, (), subset, "folder", "0" * 16)  # type: ignore[arg-type]


def images(**counts: int) -> list[ImageRecord]:
    return [image(f"{tag}{n}", tag) for tag, count in counts.items() for n in range(count)]


def alone(records: list[ImageRecord]) -> list[int]:
    return list(range(len(records)))


def split(
    records: list[ImageRecord], folds: int = 5, previous: dict[str, int] | None = None
) -> dict[str, int]:
    return assign_folds(records, alone(records), folds, 7, previous or {})


def per_fold(records: list[ImageRecord], folds: dict[str, int], count: int) -> dict[str, list[int]]:
    counts = Counter((tag, folds[record.id]) for record in records for tag in record.tags or ("",))
    return {tag: [counts[tag, fold] for fold in range(count)] for tag in {tag for tag, _ in counts}}


@pytest.mark.parametrize("counts", [{"a": 5, "b": 5}, {"a": 7, "b": 13, "c": 52}, {"a": 2, "b": 31}])
@pytest.mark.parametrize("folds", [2, 3, 5])
def test_counts_of_a_tag_differ_by_at_most_one(counts: dict[str, int], folds: int) -> None:
    records = images(**counts)
    assigned = split(records, folds)
    for spread in per_fold(records, assigned, folds).values():
        assert max(spread) - min(spread) <= 1
    sizes = Counter(assigned.values())
    assert sizes.keys() == set(range(folds))
    assert max(sizes.values()) - min(sizes.values()) <= 1


def test_order_and_seed() -> None:
    records = images(a=20, b=20)
    assigned = split(records)
    shuffled = random.Random(1).sample(records, len(records))
    assert split(shuffled) == assigned
    assert assign_folds(records, alone(records), 5, 8, {}) != assigned


def test_near_duplicates_share_a_fold() -> None:
    records = images(a=40, b=40)
    groups = [n // 4 for n in range(80)]
    assigned = assign_folds(records, groups, 5, 7, {})
    assert all(
        len({assigned[f"{tag}{n + k}"] for k in range(4)}) == 1 for tag in "ab" for n in range(0, 40, 4)
    )
    assert set(Counter(assigned.values()).values()) == {16}


def test_multilabel_is_stratified_by_every_tag() -> None:
    rng = random.Random(3)
    shares = {"common": 0.7, "usual": 0.3, "rare": 0.05}
    records = [
        image(f"{n}", *(tag for tag, share in shares.items() if rng.random() < share)) for n in range(400)
    ]
    for tag, spread in per_fold(records, split(records), 5).items():
        assert max(spread) - min(spread) <= (1 if tag == "rare" else 4), tag


def test_the_test_set_is_apart() -> None:
    records = [*images(a=5, b=5), image("t", "a", subset="test")]
    assigned = split(records)
    assert [name for name, fold in assigned.items() if fold == TEST_FOLD] == ["t"]


def test_images_keep_their_folds_when_others_come_and_go() -> None:
    records = images(a=30, b=30)
    before = split(records)
    later = [record for record in records if record.id not in ("a3", "b7")] + images(c=11)
    after = split(later, previous=before)
    assert all(after[name] == fold for name, fold in before.items() if name in after)
    assert max(per_fold(later, after, 5)["c"]) == 3


def test_of_a_group_that_grew_together_the_smaller_part_moves() -> None:
    records = images(a=20, b=20)
    before = split(records)
    home, other = before["a0"], next(name for name in before if before[name] != before["a0"])
    mate = next(name for name in before if name != "a0" and before[name] == home)
    groups = [0 if record.id in ("a0", mate, other) else n + 1 for n, record in enumerate(records)]
    after = assign_folds(records, groups, 5, 7, before)
    assert {name for name in after if after[name] != before[name]} == {other}
    assert after[other] == home


def test_another_number_of_folds_starts_anew() -> None:
    records = images(a=20, b=20)
    assert split(records, 4, previous=split(records, 5)) == split(records, 4)


def test_a_test_image_that_moved_to_training_gets_a_fold() -> None:
    records = images(a=10, b=10)
    before = split([*records, image("t", "a", subset="test")])
    assert split([*records, image("t", "a")], previous=before)["t"] >= 0


def test_a_tag_whose_other_fold_went_is_spread_again() -> None:
    records = images(a=10, b=10)
    before = split(records)
    left = [record for record in records if record.id[0] == "b" or before[record.id] == 0]
    after = split(left, previous=before)
    assert sum(count > 0 for count in per_fold(left, after, 5)["a"]) == 2


def test_a_fold_that_was_emptied_is_filled_again() -> None:
    records = images(a=10, b=10)
    before = split(records)
    left = [record for record in records if before[record.id] != 2]
    after = split(left, previous=before)
    assert set(after.values()) == set(range(5))
    assert sum(after[name] != before[name] for name in after) == 1


def test_every_tag_is_in_two_folds_however_the_tags_cross() -> None:
    names = "abcdefgh"
    for trial in range(50):
        rng = random.Random(trial)
        records = [image(f"{n}", *rng.sample(names, rng.randint(1, 4))) for n in range(12)]
        records += [image(f"more{tag}{n}", tag) for tag in names for n in range(2)]
        spreads = per_fold(records, split(records, 3), 3)
        assert all(sum(count > 0 for count in spread) >= 2 for spread in spreads.values())


@pytest.mark.parametrize(
    ("records", "groups", "message"),
    [
        (images(a=9, lone=1), None, "tag “lone” for training, received 1[.]"),
        (images(a=9, b=3), [*range(9), 9, 9, 9], "tag “b” for training, received 3 that are near-duplicates"),
        (images(a=2, b=2), None, "at least 5 different images for 5 folds, received 4"),
        ([], None, "received 0"),
        (
            [image("1", "a", "b"), image("2", "b", "c"), image("3", "c", "a"), image("4", subset="test")],
            None,
            "received 3",
        ),
    ],
    ids=["one-image", "one-group", "few", "none", "test-does-not-count"],
)
def test_refusals(records: list[ImageRecord], groups: list[int] | None, message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        assign_folds(records, groups or alone(records), 5, 7, {})


def test_tags_that_cannot_be_parted_are_named() -> None:
    triangle = [image("".join(pair), *pair) for pair in combinations("abc", 2)]
    with pytest.raises(DatasetError, match="can be put in two folds"):
        split(triangle, 2)
