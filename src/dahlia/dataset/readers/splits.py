"""Names of splits, and where the photos of an annotation file lie: for training, validation or testing.

Dahlia makes its own folds, so train and validation together are what it learns from; test is the user's own
test set.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import PurePosixPath

from dahlia.dataset.readers.tree import Tree
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


def names_splits(name: str) -> bool:
    """Whether a file's name has a word for a split in it, or for several: `train_test_split`."""
    return any(word.lower() in _WORDS for word in _LETTERS.findall(_CAMEL.sub(" ", name)))


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


_OF_ANNOTATIONS = frozenset({"annotations", "annotation", "anns", "ann", "labels", "label", "jsons", "json"})
_OF_PHOTOS = frozenset(
    {"images", "image", "imgs", "img", "jpegimages", "photos", "photo", "pictures", "data", "frames"}
)


def splits_of_documents(tree: Tree, documents: Sequence[str]) -> dict[str, Split | None]:
    """The split of each annotation file: by its name, else by its folders'.

    A name that has other words too, as `birds_test_v2.json`, counts where another file is of another split;
    that of a photo does not, for then each photo has a file.
    """
    photos = {PurePosixPath(name).stem.casefold() for name in tree.images}
    stems = {name: name.rpartition("/")[2].rpartition(".")[0] for name in documents}
    named = {name: split_of_document(stem) for name, stem in stems.items() if stem.casefold() not in photos}
    several = len(set(named.values()) - {None}) > 1
    own = {name: split for name, split in named.items() if several or split_of(stems[name])}
    return {name: own.get(name) or split_in(name.split("/")[:-1]) for name in documents}


def photo_places(tree: Tree, document: str, split: Split | None = None) -> list[str]:
    """Folders in which to look for the photos of an annotation file, the likeliest first.

    Args:
        tree: the source.
        document: the annotation file: `annotations/instances_train2017.json`.
        split: the file's; photos may lie in a folder that is named after it.

    Returns:
        Folders of the source, such as `train2017`, `images/train2017`, ``, `images`.
    """
    *folders, base = document.split("/")
    stem = base.split(".")[0].casefold()
    tails = {stem, stem.partition("_")[2]} - {""}
    bases = [place for root in _roots(folders) for place in (root, *_inside(tree, root, _OF_PHOTOS))]
    own = [place for base_ in bases for place in _inside(tree, base_, tails, split)]
    nested = [inner for place in own for inner in _inside(tree, place, _OF_PHOTOS)]
    return list(dict.fromkeys([*own, *nested, *bases]))


def _roots(folders: list[str]) -> list[str]:
    """The folder of the file, without the one for annotations that it may be in."""
    at = next((i for i in reversed(range(len(folders))) if folders[i].casefold() in _OF_ANNOTATIONS), None)
    if at is None:
        return ["/".join(folders)]
    above, below = folders[:at], folders[at + 1 :]
    deeper = ["/".join([*above, *below])] if below else []
    return [*deeper, "/".join(above), "/".join(folders)]


def _inside(tree: Tree, folder: str, names: Iterable[str], split: Split | None = None) -> Iterator[str]:
    for name in tree.folders.get(folder, []):
        if name.casefold() in names or (split and split_of(name) == split):
            yield f"{folder}/{name}".lstrip("/")
