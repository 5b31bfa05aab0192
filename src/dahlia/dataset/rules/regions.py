"""Rules about regions: inside the image, with an area that can be seen."""

from __future__ import annotations

from collections.abc import Iterator

from dahlia.dataset.findings import Finding
from dahlia.dataset.inspection import Inspection
from dahlia.dataset.records import Region
from dahlia.dataset.rules.survey import Survey

ROUNDING = 1e-5  # of the image's edge; annotation files round to six decimals


def regions(survey: Survey) -> Iterator[Finding]:
    """Regions that leave the image, have no area, or have a very short edge."""
    least = survey.params.validate_.min_region_edge
    for row in survey.whole:
        for region in row.regions:
            finding = _judge(row, region, least)
            if finding:
                yield finding


def _judge(row: Inspection, region: Region, least: float) -> Finding | None:
    numbers = (region.left, region.top, region.width, region.height)
    found = f"“{region.tag}” at left, top, width, height {', '.join(f'{n:.4g}' for n in numbers)}"
    about = ((row.path,), (region.tag,))
    if not (region.width > 0 and region.height > 0):
        return Finding("region-zero-size", "a width and a height above 0", found, *about, (row.path,))
    if not _inside(region):
        return Finding("region-out-of-bounds", "fractions inside 0 to 1", found, *about, (row.path,))
    if min(region.width, region.height) < least:
        return Finding("region-short-edge", f"edges of at least {least:.0%} of the image's", found, *about)
    return None


def _inside(region: Region) -> bool:
    return (
        min(region.left, region.top) >= -ROUNDING
        and max(region.left + region.width, region.top + region.height) <= 1 + ROUNDING
    )
