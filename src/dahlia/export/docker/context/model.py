"""The model: an image file in; a probability for every tag out, or what is found and where."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dahlia.dataset.imaging import SERVED_PIXELS, load, to_tensor_layout
from dahlia.errors import runtime_errors
from dahlia.export.docker.context.readers import Scored, Tag, reader_of, unusable
from dahlia.serving.models.engine import in_company
from dahlia.serving.models.sessions import Sessions


class Model:
    """A loaded model; safe to use from several threads.

    Args:
        session: the graph: one input, float32 (N, 3, S, S), 0 to 255; its outputs are those of a reader.
        facts: what `model.json` says: the ids of project and iteration, and the K tags in the order in which
            the graph numbers them.

    Attributes:
        task: what the API calls what it does, `classify` or `detect`.

    Raises:
        ServiceError: the graph does not fit the tags.
    """

    def __init__(self, session: Sessions, facts: dict[str, Any]) -> None:
        self.project: str = facts["project"]["name"]
        self.project_id: str = facts["project"]["id"]
        self.iteration: str = facts["iteration"]
        self.tags = tuple(Tag(**tag) for tag in facts["tags"])
        self._reader = reader_of(session.outputs)
        self.task = self._reader.task
        self._session = session
        self._size = session.size
        self._properties = session.metadata
        self._bgr = self._properties.get("Image.BitmapPixelFormat") == "Bgr8"
        if self._properties.get("Image.NominalPixelRange") != "NominalRange_0_255":
            raise unusable("does not say that it takes pixels from 0 to 255")
        self._reader.read(session.settle(self._reader.outputs, self._size), self.tags, self._properties)

    def predict(self, data: bytes, alone: Callable[[], bool] = in_company) -> list[Scored]:
        """What an image file shows: all tags in their order, or what is found, the most probable first.

        Args:
            data: the file.
            alone: is asked before the graph is computed whether it may take all cores; the answer does not
                depend on it.

        Raises:
            ImageError: the file cannot be decoded.
            ServiceError: the graph answers nonsense.
        """
        with self._session.coming():
            pixels = to_tensor_layout([load(data, self._size, max_decoded=SERVED_PIXELS)])
        return self._run(pixels, alone=alone())

    def _run(self, pixels: Any, *, alone: bool = False) -> list[Scored]:
        ordered = np.ascontiguousarray(pixels[:, ::-1]) if self._bgr else pixels
        answers = self._session.run(self._reader.outputs, ordered, alone=alone)
        return self._reader.read(answers, self.tags, self._properties)


def load_model(folder: Path) -> Model:
    """Load `model.json`, `labels.txt` and `model.onnx`, and run the graph once.

    Where a `cvexport.manifest` lies beside them, it names the iteration.

    Raises:
        ServiceError: a file is missing or damaged, or they do not fit each other.
    """
    try:
        described, labels = ((folder / name).read_bytes() for name in ("model.json", "labels.txt"))
        facts = json.loads(described)
        facts["iteration"] = _iteration(folder, facts["iteration"])
        _check_labels(labels.decode().split("\n"), [tag["name"] for tag in facts["tags"]])
        return Model(Sessions(folder / "model.onnx", 0), facts)
    except runtime_errors() + (KeyError, TypeError, IndexError) as error:  # noqa: RUF005
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise unusable(f"cannot be loaded: {reason}") from error


def _iteration(folder: Path, otherwise: str) -> str:
    manifest = folder / "cvexport.manifest"
    return str(json.loads(manifest.read_bytes())["IterationId"]) if manifest.exists() else otherwise


def _check_labels(labels: Sequence[str], tags: Sequence[str]) -> None:
    if list(labels) != list(tags):
        raise unusable(f"has the tags {', '.join(tags)} in model.json and {', '.join(labels)} in labels.txt")
