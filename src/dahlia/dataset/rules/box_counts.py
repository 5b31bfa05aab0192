"""Rules about the boxes of a whole dataset: whether they suffice, and whether they say where objects are."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from dahlia.boxes import overlaps
from dahlia.dataset.findings import Finding
from dahlia.dataset.fold_numbers import FEWEST
from dahlia.dataset.readers.reading import counted
from dahlia.dataset.records import ImageRecord
from dahlia.dataset.rules.regions import places
from dahlia.dataset.rules.survey import Survey

_LEAST_PHOTOS = 2  # of a tag: one to learn from, one to judge
_WHOLE = 0.9  # of a photo's area
_ALIKE = 0.9  # overlap with the box in the middle of all
_MOST_ALIKE = 0.5  # share of photos


def enough_photos(survey: Survey) -> Iterator[Finding]:
    """Photos with boxes at all, and photos for each fold."""
    training = [record for record in survey.records if record.subset == "train"]
    boxed = _boxed(survey)
    if not boxed and any(row.regions for row in survey.rows if row.subset == "train"):
        yield Finding("no-photos-left", "photos with boxes for training", "all of them were put aside")
        return
    if not boxed:
        found = f"none in {counted(len(training), 'photo')}" if training else "no photos for training"
        yield Finding("no-boxes", "boxes in the photos for training", found)
        return
    folds = survey.params.split.folds
    least = FEWEST if folds == "auto" else folds
    if len(training) < least:
        found = f"{counted(len(training), 'photo')} for training, {least - len(training)} missing"
        yield Finding("too-few-photos", f"at least {least} photos, one for each fold", found)


def enough_boxes(survey: Survey) -> Iterator[Finding]:
    """Tags with too few boxes, with fewer than advised, or in too few photos: the gravest of each tag."""
    limits, photos = survey.params.validate_, survey.counts("train")
    for tag, count in sorted(survey.boxes("train").items()):
        if count < limits.min_boxes_per_tag:
            yield _few("too-few-boxes", tag, count, limits.min_boxes_per_tag, "box", "boxes")
        elif photos[tag] < _LEAST_PHOTOS:
            yield _few("too-few-images", tag, photos[tag], _LEAST_PHOTOS, "photo", "photos")
        elif count < limits.advised_boxes_per_tag:
            yield _few("few-boxes", tag, count, limits.advised_boxes_per_tag, "box", "boxes")
        elif photos[tag] < limits.advised_images_per_tag:
            yield _few("few-images", tag, photos[tag], limits.advised_images_per_tag, "photo", "photos")


def balance(survey: Survey) -> Iterator[Finding]:
    """A tag with many times the boxes of another."""
    counts, most = survey.boxes("train"), survey.params.validate_.max_imbalance
    if not counts:
        return
    large, many = min(counts.items(), key=lambda item: (-item[1], item[0]))
    small, few = min(counts.items(), key=lambda item: (item[1], item[0]))
    if many > most * few:
        found = f"“{large}” has {many:,} boxes, “{small}” {few:,}: {many / few:.1f} times"
        yield Finding("uneven-boxes", f"at most {most:g} times the rarest tag", found, tags=(large, small))


def places_of_boxes(survey: Survey) -> Iterator[Finding]:
    """Boxes around whole photos in most of them; or boxes that are all in one place."""
    boxed = _boxed(survey)
    whole = [
        record.path
        for record in boxed
        if any(region.width * region.height >= _WHOLE for region in record.regions)
    ]
    if boxed and len(whole) > _MOST_ALIKE * len(boxed):
        found = f"{len(whole):,} of {counted(len(boxed), 'photo')} with a box of {_WHOLE:.0%} of it or more"
        yield Finding("photo-wide-boxes", "boxes around objects", found, tuple(sorted(whole)))
        return
    boxes = places([region for record in boxed for region in record.regions])
    if len(boxes) >= survey.params.validate_.min_boxes_per_tag and len(boxed) > 1:
        middle = np.median(boxes, axis=0, keepdims=True)
        if float(overlaps(boxes, middle).min()) > _ALIKE:
            place = ", ".join(f"{number:.2f}" for number in middle[0])
            found = f"all {len(boxes):,} near left, top, width, height {place}"
            yield Finding("boxes-alike", "boxes in several places, or of several sizes", found)


def _boxed(survey: Survey) -> list[ImageRecord]:
    return [record for record in survey.records if record.subset == "train" and record.regions]


def _few(code: str, tag: str, count: int, least: int, one: str, several: str) -> Finding:
    found = f"“{tag}” has {counted(count, one, several)} for training, {least - count} missing"
    return Finding(code, f"at least {least} {several}", found, tags=(tag,))
