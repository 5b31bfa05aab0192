"""The model: an image file in, a probability for every tag out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from dahlia.dataset.imaging import SERVED_PIXELS, load, to_tensor_layout
from dahlia.errors import ServiceError, runtime_errors

INPUT = "data"
OUTPUT = "model_output"
_FILES = ("model.json", "labels.txt", "model.onnx")


@dataclass(frozen=True)
class Tag:
    """A tag; `type` is `Regular` or `Negative`."""

    id: str
    name: str
    type: str


class Model:
    """A loaded model; safe to use from several threads.

    Args:
        session: the graph: `data` float32 (N, 3, S, S), 0 to 255, in; `model_output` float32 (N, K) out.
        facts: what `model.json` says: the ids of project and iteration, and the K tags in the order of the
            columns.

    Raises:
        ServiceError: the graph does not fit the tags.
    """

    def __init__(self, session: onnxruntime.InferenceSession, facts: dict[str, Any]) -> None:
        self.project: str = facts["project"]["name"]
        self.project_id: str = facts["project"]["id"]
        self.iteration: str = facts["iteration"]
        self.tags = tuple(Tag(**tag) for tag in facts["tags"])
        self._session = session
        self._size = int(session.get_inputs()[0].shape[-1])
        properties = session.get_modelmeta().custom_metadata_map
        self._bgr = properties.get("Image.BitmapPixelFormat") == "Bgr8"
        if properties.get("Image.NominalPixelRange") != "NominalRange_0_255":
            raise _unusable("does not say that it takes pixels from 0 to 255")
        answer = self._run(np.zeros((1, 3, self._size, self._size), np.float32))
        if answer.shape != (1, len(self.tags)) or not np.isfinite(answer).all():
            raise _unusable(f"answers {answer.tolist()}; model.json names {len(self.tags)} tags")

    def predict(self, data: bytes) -> list[float]:
        """The K probabilities of an image file, 0 to 1.

        Raises:
            ImageError: the file cannot be decoded.
        """
        # The shortest text of the float32 number, not the float64 that it widens to.
        return [
            float(str(value))
            for value in self._run(to_tensor_layout([load(data, self._size, max_decoded=SERVED_PIXELS)]))[0]
        ]

    def _run(self, pixels: Any) -> Any:
        ordered = np.ascontiguousarray(pixels[:, ::-1]) if self._bgr else pixels
        return self._session.run([OUTPUT], {INPUT: ordered})[0]


def load_model(folder: Path) -> Model:
    """Load `model.json`, `labels.txt` and `model.onnx`, and run the graph once.

    Where a `cvexport.manifest` lies beside them, it names the iteration.

    Raises:
        ServiceError: a file is missing or damaged, or they do not fit each other.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # several requests at once use the cores better
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        described, labels, graph = ((folder / name).read_bytes() for name in _FILES)
        facts = json.loads(described)
        facts["iteration"] = _iteration(folder, facts["iteration"])
        _check_labels(labels.decode().split("\n"), [tag["name"] for tag in facts["tags"]])
        session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        return Model(session, facts)
    except runtime_errors() + (KeyError, TypeError, IndexError) as error:  # noqa: RUF005
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise _unusable(f"cannot be loaded: {reason}") from error


def _iteration(folder: Path, otherwise: str) -> str:
    manifest = folder / "cvexport.manifest"
    return str(json.loads(manifest.read_bytes())["IterationId"]) if manifest.exists() else otherwise


def _check_labels(labels: Sequence[str], tags: Sequence[str]) -> None:
    if list(labels) != list(tags):
        raise _unusable(f"has the tags {', '.join(tags)} in model.json and {', '.join(labels)} in labels.txt")


def _unusable(reason: str) -> ServiceError:
    return ServiceError(
        "ErrorPredictionModelNotFound", f"The model beside app.py {reason}. Unpack the export again."
    )
