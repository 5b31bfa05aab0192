from __future__ import annotations

from pathlib import Path

import pytest

from dahlia.dataset.inspection import merge_copies, uninspected
from dahlia.dataset.inspector import inspect
from dahlia.dataset.records import Annotation, Subset
from validation_photos import encoded, photo, write

WHOLE = encoded(photo(1))


@pytest.mark.parametrize(
    ("said", "tags", "subset", "path"),
    [
        ([("b", ("elm",), "train"), ("a", ("elm",), "train")], ("elm",), "train", "a"),
        ([("a", ("elm",), "train"), ("b", ("ash",), "train")], ("ash", "elm"), "train", "a"),
        ([("a", ("elm",), "train"), ("b", ("elm",), "test")], ("elm",), "test", "b"),
        ([("a", (), "train"), ("b", ("elm",), "train")], ("elm",), "train", "a"),
    ],
    ids=["twice", "two-tags", "train-and-test", "untagged-copy"],
)
def test_copies_become_one_record(
    tmp_path: Path,
    said: list[tuple[str, tuple[str, ...], Subset]],
    tags: tuple[str, ...],
    subset: str,
    path: str,
) -> None:
    rows = [
        inspect(Annotation(write(tmp_path / name, WHOLE), names, (), part), tmp_path, max_bytes=100_000)
        for name, names, part in said
    ]
    flawed = uninspected(Annotation(tmp_path / "gone.jpg", ("oak",)), tmp_path)
    (record,) = merge_copies([*rows, flawed])
    assert (record.tags, record.subset, record.path) == (tags, subset, path)
