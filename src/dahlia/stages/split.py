"""Split: folds for training, the same ones as before for everybody who had one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from dahlia import layout
from dahlia.dataset.duplicates import near_duplicate_groups
from dahlia.dataset.exclusion import load_excluded, without
from dahlia.dataset.folds import TEST_FOLD, load_folds, save_folds
from dahlia.dataset.manifest import load_manifest
from dahlia.dataset.records import ImageRecord
from dahlia.dataset.splitting import assign_folds
from dahlia.params import Params, ProjectParams


def run(params: Params, root: Path) -> None:
    """Write the folds, starting from those of the last time if they are there.

    Args:
        params: reads `project`, `split` and `validate.near_duplicate_bits`.
        root: the project folder.

    Raises:
        DatasetError: an earlier stage's file is missing, or the images cannot be divided.
    """
    usable = without(load_manifest(root / layout.MANIFEST), load_excluded(root / layout.EXCLUDED))
    records = list(_to_divide(usable, params.project))
    groups = near_duplicate_groups([record.phash for record in records], params.validate_.near_duplicate_bits)
    previous = load_folds(root / layout.FOLDS) if (root / layout.FOLDS).exists() else {}
    folds = assign_folds(records, groups.tolist(), params.split.folds, params.project.seed, previous)
    save_folds(root / layout.FOLDS, folds)
    test = sum(fold == TEST_FOLD for fold in folds.values())
    kept = sum(previous.get(name) == fold for name, fold in folds.items() if fold != TEST_FOLD)
    print(
        f"split: {len(folds) - test:,} images in {params.split.folds} folds, "
        f"{kept:,} as before; {test:,} for testing"
    )


def _to_divide(records: list[ImageRecord], project: ProjectParams) -> Iterator[ImageRecord]:
    for record in records:
        if project.classification == "multilabel":
            # An image under the negative tag is one without any: it needs no other in a second fold.
            yield replace(record, tags=tuple(tag for tag in record.tags if tag != project.negative_tag))
        elif record.tags:
            yield record
