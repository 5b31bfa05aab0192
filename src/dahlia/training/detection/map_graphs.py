"""The maps of one view: by the backbone's graph in ONNX Runtime, which takes a quarter of torch's time."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from dahlia.dataset.imaging import Pixels, to_tensor_layout
from dahlia.errors import ExportError, TrainingError, runtime_errors
from dahlia.modeling.backbone_graph import INPUT, kept_graph
from dahlia.modeling.detection.map_names import map_name
from dahlia.modeling.detection.taps import Taps
from dahlia.training.graph_features import single_session

_TOLERANCE = 2e-3  # relative to the largest value: two steps of float16 there
Records = npt.NDArray[np.float16]
Compute = Callable[[Pixels], Records]


def computer(taps: Taps, size: int, graphs: Path | None) -> Compute:
    """What makes a record, see `view_maps`, of pixels (size, size, 3).

    Args:
        taps: the backbone, on the CPU.
        size: input edge in pixels.
        graphs: a folder where graphs are kept; without one, torch computes, which takes longer.
    """
    if graphs is None:
        return _by_torch(taps)
    try:
        return _by_graph(taps, size, graphs)
    except ExportError as error:
        warnings.warn(f"Maps are computed by torch, which takes longer. {error}", stacklevel=2)
        return _by_torch(taps)


def _joined(maps: Sequence[npt.NDArray[np.float32]]) -> Records:
    return np.concatenate([each[0].transpose(1, 2, 0).ravel() for each in maps]).astype(np.float16)


def _by_torch(taps: Taps) -> Compute:
    def compute(pixels: Pixels) -> Records:
        with torch.inference_mode():
            return _joined([each.numpy() for each in taps(torch.from_numpy(to_tensor_layout([pixels])))])

    return compute


def _by_graph(taps: Taps, size: int, graphs: Path) -> Compute:
    names = [map_name(stride) for stride in taps.strides]
    session = single_session(kept_graph(graphs, taps.fingerprint, size, lambda: taps, names))
    of_what = f"maps of {taps.architecture} at {size} px"

    def compute(pixels: Pixels) -> Records:
        try:
            return _joined(session.run(names, {INPUT: to_tensor_layout([pixels])}))
        except runtime_errors() as error:
            raise TrainingError(
                f"ONNX Runtime could not compute {of_what} ({str(error).splitlines()[0]}). If memory is "
                "short, end other programs, then run again."
            ) from error

    pixels = np.random.default_rng(0).integers(0, 256, (size, size, 3), np.uint8)
    found, expected = (each(pixels).astype(np.float32) for each in (compute, _by_torch(taps)))
    error = float(np.abs(found - expected).max() / max(float(np.abs(expected).max()), 1.0))
    if not error <= _TOLERANCE:
        raise ExportError(
            f"The graph of {of_what} gives maps that differ from torch's by {error:.1g} of the largest "
            f"value, expected {_TOLERANCE:g} at most. Choose another backbone in conf/domain."
        )
    return compute
