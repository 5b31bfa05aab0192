"""Open Images: tables of labels by image id, for images that were downloaded from a much larger set.

    train/0a1b2c3d4e5f6071.jpg            test/....jpg
    train-annotations-bbox.csv            ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax,...
    validation-annotations-human-imagelabels-boxable.csv    ImageID,Source,LabelName,Confidence
    class-descriptions-boxable.csv        /m/011k07,Tortoise

The tables name millions of images; those that are not in the source are passed over and counted. Labels that
were verified as absent, with a confidence of 0, are no tags. Boxes are fractions of the image's size.

Source: https://storage.googleapis.com/openimages/web/download_v7.html, "Data formats".
"""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath

from dahlia.dataset.readers.reading import Loaded, Note
from dahlia.dataset.readers.sources import merge, number, tag_name, tags_of, text_of
from dahlia.dataset.readers.splits import split_in, split_of_document, subset_of
from dahlia.dataset.readers.tree import Tree
from dahlia.dataset.records import Annotation, Region, Split
from dahlia.errors import DatasetError

_LABELS = ("ImageID", "LabelName", "Confidence")
_BOX = ("XMin", "YMin", "XMax", "YMax")
_HEAD = 4096


def found_in(tree: Tree) -> list[str]:
    """The tables of labels."""
    return [name for name in tree.texts_with(".csv") if set(_LABELS) <= set(_header(tree.head(name, _HEAD)))]


def load(tree: Tree, documents: Sequence[str]) -> Loaded:
    """Read tables of labels.

    Raises:
        DatasetError: with the line, for a row that is malformed; or no image that is named is there.
    """
    if not documents:
        raise DatasetError(
            f"Expected a .csv file with the columns {', '.join(_LABELS)} in {tree.root}, found none. "
            "Add the tables of Open Images."
        )
    names = _descriptions(tree)
    images: dict[str, list[str]] = defaultdict(list)
    for image in tree.images:
        images[PurePosixPath(image).stem].append(image)
    elsewhere: set[str] = set()
    annotations = [one for name in documents for one in _table(tree, name, names, images, elsewhere)]
    if not annotations:
        raise DatasetError(
            f"Expected images that {documents[0]} names in {tree.root}, found none of its "
            f"{len(elsewhere):,}. Download them there; their names are the ids."
        )
    found = f"{len(elsewhere):,} images that are named and not here"
    notes = (Note("named-elsewhere", found),) if elsewhere else ()
    return Loaded(merge(annotations), "Open Images", notes)


def save(annotations: Sequence[Annotation], target: object) -> None:
    """Not written: its ids and labels are those of one set of images.

    Raises:
        DatasetError: always.
    """
    raise DatasetError("Open Images is read only. Write `coco` or `csv` instead.")


def _table(
    tree: Tree, document: str, names: dict[str, str], images: dict[str, list[str]], elsewhere: set[str]
) -> Iterator[Annotation]:
    folders = document.split("/")
    split = split_of_document(folders[-1]) or split_in(folders[:-1])
    reader = csv.DictReader(io.StringIO(text_of(tree, document), newline=""), strict=True)
    try:
        for row in reader:
            where = f"{tree.path(document)}:{reader.line_num}"
            key = (row["ImageID"] or "").strip()
            paths = images.get(PurePosixPath(key).stem or key, [])
            if not paths:
                elsewhere.add(key)
            elif number(row["Confidence"] or "1", f"{where}, `Confidence`") > 0:
                label = (row["LabelName"] or "").strip()
                tag = tag_name(names.get(label, label), f"{where}, `LabelName`")
                source = f"{document}:{reader.line_num}"
                yield from (_annotation(tree, path, tag, row, where, split, source) for path in paths)
    except csv.Error as error:
        raise DatasetError(
            f"{tree.path(document)}:{reader.line_num}: not a row of a table ({error}). Correct the row."
        ) from error


def _annotation(
    tree: Tree,
    image: str,
    tag: str,
    row: dict[str, str],
    where: str,
    split: Split | None,
    source: str,
) -> Annotation:
    regions: tuple[Region, ...] = ()
    if all(row.get(name) for name in _BOX):
        left, top, right, bottom = (number(row[name], f"{where}, `{name}`") for name in _BOX)
        regions = (Region(tag, left, top, right - left, bottom - top),)
    own = split_in(image.split("/")[:-1]) or split
    return Annotation(tree.path(image), tags_of((tag,)), regions, subset_of(own), source, own)


def _descriptions(tree: Tree) -> dict[str, str]:
    """What labels such as `/m/011k07` are called, from tables of two columns."""
    names: dict[str, str] = {}
    for name in tree.texts_with(".csv"):
        if not _is_description(tree.head(name, _HEAD)):
            continue
        rows = csv.reader(io.StringIO(text_of(tree, name), newline=""))
        try:
            names |= {row[0].strip(): row[1] for row in rows if len(row) == 2 and row[0].startswith("/")}
        except csv.Error as error:
            raise DatasetError(
                f"{tree.path(name)}:{rows.line_num}: not a row of a table ({error}). Correct the row."
            ) from error
    return names


def _is_description(head: bytes) -> bool:
    first = head.decode("utf-8-sig", "replace").splitlines()[:2]
    return any(line.startswith("/") and "," in line for line in first)


def _header(head: bytes) -> list[str]:
    return head.decode("utf-8-sig", "replace").partition("\n")[0].strip().split(",")
