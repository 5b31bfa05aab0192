"""Split: folds for training, the same ones as before for everybody who had one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from dahlia import layout
from dahlia.dataset.exclusion import load_excluded, without
from dahlia.dataset.fold_numbers import FEWEST, LEVELS, recalled
from dahlia.dataset.manifest import TEST_FOLD, load_folds, load_manifest, save_folds
from dahlia.dataset.records import ImageRecord
from dahlia.dataset.rules.copies import near_duplicate_groups
from dahlia.dataset.splitting import assign_folds, automatic_folds
from dahlia.dataset.tag_rules import TAG_RULES, TagRules
from dahlia.dataset.whole_groups import whole_groups
from dahlia.params import Params
from dahlia.terminal import printable


def run(params: Params, root: Path) -> None:
    """Write the folds, starting from those of the last time if they are there.

    Args:
        params: reads `project`, `split` and `validate.near_duplicate_bits`.
        root: the project folder.

    Raises:
        DatasetError: an earlier stage's file is missing, or the images cannot be divided.
    """
    usable = without(load_manifest(root / layout.MANIFEST), load_excluded(root / layout.EXCLUDED))
    rules, wanted = TAG_RULES[params.kind], params.split.folds
    records = list(_to_divide(usable, rules, params.project.negative_tag))
    bits = params.validate_.near_duplicate_bits
    groups = near_duplicate_groups([record.phash for record in records], bits).tolist()
    if rules.boxed:
        fewest = FEWEST if wanted == "auto" or wanted in LEVELS else wanted
        groups, ignored = whole_groups(records, groups, fewest)
        if ignored:
            print(f"split: divided, since folds need more groups: {printable(', '.join(ignored))}")
    previous = load_folds(root / layout.FOLDS) if (root / layout.FOLDS).exists() else {}
    count = automatic_folds(records, groups) if wanted == "auto" else wanted
    folds = assign_folds(records, groups, count, params.project.seed, previous)
    save_folds(root / layout.FOLDS, folds)
    test = sum(fold == TEST_FOLD for fold in folds.values())
    earlier, level = recalled(previous, count)
    kept = sum(earlier[name] == fold % level for name, fold in folds.items() if name in earlier and fold >= 0)
    print(f"split: {len(folds) - test:,} images in {count} folds, {kept:,} as before; {test:,} for testing")


def _to_divide(
    records: list[ImageRecord], rules: TagRules, negative_tag: str | None
) -> Iterator[ImageRecord]:
    for record in records:
        # An image under a tag that is not learned needs no other in a second fold.
        tags = rules.learned(record.tags, negative_tag)
        if tags or not rules.exclusive:
            yield replace(record, tags=tags)
