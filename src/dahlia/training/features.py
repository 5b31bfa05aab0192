"""Features of images, through the cache: only what is not known yet is computed.

Views are fixed ways of looking at a photo, whose features a head is fitted on beside the plain one. A view is
deterministic, so its features can be kept; predictions always use `plain` alone.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import cv2
import lightning.pytorch as pl
import numpy as np
import numpy.typing as npt
import torch
from lightning.pytorch.callbacks import BasePredictionWriter
from torch import Tensor
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset

from dahlia.dataset.decoding_memory import share_among
from dahlia.dataset.imaging import OVERSAMPLING, Pixels, decode_then, squash
from dahlia.dataset.manifest import read_photo
from dahlia.dataset.records import ImageRecord
from dahlia.errors import DatasetError, TrainingError
from dahlia.modeling.backbones import Backbone
from dahlia.params import TrainerParams
from dahlia.training.feature_cache import EXACT, FeatureCache, Key
from dahlia.training.trainer import make_trainer, translated_refusals

Item = tuple[list[Key], Tensor] | DatasetError
Image = npt.NDArray[np.uint8]
_LOADER_PAYS_FROM = 64
_MARGIN = 0.1


def extract_features(
    wanted: Mapping[str, Sequence[ImageRecord]],
    *,
    root: Path,
    backbone: Backbone,
    size: int,
    cache: FeatureCache,
    batch_size: int,
    trainer: TrainerParams,
) -> dict[str, npt.NDArray[np.float32]]:
    """Features of images in views, computed where the cache has none.

    What else is computed with an image does not change its features. The backbone stays as it is.

    Args:
        wanted: by the name of a view, the images whose features in it are wanted.
        root: the project folder.
        backbone: of D features.
        size: input edge in pixels.
        cache: of this backbone and size.
        batch_size: photos in their views that are computed at once.
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
        extractor = _Extractor(backbone, max(batch_size, len(wanted)))
        extraction = make_trainer(
            trainer,
            callbacks=[_ToCache(cache)],
            logger=False,  # nothing is logged, and a logger would leave an empty run
            inference_mode=True,
            precision=extraction_precision(trainer),
        )
        loaders = [_loader(PhotoViews(part, paths, size), batch_size) for part in _by_views(missing)]
        with translated_refusals():
            extraction.predict(extractor, loaders, return_predictions=False)
    return {view: cache.get(of_view) for view, of_view in keys.items()}


def extraction_precision(trainer: TrainerParams) -> str:
    """Lightning's name of the precision in which features are computed."""
    return EXACT if trainer.precision == "auto" else trainer.precision


class PhotoViews(Dataset[Item]):
    """Photos, each in the views that are asked for: V keys and a (V, 3, size, size) uint8 tensor.

    A photo is decoded once for all of its views. For one that changed or vanished the item is the error
    itself: raised in a loader's process, it would arrive as the text of a traceback.
    """

    def __init__(self, keys: Sequence[Key], paths: dict[str, Path], size: int) -> None:
        self.views: dict[str, list[str]] = {}
        for image_id, view in keys:
            self.views.setdefault(image_id, []).append(view)
        self.ids = list(self.views)
        self.paths = paths
        self.size = size

    def __len__(self) -> int:
        """The number of photos."""
        return len(self.ids)

    @property
    def most_views(self) -> int:
        """The largest number of views that are asked for of one photo."""
        return max(map(len, self.views.values()))

    def __getitem__(self, index: int) -> Item:
        """Decode a photo by the one decoder and look at it in its views."""
        image_id = self.ids[index]
        try:
            data = read_photo(self.paths[image_id], image_id)
        except DatasetError as error:
            return error
        views = self.views[image_id]

        def look(image: Pixels) -> Pixels:
            return np.stack([squash(VIEWS[view](image), self.size) for view in views])

        pixels = decode_then(data, look, OVERSAMPLING * self.size).transpose(0, 3, 1, 2)
        return [(image_id, view) for view in views], torch.from_numpy(np.ascontiguousarray(pixels))


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
        if not torch.isfinite(features).all():
            raise TrainingError(
                f"The backbone {self.backbone.architecture} gave features that are not finite. Its weights "
                "are damaged: choose others in `domain.backbone.weights`."
            )
        return keys, features


class _ToCache(BasePredictionWriter):
    def __init__(self, cache: FeatureCache) -> None:
        super().__init__("batch")
        self.cache = cache

    def write_on_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        prediction: tuple[list[Key], Tensor],
        *_: object,
    ) -> None:
        keys, features = prediction
        self.cache.put(keys, features.float().cpu().numpy())


def _workers(images: int) -> int:
    return 0 if images < _LOADER_PAYS_FROM else min(2, torch.get_num_threads())


def _plain(image: Image) -> Image:
    return image


def _mirror(image: Image) -> Image:
    return np.ascontiguousarray(image[:, ::-1])


def _zoom(image: Image) -> Image:
    height, width = image.shape[:2]
    top, left = round(height * _MARGIN), round(width * _MARGIN)
    return np.ascontiguousarray(image[top : height - top, left : width - left])


def _zoom_mirror(image: Image) -> Image:
    return _mirror(_zoom(image))


def _dim(image: Image) -> Image:
    return cv2.LUT(image, (np.arange(256) * 0.6).astype(np.uint8)).astype(np.uint8)


def _tilt(image: Image) -> Image:
    height, width = image.shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), 10, 1.15)
    turned = cv2.warpAffine(image, turn, (width, height), borderMode=cv2.BORDER_REFLECT_101)
    return np.asarray(turned, np.uint8)


VIEWS: dict[str, Callable[[Image], Image]] = {
    "plain": _plain,
    "mirror": _mirror,
    "zoom": _zoom,
    "zoom_mirror": _zoom_mirror,
    "dim": _dim,
    "tilt": _tilt,
}
