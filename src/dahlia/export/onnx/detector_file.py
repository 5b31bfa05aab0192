"""A detector's `model.onnx`, opened in ONNX Runtime: one of Dahlia's, or a genuine one of Custom Vision.

What Custom Vision writes has none of Dahlia's properties: its tags are in `labels.txt`, and how boxes that
overlap are suppressed is what its samples do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from dahlia.boxes import Boxes
from dahlia.errors import VerificationError, runtime_errors
from dahlia.export.onnx.box_outputs import BOXES, CLASSES, DETECTED_SCORES, GRID
from dahlia.export.onnx.graph import BGR, FILE_NAME, FULL_RANGE, PIXEL_FORMAT, PIXEL_RANGE, TAGS
from dahlia.export.port import LABELS, Batch, OpenedDetector, read_labels, unusable
from dahlia.modeling.detection.grid import ANCHORS, PLACE, read_grid
from dahlia.modeling.detection.outputs import given

MOST_EDGE = 4096  # pixels
OVERLAP, LEAST, MOST = "dahlia.overlap", "dahlia.least", "dahlia.most"

_USUAL_EDGE = 416  # of Custom Vision's grids, whose files may leave it open
_USUAL = {OVERLAP: "0.45", LEAST: "0.01", MOST: "64"}  # of Custom Vision's samples
_LARGEST = {OVERLAP: 1.0, LEAST: 1.0, MOST: 1e6}
_FAR = 1e3  # photos: boxes end at the edges of theirs anyway, and areas of this size can be computed
_ROUNDED = 1e-3  # what float16 adds to fractions

_Answers = Sequence[np.ndarray]


@dataclass(frozen=True)
class _Rule:
    """How boxes of a grid are chosen; see `dahlia.boxes.suppressed`."""

    overlap: float
    least: float
    most: int


@contextmanager
def opened_detector(folder: Path) -> Iterator[OpenedDetector]:
    """Open `model.onnx` on the CPU, and run it once.

    All that its users need to know is read from the file: the name of the input, the order of its colours,
    the outputs, and for a grid how boxes that overlap are suppressed.

    Raises:
        VerificationError: the runtime cannot load it, it takes or gives something else than detectors do, it
            has no tags, or it names other tags than `labels.txt`; and, when it is called, cannot run it, or
            it answers what is no box.
    """
    import onnxruntime

    path = folder / FILE_NAME
    runtime = f"ONNX Runtime {onnxruntime.__version__}"
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except runtime_errors() as error:
        raise unusable(runtime, "load", path.name, error) from error
    properties = session.get_modelmeta().custom_metadata_map
    labels = _labels(folder, properties)
    outputs = {one.name for one in session.get_outputs()}
    answer: Literal["grid", "boxes"] = "grid" if GRID in outputs else "boxes"
    names, read = _READS[answer]
    if missing := [name for name in names if name not in outputs]:
        raise _refused(f"to answer {', '.join(names)}", f"one without {', '.join(missing)}")
    taken, kind, size = _input(session, _USUAL_EDGE if answer == "grid" else None)
    rule = _rule(properties)

    def find(pixels: Batch) -> Boxes:
        data = np.ascontiguousarray(pixels[:, ::-1]) if properties.get(PIXEL_FORMAT) == BGR else pixels
        data = data if properties.get(PIXEL_RANGE) == FULL_RANGE else data / np.float32(255)
        try:
            answers = session.run(names, {taken: data.astype(kind, copy=False)})
        except runtime_errors() as error:
            raise unusable(runtime, "run", path.name, error) from error
        return _checked(read(answers, len(labels), rule), len(labels))

    find(np.zeros((1, 3, size, size), np.float32))
    yield OpenedDetector(find, labels, runtime, size)


def _labels(folder: Path, properties: Mapping[str, str]) -> tuple[str, ...]:
    named = tuple(properties[TAGS].split("\n")) if properties.get(TAGS) else ()
    if not (folder / LABELS).exists():
        if not named:
            raise _refused(f"with {LABELS} beside it, a tag in each line", "one without tags")
        return named
    listed = read_labels(folder)
    if named and listed != named:
        raise VerificationError(
            f"{FILE_NAME} names the tags {', '.join(named)} and {LABELS} others. Export again."
        )
    if named:
        return named
    tags = "\n".join(listed).removeprefix("\ufeff").replace("\r\n", "\n").rstrip("\r\n").split("\n")
    if not all(tag.strip() for tag in tags):
        raise _refused(f"with {LABELS} beside it, a tag in each line", "empty lines")
    return tuple(tags)


def _input(session: Any, usual: int | None) -> tuple[str, type[np.floating[Any]], int]:
    """Name, type and edge in pixels of what it takes."""
    inputs = session.get_inputs()
    expected = f"to take one photo of fixed size, (1, 3, size, size) with a size up to {MOST_EDGE}"
    if len(inputs) != 1 or inputs[0].type not in _TYPES:
        raise _refused(expected, f"inputs of {', '.join(one.type for one in inputs) or 'nothing'}")
    shape = inputs[0].shape
    batch, colours, *edges = shape if len(shape) == 4 else (0, 0)
    known = {edge for edge in edges if isinstance(edge, int) and edge > 0}
    size = known.pop() if known else usual
    fits = (not isinstance(batch, int) or batch in (-1, 1)) and (not isinstance(colours, int) or colours == 3)
    if len(shape) != 4 or not fits or known or size is None or size > MOST_EDGE:
        raise _refused(expected, str(shape))
    return inputs[0].name, _TYPES[inputs[0].type], size


_TYPES: dict[str, type[np.floating[Any]]] = {"tensor(float)": np.float32, "tensor(float16)": np.float16}


def _rule(properties: Mapping[str, str]) -> _Rule:
    values = {}
    for name, usual in _USUAL.items():
        text = properties.get(name, usual)
        try:
            values[name] = float(text)
        except ValueError:
            values[name] = np.nan
        if not 0 <= values[name] <= _LARGEST[name]:
            raise _refused(f"with {name} from 0 to {_LARGEST[name]:g}", repr(text[:40]))
    return _Rule(values[OVERLAP], values[LEAST], int(values[MOST]))


def _read_grid(answers: _Answers, tags: int, rule: _Rule) -> Boxes:
    grid = np.asarray(answers[0])
    channels = len(ANCHORS) * (PLACE + tags)
    if grid.ndim != 4 or grid.shape[:2] != (1, channels) or 0 in grid.shape:
        raise _refused(
            f"to answer {GRID} as (1, {channels}, height, width) for the {tags} tags it is given with",
            str(grid.shape),
        )
    _require_numbers(grid)
    with np.errstate(over="ignore", invalid="ignore"):  # what is no number then is refused afterwards
        places, scores = read_grid(grid[0].astype(np.float32), rule.least)
    _require_numbers(places, scores)
    start = places[:, :2].astype(np.float64)
    return given(
        _places(start, start + places[:, 2:]), scores, overlap=rule.overlap, least=rule.least, most=rule.most
    )


def _read_boxes(answers: _Answers, _: int, __: _Rule) -> Boxes:
    corners, tags, scores = map(np.asarray, answers)
    count = corners.shape[1] if corners.ndim == 3 else -1
    if corners.shape != (1, count, 4) or not tags.shape == scores.shape == (1, count):
        raise _refused(
            f"to answer {BOXES}, {CLASSES} and {DETECTED_SCORES} as (1, n, 4), (1, n) and (1, n)",
            f"{corners.shape}, {tags.shape} and {scores.shape}",
        )
    _require_numbers(corners, tags, scores)
    if (tags % 1 != 0).any() or (np.abs(tags) > np.iinfo(np.int32).max).any():
        raise _refused(f"to answer {CLASSES} as numbers of tags", "others")
    places = _places(*np.split(corners[0].astype(np.float64), 2, 1))
    return Boxes(tags[0].astype(np.int32), places, scores[0].astype(np.float32))


def _places(start: np.ndarray, end: np.ndarray) -> Batch:
    """(M, 4) of top left and bottom right corners (M, 2) each in float64, which has room for differences."""
    start, end = start.clip(-_FAR, _FAR), end.clip(-_FAR, _FAR)
    return np.concatenate([start, end - start], 1).astype(np.float32)


def _require_numbers(*answers: np.ndarray) -> None:
    if not all(one.dtype.kind in "fiu" and np.isfinite(one).all() for one in answers):
        raise _refused(
            "to answer with numbers",
            "infinity, or what is no number",
            "Export another flavour or architecture, or name another file.",
        )


def _checked(found: Boxes, tags: int) -> Boxes:
    """Boxes as they are answered, where they can be boxes."""
    if ((found.tags < 0) | (found.tags >= tags)).any():
        number = found.tags[(found.tags < 0) | (found.tags >= tags)][0]
        raise _refused(f"to answer with tags from 0 to {tags - 1}, as many as it has", str(number))
    if len(found) and not -_ROUNDED <= found.scores.min() <= found.scores.max() <= 1 + _ROUNDED:
        raise _refused(
            "to answer with scores from 0 to 1", f"{found.scores.min():g} to {found.scores.max():g}"
        )
    if len(found) and found.places[:, 2:].min() < -_ROUNDED:
        raise _refused("to answer with boxes of positive size", f"a size of {found.places[:, 2:].min():g}")
    return Boxes(found.tags, found.places, found.scores.clip(0, 1))


def _refused(
    expected: str, received: str, remedy: str = "Export again, or name another file."
) -> VerificationError:
    return VerificationError(f"Expected {FILE_NAME} {expected}; received {received}. {remedy}")


_Read = Callable[[_Answers, int, _Rule], Boxes]
_READS: dict[Literal["grid", "boxes"], tuple[list[str], _Read]] = {
    "grid": ([GRID], _read_grid),
    "boxes": ([BOXES, CLASSES, DETECTED_SCORES], _read_boxes),
}
