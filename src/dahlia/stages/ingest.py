"""Ingest: one pass over the images; what there is, and what each file is like."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from dahlia import layout
from dahlia.dataset.inspection import Inspection, merge_copies, save_inspection
from dahlia.dataset.inspector import inspect_all
from dahlia.dataset.manifest import save_manifest
from dahlia.dataset.readers import read
from dahlia.dataset.readers.reading import Note
from dahlia.dataset.records import Annotation
from dahlia.dataset.source_summary import save_summary, summarise
from dahlia.dataset.stated_sizes import with_stated_sizes
from dahlia.dataset.tag_rules import TAG_RULES
from dahlia.params import Params
from dahlia.terminal import printable, progress_bar


def run(params: Params, root: Path) -> None:
    """Write the manifest, the inspection, and the summary of the source.

    Args:
        params: reads `ingest` and `validate.max_bytes`.
        root: the project folder; `ingest.source` is relative to it.

    Raises:
        DatasetError: the source is not there, or cannot be read in the format that it should have.
    """
    root = root.resolve()
    reading = read(
        root / params.ingest.source,
        params.ingest.format,
        split_folders=params.ingest.split_folders,
        groups=params.ingest.groups,
        skip=[root / layout.DATASET],  # our own, when the source is `data`
        boxed=lambda: TAG_RULES[params.kind].boxed,
    )
    print(f"ingest: {printable(reading.recognised())}\ningest: {reading.accounted()}", flush=True)
    annotations = reading.annotations
    inspected = inspect_all(
        annotations, root, max_bytes=params.validate_.max_bytes, workers=params.ingest.workers
    )
    rows = list(_watched(inspected, len(annotations)))
    notes = _clipped(annotations, rows)
    rows, told = with_stated_sizes(annotations, rows, reading.root)
    records = merge_copies(rows)
    save_manifest(root / layout.MANIFEST, records)
    save_inspection(root / layout.INSPECTION, rows)
    save_summary(root / layout.SOURCE, summarise(reading, root, (*notes, *told)))
    tags = {tag for row in rows for tag in row.tags}
    flawed = sum(row.problem is not None for row in rows)
    print(f"ingest: {len(records):,} images, {len(tags)} tags, {flawed:,} unreadable")


def _clipped(annotations: Sequence[Annotation], rows: Sequence[Inspection]) -> tuple[Note, ...]:
    count = sum(
        one != other
        for annotation, row in zip(annotations, rows, strict=True)
        for one, other in zip(annotation.regions, row.regions, strict=True)
    )
    if not count:
        return ()
    return (Note("region-clipped", f"{count:,} regions that left their image by rounding, and were clipped"),)


def _watched(rows: Iterable[Inspection], total: int) -> Iterator[Inspection]:
    with progress_bar("ingest") as progress:
        yield from progress.track(rows, total=total)
