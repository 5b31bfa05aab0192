"""What the readers share of photos and targets: file names, copies, sizes."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from dahlia.dataset.headers import read_header
from dahlia.dataset.photo_files import read_file
from dahlia.dataset.readers.sources import tags_of
from dahlia.dataset.records import Annotation, Region
from dahlia.errors import DatasetError, ImageError
from dahlia.files import staged_directory


@contextmanager
def new_folder(target: Path) -> Iterator[Path]:
    """Give a folder that becomes `target` on success.

    Raises:
        DatasetError: `target` already holds something.
    """
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise DatasetError(f"Expected a new or empty folder, received {target}. Choose another name.")
    with staged_directory(target) as staged:
        yield staged


def unique_names(annotations: Sequence[Annotation]) -> dict[Path, str]:
    """A file name for each image, unlike any other even without suffix and in capitals."""
    names: dict[Path, str] = {}
    taken: set[str] = set()
    for path in sorted((annotation.path for annotation in annotations), key=Path.as_posix):
        stem, count = path.stem, 1
        while stem.casefold() in taken:
            count += 1
            stem = f"{path.stem}_{count}"
        taken.add(stem.casefold())
        names[path] = stem + path.suffix
    return names


def copy_image(path: Path, target: Path) -> None:
    """Copy an image, making the folders it needs.

    Raises:
        DatasetError: there is no such file.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        _, data = read_file(path)
    except (FileNotFoundError, IsADirectoryError):
        raise _missing(path) from None
    target.write_bytes(data or b"")  # into a folder that appears whole


def image_size(path: Path) -> tuple[int, int]:
    """Width and height of an image as displayed, in pixels.

    Raises:
        DatasetError: there is no such file, or its header cannot be read.
    """
    try:
        _, data = read_file(path)
        header = read_header(data or b"")
    except OSError:
        raise _missing(path) from None
    except ImageError as error:
        raise DatasetError(f"{path}: {error}") from error
    return header.width, header.height


def plain_tags(annotation: Annotation) -> list[str]:
    """The tags to write apart from the regions, so that reading gives the same tags in the same order."""
    boxed = [region.tag for region in annotation.regions]
    plain = [tag for tag in annotation.tags if tag not in boxed]
    return plain if tags_of([*plain, *boxed]) == annotation.tags else list(annotation.tags)


def objects_of(annotation: Annotation) -> Iterator[tuple[str, Region | None]]:
    """Regions, and tags without any at their place among them.

    For formats in which an entry without a position stands for an object, so that no tag of a region has one.
    """
    boxed = {region.tag for region in annotation.regions}
    rest = list(annotation.tags)
    for region in annotation.regions:
        while region.tag in rest:
            if (tag := rest.pop(0)) not in boxed:
                yield tag, None
        yield region.tag, region
    yield from ((tag, None) for tag in rest if tag not in boxed)


def relative_name(path: Path, root: Path) -> str:
    """An image's path relative to the folder of the file that names it, with forward slashes.

    Raises:
        DatasetError: the image lies outside that folder.
    """
    root = root.resolve()
    if not path.is_relative_to(root):
        raise DatasetError(
            f"Expected images inside {root}, received {path}. Write the annotations to a folder that "
            "holds the images."
        )
    return Path(os.path.relpath(path, root)).as_posix()


def source_root(target: Path) -> Path:
    """The folder to which the names in an annotation file are relative."""
    folder = target.parent.resolve()
    return folder.parent if folder.name == "annotations" else folder


def _missing(path: Path) -> DatasetError:
    return DatasetError(
        f"Expected an image at {path}, which is not there. Put it back, or remove it from the list."
    )
