"""Rules about regions of single photos: flawed ones, too many, too small, twice, and tags without any.

Where tags alone are learned, a flawed region is advice: it only carries its tag.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from dahlia.boxes import overlaps
from dahlia.dataset.findings import Finding
from dahlia.dataset.inspection import Inspection, copies_by_id
from dahlia.dataset.records import Region
from dahlia.dataset.rules.survey import Survey

ROUNDING = 1e-5  # of the image's edge; annotation files round to six decimals
BLOCK = 256  # boxes that are compared with the others of a photo at a time

_Tags = npt.NDArray[np.str_]
_Places = npt.NDArray[np.float32]
_Counts = npt.NDArray[np.int64]


def unused(survey: Survey) -> Iterator[Finding]:
    """Regions with a flaw, where tags alone count."""
    least = survey.params.validate_.min_region_edge
    for row in survey.whole:
        findings = [finding for place in range(len(row.regions)) if (finding := _judge(row, place, least))]
        if findings:
            tags = tuple(dict.fromkeys(tag for finding in findings for tag in finding.tags))
            found = f"{findings[0].found}{_more(len(findings))}"
            yield Finding("region-unused", findings[0].expected, found, (row.path,), tags)


def flawed(survey: Survey) -> Iterator[Finding]:
    """Regions that leave the image, are no numbers or have no area; one finding a photo and code."""
    for row in survey.whole:
        if row.path in survey.misplaced:
            continue
        by_code: dict[str, list[Finding]] = defaultdict(list)
        for place in range(len(row.regions)):
            if finding := _judge(row, place):
                by_code[finding.code].append(finding)
        for code, (first, *others) in by_code.items():
            tags = tuple(dict.fromkeys(tag for one in (first, *others) for tag in one.tags))
            found = f"{first.found}{_more(len(others) + 1)}"
            yield Finding(code, first.expected, found, (row.path,), tags, (row.path,))


def too_many(survey: Survey) -> Iterator[Finding]:
    """Photos with more boxes than are read of one."""
    most = survey.params.validate_.max_boxes_per_image
    for record in survey.records:
        if len(record.regions) > most:
            files, found = (record.path,), f"{len(record.regions):,} boxes"
            yield Finding("too-many-boxes", f"at most {most} boxes in a photo", found, files, set_aside=files)


def without_boxes(survey: Survey) -> Iterator[Finding]:
    """Photos with a tag of which they have no box, and photos that nobody has annotated."""
    negative = survey.params.project.negative_tag
    for record in survey.records:
        tags = survey.tag_rules.learned(record.tags, negative)
        boxed = {region.tag for region in record.regions}
        if missing := tuple(tag for tag in tags if tag not in boxed):
            found = f"{_quoted(missing)} without a box"
            path = (record.path,)
            yield Finding("tag-without-box", "a box for each tag of a photo", found, path, missing, path)
    unsaid = set(survey.unlabelled)
    for copies in copies_by_id(survey.rows).values():
        files = tuple(dict.fromkeys(row.path for row in copies))
        if unsaid.issuperset(files):
            expected = "an annotation, if only one that says that there is no object"
            yield Finding("unlabelled-photo", expected, "none", files, set_aside=files)


def negatives(survey: Survey) -> Iterator[Finding]:
    """The negative tag, which a detector has no use for: on boxes, and on photos."""
    negative = survey.params.project.negative_tag
    if negative is None:
        return
    background = []
    for row in survey.whole:
        count = sum(region.tag == negative for region in row.regions)
        if count:
            found = f"{'1 box' if count == 1 else f'{count} boxes'} with the tag “{negative}”"
            files = (row.path,)
            yield Finding("negative-box", "boxes around objects", found, files, (negative,), files)
        elif row.tags == (negative,):
            background.append(row.path)
    if background:
        count = len(background)
        found = f"“{negative}” on {'1 photo' if count == 1 else f'{count:,} photos'}"
        expected = "no tag on photos without objects"
        yield Finding("negative-as-background", expected, found, tuple(background), (negative,))


def small(survey: Survey) -> Iterator[Finding]:
    """Boxes with an edge of few pixels, once the photo is as small as the network sees it."""
    least, size = survey.params.validate_.min_box_pixels, survey.params.domain.input.size
    for record in survey.records:
        edges = [min(region.width, region.height) * size for region in record.regions]
        tiny = [place for place, edge in enumerate(edges) if edge < least]
        if tiny:
            region = record.regions[min(tiny, key=edges.__getitem__)]
            width, height = region.width * size, region.height * size
            found = f"“{region.tag}” has {width:.1f} x {height:.1f}{_more(len(tiny))}"
            expected = f"edges of at least {least:g} pixels of the {size} x {size} that the network sees"
            tags = tuple(dict.fromkeys(record.regions[place].tag for place in tiny))
            yield Finding("small-box", expected, found, (record.path,), tags)


def more_than_found(survey: Survey) -> Iterator[Finding]:
    """Photos with more boxes than the domain gives of one photo: some can never be found."""
    detector = survey.params.domain.detector
    for record in survey.records:
        if detector and len(record.regions) > detector.most:
            expected = f"at most {detector.most} boxes, which {survey.params.domain.name} finds in a photo"
            yield Finding("more-boxes-than-found", expected, f"{len(record.regions)} boxes", (record.path,))


def covered(survey: Survey) -> Iterator[Finding]:
    """Boxes of one tag in one photo that are nearly the same."""
    most = survey.params.validate_.max_box_overlap
    for record in survey.records:
        tags = np.array([region.tag for region in record.regions])
        closest, alike = _closest(tags, places(record.regions), most)
        count = int(alike.sum())
        if count:
            tag = record.regions[int(closest.argmax())].tag
            text = f"two boxes “{tag}” with an overlap of {closest.max():.0%}{_more(count)}"
            expected = f"boxes of one tag with an overlap (IoU) of at most {most:.0%}"
            twice = tuple(dict.fromkeys(tags[alike > 0].tolist()))
            yield Finding("covered-box", expected, text, (record.path,), twice)


def _closest(tags: _Tags, boxes: _Places, most: float) -> tuple[_Places, _Counts]:
    """What the later boxes of one photo and tag are to each box.

    A few boxes at a time are compared: a project may allow thousands of them in a photo.

    Args:
        tags: (N,) of the boxes.
        boxes: (N, 4), see `places`.
        most: the overlap above which two are alike.

    Returns:
        (N,) the greatest overlap with a later box, and (N,) how many later ones are alike.
    """
    closest, alike = np.zeros(len(tags), np.float32), np.zeros(len(tags), np.int64)
    _, numbers = np.unique(tags, return_inverse=True)
    for first in range(0, len(tags), BLOCK):
        rows = slice(first, first + BLOCK)
        found = np.triu(overlaps(boxes[rows], boxes[first:]), 1)
        found[numbers[rows, None] != numbers[first:]] = 0
        closest[rows], alike[rows] = found.max(axis=1), (found > most).sum(axis=1)
    return closest, alike


def places(regions: Sequence[Region]) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    """Left, top, width and height of N regions, (N, 4)."""
    rows = [(region.left, region.top, region.width, region.height) for region in regions]
    return np.array(rows, np.float32).reshape(-1, 4)


def _judge(row: Inspection, place: int, least: float = 0.0) -> Finding | None:
    region = row.regions[place]
    numbers = (region.left, region.top, region.width, region.height)
    found = f"“{region.tag}” at left, top, width, height {', '.join(f'{n:.4g}' for n in numbers)}"
    if row.source:
        found += f" (box {place + 1} of the photo in {row.source})"
    about = ((row.path,), (region.tag,))
    if not (region.width > 0 and region.height > 0):
        return Finding("region-zero-size", "a width and a height above 0", found, *about)
    if not _inside(region):
        return Finding("region-out-of-bounds", "fractions inside 0 to 1", found, *about)
    if min(region.width, region.height) < least:
        return Finding("region-unused", f"edges of at least {least:.0%} of the image's", found, *about)
    return None


def _inside(region: Region) -> bool:
    # Each compared by itself: what is no number compares as false, but vanishes in a minimum.
    return (
        region.left >= -ROUNDING
        and region.top >= -ROUNDING
        and region.left + region.width <= 1 + ROUNDING
        and region.top + region.height <= 1 + ROUNDING
    )


def _more(count: int) -> str:
    return f" and {count - 1:,} more" if count > 1 else ""


def _quoted(tags: tuple[str, ...]) -> str:
    return ", ".join(f"“{tag}”" for tag in tags)
