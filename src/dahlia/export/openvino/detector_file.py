"""A detector's `model.xml`, opened in OpenVINO and read as its users read it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from dahlia.boxes import Boxes
from dahlia.export.box_answers import BoxAnswers, refused, rule_beside
from dahlia.export.onnx.box_outputs import BOXES, CLASSES, DETECTED_SCORES, GRID, RAW_BOXES, RAW_PROBS
from dahlia.export.openvino._runtime import FILE_NAME, RUNTIME, cannot, compiled_model
from dahlia.export.port import Batch, OpenedDetector, read_labels


@contextmanager
def opened_detector(folder: Path) -> Iterator[OpenedDetector]:
    """Open it on the CPU, computing in float32.

    Raises:
        VerificationError: the runtime cannot load it, or it takes or gives something else than detectors do;
            and, when it is called, cannot run it, or it answers what is no box.
    """
    labels = read_labels(folder)
    answers = BoxAnswers(FILE_NAME, len(labels), rule_beside(folder))
    compiled = compiled_model(folder)
    names = {output.get_any_name() for output in compiled.outputs}
    wanted = next((one for one in _READS if names == set(one)), None)
    if wanted is None:
        expected = " or ".join(", ".join(one) for one in _READS)
        raise refused(FILE_NAME, f"to answer {expected}", ", ".join(sorted(names)))
    size = _size(compiled)

    def find(pixels: Batch) -> Boxes:
        try:
            given = compiled([pixels / np.float32(255)])
        except RuntimeError as error:
            raise cannot("run", error) from error
        return _READS[wanted](answers, *(np.array(given[name]) for name in wanted))

    yield OpenedDetector(find, labels, RUNTIME, size)


def _size(compiled: Any) -> int:
    shapes = [one.get_partial_shape() for one in compiled.inputs]
    edges = [[-1 if edge.is_dynamic else edge.get_length() for edge in shape] for shape in shapes]
    if len(edges) != 1 or len(edges[0]) != 4 or edges[0][1] != 3 or not edges[0][2] == edges[0][3] > 0:
        raise refused(FILE_NAME, "to take one photo of fixed size, (1, 3, size, size)", str(edges))
    return int(edges[0][2])


def read_raw(answers: BoxAnswers, places: Batch, shares: Batch) -> Boxes:
    """Centres and edges (1, P, 4), and probabilities (1, P, 1 + K), that of the background first."""
    if places.ndim != 3 or shares.shape != (*places.shape[:2], 1 + answers.tags) or len(places) != 1:
        raise refused(
            answers.name,
            f"to answer boxes (1, n, 4) and probabilities (1, n, {1 + answers.tags})",
            f"{places.shape} and {shares.shape}",
        )
    centres, edges = places[0, :, :2], places[0, :, 2:]
    return answers.chosen(np.concatenate([centres - edges / 2, edges], 1), shares[0, :, 1:])


_READS: dict[tuple[str, ...], Callable[..., Boxes]] = {
    (GRID,): BoxAnswers.of_grid,
    (BOXES, CLASSES, DETECTED_SCORES): BoxAnswers.of_boxes,
    (RAW_BOXES, RAW_PROBS): read_raw,
}
