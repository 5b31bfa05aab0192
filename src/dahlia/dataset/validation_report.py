"""`validation.json` and `validation.html`: every finding, and the images that it is about."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from dahlia.dataset.findings import RULES, SEVERITIES, Finding, Rule
from dahlia.dataset.imaging import thumbnail
from dahlia.dataset.validation import Validation
from dahlia.errors import ImageError
from dahlia.files import write_json, write_text

PICTURES = 24  # shown for each code, so that the page stays small
EDGE = 112  # pixels


@dataclass(frozen=True, slots=True)
class Picture:
    """An image on the page; `uri` is None where there is nothing to show."""

    path: str
    uri: str | None


@dataclass(frozen=True, slots=True)
class Section:
    """The findings of one code, those that are shown, and their pictures."""

    code: str
    rule: Rule
    expected: str
    count: int
    shown: tuple[tuple[Finding, tuple[Picture, ...]], ...]


def write_reports(folder: Path, validation: Validation, *, project: str, root: Path, max_bytes: int) -> None:
    """Write both files into `folder`.

    Args:
        folder: usually `reports`.
        validation: the outcome.
        project: its name, for the heading.
        root: the project folder, which paths are relative to.
        max_bytes: larger files are not opened for the page.
    """
    write_json(folder / "validation.json", summary(validation))
    write_text(folder / "validation.html", render(validation, project, root, max_bytes))


def summary(validation: Validation) -> dict[str, Any]:
    """What `validation.json` holds."""
    return {
        "stops": bool(validation.stops),
        "files": validation.files,
        "images": validation.images,
        "excluded": [asdict(row) for row in validation.excluded],
        "counts": _severities(validation.findings),
        "tags": {name: {"train": train, "test": test} for name, (train, test) in validation.tags.items()},
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


def render(validation: Validation, project: str, root: Path, max_bytes: int) -> str:
    """`validation.html`: one file that needs no other, and no network."""
    environment = Environment(
        loader=PackageLoader("dahlia.dataset"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    sections = [
        _section(list(same), root, max_bytes)
        for _, same in groupby(validation.findings, lambda finding: finding.code)
    ]
    return environment.get_template("validation.html").render(
        project=project,
        validation=validation,
        counts=_severities(validation.findings),
        sections=sections,
        severities=SEVERITIES,
        most=max((max(train, test) for train, test in validation.tags.values()), default=1) or 1,
    )


def _severities(findings: Iterable[Finding]) -> dict[str, int]:
    found = [finding.severity for finding in findings]
    return {severity: found.count(severity) for severity in SEVERITIES}


def _section(findings: list[Finding], root: Path, max_bytes: int) -> Section:
    shown = tuple(_illustrated(findings, root, max_bytes))
    code = findings[0].code
    return Section(code, RULES[code], findings[0].expected, len(findings), shown)


def _illustrated(
    findings: list[Finding], root: Path, max_bytes: int
) -> Iterator[tuple[Finding, tuple[Picture, ...]]]:
    left = PICTURES
    for finding in findings[:PICTURES]:
        files = finding.files[: min(left, 6 if len(findings) > 1 else left)]
        if finding.files and not files:
            return
        yield finding, tuple(Picture(path, _uri(root / path, max_bytes)) for path in files)
        left -= len(files)


def _uri(path: Path, max_bytes: int) -> str | None:
    try:
        if path.stat().st_size > max_bytes:
            return None
        encoded = base64.b64encode(thumbnail(path.read_bytes(), EDGE)).decode()
    except (OSError, ImageError):
        return None
    return f"data:image/jpeg;base64,{encoded}"
