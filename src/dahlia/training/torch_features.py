"""Features by torch and Lightning: on a GPU, in another precision, or of what has no ONNX form."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import BasePredictionWriter
from torch import Tensor
from torch.nn import functional
from torch.utils.data import DataLoader

from dahlia.dataset.decoding_memory import share_among
from dahlia.errors import DatasetError
from dahlia.modeling.backbones import Backbone
from dahlia.params import TrainerParams
from dahlia.training.feature_cache import EXACT, FeatureCache, Key, require_finite
from dahlia.training.photo_views import Item, PhotoViews
from dahlia.training.trainer import make_trainer, translated_refusals

_LOADER_PAYS_FROM = 64


def extraction_precision(trainer: TrainerParams) -> str:
    """Lightning's name of the precision in which features are computed."""
    return EXACT if trainer.precision == "auto" else trainer.precision


def compute_by_torch(
    missing: Sequence[Key],
    paths: Mapping[str, Path],
    backbone: Backbone,
    cache: FeatureCache,
    *,
    size: int,
    rows: int,
    trainer: TrainerParams,
) -> None:
    """Compute features into the cache; the arguments are those of `extract_features`.

    Args:
        missing: what the cache lacks.
        paths: of the photos, by their id.
        backbone: stays as it is.
        cache: where to.
        size: input edge in pixels.
        rows: photos in their views that are computed at once; at least as many as there are views.
        trainer: what they are computed on.

    Raises:
        ConfigError: Lightning refuses the settings.
        DatasetError: an image changed or vanished after ingest.
        TrainingError: a feature is not finite.
    """
    extraction = make_trainer(
        trainer,
        callbacks=[_ToCache(cache, backbone.architecture)],
        logger=False,  # nothing is logged, and a logger would leave an empty run
        inference_mode=True,
        precision=extraction_precision(trainer),
    )
    loaders = [_loader(PhotoViews(part, paths, size), rows) for part in _by_views(missing)]
    with translated_refusals():
        extraction.predict(_Extractor(backbone, rows), loaders, return_predictions=False)


def _by_views(keys: Sequence[Key]) -> list[list[Key]]:
    """The keys of photos of which equally many views are asked for; together they fill whole batches."""
    views = Counter(image_id for image_id, _ in keys)
    return [[key for key in keys if views[key[0]] == count] for count in sorted(set(views.values()))]


def _loader(photos: PhotoViews, batch_size: int) -> DataLoader[Item]:
    workers = _workers(len(photos))
    return DataLoader(
        photos,
        batch_size=max(1, batch_size // photos.most_views),
        num_workers=workers,
        worker_init_fn=partial(share_among, workers),
        collate_fn=_join,
    )


def _join(items: list[Item]) -> Item:
    photos: list[tuple[list[Key], Tensor]] = []
    for item in items:
        if isinstance(item, DatasetError):
            return item
        photos.append(item)
    return [key for keys, _ in photos for key in keys], torch.cat([pixels for _, pixels in photos])


class _Extractor(pl.LightningModule):
    """Every batch is filled up to the same number of rows, and the layout of weights is that of a copy.

    Libraries choose their kernels by shape and layout, and answers of two kernels differ in the last bits:
    the features of a photo must not depend on how many others were missing, nor what the backbone answers
    later on whether any were.
    """

    def __init__(self, backbone: Backbone, rows: int) -> None:
        super().__init__()
        self.backbone = copy.deepcopy(backbone).to(memory_format=torch.channels_last)
        self.rows = rows

    def predict_step(self, batch: Item, batch_idx: int, dataloader_idx: int = 0) -> tuple[list[Key], Tensor]:
        if isinstance(batch, DatasetError):
            raise batch
        keys, pixels = batch
        filled = functional.pad(pixels.float(), (0,) * 7 + (self.rows - len(pixels),))
        features = self.backbone(filled.contiguous(memory_format=torch.channels_last))[: len(pixels)]
        return keys, features


class _ToCache(BasePredictionWriter):
    def __init__(self, cache: FeatureCache, architecture: str) -> None:
        super().__init__("batch")
        self.cache = cache
        self.architecture = architecture

    def write_on_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        prediction: tuple[list[Key], Tensor],
        *_: object,
    ) -> None:
        keys, features = prediction
        vectors = features.float().cpu().numpy()
        require_finite(vectors, self.architecture)
        self.cache.put(keys, vectors)


def _workers(images: int) -> int:
    return 0 if images < _LOADER_PAYS_FROM else min(2, torch.get_num_threads())
