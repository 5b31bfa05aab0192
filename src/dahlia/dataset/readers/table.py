"""A table of files and tags: CSV, with `,`, `;` or tabs, UTF-8.

    file,tag,left,top,width,height,subset
    images/a.jpg,fork,0.1,0.2,0.5,0.25,train

`file` is relative to the table. A file may have several rows. Tags are in columns called `tag`, in columns
without a name, in cells beyond the header, and in a column `tags` with `;` between them. With `left`,
`top`, `width` and `height`, fractions of the image's size, a row is a region for each of its tags; with
these four cells empty it is about the image as a whole. `subset` is `train` (also when empty) or `test`.
Other columns are not read, except that one which looks like a misspelt known one is refused.
"""

from __future__ import annotations

import csv
import difflib
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from dahlia.dataset.readers.finder import PhotoFinder
from dahlia.dataset.readers.reading import Loaded
from dahlia.dataset.readers.sources import (
    merge,
    number,
    tag_name,
    tags_of,
    text_of,
)
from dahlia.dataset.readers.targets import plain_tags, relative_name
from dahlia.dataset.readers.tree import Tree
from dahlia.dataset.records import Annotation, Region, Subset
from dahlia.errors import DatasetError
from dahlia.files import write_text

_SUFFIXES = (".csv", ".tsv")
_BOX = ("left", "top", "width", "height")
_KNOWN = ("file", "tag", "tags", *_BOX, "subset")


def found_in(tree: Tree) -> list[str]:
    """The tables in the source."""
    return tree.texts_with(*_SUFFIXES)


def load(tree: Tree, documents: Sequence[str]) -> Loaded:
    """Read tables.

    Raises:
        DatasetError: with the line, for a column that is missing, a row that is malformed, or a file
            outside the source.
    """
    if not documents:
        raise DatasetError(f"Expected a .csv or .tsv file in {tree.root}, found none. Add the table.")
    finder = PhotoFinder(tree)
    annotations = [one for name in documents for one in _table(tree, name, finder)]
    return Loaded(merge(annotations), "a table", finder.notes)


def save(annotations: Sequence[Annotation], target: Path) -> None:
    """Write a table whose paths are relative to it.

    Raises:
        DatasetError: an image lies outside the table's folder.
    """
    boxes = any(annotation.regions for annotation in annotations)
    subsets = any(annotation.subset == "test" for annotation in annotations)
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["file", "tag", *(_BOX if boxes else ()), *(["subset"] if subsets else ())])
    for annotation in annotations:
        name = relative_name(annotation.path, target.parent)
        for tag, box in _cells(annotation):
            row = [name, tag, *(box if boxes else ()), *([annotation.subset] if subsets else ())]
            writer.writerow(row)
    write_text(target, buffer.getvalue())


def _table(tree: Tree, document: str, finder: PhotoFinder) -> Iterator[Annotation]:
    path = tree.path(document)
    text = text_of(tree, document)
    header_line = text.lstrip("\r\n").split("\n", 1)[0]
    delimiter = max(",;\t", key=header_line.count)
    rows = _rows(text, delimiter, path)
    line, header = next(rows, (1, []))
    columns = _columns(header, f"{path}:{line}")
    for line, row in rows:
        yield _annotation(columns, row, finder, path, line, delimiter, document.rpartition("/")[0])


@dataclass(frozen=True)
class _Columns:
    file: int
    tag: list[int]
    tags: list[int]
    box: list[int]
    subset: int | None
    count: int


def _rows(text: str, delimiter: str, path: Path) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(
        io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True, strict=True
    )
    try:
        for row in reader:
            if any(cell.strip() for cell in row):
                yield reader.line_num, row
    except csv.Error as error:
        raise DatasetError(
            f"{path}:{reader.line_num}: not a row of a table ({error}). Correct the row."
        ) from error


