"""From what a detector's file answers to boxes, as a program gets them that has nothing but the files.

Every port runs its file in its own runtime, and reads the answer here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dahlia.boxes import Boxes
from dahlia.errors import ExportError, VerificationError
from dahlia.export.port import METADATA, Batch, detector_of
from dahlia.modeling.card import DetectorCard, ModelCard
from dahlia.modeling.detection.grid import ANCHORS, PLACE, read_grid
from dahlia.modeling.detection.outputs import given

TARGET = "CustomVision.Preprocess.TargetWidth"
OVERLAP, LEAST, MOST = "dahlia.overlap", "dahlia.least", "dahlia.most"

_USUAL = {OVERLAP: "0.45", LEAST: "0.01", MOST: "64"}  # of Custom Vision's samples
_LARGEST = {OVERLAP: 1.0, LEAST: 1.0, MOST: 1e6}
_FAR = 1e3  # photos: boxes end at the edges of theirs anyway, and areas of this size can be computed
_ROUNDED = 1e-3  # what float16 adds to fractions


def rule_properties(detector: DetectorCard) -> dict[str, str]:
    """How boxes are chosen, as properties that files carry; all values are text."""
    return {OVERLAP: str(detector.overlap), LEAST: str(detector.least), MOST: str(detector.most)}


def grid_cells(card: ModelCard) -> int:
    """How many cells a detector's grid has along an edge.

    Raises:
        ExportError: its strides do not make five places in a cell.
    """
    detector, size = detector_of(card), card.input.size
    cells = size // max(detector.strides)
    places = sum((size // stride) ** 2 for stride in detector.strides)
    if places != len(ANCHORS) * cells**2:
        raise ExportError(
            f"A grid has {len(ANCHORS)} places in each of its cells, as strides of 16 and 32 px make them; "
            f"received strides of {', '.join(map(str, detector.strides))} px, which make {places} in "
            f"{cells} x {cells}. Set `domain.detector.strides: [16, 32]`, or `domain.detector.output: boxes`."
        )
    return cells


@dataclass(frozen=True)
class BoxRule:
    """How boxes of a grid are chosen; see `dahlia.boxes.suppressed`."""

    overlap: float
    least: float
    most: int


def refused(
    name: str, expected: str, received: str, remedy: str = "Export again, or name another file."
) -> VerificationError:
    """The error of a file that is no detector's, or answers what is no box."""
    return VerificationError(f"Expected {name} {expected}; received {received}. {remedy}")


def read_rule(name: str, properties: Mapping[str, str]) -> BoxRule:
    """The rule in a file's properties; that of Custom Vision's samples where there is none.

    Raises:
        VerificationError: a number is none, or out of range.
    """
    values = {}
    for key, usual in _USUAL.items():
        text = properties.get(key, usual)
        try:
            values[key] = float(text)
        except ValueError:
            values[key] = np.nan
        if not 0 <= values[key] <= _LARGEST[key]:
            raise refused(name, f"with {key} from 0 to {_LARGEST[key]:g}", repr(text[:40]))
    return BoxRule(values[OVERLAP], values[LEAST], int(values[MOST]))


def rule_beside(folder: Path) -> BoxRule:
    """The rule in the `metadata_properties.json` that lies beside a model.

    Raises:
        VerificationError: it cannot be read.
    """
    return read_rule(METADATA, _properties(folder))


def size_beside(folder: Path) -> int:
    """The edge in pixels of the photos that a model takes, from the same file.

    Raises:
        VerificationError: it cannot be read, or does not say it.
    """
    said = _properties(folder).get(TARGET, "nothing")
    if not (said.isdecimal() and said.isascii() and int(said)):
        raise refused(METADATA, f"with a number of pixels as {TARGET}", repr(said[:40]))
    return int(said)


def _properties(folder: Path) -> dict[str, str]:
    path = folder / METADATA
    try:
        properties = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise refused(path.name, "with the properties of the model", f"an error: {error}") from error
    return {name: str(value) for name, value in properties.items()} if isinstance(properties, dict) else {}


