"""A table of files and tags: CSV, with `,`, `;`, `|` or tabs, UTF-8 or UTF-16 with a mark.

    file,tag,left,top,width,height,subset,group
    images/a.jpg,fork,0.1,0.2,0.5,0.25,train,kitchen

`file` is relative to the table. A file may have several rows. Tags are in columns called `tag`, one in a cell
as it is written, in columns without a name, and in cells beyond the header; or in a column `tags` with `;`,
`|` or `,` between them. With `left`, `top`, `width` and `height`, fractions of the image's size, a row is a
region for each of its tags; with these four cells empty it is about the image as a whole. `subset` is `train`
(also when empty), `valid` or `test`; so is any column that has nothing but splits in it, and `is_test` with 0
and 1 does too. `group` names the group that the image is in (see `dahlia.dataset.groups`). Other columns are
not read, except that one which looks like a misspelt known one is refused.

Tables of others are read too: with other usual names of the columns, `xmin`, `ymin`, `xmax` and `ymax` in
pixels (in fractions, where all are near 0 to 1 and not all whole), a column of 0 and 1 for each tag, without
a header, or one table for each split, by its name or its folder's.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from dahlia.dataset.groups import group_name
from dahlia.dataset.readers.boxes import Size, looks_like_pixels, size_of, stated_size
from dahlia.dataset.readers.finder import PhotoFinder
from dahlia.dataset.readers.folder import has_tags
from dahlia.dataset.readers.reading import Loaded, Note, Tally, counted
from dahlia.dataset.readers.sources import decoded, merge, number, tag_name, tags_of, text_of, with_splits
from dahlia.dataset.readers.splits import split_in, split_of, split_of_document, subset_of
from dahlia.dataset.readers.table_boxes import are_fractions, decimal, unread_boxes
from dahlia.dataset.readers.table_columns import BOX, CORNERS, NO_SPLIT, YES, columns_of
from dahlia.dataset.readers.targets import plain_tags, relative_name
from dahlia.dataset.readers.tree import Tree
from dahlia.dataset.records import Annotation, Region, Split
from dahlia.errors import DatasetError
from dahlia.files import write_text

_SUFFIXES = (".csv", ".tsv")
_HEAD = 64 * 1024  # bytes in which the first rows are
_SEPARATOR = re.compile(r'\s*"?sep=(.)"?\s*', re.IGNORECASE)  # Excel's own first line
_SEVERAL = re.compile(r"[;|,]")
_JOINED = re.compile(r"[;|]")
_PIXELS = re.compile(r"0*[1-9][0-9]{0,8}")
_MAX_COLUMNS = 16_384  # which Excel has, too
_SUBMISSION = "samplesubmission"  # tags in it are made up


def found_in(tree: Tree) -> list[str]:
    """The tables of files and tags; any table where no folder may be a tag."""
    names = [name for name in tree.texts_with(*_SUFFIXES) if _SUBMISSION not in _letters(name)]
    fitting = [name for name in names if _fits(tree.head(name, _HEAD))]
    return fitting or ([] if has_tags(tree) else names)


def load(tree: Tree, documents: Sequence[str]) -> Loaded:
    """Read tables; each may be of a split, by its name or its folder's.

    Raises:
        DatasetError: with the line, for a column that is missing, a row that is malformed, or a file
            outside the source; or several tables are in one folder, and their names do not tell splits.
    """
    _check_number(tree, documents)
    finder, tally = PhotoFinder(tree), Tally()
    tables = [_Table(tree, name, finder, tally) for name in documents]
    annotations = with_splits(tree.root, merge(one for table in tables for one in table.annotations()))
    several = sum((table.several for table in tables), Counter[str]())
    joined = sorted(set().union(*(table.joined for table in tables)))
    notes = [*finder.notes, *tally.notes]
    if several:
        cells = counted(several.total(), "cell holds", "cells hold")
        notes.append(Note("several-tags", f"{cells} several tags, such as {next(iter(several))!r:.200}"))
    if joined:
        tags = counted(len(joined), "tag has", "tags have")
        found = f"{tags} a `;` or `|` in the name, such as {joined[0]!r}"
        notes.append(Note("joined-tags", found, tags=tuple(joined)))
    notes += [note for table in tables if (note := table.unread_groups())]
    notes += [note for table in tables if (note := table.unread_boxes())]
    return Loaded(annotations, _layout(tables), tuple(notes))


def save(annotations: Sequence[Annotation], target: Path) -> None:
    """Write a table whose paths are relative to it.

    Raises:
        DatasetError: an image lies outside the table's folder.
    """
    boxes = any(annotation.regions for annotation in annotations)
    subsets = any(annotation.subset == "test" for annotation in annotations)
    groups = any(annotation.group for annotation in annotations)
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    header = ["file", "tag", *(BOX if boxes else ())]
    writer.writerow([*header, *(["subset"] if subsets else ()), *(["group"] if groups else ())])
    for annotation in annotations:
        name = relative_name(annotation.path, target.parent)
        said = [*([annotation.subset] if subsets else ()), *([annotation.group or ""] if groups else ())]
        for tag, box in _cells(annotation):
            writer.writerow([name, tag, *(box if boxes else ()), *said])
    write_text(target, buffer.getvalue())


class _Table:
    """One table, and what was read of it."""

    def __init__(self, tree: Tree, document: str, finder: PhotoFinder, tally: Tally) -> None:
        self._tree = tree
        self._tally = tally
        self.path = tree.path(document)
        self.several: Counter[str] = Counter()
        self.joined: set[str] = set()
        self._document = document
        self._finder = finder
        self._photos: dict[str, tuple[Path, str]] = {}  # a photo may have a row for each of many boxes
        self._sizes: dict[tuple[Path, tuple[str, ...]], Size | None] = {}
        folders = document.split("/")
        self.split = split_of_document(folders[-1]) or split_in(folders[:-1])
        self._folder = "/".join(folders[:-1])
        text, self.delimiter = _parsed(text_of(tree, document))
        self._rows = list(_rows(text, self.delimiter, self.path))
        columns = columns_of([row for _, row in self._rows])
        if isinstance(columns, str):
            # Links are followed; what this one leads to is no such table, and may be confidential.
            if tree.leads_out(document):
                raise DatasetError(
                    f"{self.path}: expected a table with the columns file,tag, received a link out of "
                    f"{tree.root} to a file that has not got them. Copy the table that is meant there."
                )
            raise DatasetError(f"{self.path}:{self._rows[0][0] if self._rows else 1}: {columns}")
        self.columns = columns
        self.in_fractions = bool(columns.corners) and are_fractions(
            self._rows, columns.corners, self.delimiter
        )

    def annotations(self) -> Iterator[Annotation]:
        for line, row in self._rows[1 if self.columns.has_header else 0 :]:
            yield self._annotation(row, line)

    def unread_groups(self) -> Note | None:
        """A note of a column that may name groups, if its values divide the photos of a tag."""
        place, columns = self.columns.like_group, self.columns
        if place is None:
            return None
        rows = [row for _, row in self._rows[1:] if place < len(row) and row[place].strip()]
        values = {row[place].strip() for row in rows}
        tags = [tuple(row[at] for at in (*columns.tag, *columns.tags) if at < len(row)) for row in rows]
        parts = {(of, row[place].strip()) for of, row in zip(tags, rows, strict=True)}
        if not 1 < len(values) < len(rows) or len(parts) == len(set(tags)):
            return None
        name = self._rows[0][1][place].strip()
        found = f"the column `{name}` has {len(values):,} values in {len(rows):,} rows, and is not read"
        return Note("unread-groups", f"{self._document}: {found}")

    def unread_boxes(self) -> Note | None:
        """A note of columns that look like boxes, and are called otherwise than those that are read."""
        found = unread_boxes(self._rows[0][1], self.columns)
        return Note("unread-boxes", f"{self._document}: the columns {found} are not read") if found else None

    def _annotation(self, row: list[str], line: int) -> Annotation:
        where = f"{self.path}:{line}"
        columns = self.columns
        if len(row) > columns.count and (columns.box or columns.corners or columns.group is not None):
            raise DatasetError(
                f"{where}: expected {columns.count} cells, received {len(row)}. Quote cells that contain "
                f"{self.delimiter!r}."
            )
        cells = row + [""] * (columns.count - len(row))
        names = tags_of(tag_name(tag, where) for tag in self._tags(cells) if tag.strip())
        image, hint = self._photo(cells[columns.file], where)
        split = self._split(cells, where)
        said = [cells[place].strip() for place in columns.size]
        return Annotation(
            path=image,
            tags=names,
            regions=self._regions(cells, names, image, where),
            subset=subset_of(split),
            source=f"{self._document}:{line}",
            split=split,
            hint=hint,
            group=self._group(cells, where),
            stated=stated_size(*said) if len(said) == 2 else None,
        )

    def _photo(self, name: str, where: str) -> tuple[Path, str]:
        """What `PhotoFinder.find` says of a name, looked for once."""
        if name not in self._photos:
            self._photos[name] = self._finder.find(name, where, (self._folder, "images", ""))
        return self._photos[name]

    def _size(self, image: Path, stated: tuple[str, ...]) -> Size | None:
        """What `size_of` says of a photo, which is opened once."""
        key = (image, stated)
        if key not in self._sizes:
            self._sizes[key] = size_of(image, *stated)
        return self._sizes[key]

    def _tags(self, cells: list[str]) -> Iterator[str]:
        columns = self.columns
        for place in columns.tag:
            if _JOINED.search(cells[place]):
                self.joined.add(cells[place].strip())
            yield cells[place]
        yield from cells[columns.count :]
        for place in columns.tags:
            parts = [part for part in _SEVERAL.split(cells[place]) if part.strip()]
            if len(parts) > 1:
                self.several[cells[place].strip()] += 1
            yield from parts
        yield from (tag for place, tag in columns.flags if cells[place].strip().lower() in YES)

    def _regions(
        self, cells: list[str], tags: tuple[str, ...], image: Path, where: str
    ) -> tuple[Region, ...]:
        places, names = (self.columns.corners, CORNERS) if self.columns.corners else (self.columns.box, BOX)
        texts = [decimal(cells[place], self.delimiter) for place in places]
        if not any(texts):
            return ()
        if not tags:
            raise DatasetError(f"{where}: expected the tag of a region, received none. Fill it in.")
        first, second, third, fourth = (
            number(text, f"{where}, column `{name}`") for text, name in zip(texts, names, strict=True)
        )
        if not self.columns.corners:
            regions = tuple(Region(tag, first, second, third, fourth) for tag in tags)
            if looks_like_pixels(regions[0]):
                self._tally.add("pixel-boxes", self._tree.name(image))
            return regions
        size: Size | None = (1, 1)
        if not self.in_fractions:
            size = self._size(image, tuple(cells[place].strip() for place in self.columns.size))
        if size is None:
            return ()
        width, height = size
        box = (first / width, second / height, (third - first) / width, (fourth - second) / height)
        return tuple(Region(tag, *box) for tag in tags)

    def _split(self, cells: list[str], where: str) -> Split | None:
        if self.columns.marks:
            return self._marked(cells, where)
        if self.columns.subset is None:
            return self.split
        text = cells[self.columns.subset].strip()
        if text.lower() in NO_SPLIT:
            return self.split or "train"
        split = split_of(text)
        if split is None:
            raise DatasetError(
                f"{where}: expected `train`, `valid` or `test` as subset, received {text!r:.60}. Correct it, "
                "or rename the column if it says something else."
            )
        return split

    def _group(self, cells: list[str], where: str) -> str | None:
        place = self.columns.group
        return None if place is None else group_name(cells[place], f"{where}, column `group`")

    def _marked(self, cells: list[str], where: str) -> Split:
        marks = self.columns.marks
        said = {split for place, split in marks if cells[place].strip().lower() in YES}
        if "test" in said and len(said) > 1:
            raise DatasetError(f"{where}: the image is marked as of training and of the test set. Keep one.")
        if said:
            return "test" if "test" in said else "valid" if said == {"valid"} else "train"
        return "test" if all(split == "train" for _, split in marks) else "train"


def _check_number(tree: Tree, documents: Sequence[str]) -> None:
    found = ", ".join(documents[:5]) or "none"
    places = Counter(
        (name.rpartition("/")[0], split_of_document(name.rpartition("/")[2])) for name in documents
    )
    if not documents or places.most_common(1)[0][1] > 1:
        raise DatasetError(
            f"Expected exactly one .csv or .tsv file for each split in {tree.root}, found {found}. "
            "Set `ingest.source` to the file that is meant."
        )


def _layout(tables: Sequence[_Table]) -> str:
    columns = tables[0].columns
    kind = "a table with a column for each tag" if columns.flags else "a table"
    if not columns.has_header:
        read = len(columns.tag) + (1 if columns.subset is None else 2)
        kind = "a table without a header" + ("" if read == columns.count else ", whose numbers are not read")
    if any(table.in_fractions for table in tables):
        kind += " with corners in fractions of the photo"
    return f"{kind}, one file a split" if len(tables) > 1 and any(table.split for table in tables) else kind


def _fits(data: bytes) -> bool:
    rows: list[list[str]] = []
    with suppress(DatasetError, UnicodeDecodeError):
        text = decoded(data, "ignore")
        text, delimiter = _parsed(text)
        rows.extend(row for _, row in _rows(text, delimiter, Path()))
    # The last row may be cut off.
    return not isinstance(columns_of(rows[:-1] if len(data) == _HEAD else rows), str)


def _parsed(text: str) -> tuple[str, str]:
    """A table without Excel's line that names the delimiter, and the delimiter."""
    lines = text.lstrip("\r\n").splitlines()
    first = lines[0] if lines else ""
    if named := _SEPARATOR.fullmatch(first):
        return text.replace(first, "", 1), named[1]
    return text, max(",;\t|", key=first.count)


def _rows(text: str, delimiter: str, path: Path) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(
        io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True, strict=True
    )
    try:
        for row in reader:
            if len(row) > _MAX_COLUMNS:
                raise DatasetError(
                    f"{path}:{reader.line_num}: expected at most {_MAX_COLUMNS:,} columns, received "
                    f"{len(row):,}. Write one row for each file and tag."
                )
            if any(cell.strip() for cell in row):
                yield reader.line_num, row
    except csv.Error as error:
        raise DatasetError(
            f"{path}:{reader.line_num}: not a row of a table ({error}). Correct the row."
        ) from error


def _cells(annotation: Annotation) -> Iterator[tuple[str, tuple[float | str, ...]]]:
    plain = plain_tags(annotation)
    for tag in plain if plain or annotation.regions else [""]:
        yield tag, ("", "", "", "")
    for region in annotation.regions:
        yield region.tag, (region.left, region.top, region.width, region.height)


def _letters(name: str) -> str:
    return re.sub(r"[^a-z]", "", name.rpartition("/")[2].lower())
