"""Features of images, through the cache: only what is not known yet is computed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import numpy as np
import numpy.typing as npt
import torch
from lightning.pytorch.callbacks import BasePredictionWriter
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from dahlia.dataset.imaging import OVERSAMPLING, decode, squash
from dahlia.dataset.records import ImageRecord
from dahlia.errors import TrainingError
from dahlia.modeling.backbones import Backbone
from dahlia.training.feature_cache import FeatureCache, Key
from dahlia.training.trainer import make_trainer
from dahlia.training.views import VIEWS

_LOADER_PAYS_FROM = 64


def extract_features(
    records: Sequence[ImageRecord],
    views: Sequence[str],
    *,
    root: Path,
    backbone: Backbone,
    size: int,
    cache: FeatureCache,
    batch_size: int,
) -> dict[str, npt.NDArray[np.float32]]:
    """Features of every image in every view, computed where the cache has none.

    Returns:
        For each view an (N, D) array in the order of `records`.

    Raises:
        TrainingError: an image changed or vanished after ingest, or a feature is not finite.
    """
    keys = [(record.id, view) for record in records for view in views]
    missing = cache.missing(keys)
    if missing:
        paths = {record.id: root / record.path for record in records}
        data = PhotoViews(missing, paths, size)
        loader = DataLoader(data, batch_size=batch_size, num_workers=_workers(len(missing)))
        trainer = make_trainer(callbacks=[_ToCache(cache, missing)], inference_mode=True)
        trainer.predict(_Extractor(backbone), loader, return_predictions=False)
    return {view: cache.get([(record.id, view) for record in records]) for view in views}


class PhotoViews(Dataset[tuple[int, Tensor]]):
    """Views of photos as (index, (3, size, size) uint8 tensor)."""

    def __init__(self, keys: Sequence[Key], paths: dict[str, Path], size: int) -> None:
        self.keys = keys
        self.paths = paths
        self.size = size

    def __len__(self) -> int:
        """The number of views."""
        return len(self.keys)

    def __getitem__(self, index: int) -> tuple[int, Tensor]:
        """Decode the photo by the one decoder and look at it in one way."""
        image_id, view = self.keys[index]
        path = self.paths[image_id]
        try:
            image = decode(path.read_bytes(), at_least=OVERSAMPLING * self.size)
        except OSError as error:
            raise TrainingError(
                f"{path} could be read by ingest and cannot be now ({error.strerror}). Put it back, or run "
                "`dvc repro` to take the change in."
            ) from error
        pixels = squash(VIEWS[view](image), self.size)
        return index, torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)))


class _Extractor(pl.LightningModule):
    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        self.backbone = backbone.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def predict_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> tuple[Tensor, Tensor]:
        indices, pixels = batch
        features = self.backbone(pixels.float().contiguous(memory_format=torch.channels_last))
        if not torch.isfinite(features).all():
            raise TrainingError(
                f"The backbone {self.backbone.architecture} gave features that are not finite. Its weights "
                "are damaged: choose others in `domain.backbone.weights`."
            )
        return indices, features


class _ToCache(BasePredictionWriter):
    def __init__(self, cache: FeatureCache, keys: Sequence[Key]) -> None:
        super().__init__("batch")
        self.cache = cache
        self.keys = keys

    def write_on_batch_end(self, *args: Any, **kwargs: Any) -> None:
        indices, features = kwargs["prediction"] if "prediction" in kwargs else args[2]
        self.cache.put([self.keys[index] for index in indices.tolist()], features.float().cpu().numpy())


def _workers(images: int) -> int:
    return 0 if images < _LOADER_PAYS_FROM else min(2, torch.get_num_threads())
