"""Photo sets of the benchmarks: `DIR/train/<tag>/` and `DIR/test/<tag>/`, or `DIR/<tag>/` alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from dahlia.dataset.inspection import merge_copies
from dahlia.dataset.inspector import inspect_all
from dahlia.dataset.readers import read
from dahlia.dataset.records import ImageRecord
from dahlia.dataset.rules.copies import near_duplicate_groups
from dahlia.dataset.splitting import assign_folds, automatic_folds
from dahlia.params import Params
from dahlia.training.recipes import TrainingData, gather


def survey(pack: Path, workspace: Path, params: Params) -> list[ImageRecord]:
    """The pack's photos, linked into `workspace`: a pack may lie where nothing can be written."""
    workspace.mkdir(parents=True, exist_ok=True)
    for folder in sorted(path for path in pack.resolve().iterdir() if path.is_dir()):
        if not (workspace / folder.name).exists():
            (workspace / folder.name).symlink_to(folder)
    rows = list(inspect_all(read(workspace).annotations, workspace, max_bytes=params.validate_.max_bytes))
    return [record for record in merge_copies(rows) if record.tags]


def draw(records: Sequence[ImageRecord], count: int, seed: int) -> list[ImageRecord]:
    """`count` training photos a tag, drawn by chance, and all test photos."""
    rng = np.random.default_rng(seed)
    chosen = [record for record in records if record.subset == "test"]
    for tag in sorted({tag for record in records for tag in record.tags}):
        own = sorted((r for r in records if r.tags == (tag,) and r.subset == "train"), key=lambda r: r.id)
        chosen += [own[pick] for pick in rng.permutation(len(own))[:count]]
    return chosen


def divided(records: Sequence[ImageRecord], params: Params, seed: int) -> TrainingData:
    """The photos in folds, near-duplicates together, as the pipeline divides them."""
    groups = near_duplicate_groups([record.phash for record in records], params.validate_.near_duplicate_bits)
    wanted = params.split.folds
    count = automatic_folds(records, groups.tolist()) if wanted == "auto" else wanted
    folds = assign_folds(list(records), groups.tolist(), count, seed, {})
    return gather(records, folds, kind="multiclass", negative_tag=None)