@dataclass(frozen=True)
class BoxAnswers:
    """Reads what a file answers for one photo.

    Attributes:
        name: of the file, for errors.
        tags: K, how many it has.
        rule: how boxes of its grid are chosen.
    """

    name: str
    tags: int
    rule: BoxRule

    def of_grid(self, grid: np.ndarray) -> Boxes:
        """A grid (1, 5 * (5 + K), H, W), channels first; see `dahlia.modeling.detection.grid`.

        Raises:
            VerificationError: it is no such grid.
        """
        channels = len(ANCHORS) * (PLACE + self.tags)
        if grid.ndim != 4 or grid.shape[:2] != (1, channels) or 0 in grid.shape:
            raise refused(
                self.name,
                f"to answer a grid (1, {channels}, height, width) for the {self.tags} tags it is given with",
                str(grid.shape),
            )
        self._require_numbers(grid)
        with np.errstate(over="ignore", invalid="ignore"):  # what is no number then is refused afterwards
            places, scores = read_grid(grid[0].astype(np.float32), self.rule.least)
        self._require_numbers(places, scores)
        start = places[:, :2].astype(np.float64)
        return self.chosen(_places(start, start + places[:, 2:]), scores)

    def chosen(self, places: Batch, scores: Batch) -> Boxes:
        """Candidates before suppression: places (P, 4) left, top, width, height, and scores (P, K)."""
        self._require_numbers(places, scores)
        rule = self.rule
        return self._checked(given(places, scores, overlap=rule.overlap, least=rule.least, most=rule.most))

    def of_boxes(self, corners: np.ndarray, tags: np.ndarray, scores: np.ndarray) -> Boxes:
        """Suppressed boxes x1, y1, x2, y2 (n, 4), tags (n,) and scores (n,), or each as a batch of one.

        Raises:
            VerificationError: they are no boxes.
        """
        given_shapes = f"{corners.shape}, {tags.shape} and {scores.shape}"
        corners = corners.reshape(corners.shape[-2:]) if corners.shape[:-2] == (1,) else corners
        tags, scores = (one.reshape(-1) if one.shape[:-1] in ((), (1,)) else one for one in (tags, scores))
        count = len(corners) if corners.ndim == 2 else -1
        if corners.shape != (count, 4) or not tags.shape == scores.shape == (count,):
            raise refused(
                self.name,
                "to answer boxes, classes and scores as (n, 4), (n) and (n)",
                given_shapes,
            )
        self._require_numbers(corners, tags, scores)
        if (tags % 1 != 0).any() or (np.abs(tags) > np.iinfo(np.int32).max).any():
            raise refused(self.name, "to answer with numbers of tags", "others")
        places = _places(*np.split(corners.astype(np.float64), 2, 1))
        return self._checked(Boxes(tags.astype(np.int32), places, scores.astype(np.float32)))

    def _require_numbers(self, *answers: np.ndarray) -> None:
        if not all(one.dtype.kind in "fiu" and np.isfinite(one).all() for one in answers):
            raise refused(
                self.name,
                "to answer with numbers",
                "infinity, or what is no number",
                "Export another flavour or architecture, or name another file.",
            )

    def _checked(self, found: Boxes) -> Boxes:
        """Boxes as they are answered, where they can be boxes."""
        if (strange := (found.tags < 0) | (found.tags >= self.tags)).any():
            expected = f"to answer with tags from 0 to {self.tags - 1}, as many as it has"
            raise refused(self.name, expected, str(found.tags[strange][0]))
        if len(found) and not -_ROUNDED <= found.scores.min() <= found.scores.max() <= 1 + _ROUNDED:
            received = f"{found.scores.min():g} to {found.scores.max():g}"
            raise refused(self.name, "to answer with scores from 0 to 1", received)
        if len(found) and found.places[:, 2:].min() < -_ROUNDED:
            received = f"a size of {found.places[:, 2:].min():g}"
            raise refused(self.name, "to answer with boxes of positive size", received)
        return Boxes(found.tags, found.places, found.scores.clip(0, 1))


def _places(start: np.ndarray, end: np.ndarray) -> Batch:
    """(M, 4) of top left and bottom right corners (M, 2) each in float64, which has room for differences."""
    start, end = start.clip(-_FAR, _FAR), end.clip(-_FAR, _FAR)
    return np.concatenate([start, end - start], 1).astype(np.float32)
