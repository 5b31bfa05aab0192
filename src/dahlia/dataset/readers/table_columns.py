"""What the columns of a table mean: its header, or its first row where it has none."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from dahlia.dataset.readers.litter import IMAGE_SUFFIXES
from dahlia.dataset.readers.splits import split_of
from dahlia.dataset.records import Split

BOX = ("left", "top", "width", "height")
CORNERS = ("xmin", "ymin", "xmax", "ymax")

_KNOWN = ("file", "tag", "tags", *BOX, "subset")
# Other names that people give, the first that a table has being taken.
_FILES = (
    "file", "filename", "filenames", "filepath", "filepaths", "imagefilename", "imagefile", "imagename",
    "imagepath", "image", "img", "picture", "photo", "path", "imageurl", "url", "imageid", "id",
)  # fmt: skip
_TAGS = ("tags", "labels", "classes", "label", "class", "classname", "labelname", "category", "categories")
_SUBSETS = ("subset", "split", "set", "partition", "fold")
_GROUPS = ("group", "groups", "groupid", "groupname")
# What may name groups, and is not read unless it is called so; also with `id` at the end.
_LIKE_GROUPS = frozenset(
    {
        *("scene", "session", "place", "site", "location", "plot", "patient", "subject", "lesion", "animal"),
        *("individual", "customer", "product", "camera", "trap", "video", "sequence", "seq", "burst"),
    }
)
_CORNERS = (CORNERS, ("x1", "y1", "x2", "y2"), ("left", "top", "right", "bottom"))
_FLAGS = frozenset({"", "0", "1", "0.0", "1.0", "true", "false"})
YES = frozenset({"1", "1.0", "true"})
NO_SPLIT = frozenset({"", "unassigned", "none", "nan"})
_MEASURE = re.compile(r"(-?\d+(\.\d+)?)?")
_MOST_SPELLINGS = 12  # of splits in one column
_MARK = re.compile(r"(?i:is|in|for)([\s_-]+|(?=[A-Z]))")


@dataclass(frozen=True)
class Columns:
    """Where a table has what; places count from 0.

    Attributes:
        file: names the image.
        tag: hold one tag each, as it is written.
        tags: hold one or several tags.
        flags: tells of the tag that it is called after whether the image has it, by place.
        box: left, top, width, height, as fractions of the image's size; or none.
        corners: left, top, right, bottom in pixels; or none.
        size: width and height of the image in pixels, beside corners; or none.
        subset: says which split the image is in.
        marks: tells with 0 and 1 whether the image is in the split, by place.
        group: names the group that the image is in.
        like_group: may do so too, but is not called so.
        count: how many columns there are.
        has_header: whether the first row is one.
    """

    file: int
    tag: tuple[int, ...] = ()
    tags: tuple[int, ...] = ()
    flags: tuple[tuple[int, str], ...] = ()
    box: tuple[int, ...] = ()
    corners: tuple[int, ...] = ()
    size: tuple[int, ...] = ()
    subset: int | None = None
    marks: tuple[tuple[int, Split], ...] = ()
    group: int | None = None
    like_group: int | None = None
    count: int = 0
    has_header: bool = True


def columns_of(rows: Sequence[Sequence[str]]) -> Columns | str:
    """The columns of a table, or what is wrong with its header.

    Args:
        rows: the table's first rows, the header among them.
    """
    header = rows[0] if rows else []
    names = [key_of(name) for name in header]
    file = next((names.index(name) for name in _FILES if name in names), None)
    if file is None and not difflib.get_close_matches("file", names, 1, 0.5):
        file = next((place for place in range(len(names)) if _are_photos(place, rows[1:])), None)
    if file is None or _is_photo(header[file]):
        if found := _headless(header, rows):
            return found
        tagged = any(name in ("tag", *_TAGS) for name in names)
        return _explain(["file"] if tagged else ["file", "tag"], header)
    columns = _with_boxes(Columns(file, count=len(names)), names)
    if problem := _problem(header, names, columns):
        return problem
    columns = _with_group(_with_splits(columns, names, header, rows[1:]), names, rows[1:])
    return _with_tags(columns, names, header, rows[1:])


def _with_boxes(columns: Columns, names: list[str]) -> Columns:
    for corners in _CORNERS:
        if set(corners) <= set(names):
            size = ("width", "height") if {"width", "height"} <= set(names) else ()
            return replace(
                columns,
                corners=tuple(names.index(name) for name in corners),
                size=tuple(names.index(name) for name in size),
            )
    if set(BOX) <= set(names):
        return replace(columns, box=tuple(names.index(name) for name in BOX))
    return columns


def _headless(first: Sequence[str], rows: Sequence[Sequence[str]]) -> Columns | None:
    """The columns of a table without a header: the photo, its tags, and the split before it, if any."""
    file = next((place for place in range(len(first)) if _is_photo(first[place])), None)
    if file is None or file > 1 or (file == 1 and not _says_split(0, rows)):
        return None
    others = range(file + 1, len(first))
    # Numbers beside names are those of boxes, in an order that nothing tells.
    tags = tuple(place for place in others if not _is_measure(place, rows)) or tuple(others)
    return Columns(file, tag=tags, subset=0 if file else None, count=len(first), has_header=False)


def _is_photo(cell: str) -> bool:
    return PurePosixPath(cell.strip().lower()).suffix in IMAGE_SUFFIXES


def _are_photos(place: int, rows: Sequence[Sequence[str]]) -> bool:
    cells = [row[place] for row in rows if place < len(row)]
    return bool(cells) and all(map(_is_photo, cells))


def _with_splits(
    columns: Columns, names: list[str], header: Sequence[str], rows: Sequence[Sequence[str]]
) -> Columns:
    """Adds what says the split: a column that is called so, or has nothing but splits in it, or marks."""
    tags = {place for place, name in enumerate(names) if name in ("tag", *_TAGS) or not name}
    used = tags | {columns.file, *columns.box, *columns.corners, *columns.size}
    called = [name for name in _SUBSETS if name in names]
    if "fold" in called and _is_numbers(names.index("fold"), rows):
        called.remove("fold")  # of a cross-validation: all of them are learned from
    if called:
        return replace(columns, subset=names.index(called[0]))
    rest = [place for place in range(len(names)) if place not in used]
    said = next((place for place in rest if _says_split(place, rows)), None)
    if said is not None:
        return replace(columns, subset=said)
    flags = {place: header[place].strip() for place in rest if _is_flag(place, rows)}
    marks = {place: split for place, name in flags.items() if (split := _marked(name))}
    if not tags and len(set(marks.values())) == 1:
        # Beside a column for each tag, one that is called `train` may be a tag; `is_train` is none.
        marks = {place: split for place, split in marks.items() if not split_of(flags[place])}
    return replace(columns, marks=tuple(marks.items()))


def _with_group(columns: Columns, names: list[str], rows: Sequence[Sequence[str]]) -> Columns:
    """Adds the column of groups, unless it says splits, or is one of 0 and 1 where such columns are tags."""
    place = next((names.index(name) for name in _GROUPS if name in names), None)
    tagged = any(name in ("tag", *_TAGS) for name in names)
    if place is None:
        likely = (at for at, name in enumerate(names) if name.removesuffix("id") in _LIKE_GROUPS)
        return replace(columns, like_group=next(likely, None))
    if place == columns.subset or (not tagged and _is_flag(place, rows)):
        return columns
    return replace(columns, group=place)


def _marked(name: str) -> Split | None:
    prefix = _MARK.match(name)
    return split_of(name[prefix.end() :] if prefix else name)


def _says_split(place: int, rows: Sequence[Sequence[str]]) -> bool:
    cells = {row[place].strip().lower() for row in rows if place < len(row)}
    if len(cells) > _MOST_SPELLINGS:
        return False
    said = {cell for cell in cells if split_of(cell)}
    return cells - said <= NO_SPLIT and bool(said or cells == {"unassigned"})


def _with_tags(
    columns: Columns, names: list[str], header: Sequence[str], rows: Sequence[Sequence[str]]
) -> Columns | str:
    tag = tuple(place for place, name in enumerate(names) if name == "tag" or not name)
    if set(names) & {"tag", *_TAGS}:  # a column without a name that counts is one of row numbers
        tag = tuple(place for place in tag if names[place] or not _is_numbers(place, rows))
    several = tuple(place for place, name in enumerate(names) if name == "tags")
    if any(names[place] for place in tag) or several:
        return replace(columns, tag=tag, tags=several)
    named = [place for place, name in enumerate(names) if name in _TAGS]
    textual = [place for place in named if not _is_numbers(place, rows)]
    chosen = textual or named
    if len({names[place] for place in chosen}) > 1:
        both = " and ".join(f"`{header[place].strip()}`" for place in chosen)
        return f"the columns {both} may both hold tags. Rename the one that does `tags`."
    if chosen:
        return replace(columns, tag=tag, tags=tuple(chosen))
    used = {columns.file, *columns.box, *columns.corners, *columns.size, columns.subset, columns.group}
    used |= {place for place, _ in columns.marks}
    rest = [place for place in range(len(names)) if place not in used and names[place]]
    if rest and rows and all(_is_flag(place, rows) for place in rest):
        return replace(columns, flags=tuple((place, header[place].strip()) for place in rest))
    return _explain(["tag"], header)


def _problem(header: Sequence[str], names: list[str], columns: Columns) -> str:
    if {"left", "top"} <= set(names) and not columns.box and not columns.corners:
        missing = [name for name in BOX if name not in names]
        return _explain(missing, header)
    strays = [name for name in names if name and name not in {*_KNOWN, *_FILES, *_TAGS, *_SUBSETS}]
    for stray in strays:
        near = difflib.get_close_matches(stray, _KNOWN, 1, 0.75)
        if near and near[0] not in names:
            written = header[names.index(stray)].strip()
            return f"the column `{written}` is not known; did you mean `{near[0]}`? Rename or remove it."
    return ""


def _explain(missing: list[str], header: Sequence[str]) -> str:
    strays = [name.strip() for name in header if name.strip() and name.strip().lower() not in _KNOWN]
    found = ", ".join(f"`{name}`" for name in strays[:20]) or "no others"
    strays = [name for name in strays if "file" in missing or key_of(name) not in _FILES]
    close = [name for want in missing for name in difflib.get_close_matches(want, strays, 1, 0.5)]
    hint = f" Did you mean `{close[0]}` to be `{missing[0]}`?" if close else ""
    return (
        f"expected the columns {', '.join(f'`{name}`' for name in missing)}, found {found} besides the known."
        f"{hint} Name the columns file,tag or file,tag,left,top,width,height in the first line."
    )


def _is_measure(place: int, rows: Sequence[Sequence[str]]) -> bool:
    cells = {row[place].strip() for row in rows if place < len(row)}
    return cells != {""} and all(_MEASURE.fullmatch(cell) for cell in cells)


def key_of(name: str) -> str:
    """A column's name without what spellings of it differ in: capitals, spaces, hyphens and underscores."""
    return re.sub(r"[\s_-]+", "", name.strip().lower())


def _is_flag(place: int, rows: Sequence[Sequence[str]]) -> bool:
    return all(row[place].strip().lower() in _FLAGS for row in rows if place < len(row))


def _is_numbers(place: int, rows: Sequence[Sequence[str]]) -> bool:
    cells = [row[place].strip() for row in rows if place < len(row)]
    return bool(cells) and all(cell.isdecimal() for cell in cells)
