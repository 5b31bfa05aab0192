"""The ONNX graph of a detector, before suppression: converted once per structure, and kept.

What torch converts depends on shapes alone. So the graph that one training converted serves those that
follow, which put their weights into it by name: their exports import no torch.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
from onnx import numpy_helper

import dahlia
from dahlia.errors import TrainingError
from dahlia.export.port import Source
from dahlia.modeling.backbone_graph import kept_graph
from dahlia.modeling.card import ModelCard

PLACES, SCORES = "places", "scores"
_WEIGHTS = "model.safetensors"
Tensors = Mapping[str, npt.NDArray[np.generic]]


def detector_graph(source: Source) -> onnx.ModelProto:
    """The graph in float32: `data` (N, 3, size, size) RGB to `places` (N, P, 4) and `scores` (N, P, K).

    Args:
        source: the trained detector; torch is imported only where none of its structure was converted before.

    Raises:
        ExportError: an operation of the network has no ONNX form.
        TrainingError: the bundle is not whole.
    """
    import onnxscript.optimizer

    tensors = _tensors(source.bundle)
    kept = kept_graph(
        source.cache,
        _structure(source.card, tensors),
        source.card.input.size,
        source.detector,
        outputs=(PLACES, SCORES),
        optimise=False,  # names of tensors are lost by that
    )
    proto = onnx.load(kept)
    for index, constant in enumerate(proto.graph.initializer):
        if constant.name in tensors:
            value = numpy_helper.from_array(tensors[constant.name], constant.name)
            proto.graph.initializer[index].CopyFrom(value)
    optimised: onnx.ModelProto = onnxscript.optimizer.optimize(proto)
    return optimised


def _tensors(bundle: Path) -> Tensors:
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    path = bundle / _WEIGHTS
    try:
        tensors: Tensors = load_file(path)
    except (OSError, SafetensorError) as error:
        raise TrainingError(
            f"{path} could not be read ({error}). Run `dvc repro train` to train it again."
        ) from error
    return tensors


def _structure(card: ModelCard, tensors: Tensors) -> str:
    """SHA-256 of all that decides on the graph but for the values of tensors."""
    backbone = card.backbone.model_dump(include={"architecture", "mean", "std", "smoothing", "reads"})
    detector = card.detector.model_dump() if card.detector else None
    shapes = {name: (str(value.dtype), value.shape) for name, value in sorted(tensors.items())}
    facts = (dahlia.__version__, backbone, detector, card.input.size, shapes)
    return sha256(json.dumps(facts, default=str).encode()).hexdigest()
