"""Rules about single files: readable, of a supported size, named after their format."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

from dahlia.dataset.findings import Finding
from dahlia.dataset.inspection import Inspection
from dahlia.dataset.rules.survey import Survey

EXTENSIONS = {
    "JPEG": ("jpg", "jpeg", "jpe", "jfif"),
    "PNG": ("png",),
    "BMP": ("bmp", "dib"),
    "GIF": ("gif",),
    "WEBP": ("webp",),
}


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
        extension = PurePosixPath(row.path).suffix.lstrip(".").lower()
        fitting = EXTENSIONS.get(row.format or "", (extension,))
        if extension not in fitting:
            found = f"{f'.{extension}' if extension else 'no extension'}, the content is {row.format}"
            yield Finding("wrong-extension", "an extension that fits the content", found, (row.path,))


def _error(row: Inspection, code: str, expected: str, found: str) -> Finding:
    return Finding(code, expected, found, (row.path,), set_aside=(row.path,))
