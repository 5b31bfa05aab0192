"""Validate: what is wrong with the dataset, what is set aside, and whether training may start."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from dahlia import layout
from dahlia.dataset.exclusion import save_excluded
from dahlia.dataset.inspection import load_inspection
from dahlia.dataset.manifest import load_manifest
from dahlia.dataset.readers.reading import counted
from dahlia.dataset.source_summary import load_summary
from dahlia.dataset.tag_rules import TAG_RULES
from dahlia.dataset.validation import Validation, refuse, validate
from dahlia.params import Params
from dahlia.reports.validation import write_reports


def run(params: Params, root: Path) -> None:
    """Write the reports and the list of what is set aside, then stop if errors are left.

    Args:
        params: reads `project`, `split.folds` and `validate`.
        root: the project folder.

    Raises:
        DatasetError: an earlier stage's file is missing.
        ValidationError: the dataset has errors, and `validate.on_error` is `stop` or they are not
            about images. The reports have been written.
    """
    root = root.resolve()
    source = load_summary(root / layout.SOURCE)
    records = load_manifest(root / layout.MANIFEST)
    validation = validate(load_inspection(root / layout.INSPECTION), records, params, source)
    save_excluded(root / layout.EXCLUDED, validation.excluded)
    write_reports(
        root / layout.REPORTS,
        validation,
        project=params.project.name,
        root=root,
        max_bytes=params.validate_.max_bytes,
        boxed=records if TAG_RULES[params.kind].boxed else (),
    )
    print(_line(validation))
    refuse(validation, layout.VALIDATION_PAGE.as_posix())


def _line(validation: Validation) -> str:
    counts = Counter(finding.severity for finding in validation.findings)
    image = "photo" if validation.boxes else "image"
    line = (
        f"validate: {counted(validation.images, image)}{_boxes(validation)} to use, "
        f"{counted(counts['error'], 'error')}, "
        f"{counted(counts['warning'], 'warning')}, {counted(counts['advice'], 'piece')} of advice"
    )
    if validation.excluded:
        line += f"; set aside: {len(validation.excluded):,}"
    return line


def _boxes(validation: Validation) -> str:
    if not validation.boxes:
        return ""
    boxes = sum(sum(counts) for counts in validation.boxes.values())
    told = f" with {counted(boxes, 'box', 'boxes')}"
    return f"{told} ({validation.background:,} without any)" if validation.background else told
