"""Regions that leave their image by rounding alone."""

from __future__ import annotations

from dahlia.dataset.records import Region

SLACK_PIXELS = 1.5  # formats count pixels from 0 or from 1, and include the last one or do not
SLACK = 0.01  # of the image's edge


def clipped(region: Region, width: int, height: int) -> Region:
    """A region without what reaches over the image's edge by rounding; one that reaches further is as it was.

    Rounding is up to 1.5 pixels or 1 % of the edge, whichever is more, whatever format it was written in.

    Args:
        region: fractions of the image's size.
        width: of the image, in pixels.
        height: of the image, in pixels.
    """
    across = _inside(region.left, region.width, width)
    down = _inside(region.top, region.height, height)
    if across is None or down is None:
        return region
    return Region(region.tag, across[0], down[0], across[1], down[1])


def _inside(start: float, length: float, pixels: int) -> tuple[float, float] | None:
    """Start and length inside 0 to 1; None where too much lies outside."""
    slack = max(SLACK_PIXELS / pixels, SLACK)
    end = start + length
    if not (start >= -slack and end <= 1 + slack):
        return None
    if start >= 0 and end <= 1:
        return start, length
    return max(start, 0.0), min(end, 1.0) - max(start, 0.0)
