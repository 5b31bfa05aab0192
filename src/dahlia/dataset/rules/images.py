"""Rules about single images: readable, of a supported size, named after their format; looks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

from dahlia.dataset import inspector
from dahlia.dataset.findings import Finding
from dahlia.dataset.formats import SUFFIXES
from dahlia.dataset.inspection import Inspection
from dahlia.dataset.rules.survey import Survey


def problems(survey: Survey) -> Iterator[Finding]:
    """Files that ingest could not use."""
    most = survey.params.validate_.max_bytes
    for row in survey.rows:
        if row.problem == "too-many-bytes":
            yield _error(row, row.problem, f"at most {most:,} bytes", row.message or "")
        elif row.problem is not None:
            named = f"; named in {row.source}" if row.problem == "missing-file" else ""
            yield _error(row, row.problem, "a whole image file", f"{row.message or ''}{named}")


def sizes(survey: Survey) -> Iterator[Finding]:
    """Edges that are too long or too short, and images that are too narrow."""
    limits = survey.params.validate_
    for row in survey.whole:
        width, height = row.width or 1, row.height or 1
        found = f"{width} x {height} pixels"
        ratio = max(width, height) / min(width, height)
        if max(width, height) > limits.max_edge:
            yield _error(row, "edge-too-long", f"edges of at most {limits.max_edge:,} pixels", found)
        if ratio > limits.max_aspect_ratio:
            expected = f"an aspect ratio of at most {limits.max_aspect_ratio:g}:1"
            yield _error(row, "aspect-ratio", expected, f"{ratio:.1f}:1 ({found})")
        if min(width, height) < limits.min_edge:
            expected = f"edges of at least {limits.min_edge} pixels"
            yield Finding("edge-too-short", expected, found, (row.path,))


def extensions(survey: Survey) -> Iterator[Finding]:
    """File names that promise another format than the content has."""
    for row in survey.whole:
        suffix = PurePosixPath(row.path).suffix.lower()
        if suffix not in SUFFIXES.get(row.format or "", (suffix,)):
            found = f"{suffix or 'no extension'}, the content is {row.format}"
            yield Finding("wrong-extension", "an extension that fits the content", found, (row.path,))


def endings(survey: Survey) -> Iterator[Finding]:
    """Files that stop before their format's end, although all of their pixels are there."""
    for row in survey.whole:
        if row.cut_off:
            yield Finding(
                "cut-off-end",
                "a whole file",
                f"{row.bytes or 0:,} bytes of a {row.format} that lacks its end",
                (row.path,),
            )


def _error(row: Inspection, code: str, expected: str, found: str) -> Finding:
    return Finding(code, expected, found, (row.path,), set_aside=(row.path,))


_EXPECTED = {
    "blurred": "a sharp image",
    "dark": "an image that is light enough",
    "bright": "an image that is not overexposed",
    "odd-size": "a size like that of the other images",
}


def looks(survey: Survey) -> Iterator[Finding]:
    """Images that cleanvision would point at."""
    rows = survey.whole
    for code, places in inspector.issues(rows).items():
        for place in places:
            row = rows[place]
            yield Finding(code, _EXPECTED[code], _found(code, row), (row.path,))


def _found(code: str, row: Inspection) -> str:
    if code == "blurred":
        return f"edges of strength {row.blurriness or 0:.1f}"
    if code == "dark":
        return f"99 % of the pixels below {row.brightness_perc_99 or 0:.0%} brightness"
    if code == "bright":
        return f"95 % of the pixels above {row.brightness_perc_5 or 0:.0%} brightness"
    return f"{row.width} x {row.height} pixels"
