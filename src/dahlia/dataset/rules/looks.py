"""Rules about how images look: blurred, dark, overexposed, of an unusual size."""

from __future__ import annotations

from collections.abc import Iterator

from dahlia.dataset import quality
from dahlia.dataset.findings import Finding
from dahlia.dataset.inspection import Inspection
from dahlia.dataset.rules.survey import Survey

_EXPECTED = {
    "blurred": "a sharp image",
    "dark": "an image that is light enough",
    "bright": "an image that is not overexposed",
    "odd-size": "a size like that of the other images",
}


def looks(survey: Survey) -> Iterator[Finding]:
    """Images that cleanvision would point at."""
    rows = survey.whole
    for code, places in quality.issues(rows).items():
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
