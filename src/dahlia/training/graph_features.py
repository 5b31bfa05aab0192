"""Features on the CPU: the graph of the backbone in ONNX Runtime, a photo in each thread.

A thread decodes a photo, looks at it in its views, and runs the graph for one view after the other. No two
are computed together, so features do not depend on what else is missing. Threads within a session would wait
for each other at every operation, and processes that decode would take a second to start.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import numpy.typing as npt
import torch

from dahlia.errors import DatasetError, ExportError, TrainingError, runtime_errors
from dahlia.modeling.backbone_graph import BATCH, FEATURES, INPUT, kept_graph
from dahlia.modeling.backbones import Backbone
from dahlia.terminal import progress_bar
from dahlia.training.feature_cache import FeatureCache, Key, require_finite
from dahlia.training.photo_views import PhotoViews
from dahlia.training.threads import in_threads, thread_count

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

Vectors = npt.NDArray[np.float32]
Answer = tuple[list[Key], Vectors]
TOLERANCE = 1e-5  # absolute, of parts of unit length; rounding alone makes less than 1e-6


class GraphFeatures:
    """Computes features as the backbone does, to within `TOLERANCE`.

    Args:
        backbone: on the CPU; stays as it is.
        size: input edge in pixels.
        graphs: a folder where its graph is kept, or will be.

    Raises:
        ExportError: the backbone has no ONNX form, or its graph does not answer as it does.
    """

    def __init__(self, backbone: Backbone, size: int, graphs: Path) -> None:
        self.architecture = backbone.architecture
        self.size = size
        self._session = single_session(kept_graph(graphs, backbone.fingerprint, size, lambda: backbone))
        self._require_agreement(backbone)

    def compute(
        self, missing: Sequence[Key], paths: Mapping[str, Path], cache: FeatureCache, rows: int
    ) -> None:
        """Compute features into the cache, and show progress. What is computed before an error is kept.

        Args:
            missing: what the cache lacks.
            paths: of the photos, by their id.
            cache: where to.
            rows: features that are written at once, about.

        Raises:
            DatasetError: an image changed or vanished after ingest.
            TrainingError: a feature is not finite, or the runtime has no memory left.
        """
        photos = PhotoViews(missing, paths, self.size)
        cv2.setNumThreads(1)  # OpenCV's own threads would compete with ours
        answers = in_threads(lambda place: self._of_photo(photos, place), range(len(photos)), thread_count())
        with progress_bar("features") as progress:
            _keep(progress.track(answers, total=len(photos)), cache, rows)

    def _of_photo(self, photos: PhotoViews, place: int) -> Answer:
        item = photos[place]
        if isinstance(item, DatasetError):
            raise item
        keys, pixels = item
        vectors = np.stack([self._of_view(view) for view in pixels.numpy()])
        require_finite(vectors, self.architecture)
        return keys, vectors

    def _of_view(self, pixels: npt.NDArray[np.uint8]) -> Vectors:
        of_what = f"features of {self.architecture} at {self.size} px"
        return answer(self._session, pixels[None].astype(np.float32), of_what)

    def _require_agreement(self, backbone: Backbone) -> None:
        pixels = np.random.default_rng(0).integers(0, 256, (3, self.size, self.size), np.uint8)
        with torch.inference_mode():
            expected = backbone(torch.from_numpy(pixels).float()[None])[0].numpy()
        with np.errstate(invalid="ignore"):  # of weights that are not finite, as the features will tell
            error = np.abs(self._of_view(pixels) - expected).max()
        if error > TOLERANCE:
            raise ExportError(
                f"The graph of {self.architecture} gives features that differ from torch's by {error:.1g}, "
                f"expected {TOLERANCE:g} at most. Choose another backbone in conf/domain."
            )


def _keep(answers: Iterable[Answer], cache: FeatureCache, rows: int) -> None:
    keys: list[Key] = []
    vectors: list[Vectors] = []

    def put() -> None:
        ready, computed = keys.copy(), vectors.copy()
        keys.clear()
        vectors.clear()
        if ready:
            cache.put(ready, np.concatenate(computed))

    try:
        for own, found in answers:
            keys.extend(own)
            vectors.append(found)
            if len(keys) >= rows:
                put()
    finally:
        put()


def answer(session: InferenceSession, pixels: npt.NDArray[np.float32], of_what: str) -> Vectors:
    """What a kept graph makes of one photo, (1, 3, size, size) RGB, 0 to 255.

    Raises:
        TrainingError: the runtime has no memory left.
    """
    try:
        return np.asarray(session.run([FEATURES], {INPUT: pixels})[0][0], np.float32)
    except runtime_errors() as error:
        raise TrainingError(
            f"ONNX Runtime could not compute {of_what} ({str(error).splitlines()[0]}). If memory is short, "
            "end other programs, then run again."
        ) from error


def single_session(graph: Path) -> InferenceSession:
    """A session without threads of its own, for one photo at a time.

    Raises:
        ExportError: ONNX Runtime does not load the graph.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.add_free_dimension_override_by_name(BATCH, 1)
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    except runtime_errors() as error:
        raise ExportError(
            f"ONNX Runtime cannot load {graph} ({str(error).splitlines()[0].rstrip('. ')}). Delete it and "
            "run again; if it stays so, choose another backbone in conf/domain."
        ) from error
