"""What came of reading a source: its annotations, how it was understood, and what became of every file."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from dahlia.dataset.records import Annotation, Split

MOST_TAGS = 12  # named in a line


@dataclass(frozen=True, slots=True)
class Note:
    """Something that the reader of a source has to tell; validation makes a finding of it.

    Attributes:
        code: a key of `dahlia.dataset.findings.RULES`.
        found: what is, in words.
        files: the files that it is about, relative to the source.
        tags: the tags that it names.
    """

    code: str
    found: str
    files: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()


@dataclass(frozen=True)
class Loaded:
    """What a format's `load` returns.

    Attributes:
        annotations: one for each file, sorted by path.
        layout: how the source was understood, in some words: `COCO, one file a split`.
        notes: what there is to tell.
        unlabelled: photos that are named without anything being said of them, relative to the source; beside
            those of which no annotation file has told.
    """

    annotations: list[Annotation]
    layout: str
    notes: tuple[Note, ...] = ()
    unlabelled: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Reading:
    """A source that was read. Every file of it is in exactly one of the three groups.

    Attributes:
        annotations: one for each file that the source names, there or not, sorted by path.
        root: the source's folder, resolved.
        format: a key of `dahlia.dataset.readers.FORMATS`.
        layout: see `Loaded.layout`.
        notes: what there is to tell, the photos that nothing names among it.
        photos: files that are in `annotations`, relative to the source.
        unlisted: photos in the source that no annotation names.
        documents: annotation files that were read.
        litter: what was passed over, with the reason.
        unlabelled: those of `annotations` of which nothing is said, not even that there is no object.
    """

    annotations: list[Annotation]
    root: Path
    format: str
    layout: str
    notes: tuple[Note, ...]
    photos: tuple[str, ...]
    unlisted: tuple[str, ...]
    documents: tuple[str, ...]
    litter: dict[str, str]
    unlabelled: tuple[str, ...] = ()

    @property
    def splits(self) -> dict[Split, int]:
        """Images in each split, where the source has splits."""
        counts = Counter(one.split for one in self.annotations if one.split)
        return {split: counts[split] for split in get_args(Split) if counts[split]}

    @property
    def tags(self) -> dict[str, int]:
        """Images with each tag, by name."""
        return dict(sorted(Counter(tag for one in self.annotations for tag in one.tags).items()))

    def recognised(self) -> str:
        """What was recognised, in a line."""
        splits = ", ".join(f"{name} {count:,}" for name, count in self.splits.items())
        last = list(self.splits.values())[-1] if splits else 0
        parts = (
            f"{splits} photo{'' if last == 1 else 's'}" if splits else counted(len(self.annotations), "photo")
        )
        return f"{self.layout}: {parts}; {_tags(list(self.tags))}{self._groups()}"

    def _groups(self) -> str:
        named = Counter(one.group for one in self.annotations if one.group)
        if not named:
            return ""
        groups = counted(len(named), "group")
        if named.total() == len(self.annotations):
            return f"; {groups}"
        return f"; {counted(named.total(), 'photo')} in {groups}"

    def accounted(self) -> str:
        """What became of the source's files, in a line."""
        groups = (
            (len(self.photos), "with an annotation"),
            (len(self.unlisted), "set aside without one"),
            (len(self.documents), "of annotations"),
            (len(self.litter), "passed over"),
        )
        total = sum(count for count, _ in groups)
        said = ", ".join(f"{count:,} {what}" for count, what in groups if count)
        return f"{counted(total, 'file')}: {said}" if total else "no files"


def counted(count: int, one: str, several: str | None = None) -> str:
    """A number with what it counts: `1 photo`, `2 photos`."""
    return f"{count:,} {one if count == 1 else several or f'{one}s'}"


def outline_note(outlines: Mapping[str, int]) -> tuple[Note, ...]:
    """A note that tells of outlines where boxes are expected, if any.

    Args:
        outlines: how many there are, by annotation file.
    """
    if not outlines:
        return ()
    found = counted(sum(outlines.values()), "outline read as the box around it", "outlines read as boxes")
    return (Note("region-outline", found, tuple(sorted(outlines))),)


def _tags(tags: Sequence[str]) -> str:
    if not tags:
        return "no tags"
    rest = f" and {len(tags) - MOST_TAGS:,} more" if len(tags) > MOST_TAGS else ""
    return f"tags {', '.join(tags[:MOST_TAGS])}{rest}"


# For one, and for several.
_TEXTS = {
    "region-outline": (
        "1 outline, taken as the box around it",
        "{:,} outlines, taken as the boxes around them",
    ),
    "crowd-box": (
        "1 box around a group, which only tags its photo",
        "{:,} boxes around groups, which only tag",
    ),
    "object-without-box": (
        "1 photo with an object that has no box, beside others of its tag",
        "{:,} photos with objects that have no box, beside others of their tag",
    ),
    "pixel-boxes": (
        "1 box with numbers far above 1, which look like pixels or percent",
        "{:,} boxes with numbers far above 1, which look like pixels or percent",
    ),
    "annotation-without-tag": ("1 annotation that names no tag", "{:,} annotations that name no tag"),
    "several-annotators": (
        "1 photo with annotations that differ",
        "{:,} photos with annotations that differ",
    ),
    "unread-annotations": ("1 annotation of another kind", "{:,} annotations of other kinds"),
}


class Tally:
    """Counts what a reader comes across, by the code of its finding."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = defaultdict(int)
        self._files: dict[str, set[str]] = defaultdict(set)
        self._kinds: dict[str, set[str]] = defaultdict(set)

    def add(self, code: str, file: str, kind: str = "") -> None:
        """Count one.

        Args:
            code: a key of `dahlia.dataset.findings.RULES`.
            file: what it is about, relative to the source.
            kind: of what, where the note names the kinds.
        """
        self._counts[code] += 1
        self._files[code].add(file)
        self._kinds[code].add(kind)

    @property
    def notes(self) -> tuple[Note, ...]:
        """A note for each code that was counted."""
        return tuple(
            Note(code, self._text(code, *texts), tuple(sorted(self._files[code])))
            for code, texts in _TEXTS.items()
            if code in self._counts
        )

    def _text(self, code: str, one: str, several: str) -> str:
        count = self._counts[code]
        kinds = ", ".join(sorted(kind for kind in self._kinds[code] if kind))
        return (one if count == 1 else several.format(count)) + (f": {kinds}" if kinds else "")
