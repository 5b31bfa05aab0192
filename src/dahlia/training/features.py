"""Features of images, through the cache: only what is not known yet is computed."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from dahlia.dataset.records import ImageRecord
from dahlia.errors import ExportError
from dahlia.modeling.backbones import Backbone
from dahlia.params import TrainerParams
from dahlia.target_classes import TRAINER
from dahlia.training.feature_cache import EXACT, FeatureCache
from dahlia.training.graph_features import GraphFeatures
from dahlia.training.torch_features import compute_by_torch, extraction_precision

__all__ = ["extract_features", "extraction_precision"]


def extract_features(
    wanted: Mapping[str, Sequence[ImageRecord]],
    *,
    root: Path,
    backbone: Backbone,
    size: int,
    cache: FeatureCache,
    graphs: Path,
    batch_size: int,
    trainer: TrainerParams,
) -> dict[str, npt.NDArray[np.float32]]:
    """Features of images in views, computed where the cache has none.

    In float32 on the CPU, ONNX Runtime computes them; elsewhere, torch. They agree to within 1e-5, and the
    cache does not tell them apart. What else is computed with an image does not change its features. The
    backbone stays as it is.

    Args:
        wanted: by the name of a view, the images whose features in it are wanted.
        root: the project folder.
        backbone: of D features, on the CPU.
        size: input edge in pixels.
        cache: of this backbone and size.
        graphs: a folder where graphs of backbones are kept.
        batch_size: photos in their views that are computed, or written, at once.
        trainer: what they are computed on; `auto` precision is float32.

    Returns:
        For each view an (N, D) array in the order of its N images.

    Raises:
        DatasetError: an image changed or vanished after ingest.
        TrainingError: a feature is not finite.
    """
    keys = {view: [(record.id, view) for record in records] for view, records in wanted.items()}
    missing = cache.missing([key for view in keys.values() for key in view])
    if missing:
        paths = {record.id: root / record.path for records in wanted.values() for record in records}
        rows = max(batch_size, len(wanted))
        graph = _graph(backbone, size, graphs, trainer)
        if graph is not None:
            graph.compute(missing, paths, cache, rows)
        else:
            compute_by_torch(missing, paths, backbone, cache, size=size, rows=rows, trainer=trainer)
    return {view: cache.get(of_view) for view, of_view in keys.items()}


def _graph(backbone: Backbone, size: int, graphs: Path, trainer: TrainerParams) -> GraphFeatures | None:
    if not _is_plain(trainer):
        return None
    try:
        return GraphFeatures(backbone, size, graphs)
    except ExportError as error:
        warnings.warn(f"Features are computed by torch, which takes longer. {error}", stacklevel=3)
        return None


def _is_plain(trainer: TrainerParams) -> bool:
    """Whether features are computed in float32 on the CPU, and no class of somebody's is to watch it."""
    on_cpu = trainer.accelerator == "cpu" or (
        trainer.accelerator == "auto" and not torch.accelerator.is_available()
    )
    watched = trainer.target != TRAINER or trainer.callbacks
    return on_cpu and not watched and extraction_precision(trainer) == EXACT
