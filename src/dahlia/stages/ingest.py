"""Ingest: one pass over the images; what there is, and what each file is like."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from dahlia import layout
from dahlia.dataset.inspection import Inspection, merge_copies, save_inspection
from dahlia.dataset.inspector import inspect_all
from dahlia.dataset.manifest import save_manifest
from dahlia.dataset.readers import read
from dahlia.params import Params
from dahlia.terminal import progress_bar


def run(params: Params, root: Path) -> None:
    """Write the manifest and the inspection.

    Args:
        params: reads `ingest` and `validate.max_bytes`.
        root: the project folder; `ingest.source` is relative to it.

    Raises:
        DatasetError: the source is not there, or cannot be read in the format that it should have.
    """
    root = root.resolve()
    annotations = [
        annotation
        for annotation in read(root / params.ingest.source, params.ingest.format)
        if not annotation.path.is_relative_to(root / layout.DATASET)  # our own, when the source is `data`
    ]
    inspected = inspect_all(
        annotations, root, max_bytes=params.validate_.max_bytes, workers=params.ingest.workers
    )
    rows = list(_watched(inspected, len(annotations)))
    records = merge_copies(rows)
    save_manifest(root / layout.MANIFEST, records)
    save_inspection(root / layout.INSPECTION, rows)
    tags = {tag for row in rows for tag in row.tags}
    flawed = sum(row.problem is not None for row in rows)
    print(f"ingest: {len(records):,} images, {len(tags)} tags, {flawed:,} unreadable")


def _watched(rows: Iterable[Inspection], total: int) -> Iterator[Inspection]:
    with progress_bar("ingest") as progress:
        yield from progress.track(rows, total=total)
