"""Rules about copies: the same bytes twice, and images that look alike."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from dahlia.dataset.duplicates import near_duplicate_groups
from dahlia.dataset.findings import Finding
from dahlia.dataset.inspection import Inspection, copies_by_id
from dahlia.dataset.records import ImageRecord
from dahlia.dataset.rules.survey import Survey


def same_bytes(survey: Survey) -> Iterator[Finding]:
    """Files with the same bytes: under one tag, under several, in training and test set."""
    for copies in copies_by_id(survey.rows).values():
        if len(copies) > 1:
            yield from _copies(copies, survey.several_tags)


def near_duplicates(survey: Survey) -> Iterator[Finding]:
    """Images that look alike, one finding a group, the gravest that applies."""
    bits = survey.params.validate_.near_duplicate_bits
    groups: dict[int, list[ImageRecord]] = defaultdict(list)
    labels = near_duplicate_groups([record.phash for record in survey.records], bits)
    for label, record in zip(labels.tolist(), survey.records, strict=True):
        groups[label].append(record)
    for group in groups.values():
        if len(group) > 1:
            yield _alike(group)


def _copies(copies: list[Inspection], several_tags: bool) -> Iterator[Finding]:
    files = tuple(dict.fromkeys(row.path for row in copies))
    tags = tuple(sorted({tag for row in copies for tag in row.tags}))
    training = tuple(dict.fromkeys(row.path for row in copies if row.subset == "train"))
    if len({row.subset for row in copies}) > 1:
        yield Finding(
            "train-and-test", "an image in one of the two", "the same bytes in both", files, tags, training
        )
    if len({frozenset(row.tags) for row in copies if row.tags}) > 1:
        found = f"the same bytes under {_listed(tags)}"
        if several_tags:
            yield Finding("tags-merged", "one file with all of its tags", found, files, tags)
        else:
            yield Finding("same-bytes-two-tags", "one tag for an image", found, files, tags, files)
    elif len({row.subset for row in copies}) == 1:
        yield Finding("same-bytes", "each image once", f"the same bytes {len(copies)} times", files, tags)


def _alike(group: list[ImageRecord]) -> Finding:
    files = tuple(sorted(record.path for record in group))
    tags = tuple(sorted({tag for record in group for tag in record.tags}))
    found = f"{len(group)} images that look alike"
    if len({record.subset for record in group}) > 1:
        found += f", in training and in the test set, under {_listed(tags)}"
        return Finding("near-duplicate-test", "test images unlike those of training", found, files, tags)
    if len({record.tags for record in group if record.tags}) > 1:
        found += f" under {_listed(tags)}"
        return Finding("near-duplicate-tags", "images that look alike under one tag", found, files, tags)
    return Finding("near-duplicate", "images that differ", found, files, tags)


def _listed(tags: tuple[str, ...]) -> str:
    return " and ".join(f"“{tag}”" for tag in tags) or "no tag"