def _columns(header: list[str], where: str) -> _Columns:
    names = [name.strip().lower() for name in header]
    box = [names.index(name) for name in _BOX if name in names]
    missing = [] if "file" in names else ["file"]
    missing += [] if {"tag", "tags"} & set(names) else ["tag"]
    if {"left", "top"} & set(names):
        missing += [name for name in _BOX if name not in names]
    strays = [name for name in names if name and name not in _KNOWN]
    slips = [name for name in strays if difflib.get_close_matches(name, _KNOWN, 1, 0.75)]
    if missing or slips:
        raise DatasetError(f"{where}: {_explain(missing, slips, strays)}")
    return _Columns(
        file=names.index("file"),
        tag=[index for index, name in enumerate(names) if name in ("tag", "")],
        tags=[index for index, name in enumerate(names) if name == "tags"],
        box=box if len(box) == len(_BOX) else [],
        subset=names.index("subset") if "subset" in names else None,
        count=len(names),
    )


def _explain(missing: list[str], slips: list[str], strays: list[str]) -> str:
    if not missing:
        near = difflib.get_close_matches(slips[0], _KNOWN, 1, 0.75)[0]
        return f"the column `{slips[0]}` is not known; did you mean `{near}`? Rename or remove it."
    found = ", ".join(f"`{name}`" for name in strays) or "no others"
    close = [name for want in missing for name in difflib.get_close_matches(want, strays, 1, 0.5)]
    hint = f" Did you mean `{close[0]}` to be `{missing[0]}`?" if close else ""
    return (
        f"expected the columns {', '.join(f'`{name}`' for name in missing)}, found {found} besides the known."
        f"{hint} Name the columns file,tag or file,tag,left,top,width,height in the first line."
    )


def _annotation(
    columns: _Columns, row: list[str], finder: PhotoFinder, path: Path, line: int, delimiter: str, folder: str
) -> Annotation:
    where = f"{path}:{line}"
    if len(row) > columns.count and columns.box:
        raise DatasetError(
            f"{where}: expected {columns.count} cells, received {len(row)}. Quote cells that contain "
            f"{delimiter!r}."
        )
    cells = row + [""] * (columns.count - len(row))
    tags = [cells[index] for index in columns.tag] + cells[columns.count :]
    tags += [tag for index in columns.tags for tag in cells[index].split(";")]
    names = tags_of(tag_name(tag, where) for tag in tags if tag.strip())
    box = [cells[index].strip() for index in columns.box]
    regions = _regions(box, names, where, delimiter) if any(box) else ()
    image, hint = finder.find(cells[columns.file], where, (folder,))
    return Annotation(
        path=image,
        tags=names,
        regions=regions,
        subset=_subset(cells[columns.subset] if columns.subset is not None else "", where),
        source=f"{path.name}:{line}",
        hint=hint,
    )


def _regions(box: list[str], tags: tuple[str, ...], where: str, delimiter: str) -> tuple[Region, ...]:
    if not tags:
        raise DatasetError(f"{where}: expected the tag of a region, received none. Fill it in.")
    # Where `;` parts the cells, spreadsheets write decimals with a comma.
    texts = [text.replace(",", ".") for text in box] if delimiter == ";" else box
    left, top, width, height = (
        number(text, f"{where}, column `{name}`") for text, name in zip(texts, _BOX, strict=True)
    )
    return tuple(Region(tag, left, top, width, height) for tag in tags)


def _subset(text: str, where: str) -> Subset:
    if text.strip().lower() in ("", "train"):
        return "train"
    if text.strip().lower() == "test":
        return "test"
    raise DatasetError(f"{where}: expected `train` or `test` as subset, received {text!r}. Correct the cell.")


def _cells(annotation: Annotation) -> Iterator[tuple[str, tuple[float | str, ...]]]:
    plain = plain_tags(annotation)
    for tag in plain if plain or annotation.regions else [""]:
        yield tag, ("", "", "", "")
    for region in annotation.regions:
        yield region.tag, (region.left, region.top, region.width, region.height)
