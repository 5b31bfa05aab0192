"""Rules about tags: on each image, and over the dataset."""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Iterator

from dahlia.dataset.findings import Finding
from dahlia.dataset.inspection import Inspection
from dahlia.dataset.rules.survey import Survey
from dahlia.dataset.tag_rules import EXPECTED_TAGS, LEAST_TAGS, too_few_tags


def tags_of_images(survey: Survey) -> Iterator[Finding]:
    """Images with too many tags, or with the negative one beside others."""
    negative = survey.params.project.negative_tag
    for row in survey.whole:
        if negative in row.tags and len(row.tags) > 1:
            yield _wrong(row, "negative-and-regular", f"“{negative}” alone, or only regular tags")
        elif len(row.tags) > 1 and not survey.several_tags:
            yield _wrong(row, "image-with-two-tags", "one tag for an image")
        elif len(row.tags) > 1 and survey.tag_rules.exclusive:
            yield Finding("tags-shared", "one tag for an image", _quoted(row.tags), (row.path,), row.tags)


def untagged(survey: Survey) -> Iterator[Finding]:
    """Images without a tag; where regions are learned, they show what is background."""
    for row in survey.whole:
        if not row.tags:
            yield Finding("untagged", "at least one tag", "none", (row.path,))


def merged_negatives(survey: Survey) -> Iterator[Finding]:
    """Copies of an image of which one has the negative tag and another a regular one."""
    negative = survey.params.project.negative_tag
    if not survey.several_tags or negative is None:
        return
    paths = defaultdict(list)
    clean = set()
    for row in survey.whole:
        paths[row.id].append(row.path)
        if negative not in row.tags or len(row.tags) == 1:
            clean.add(row.path)
    for record in survey.records:
        files = tuple(paths[record.id])
        if negative in record.tags and len(record.tags) > 1 and clean.issuperset(files):
            expected = f"“{negative}” alone, or only regular tags"
            found = f"copies of one image under {_quoted(record.tags)}"
            yield Finding("negative-and-regular", expected, found, files, record.tags, files)


def names(survey: Survey) -> Iterator[Finding]:
    """Tag names that differ only in case or in space around and between words."""
    alike: dict[str, set[str]] = defaultdict(set)
    for row in survey.rows:
        for tag in row.tags:
            alike[as_it_looks(tag)].add(tag)
    for spellings in alike.values():
        if len(spellings) > 1:
            tags = tuple(sorted(spellings))
            yield Finding("similar-tag-names", "one spelling for a tag", _quoted(tags), tags=tags)


def as_it_looks(name: str) -> str:
    """A name without case, and without signs that are not shown."""
    shown = "".join(sign for sign in name if unicodedata.category(sign) != "Cf")
    return " ".join(shown.casefold().split())


def unknown_test_tags(survey: Survey) -> Iterator[Finding]:
    """Tags of the test set that no usable training image has."""
    unknown = survey.counts("test").keys() - survey.counts("train").keys()
    for tag in sorted(unknown):
        files = tuple(sorted(row.path for row in survey.whole if row.subset == "test" and tag in row.tags))
        found = f"“{tag}” on {len(files)} test images and on no training image"
        yield Finding("unknown-test-tag", "tags that training knows", found, files, (tag,), files)


def enough_images(survey: Survey) -> Iterator[Finding]:
    """Tags with too few training images, or with fewer than advised; and too few tags."""
    limits, counts = survey.params.validate_, survey.counts("train")
    if len(counts) < LEAST_TAGS:
        counts = survey.counts("train", negative=True)  # it alone shows what images without the tag look like
    if received := too_few_tags(counts):
        yield Finding("too-few-tags", EXPECTED_TAGS, received, tags=tuple(counts))
    for tag, count in sorted(counts.items()):
        least, advised = limits.min_images_per_tag, limits.advised_images_per_tag
        if count < least:
            yield _few("too-few-images", tag, count, least)
        elif count < advised:
            yield _few("few-images", tag, count, advised)


def balance(survey: Survey) -> Iterator[Finding]:
    """A tag with many times the training images of another."""
    counts, most = survey.counts("train"), survey.params.validate_.max_imbalance
    if not counts:
        return
    (large, many), (small, few) = (
        min(counts.items(), key=lambda item: (-item[1], item[0])),
        min(counts.items(), key=lambda item: (item[1], item[0])),
    )
    if many > most * few:
        found = f"“{large}” has {many} images, “{small}” {few}: {many / few:.1f} times"
        yield Finding("imbalance", f"at most {most:g} times the rarest tag", found, tags=(large, small))


def _wrong(row: Inspection, code: str, expected: str) -> Finding:
    return Finding(code, expected, _quoted(row.tags), (row.path,), row.tags, (row.path,))


def _few(code: str, tag: str, count: int, least: int) -> Finding:
    images = "1 image" if count == 1 else f"{count} images"
    found = f"“{tag}” has {images} for training, {least - count} missing"
    return Finding(code, f"at least {least} images", found, tags=(tag,))


def _quoted(tags: tuple[str, ...]) -> str:
    return ", ".join(f"“{tag}”" for tag in tags)
