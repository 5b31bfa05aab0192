"""`validation.json` and `validation.html`: every finding, and the images that it is about."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from dahlia.dataset.findings import RULES, SEVERITIES, Finding, Rule, Severity
from dahlia.dataset.records import ImageRecord
from dahlia.dataset.validation import Validation
from dahlia.files import write_json, write_text
from dahlia.reports import page
from dahlia.reports.boxes import Drawing, tagged

PICTURES = 24  # shown for each code, so that the page stays small
EDGE = 160  # pixels
EDGE_WITH_BOXES = 300
MOST_LISTED = 10  # codes in the overview
SEVERITY_NAMES: dict[Severity, str] = {"error": "Errors", "warning": "Warnings", "advice": "Advice"}


@dataclass(frozen=True, slots=True)
class Picture:
    """An image on the page; `uri` is None where there is nothing to show, `drawing` where it has no boxes."""

    path: str
    uri: str | None
    drawing: Drawing | None = None


Show = Callable[[str], Picture]


@dataclass(frozen=True, slots=True)
class Section:
    """The findings of one code, those that are shown, and their pictures."""

    code: str
    rule: Rule
    expected: str
    count: int
    shown: tuple[tuple[Finding, tuple[Picture, ...]], ...]

    @property
    def grouped(self) -> bool:
        """Whether its findings are about several files each."""
        return any(len(finding.files) > 1 for finding, _ in self.shown)

    @property
    def boxed(self) -> bool:
        """Whether boxes are drawn, which need room."""
        return any(picture.drawing for _, pictures in self.shown for picture in pictures)


def write_reports(
    folder: Path,
    validation: Validation,
    *,
    project: str,
    root: Path,
    max_bytes: int,
    boxed: Sequence[ImageRecord] = (),
) -> None:
    """Write both files into `folder`.

    Args:
        folder: usually `reports`.
        validation: the outcome.
        project: its name, for the heading.
        root: the project folder, which paths are relative to.
        max_bytes: larger files are not opened for the page.
        boxed: the rows of the manifest, where regions are learned and should be seen.
    """
    write_json(folder / "validation.json", summary(validation))
    write_text(folder / "validation.html", render(validation, project, root, max_bytes, boxed))


def summary(validation: Validation) -> dict[str, Any]:
    """What `validation.json` holds."""
    return {
        "stops": bool(validation.stops),
        "source": _source(validation),
        "files": validation.files,
        "images": validation.images,
        "excluded": [asdict(row) for row in validation.excluded],
        "counts": _severities(validation.findings),
        "tags": _by_subset(validation.tags),
        "boxes": _by_subset(validation.boxes),
        "background": validation.background,
        "groups": asdict(validation.groups) if validation.groups else None,
        "findings": [
            {
                "code": finding.code,
                "severity": finding.severity,
                "files": list(finding.files),
                "tags": list(finding.tags),
                "expected": finding.expected,
                "found": finding.found,
                "mend": finding.remedy,  # as in reports that earlier versions wrote, and DVC keeps
            }
            for finding in validation.findings
        ],
    }


def _by_subset(counts: dict[str, tuple[int, int]]) -> dict[str, dict[str, int]]:
    return {name: {"train": train, "test": test} for name, (train, test) in counts.items()}


def _source(validation: Validation) -> dict[str, Any] | None:
    return validation.source.model_dump(mode="json", exclude={"notes"}) if validation.source else None


def render(
    validation: Validation, project: str, root: Path, max_bytes: int, boxed: Sequence[ImageRecord] = ()
) -> str:
    """`validation.html`."""
    tags = sorted(validation.tags.items(), key=lambda each: (each[0].casefold(), each[0]))
    show = _show([name for name, _ in tags], root, max_bytes, boxed)
    sections = [
        _section(list(same), show) for _, same in groupby(validation.findings, lambda finding: finding.code)
    ]
    values = {
        "project": project,
        "validation": validation,
        "counts": _severities(validation.findings),
        "skippable": any(finding.set_aside for finding in validation.stops),
        "sections": sections,
        "severities": SEVERITIES,
        "severity_names": SEVERITY_NAMES,
        "most_listed": MOST_LISTED,
        "tags": [(name, train, test) for name, (train, test) in tags],
        "groups": validation.groups,
        "most": max((max(counts) for _, counts in tags), default=1) or 1,
    }
    return page.render("validation.html", values)


def _severities(findings: Iterable[Finding]) -> dict[str, int]:
    found = [finding.severity for finding in findings]
    return {severity: found.count(severity) for severity in SEVERITIES}


def _show(tags: list[str], root: Path, max_bytes: int, boxed: Sequence[ImageRecord]) -> Show:
    records = {record.path: record for record in boxed if record.regions}
    others = sorted({tag for record in boxed for tag in record.tags} - set(tags))
    colours = {tag: number for number, tag in enumerate([*tags, *others])}

    def show(path: str) -> Picture:
        record = records.get(path)
        uri = page.data_uri(root / path, EDGE_WITH_BOXES if record else EDGE, max_bytes)
        return Picture(path, uri, tagged(record, colours, uri) if record and uri else None)

    return show


def _section(findings: list[Finding], show: Show) -> Section:
    shown = tuple(_illustrated(findings, show))
    code = findings[0].code
    return Section(code, RULES[code], findings[0].expected, len(findings), shown)


def _illustrated(findings: list[Finding], show: Show) -> Iterator[tuple[Finding, tuple[Picture, ...]]]:
    left = PICTURES
    for finding in findings[:PICTURES]:
        files = finding.files[: min(left, 6 if len(findings) > 1 else left)]
        if finding.files and not files:
            return
        yield finding, tuple(show(path) for path in files)
        left -= len(files)
