from __future__ import annotations

import pytest

from dahlia.dataset.records import ImageRecord, Subset
from dahlia.dataset.whole_groups import whole_groups


def records(*said: tuple[str, str | None], subset: Subset = "train") -> list[ImageRecord]:
    """Photos with their tags, written as letters, and their groups."""
    return [
        ImageRecord(f"{n:064d}", f"{n}.jpg", 9, 9, tuple(tags), (), subset, "x", "0" * 16, group)
        for n, (tags, group) in enumerate(said)
    ]


@pytest.mark.parametrize(
    ("said", "alike", "folds", "expected", "ignored"),
    [
        ([("a", None)] * 4, [0, 1, 1, 2], 3, [0, 1, 1, 2], ()),
        ([("a", "x"), ("a", "y"), ("a", "x"), ("a", None)], [0, 1, 2, 3], 3, [0, 1, 0, 2], ()),
        # Near-duplicates link two groups.
        (
            [("a", "x"), ("a", "y"), ("a", "x"), ("a", "y"), ("a", "z")],
            [0, 1, 2, 2, 3],
            2,
            [0, 0, 0, 0, 1],
            (),
        ),
        # All photos of a tag in one group; the other stays.
        (
            [("a", "x"), ("a", "x"), ("b", "y"), ("b", None), ("b", "y")],
            [0, 1, 2, 3, 4],
            2,
            [0, 1, 2, 3, 2],
            ("x",),
        ),
        # Too few groups for the folds: the largest goes first.
        (
            [("a", "x"), ("a", "x"), ("a", "x"), ("a", "y"), ("a", "y")],
            [0, 1, 2, 3, 4],
            3,
            [0, 1, 2, 3, 3],
            ("x",),
        ),
        ([("a", "x")] * 3, [0, 1, 2], 5, [0, 1, 2], ("x",)),
        # What no division of names helps stays to the check of the folds.
        ([("a", None), ("b", None)], [0, 0], 5, [0, 0], ()),
        ([], [], 5, [], ()),
    ],
)
def test_groups(
    said: list[tuple[str, str | None]],
    alike: list[int],
    folds: int,
    expected: list[int],
    ignored: tuple[str, ...],
) -> None:
    assert whole_groups(records(*said), alike, folds) == (expected, ignored)


def test_test_photos_make_no_group_too_small() -> None:
    test = records(("b", "x"), ("b", "x"), subset="test")
    training = records(*[("a", f"g{n}") for n in range(5)])
    assert whole_groups([*training, *test], list(range(7)), 5) == ([0, 1, 2, 3, 4, 5, 6], ())
