"""A detector's `model.onnx`, opened in ONNX Runtime: one of Dahlia's, or a genuine one of Custom Vision.

What Custom Vision writes has none of Dahlia's properties: its tags are in `labels.txt`, and how boxes that
overlap are suppressed is what its samples do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import numpy as np

from dahlia.boxes import Boxes
from dahlia.errors import VerificationError, runtime_errors
from dahlia.export.box_answers import BoxAnswers, read_rule, refused
from dahlia.export.onnx.box_outputs import BOXES, CLASSES, DETECTED_SCORES, GRID
from dahlia.export.onnx.graph import BGR, FILE_NAME, FULL_RANGE, PIXEL_FORMAT, PIXEL_RANGE, TAGS
from dahlia.export.port import LABELS, Batch, OpenedDetector, read_labels, unusable

MOST_EDGE = 4096  # pixels
_USUAL_EDGE = 416  # of Custom Vision's grids, whose files may leave it open
_Answers = Sequence[np.ndarray]


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
        raise refused(FILE_NAME, f"to answer {', '.join(names)}", f"one without {', '.join(missing)}")
    taken, kind, size = _input(session, _USUAL_EDGE if answer == "grid" else None)
    answers = BoxAnswers(FILE_NAME, len(labels), read_rule(FILE_NAME, properties))

    def find(pixels: Batch) -> Boxes:
        data = np.ascontiguousarray(pixels[:, ::-1]) if properties.get(PIXEL_FORMAT) == BGR else pixels
        data = data if properties.get(PIXEL_RANGE) == FULL_RANGE else data / np.float32(255)
        try:
            values = session.run(names, {taken: data.astype(kind, copy=False)})
        except runtime_errors() as error:
            raise unusable(runtime, "run", path.name, error) from error
        return read(answers, values)

    find(np.zeros((1, 3, size, size), np.float32))
    yield OpenedDetector(find, labels, runtime, size)


def _labels(folder: Path, properties: Mapping[str, str]) -> tuple[str, ...]:
    named = tuple(properties[TAGS].split("\n")) if properties.get(TAGS) else ()
    if not (folder / LABELS).exists():
        if not named:
            raise refused(FILE_NAME, f"with {LABELS} beside it, a tag in each line", "one without tags")
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
        raise refused(FILE_NAME, f"with {LABELS} beside it, a tag in each line", "empty lines")
    return tuple(tags)


def _input(session: Any, usual: int | None) -> tuple[str, type[np.floating[Any]], int]:
    """Name, type and edge in pixels of what it takes."""
    inputs = session.get_inputs()
    expected = f"to take one photo of fixed size, (1, 3, size, size) with a size up to {MOST_EDGE}"
    if len(inputs) != 1 or inputs[0].type not in _TYPES:
        raise refused(FILE_NAME, expected, f"inputs of {', '.join(one.type for one in inputs) or 'nothing'}")
    shape = inputs[0].shape
    batch, colours, *edges = shape if len(shape) == 4 else (0, 0)
    known = {edge for edge in edges if isinstance(edge, int) and edge > 0}
    size = known.pop() if known else usual
    fits = (not isinstance(batch, int) or batch in (-1, 1)) and (not isinstance(colours, int) or colours == 3)
    if len(shape) != 4 or not fits or known or size is None or size > MOST_EDGE:
        raise refused(FILE_NAME, expected, str(shape))
    return inputs[0].name, _TYPES[inputs[0].type], size


_TYPES: dict[str, type[np.floating[Any]]] = {"tensor(float)": np.float32, "tensor(float16)": np.float16}


_READS: dict[Literal["grid", "boxes"], tuple[list[str], Callable[[BoxAnswers, _Answers], Boxes]]] = {
    "grid": ([GRID], lambda answers, values: answers.of_grid(*map(np.asarray, values))),
    "boxes": (
        [BOXES, CLASSES, DETECTED_SCORES],
        lambda answers, values: answers.of_boxes(*map(np.asarray, values)),
    ),
}
