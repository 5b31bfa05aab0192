"""From inspected files to the manifest's rows: one per distinct image."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from dahlia.dataset.inspection import Inspection
from dahlia.dataset.records import ImageRecord


def copies_by_id(rows: Iterable[Inspection]) -> dict[str, list[Inspection]]:
    """The whole images by id, each with all files that hold the same bytes, sorted by path."""
    copies: dict[str, list[Inspection]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: (row.path, row.source)):
        if row.problem is None and row.id is not None:
            copies[row.id].append(row)
    return copies


def merge_copies(rows: Iterable[Inspection]) -> list[ImageRecord]:
    """The manifest's rows, sorted by id.

    Files with the same bytes become one row: their tags and regions together; the subset `test` where
    any of them is in the test set, so that training never sees it; the path of the first of that subset.
    Whether such a row may be used is for validation to say.
    """
    return [_merge(name, same) for name, same in sorted(copies_by_id(rows).items())]


def _merge(name: str, same: list[Inspection]) -> ImageRecord:
    first = next((row for row in same if row.subset == "test"), same[0])
    return ImageRecord(
        id=name,
        path=first.path,
        width=first.width or 0,
        height=first.height or 0,
        tags=tuple(sorted({tag for row in same for tag in row.tags})),
        regions=tuple(dict.fromkeys(region for row in same for region in row.regions)),
        subset=first.subset,
        source=first.source,
        phash=first.phash or "",
    )
