"""Names of splits: which folder or annotation file is for training, validation or testing.

Dahlia makes its own folds, so train and validation together are what it learns from; test is the user's own
test set.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence

from dahlia.dataset.records import Split, Subset

_WORDS: dict[str, Split] = {
    **dict.fromkeys(("train", "training", "trn", "trainset", "trainval", "trainvalid"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "validate", "valset", "dev", "minival"), "valid"),
    **dict.fromkeys(("test", "testing", "tst", "testset", "eval", "evaluation", "holdout"), "test"),
}
# What people put beside the name of a split.
_DECORATION = frozenset(
    {
        "set",
        "sets",
        "data",
        "dataset",
        "images",
        "image",
        "imgs",
        "img",
        "photos",
        "pictures",
        "pics",
        "annotations",
        "annotation",
        "labels",
        "label",
        "instances",
        "bbox",
        "boxes",
        "coco",
        "split",
        "folder",
        "dir",
        "files",
        "json",
        "csv",
        "xml",
        "xmls",
        "x",
        "y",
    }
)
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_LETTERS = re.compile(r"[^\W\d_]+")


def split_of(name: str) -> Split | None:
    """The split that a folder's or a file's name stands for: `Train`, `val2017`, `test_images`, else None."""
    split, rest = _parts(name)
    return split if not rest else None


def split_of_document(name: str) -> Split | None:
    """The split of an annotation file, which may have any other words in its name: `birds_train_v2.json`."""
    return _parts(name)[0]


def split_in(folders: Sequence[str]) -> Split | None:
    """The split of a path: that of the innermost folder which is named after one."""
    return next((split for split in map(split_of, reversed(folders)) if split), None)


def split_folders(names: Iterable[str]) -> dict[str, Split]:
    """Which of several sibling folders are named after splits.

    Besides names as in `split_of`, those which share a word, and of which two or more splits are there:
    `seg_train` and `seg_test`. So `train station` alone is no split.
    """
    shared: dict[str, dict[str, Split]] = defaultdict(dict)
    for name in names:
        split, rest = _parts(name)
        if split:
            shared[rest][name] = split
    return {
        name: split
        for rest, found in shared.items()
        if not rest or len(set(found.values())) > 1
        for name, split in found.items()
    }


def subset_of(split: Split | None) -> Subset:
    """What Dahlia does with images of a split."""
    return "test" if split == "test" else "train"


def _parts(name: str) -> tuple[Split | None, str]:
    words = [word.lower() for word in _LETTERS.findall(_CAMEL.sub(" ", name))]
    said = [word for word in words if word in _WORDS]
    if len({_WORDS[word] for word in said}) != 1:
        return None, ""
    return _WORDS[said[0]], " ".join(word for word in words if word not in _WORDS and word not in _DECORATION)
