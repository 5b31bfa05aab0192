"""Blurred, dark, bright and odd-sized images, as cleanvision judges them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from PIL import Image

from dahlia.dataset.inspection import Inspection
from dahlia.imports import quick_imports

if TYPE_CHECKING:
    import pandas as pd

ISSUES = {"blurry": "blurred", "dark": "dark", "light": "bright", "odd_size": "odd-size"}


class Figures(NamedTuple):
    """What cleanvision measures on one image, under its own names."""

    blurriness: float
    blurriness_grayscale_std: float
    brightness_perc_5: float
    brightness_perc_99: float


def measure(image: Image.Image) -> Figures:
    """Measure one RGB image.

    An image scaled to 128 pixels gives nearly those of the full one: cleanvision itself looks for blur
    at 64 pixels, and percentiles of brightness hardly move.
    """
    blur, brightness = _properties()
    figures = {**blur.calculate(image), **brightness.calculate(image)}
    return Figures(*(float(figures[name]) for name in Figures._fields))


def issues(rows: Sequence[Inspection]) -> dict[str, list[int]]:
    """Which of N readable images have which finding's code, by cleanvision's own thresholds.

    Args:
        rows: readable images; whether a size is odd depends on all of them.

    Returns:
        For each of `blurred`, `dark`, `bright` and `odd-size` the positions in `rows`, ascending.
    """
    if not rows:
        return {code: [] for code in ISSUES.values()}
    with quick_imports():
        from cleanvision.issue_managers.image_property_issue_manager import ImagePropertyIssueManager

    figures = _frame(rows)
    manager = ImagePropertyIssueManager()
    manager.issues = figures[[]]
    manager.update_issues(figures, list(ISSUES))
    found = manager.issues
    return {code: found.index[found[f"is_{name}_issue"]].tolist() for name, code in ISSUES.items()}


@cache
def _properties() -> tuple[Any, Any]:
    with quick_imports():
        from cleanvision.issue_managers.image_property import BlurrinessProperty, BrightnessProperty

    return BlurrinessProperty(), BrightnessProperty("dark")


def _frame(rows: Sequence[Inspection]) -> pd.DataFrame:
    import pandas as pd

    columns = {name: [getattr(row, name) for row in rows] for name in Figures._fields}
    sizes = [((row.width or 0) * (row.height or 0)) ** 0.5 for row in rows]
    return pd.DataFrame({**columns, "size": sizes})
