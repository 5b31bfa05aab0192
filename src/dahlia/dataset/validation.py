"""Apply every rule, and decide whether the pipeline stops."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

from dahlia.dataset.exclusion import Excluded, set_aside, without
from dahlia.dataset.findings import EXPECTED_OF_SOURCES, Finding, ranked
from dahlia.dataset.groups import NamedGroups, named_groups
from dahlia.dataset.inspection import Inspection
from dahlia.dataset.records import ImageRecord, Subset
from dahlia.dataset.rules import box_counts, copies, groups, images, regions, tags
from dahlia.dataset.rules.survey import Survey
from dahlia.dataset.source_summary import SourceSummary
from dahlia.dataset.stated_sizes import OTHER_SIZE
from dahlia.errors import ValidationError
from dahlia.params import Params

MAX_LINES = 20

_Rules = tuple[Callable[[Survey], Iterable[Finding]], ...]

OF_FILES: _Rules = (
    images.problems,
    images.sizes,
    images.extensions,
    images.endings,
    copies.same_bytes,
    tags.tags_of_images,
    tags.merged_negatives,
    tags.names,
    groups.names,
    images.looks,
)
OF_WHAT_IS_LEFT: _Rules = (
    copies.near_duplicates,
    tags.unknown_test_tags,
    groups.what_groups_say,
)


@dataclass(frozen=True)
class _Own:
    """The rules of projects in which regions are learned, or in which tags alone are."""

    of_files: _Rules
    of_what_is_left: _Rules


_OWN = {
    True: _Own(
        (regions.flawed, regions.too_many, regions.without_boxes, regions.negatives),
        (
            regions.small,
            regions.more_than_found,
            regions.covered,
            box_counts.enough_photos,
            box_counts.enough_boxes,
            box_counts.balance,
            box_counts.places_of_boxes,
        ),
    ),
    False: _Own((tags.untagged, regions.unused), (tags.enough_images, tags.balance)),
}
# Of an object nobody knows the tag, or where it is.
_UNUSABLE = frozenset({"annotation-without-tag", "object-without-box", OTHER_SIZE, "pixel-boxes"})
_MISPLACED = frozenset({OTHER_SIZE, "pixel-boxes"})  # whose regions say nothing of their own
_OF_BOXES = frozenset(
    {"unread-boxes", "object-without-box", OTHER_SIZE, "pixel-boxes"}
)  # nothing to tell where boxes only carry tags


@dataclass(frozen=True)
class Validation:
    """The outcome.

    Attributes:
        findings: the gravest first.
        files: how many files the sources name.
        images: how many distinct images can be used.
        tags: for each tag, by name, its usable images for training and in the test set.
        excluded: what is set aside: for warnings always, for errors if they are skipped.
        stops: the errors that stop the pipeline.
        source: how ingest understood the source; None where it did not say.
        groups: how the usable training images are grouped by name; None where none of them is.
        boxes: for each tag, by name, the boxes in its usable images for training and in the test set; empty
            where tags alone are learned.
        background: how many of `images` show no object; 0 where tags alone are learned.
    """

    findings: tuple[Finding, ...]
    files: int
    images: int
    tags: dict[str, tuple[int, int]]
    excluded: tuple[Excluded, ...]
    stops: tuple[Finding, ...]
    source: SourceSummary | None = None
    groups: NamedGroups | None = None
    boxes: dict[str, tuple[int, int]] = field(default_factory=dict)
    background: int = 0


def validate(
    rows: Sequence[Inspection],
    records: Sequence[ImageRecord],
    params: Params,
    source: SourceSummary | None = None,
) -> Validation:
    """Apply every rule.

    Images with errors count for no tag, whether errors stop the pipeline or are skipped.

    Args:
        rows: what ingest found out about each file.
        records: the manifest.
        params: the limits, and whether errors stop or are skipped.
        source: what ingest has to tell of the source.
    """
    unlabelled = frozenset(source.unlabelled) if source else frozenset[str]()
    notes = source.notes if source else ()
    misplaced = frozenset(file for note in notes if note.code in _MISPLACED for file in note.files)
    survey = Survey(rows, records, params, unlabelled, misplaced)
    own = _OWN[survey.tag_rules.boxed]
    findings = [*_told(source, survey), *_apply((*OF_FILES, *own.of_files), survey)]
    left = replace(survey, records=without(records, set_aside(findings, rows)))
    findings = ranked(findings + _apply((*OF_WHAT_IS_LEFT, *own.of_what_is_left), left))
    used = without(records, set_aside(findings, rows))
    skip = params.validate_.on_error == "skip"
    flawed = set_aside((finding for finding in findings if skip or finding.severity != "error"), rows)
    errors = (finding for finding in findings if finding.severity == "error")
    boxed = used if survey.tag_rules.boxed else []
    return Validation(
        findings=tuple(findings),
        files=len({row.path for row in rows}),
        images=len(used),
        tags=_counts((tag, record.subset) for record in used for tag in record.tags),
        excluded=tuple(flawed),
        stops=tuple(finding for finding in errors if not (skip and finding.set_aside)),
        source=source,
        groups=named_groups(used),
        boxes=_counts((region.tag, record.subset) for record in boxed for region in record.regions),
        background=sum(not record.regions for record in boxed),
    )


def refuse(validation: Validation, report: str) -> None:
    """Stop the pipeline if errors are left to stop it.

    Args:
        validation: the outcome.
        report: the file that shows all findings, for the message.

    Raises:
        ValidationError: the text lists the errors by code, in some 20 lines.
    """
    if not validation.stops:
        return
    lines, shown = _listed(validation.stops)
    count, rest = len(validation.stops), len(validation.stops) - shown
    text = [f"The dataset has {count} error{'' if count == 1 else 's'}.", *lines]
    text.append(f"and {rest} more: see {report}" if rest else f"All findings: {report}")
    if any(finding.set_aside for finding in validation.stops):
        text.append("Correct them, or set `validate.on_error: skip` to continue without these images.")
    raise ValidationError("\n".join(text))


def _told(source: SourceSummary | None, survey: Survey) -> list[Finding]:
    unusable = _UNUSABLE if survey.tag_rules.boxed else frozenset[str]()
    return [
        Finding(
            note.code,
            EXPECTED_OF_SOURCES[note.code],
            note.found,
            note.files,
            note.tags,
            note.files if note.code in unusable else (),
        )
        for note in (source.notes if source else ())
        if survey.tag_rules.boxed or note.code not in _OF_BOXES
    ]


def _apply(rules: _Rules, survey: Survey) -> list[Finding]:
    return [finding for rule in rules for finding in rule(survey)]


def _counts(tags: Iterable[tuple[str, Subset]]) -> dict[str, tuple[int, int]]:
    counts = Counter(tags)
    names = sorted({tag for tag, _ in counts})
    return {name: (counts[name, "train"], counts[name, "test"]) for name in names}


def _listed(stops: Sequence[Finding]) -> tuple[list[str], int]:
    lines: list[str] = []
    code, shown = "", 0
    for finding in stops:
        if finding.code != code:
            lines.append(f"{finding.code}: expected {finding.expected}. {finding.remedy}")
            code = finding.code
        lines.append(f"  {_brief(finding)}")
        shown += 1
        if len(lines) >= MAX_LINES - 1:
            break
    return lines, shown


def _brief(finding: Finding) -> str:
    more = len(finding.files) - 3
    subject = ", ".join(finding.files[:3]) + (f" and {more} more" if more > 0 else "")
    return f"{subject}: {finding.found}" if subject else finding.found
