"""A folder per tag.

    photos/Hemlock/1.jpg          tag Hemlock
    photos/Hemlock/2024/2.jpg     tag Hemlock: folders below a tag belong to it
    photos/test/Hemlock/3.jpg     tag Hemlock, of the user's own test set
    photos/test/4.jpg             not read: a test image without a tag measures nothing
    photos/5.jpg                  an image without tags

With `photos/train/<tag>/`, tags are below `train`, and also below `val`, `valid` or `validation` if they
are there (Dahlia makes its own folds). `train` that holds images itself is a tag like any other.
Hidden files, text and what desktops leave behind are not read; any other file is taken for an image.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from dahlia.dataset.readers.sources import files_below, is_litter, merge, tag_name
from dahlia.dataset.readers.targets import copy_image, new_folder, unique_names
from dahlia.dataset.records import Annotation, Subset
from dahlia.errors import DatasetError

_VALIDATION = ("val", "valid", "validation")


def load(source: Path) -> list[Annotation]:
    """Read a folder per tag.

    Raises:
        DatasetError: it is not a folder, or holds no images below a tag.
    """
    if not source.is_dir():
        raise DatasetError(f"Expected a folder per tag below {source}, which is a file. Name its folder.")
    root = source.resolve()
    annotations = merge(_annotations(root))
    if not any(annotation.tags for annotation in annotations):
        raise DatasetError(
            f"Expected a folder per tag below {source}, found {_inventory(root)}. "
            f"Put photos in {source}/<tag>/."
        )
    return annotations


def save(annotations: Sequence[Annotation], target: Path) -> None:
    """Copy images into `target/<tag>/`, those of the test set into `target/test/<tag>/`.

    Raises:
        DatasetError: an image is missing, has regions, or does not have exactly one tag; or a tag
            cannot be a folder's name.
    """
    names = unique_names(annotations)
    with new_folder(target) as staged:
        for annotation in annotations:
            tag = _only_tag(annotation)
            place = staged / "test" / tag if annotation.subset == "test" else staged / tag
            copy_image(annotation.path, place / names[annotation.path])


def _annotations(root: Path) -> Iterator[Annotation]:
    folders = {path.name: path for path in _folders(root)}
    test = folders.pop("test", None)
    if _holds_only_folders(folders.get("train")):
        parts = [folders.pop(name) for name in ("train", *_VALIDATION) if name in folders]
        tagged = [tag for part in parts for tag in _folders(part)] + list(folders.values())
    else:
        tagged = list(folders.values())
    yield from (Annotation(path) for path in root.iterdir() if path.is_file() and not is_litter(path.name))
    for tag in tagged:
        yield from _of_tag(tag, "train")
    for tag in _folders(test) if test else ():
        yield from _of_tag(tag, "test")


def _of_tag(folder: Path, subset: Subset) -> Iterator[Annotation]:
    tag = tag_name(folder.name, str(folder))
    return (Annotation(path, (tag,), (), subset) for path in files_below(folder))


def _folders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir() and not is_litter(path.name))


def _holds_only_folders(folder: Path | None) -> bool:
    if folder is None:
        return False
    content = [path for path in folder.iterdir() if not is_litter(path.name)]
    return bool(content) and all(path.is_dir() for path in content)


def _inventory(root: Path) -> str:
    folders = [path.name for path in _folders(root)]
    files = sum(path.is_file() for path in root.iterdir())
    inside = f"{len(folders)} folders without images ({', '.join(folders[:5])})" if folders else "no folder"
    return f"{inside} and {files} files directly in it"


def _only_tag(annotation: Annotation) -> str:
    if len(annotation.tags) != 1 or annotation.regions:
        raise DatasetError(
            f"A folder per tag holds images with one tag each and no regions; {annotation.path} has "
            f"{len(annotation.tags)} tags and {len(annotation.regions)} regions. Write `csv` instead."
        )
    tag = annotation.tags[0]
    if "/" in tag or "\\" in tag or is_litter(tag) or tag in ("test", "train"):
        raise DatasetError(f"The tag {tag!r} cannot be the name of a folder. Write `csv` instead.")
    return tag
