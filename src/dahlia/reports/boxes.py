"""Photos with boxes drawn over them: shapes of an SVG, of which `boxes.html` makes markup.

What people drew is a solid line, what a model found a dashed one, each in the colour of its tag on a dark rim
that tells it from any photo. Who cannot tell colours apart has the line and the label.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from dahlia.dataset.records import ImageRecord

EDGE = 400  # of the drawing's longer side; the unit of all lengths here
COLOURS = 8
MOST_LABELS, MOST_TRIED = 14, 100
MOST_DRAWN = 1_000  # boxes of a photo; a browser has to show them, and the page to hold them
LABEL_HEIGHT = 21.0
LETTER, PADDING = 8.5, 10.0
LONGEST, SHORTEST = 22, 12  # letters of a label, and of one for which there is little room
MOST_COVERED = 0.5  # of a box by a label; more hides what is in it
STACK = 2  # labels that may touch each other; of more nobody can tell which box they name
TOUCHING = 8.0  # nearer ones look like one stack
_EXACT = 1e-6

Line = Literal["solid", "dashed"]
Rectangle = tuple[float, float, float, float]
"""Left, top, right and bottom."""


@dataclass(frozen=True)
class Outline:
    """A box to draw.

    Attributes:
        place: left, top, width, height as fractions of the photo.
        colour: the number of its tag.
        line: solid for what people drew, dashed for what was found.
        strong: drawn thick, with what is wrong; the others thin.
        label: what to write at it; empty for nothing. A long one is cut.
        ending: written after the label, and never cut: a probability, or what is wrong.
    """

    place: Sequence[float]
    colour: int
    line: Line = "solid"
    strong: bool = True
    label: str = ""
    ending: str = ""

    @property
    def told(self) -> str:
        """The label and its ending, whole."""
        return f"{self.label} {self.ending}".strip()


@dataclass(frozen=True)
class Stroke:
    """The boxes of one colour and line, as one path."""

    path: str
    colour: int
    line: Line
    strong: bool


@dataclass(frozen=True)
class Label:
    """A label, where it starts and how wide it is."""

    x: float
    y: float
    width: float
    text: str
    full: str
    colour: int


@dataclass(frozen=True)
class Drawing:
    """A photo and what is drawn over it.

    Attributes:
        uri: of the photo, as a `data:` URI; None where it cannot be shown.
        width: of the drawing.
        height: likewise.
        strokes: those on top last.
        labels: as many as find room.
        told: the labels of the boxes that are drawn, and how many others there are, for who cannot see
            the picture.
    """

    uri: str | None
    width: float
    height: float
    strokes: tuple[Stroke, ...]
    labels: tuple[Label, ...]
    told: str


def drawing(uri: str | None, size: tuple[int, int], outlines: Sequence[Outline]) -> Drawing:
    """Draw boxes over a photo.

    Args:
        uri: of the photo.
        size: width and height of the photo, pixels.
        outlines: its boxes; labels are given to the first that ask for one and find room. What is no number
            is left out, and so are all after the first `MOST_DRAWN`.
    """
    undrawn = len(outlines) - MOST_DRAWN
    outlines = [
        outline for outline in outlines[:MOST_DRAWN] if all(math.isfinite(each) for each in outline.place)
    ]
    told = [outline.told for outline in outlines if outline.told]
    if undrawn > 0:
        told.append(f"{undrawn:,} more boxes, which are not drawn")
    scale = EDGE / max(size)
    width, height = (max(1.0, round(edge * scale, 1)) for edge in size)
    corners = [_corners(outline.place, width, height) for outline in outlines]
    return Drawing(
        uri=uri,
        width=width,
        height=height,
        strokes=tuple(_strokes(outlines, corners)),
        labels=tuple(_labels(outlines, corners, width, height)),
        told=", ".join(told),
    )


def tagged(record: ImageRecord, colours: dict[str, int], uri: str | None) -> Drawing:
    """A photo with the boxes that the manifest has of it.

    Args:
        record: of the photo.
        colours: tag to the number of its colour.
        uri: of the photo.
    """
    outlines = [
        Outline((region.left, region.top, region.width, region.height), colours[region.tag], label=region.tag)
        for region in record.regions
    ]
    return drawing(uri, (record.width, record.height), outlines)


def _corners(place: Sequence[float], width: float, height: float) -> Rectangle:
    left, top, across, down = place
    return left * width, top * height, (left + across) * width, (top + down) * height


def _strokes(outlines: Sequence[Outline], corners: Sequence[Rectangle]) -> Iterable[Stroke]:
    groups: dict[tuple[bool, Line, int], list[str]] = {}
    for outline, (left, top, right, bottom) in zip(outlines, corners, strict=True):
        path = f"M{left:.1f} {top:.1f}H{right:.1f}V{bottom:.1f}H{left:.1f}Z"
        key = (outline.strong, outline.line, outline.colour % COLOURS)
        groups.setdefault(key, []).append(path)
    order: dict[Line, int] = {"solid": 0, "dashed": 1}
    for key in sorted(groups, key=lambda each: (each[0], order[each[1]], each[2])):
        strong, line, colour = key
        yield Stroke("".join(groups[key]), colour, line, strong)


def _labels(
    outlines: Sequence[Outline], corners: Sequence[Rectangle], width: float, height: float
) -> Iterable[Label]:
    taken: list[Rectangle] = []
    boxes = np.array(corners, np.float64).reshape(-1, 4)
    asking = [each for each in zip(outlines, corners, strict=True) if each[0].told]
    for outline, box in asking[:MOST_TRIED]:
        if len(taken) == MOST_LABELS:
            return
        for text in dict.fromkeys(_cut(outline, letters) for letters in (LONGEST, SHORTEST)):
            wide = min(width, LETTER * len(text) + PADDING)
            spots = [
                (x, y, x + wide, y + LABEL_HEIGHT) for x, y in _spots(box, wide, width, height, outline.line)
            ]
            spot = next((each for each in spots if _free(each, taken, boxes, width, height)), None)
            if spot:
                taken.append(spot)
                left, top = round(spot[0], 1), round(spot[1], 1)
                yield Label(left, top, round(wide, 1), text, outline.told, outline.colour % COLOURS)
                break


def _cut(outline: Outline, letters: int) -> str:
    """What is written at a box: the name cut to what its ending leaves of so many letters."""
    if len(outline.told) <= letters:
        return outline.told
    room = max(3, letters - (len(outline.ending) + 1 if outline.ending else 0))
    name = outline.label if len(outline.label) <= room else f"{outline.label[: room - 1].rstrip()}…"
    return f"{name} {outline.ending}".strip()


def _spots(
    box: Rectangle, wide: float, width: float, height: float, line: Line
) -> Iterable[tuple[float, float]]:
    """Where a label may be, outside first: at the top for what was found, at the bottom for the others."""
    left, top, right, bottom = box
    outside, inside = top - LABEL_HEIGHT, top
    below, above = bottom, bottom - LABEL_HEIGHT
    rows = {"dashed": (outside, below, inside, above), "solid": (below, outside, above, inside)}[line]
    columns = [min(max(0.0, x), width - wide) for x in (left, right - wide)]
    sides = [min(max(0.0, y), height - LABEL_HEIGHT) for y in (inside, above)]
    yield from ((x, y) for y in rows[:2] for x in columns)
    yield from ((x, y) for y in sides for x in (right, left - wide))
    yield from ((x, y) for y in rows[2:] for x in columns)


def _free(
    spot: Rectangle, taken: Sequence[Rectangle], boxes: npt.NDArray[np.float64], width: float, height: float
) -> bool:
    left, top, right, bottom = spot
    if left < 0 or top < 0 or right > width + _EXACT or bottom > height + _EXACT:
        return False
    if any(_common(spot, other) > 0 for other in taken):
        return False
    return _stack(spot, taken) <= STACK and not _hides(spot, boxes)


def _hides(spot: Rectangle, boxes: npt.NDArray[np.float64]) -> bool:
    """Whether a label covers too much of one of the (M, 4) boxes."""
    across = np.minimum(spot[2], boxes[:, 2]) - np.maximum(spot[0], boxes[:, 0])
    down = np.minimum(spot[3], boxes[:, 3]) - np.maximum(spot[1], boxes[:, 1])
    covered = np.clip(across, 0, None) * np.clip(down, 0, None)
    whole = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    return bool((covered > MOST_COVERED * whole).any())


def _stack(spot: Rectangle, taken: Sequence[Rectangle]) -> int:
    """How many labels would touch each other, this one among them."""
    stack, rest = [spot], list(taken)
    for each in stack:  # grows while it is read
        near = (each[0] - TOUCHING, each[1] - TOUCHING, each[2] + TOUCHING, each[3] + TOUCHING)
        touching = [other for other in rest if _common(near, other) > 0]
        stack += touching
        rest = [other for other in rest if other not in touching]
    return len(stack)


def _common(one: Rectangle, other: Rectangle) -> float:
    across = min(one[2], other[2]) - max(one[0], other[0])
    down = min(one[3], other[3]) - max(one[1], other[1])
    return max(0.0, across) * max(0.0, down)
