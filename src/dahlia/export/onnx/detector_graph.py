"""The ONNX graph of a detector, before suppression: that of its maps, and that of what finds boxes in them.

Trainings make the graph of the maps, and it is kept as long as the backbone stays. What finds boxes is
converted once per structure, for torch's conversion depends on shapes alone: later exports put their weights
into it by name. So the exports of most trainings import no torch.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import onnx
from onnx import compose, numpy_helper

import dahlia
from dahlia.errors import TrainingError
from dahlia.export.port import Source, detector_of
from dahlia.modeling.backbone_graph import kept_graph
from dahlia.modeling.card import ModelCard
from dahlia.modeling.detection.map_names import map_name, maps_fingerprint

PLACES, SCORES = "places", "scores"
FINDING = "finding/"
"""What the names of nodes and tensors begin with that find boxes in the maps."""
_WEIGHTS = "model.safetensors"
_BACKBONE = "taps."
_INSIDE = "detector."  # of `Finding`
Tensors = Mapping[str, npt.NDArray[np.generic]]


def detector_graph(source: Source) -> onnx.ModelProto:
    """The graph in float32: `data` (N, 3, size, size) RGB to `places` (N, P, 4) and `scores` (N, P, K).

    Args:
        source: the trained detector; torch is imported only where a part was not converted before.

    Raises:
        ExportError: an operation of the network has no ONNX form.
        TrainingError: the bundle is not whole.
    """
    card = source.card
    strides = detector_of(card).strides
    names = [map_name(stride) for stride in strides]
    fingerprint = maps_fingerprint(card.backbone.fingerprint, strides)
    kept = kept_graph(source.cache, fingerprint, card.input.size, lambda: source.detector().taps, names)
    maps, finding = onnx.load(kept), _finding(source)
    merged: onnx.ModelProto = compose.merge_models(maps, finding, [(name, name) for name in names])
    del merged.opset_import[1:]  # of both, and the same
    return merged


def _finding(source: Source) -> onnx.ModelProto:
    """Maps to places and scores, with the weights of the bundle; its names begin with `FINDING`."""
    import onnxscript.optimizer

    tensors = _tensors(source.bundle)
    structure = _structure(source.card, tensors)
    kept = kept_graph(
        source.cache,
        structure.fingerprint,
        source.card.input.size,
        source.finding,
        (PLACES, SCORES),
        maps=structure.maps,
        optimise=False,  # names of tensors are lost by that
    )
    proto = onnx.load(kept)
    for index, constant in enumerate(proto.graph.initializer):
        value = tensors.get(constant.name.removeprefix(_INSIDE))
        if value is not None:
            proto.graph.initializer[index].CopyFrom(numpy_helper.from_array(value, constant.name))
    optimised: onnx.ModelProto = onnxscript.optimizer.optimize(proto)
    compose.add_prefix(optimised, FINDING, rename_inputs=False, rename_outputs=False, inplace=True)
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


class _Structure(NamedTuple):
    """All that decides on a graph but the values of its tensors.

    Attributes:
        fingerprint: SHA-256 of it.
        maps: names and shapes of the maps, without the first axis.
    """

    fingerprint: str
    maps: dict[str, tuple[int, int, int]]


def _structure(card: ModelCard, tensors: Tensors) -> _Structure:
    detector, size = detector_of(card), card.input.size
    own = {name: value for name, value in tensors.items() if not name.startswith(_BACKBONE)}
    shapes = {name: (str(value.dtype), value.shape) for name, value in sorted(own.items())}
    maps = {}
    for level, stride in enumerate(detector.strides):
        channels = own[f"neck.entries.{level}.0.weight"].shape[1]
        maps[map_name(stride)] = (channels, size // stride, size // stride)
    facts = (dahlia.__version__, detector.output, maps, shapes)
    return _Structure(sha256(json.dumps(facts, default=str).encode()).hexdigest(), maps)
