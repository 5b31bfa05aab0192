"""The regions that `dahlia push` sends: as ingest reads them, where they are what is learned."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

from dahlia.dataset.inspector import inspect_all
from dahlia.dataset.readers.reading import Reading
from dahlia.dataset.records import Annotation
from dahlia.dataset.stated_sizes import with_stated_sizes
from dahlia.dataset.tag_rules import TAG_RULES
from dahlia.errors import ServiceError
from dahlia.params import Params
from dahlia.server.contract.bodies import RegionBody
from dahlia.server.images.labels import box_of


def as_pushed(reading: Reading, params: Params, folder: Path) -> list[Annotation]:
    """What a source says of its photos, with regions of the photos as they are displayed.

    A classifier's photos have none. A detector's photos are opened: some tools draw on the photo as it is
    stored, and what leaves it by rounding is clipped.
    """
    annotations = list(reading.annotations)
    if not TAG_RULES[params.kind].boxed:
        return [replace(one, regions=()) for one in annotations]
    rows = list(inspect_all(annotations, folder, max_bytes=params.validate_.max_bytes))
    rows, _ = with_stated_sizes(annotations, rows, reading.root)
    return [
        replace(one, regions=row.regions) if row.problem is None else one
        for one, row in zip(annotations, rows, strict=True)
    ]


def flaw_of(annotation: Annotation) -> str | None:
    """Why the server would refuse a photo's regions, and with them the photos that are sent beside it."""
    for one in annotation.regions:
        if not all(map(math.isfinite, (one.left, one.top, one.width, one.height))):
            return "Expected a region in numbers, received one without. Correct the annotation."
        try:
            box_of(RegionBody(tag_id="", left=one.left, top=one.top, width=one.width, height=one.height))
        except ServiceError as error:
            return str(error)
    return None
