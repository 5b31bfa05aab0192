"""What the readers share: tags, numbers, texts, one annotation per file."""

from __future__ import annotations

import math
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from dahlia.dataset.readers.splits import split_in, subset_of
from dahlia.dataset.readers.tree import Tree
from dahlia.dataset.records import Annotation, Region, Split
from dahlia.dataset.tag_rules import trouble_with
from dahlia.errors import DatasetError

MAX_BYTES = 512 * 1024 * 1024  # of an annotation file
_LINE_END = re.compile(r"\r\n|\r|\n")


def tag_name(text: str, where: str) -> str:
    """A tag as it is spelt everywhere: without outer spaces, in Unicode's composed form (NFC).

    Raises:
        DatasetError: nothing is left, or it cannot be a tag's name (see `dahlia.dataset.tag_rules`).
    """
    name = unicodedata.normalize("NFC", text).strip()
    if not name:
        raise DatasetError(f"{where}: expected the name of a tag, received {text!r:.60}. Fill it in.")
    if trouble := trouble_with(text.strip(" ")):
        raise DatasetError(f"{where}: {trouble[0].lower()}{trouble[1:]} Correct it there.")
    return name


def written_tag(value: object, where: str) -> str:
    """A tag from a format whose values have types: text, or a whole number, which is written in one way only.

    Raises:
        DatasetError: it is something else, or cannot be a tag's name.
    """
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        raise DatasetError(
            f"{where}: expected the name of a tag as text, received {value!r:.60}. Put it in quotes."
        )
    return tag_name(str(value), where)


def number(text: object, where: str) -> float:
    """A finite number.

    Raises:
        DatasetError: it is something else.
    """
    if isinstance(text, (str, int, float)) and not isinstance(text, bool):
        try:
            value = float(text)
        except (ValueError, OverflowError):
            value = math.nan
        if math.isfinite(value):
            return value
    raise DatasetError(f"{where}: expected a number, received {text!r:.60}. Correct it there.")


def merge(annotations: Iterable[Annotation]) -> list[Annotation]:
    """One annotation per file, sorted by path; tags and regions keep their order.

    Raises:
        DatasetError: a file is said to be both train and test, or to be in two groups.
    """
    grouped: dict[Path, list[Annotation]] = {}
    for annotation in annotations:
        grouped.setdefault(annotation.path, []).append(annotation)
    return [_join(path, grouped[path]) for path in sorted(grouped, key=Path.as_posix)]


def with_splits(root: Path, annotations: Sequence[Annotation]) -> list[Annotation]:
    """Annotations that say nothing of splits take them from the folders of their photos.

    Folders count where annotations have no splits at all, and not every photo is in a folder of tests.
    What is in no split is learned from, where there are splits.

    Args:
        root: the source's folder.
        annotations: of photos below it.
    """
    splits: list[Split | None] = [one.split for one in annotations]
    if not any(splits):
        start = len(str(root)) + 1
        splits = [split_in(str(one.path)[start:].split("/")[:-1]) for one in annotations]
        if not any(splits) or set(splits) == {"test"}:
            return list(annotations)
    return [
        replace(one, split=split or "train", subset=subset_of(split))
        for one, split in zip(annotations, splits, strict=True)
    ]


def without_repeats(parts: Sequence[Sequence[Annotation]]) -> Iterator[Annotation]:
    """What several files say, each region once: tools write the same objects for several tasks and exports.

    Args:
        parts: the annotations of each file. What is twice in one file stays.
    """
    seen: dict[Path, set[Region]] = defaultdict(set)
    for part in parts:
        for one in part:
            known = seen.get(one.path)
            new = tuple(box for box in one.regions if box not in known) if known else one.regions
            yield one if new == one.regions else replace(one, regions=new)
        if len(parts) > 1:
            for one in part:
                seen[one.path].update(one.regions)


def tags_of(tags: Iterable[str], regions: Iterable[Region] = ()) -> tuple[str, ...]:
    """Tags without repetition in order, those of the regions included."""
    return tuple(dict.fromkeys([*tags, *(region.tag for region in regions)]))


def lines_of(text: str) -> list[str]:
    """The lines of a text, ended as any system ends them; other separators of Unicode stay in their line."""
    lines = _LINE_END.split(text)
    return lines[:-1] if not lines[-1] else lines


def decoded(data: bytes, errors: str = "strict") -> str:
    """Text: UTF-8, with or without a mark, or UTF-16 with one.

    Raises:
        UnicodeDecodeError: it is encoded otherwise, and `errors` is `strict`.
    """
    return data.decode("utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig", errors)


def text_of(tree: Tree, name: str, *, read: bool = True, max_bytes: int = MAX_BYTES) -> str:
    """An annotation file as text; see `decoded`.

    Args:
        tree: the source.
        name: of the file.
        read: the file counts as read; else it may turn out to be no annotation.
        max_bytes: as of `Tree.content`.

    Raises:
        DatasetError: it cannot be read, has more than `max_bytes`, or is encoded otherwise.
    """
    data = tree.content(name, max_bytes) if read else tree.peek(name, max_bytes)
    try:
        return decoded(data)
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise DatasetError(
            f"{tree.path(name)}:{line}: expected UTF-8 text. Save the file again as UTF-8."
        ) from error


def _join(path: Path, parts: list[Annotation]) -> Annotation:
    first = parts[0]
    for part in parts:
        if part.subset != first.subset:
            raise DatasetError(
                f"{part.source}: {path.name} is in `{part.subset}` here and in `{first.subset}` at "
                f"{first.source}. Keep one of the two."
            )
    named = [part for part in parts if part.group]
    for part in named:
        if part.group != named[0].group:
            raise DatasetError(
                f"{part.source}: {path.name} is in the group “{part.group}” here and in "
                f"“{named[0].group}” at {named[0].source}. Keep one of the two."
            )
    regions = tuple(region for part in parts for region in part.regions)
    tags = tags_of((tag for part in parts for tag in part.tags), regions)
    split = next((part.split for part in parts if part.split), None)
    group = named[0].group if named else None
    stated = next((part.stated for part in parts if part.stated), None)
    return Annotation(path, tags, regions, first.subset, first.source, split, first.hint, group, stated)
