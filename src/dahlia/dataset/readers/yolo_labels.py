"""The lines of YOLO's label files: boxes, and what other tools write in their place.

    0 0.5 0.5 0.2 0.1               class, centre, width and height, in fractions of the image's size
    0 0.5 0.5 0.2 0.1 0.93          with the confidence of a model's prediction, which is left out
    0 0.4 0.4 0.6 0.4 0.5 0.6       an outline, three points or more, of which the box is taken
    0 0.5 0.5 0.2 0.1 0.4 0.4 2     a box with keypoints, which are left out

Values are separated by spaces, tabs, commas or semicolons.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from dahlia.dataset.readers.reading import Note, counted, outline_note
from dahlia.dataset.readers.sources import lines_of, number, text_of
from dahlia.dataset.readers.tree import Tree
from dahlia.dataset.records import Region
from dahlia.errors import DatasetError

MAX_BYTES = 64 * 1024 * 1024

_BOX = 5  # class, centre, width and height
_SLACK = 0.1  # of the box, by which a keypoint may lie outside it


class Labels:
    """Reads label files, and remembers what was in them beside boxes."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._odd: dict[str, dict[str, int]] = defaultdict(dict)

    def regions(self, label: str, names: dict[int, str], keypoints: int) -> Iterator[Region]:
        """The regions of a label file, in its order.

        Args:
            label: the file.
            names: of the classes.
            keypoints: how many values follow the box in a line; 0 where it is not known.

        Raises:
            DatasetError: with the line: it has too few values, one that is no number, or another class.
        """
        for line, text in enumerate(lines_of(text_of(self._tree, label, max_bytes=MAX_BYTES)), 1):
            cells = cells_of(text)
            if not cells:
                continue
            where = f"{self._tree.root}/{label}:{line}"
            values = [number(cell, where) for cell in cells]
            tag = names.get(int(values[0])) if values[0].is_integer() else None
            if tag is None:
                known = ", ".join(f"{key} {name}" for key, name in list(names.items())[:20])
                raise DatasetError(
                    f"{where}: there is no class {cells[0]:.60}; known: {known}. Correct it there."
                )
            yield Region(tag, *self._box(label, values, keypoints, where))

    @property
    def notes(self) -> tuple[Note, ...]:
        """What was in the files that were read, beside boxes."""
        said = {
            "region-confidence": ("box with a confidence", "boxes with a confidence"),
            "region-keypoints": ("box with keypoints", "boxes with keypoints"),
        }
        return outline_note(self._odd["region-outline"]) + tuple(
            Note(code, counted(sum(self._odd[code].values()), *what), tuple(sorted(self._odd[code])))
            for code, what in said.items()
            if self._odd[code]
        )

    def _box(
        self, label: str, values: Sequence[float], keypoints: int, where: str
    ) -> tuple[float, float, float, float]:
        count = len(values)
        if count == _BOX:
            return _centred(values)
        if count == _BOX + 1 and 0 <= values[-1] <= 1:
            self._count("region-confidence", label)
            return _centred(values)
        if count == _BOX + keypoints or _has_keypoints(values):
            self._count("region-keypoints", label)
            return _centred(values)
        if count >= 7 and count % 2:
            self._count("region-outline", label)
            return _around(values[1:])
        raise DatasetError(f"{where}: {_expected(values)}")

    def _count(self, code: str, label: str) -> None:
        self._odd[code][label] = self._odd[code].get(label, 0) + 1


def cells_of(text: str) -> list[str]:
    """The values of a line; a comma between two digits of one value is a decimal mark."""
    cells = text.replace(";", " ").split()
    if "," not in text:
        return cells
    cells = [cell.strip(",") for cell in cells]
    if len(cells) < _BOX:
        cells = ",".join(cells).split(",")
    return [cell.replace(",", ".") for cell in cells if cell]


def _centred(values: Sequence[float]) -> tuple[float, float, float, float]:
    _, across, down, width, height, *_ = values
    return across - width / 2, down - height / 2, width, height


def _around(points: Sequence[float]) -> tuple[float, float, float, float]:
    across, down = points[::2], points[1::2]
    return min(across), min(down), max(across) - min(across), max(down) - min(down)


def _has_keypoints(values: Sequence[float]) -> bool:
    """Whether points follow a box, each with 0, 1 or 2 for how visible it is, and visible ones inside."""
    rest = values[_BOX:]
    if not rest or len(rest) % 3 or not set(rest[2::3]) <= {0.0, 1.0, 2.0}:
        return False
    left, top, width, height = _centred(values)
    across, down = width * _SLACK, height * _SLACK
    return all(
        (left - across <= x <= left + width + across and top - down <= y <= top + height + down)
        if visible
        else (x == y == 0 or 0 <= min(x, y) <= max(x, y) <= 1)
        for x, y, visible in zip(rest[::3], rest[1::3], rest[2::3], strict=True)
    )


def _expected(values: Sequence[float]) -> str:
    count = len(values)
    if count == _BOX + 1:
        return (
            f"expected a confidence between 0 and 1 as the sixth value, received {values[-1]:g}. "
            "Correct it there."
        )
    if count < _BOX:
        return (
            f"expected `class centre-x centre-y width height`, received {count} values. Export boxes again."
        )
    return (
        f"expected x and y of each point of an outline, received {count - 1} values after the class. "
        "Complete the line, or take out what is not part of the outline."
    )
