"""Where the photos of an annotation file lie: beside it, or in the folders that tools and people use."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import PurePosixPath

from dahlia.dataset.readers.splits import split_in, split_of, split_of_document
from dahlia.dataset.readers.tree import Tree
from dahlia.dataset.records import Split

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
