"""What the frozen stages of a backbone make of every photo, in several views, kept in memory.

ONNX Runtime takes a sixth of the time that torch takes on a CPU. Every view is computed alone, so that a map
depends on its photo, the view and the seed, and a run that was cut off goes on with the same ones.
"""

from __future__ import annotations

import copy
import threading
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import Dataset

from dahlia.dataset.imaging import Pixels, to_tensor_layout
from dahlia.errors import ExportError
from dahlia.modeling.backbone_graph import kept_graph
from dahlia.modeling.backbones import Backbone
from dahlia.params import TrainerParams
from dahlia.training.fine_tuning.augmentation import Augmentation, seed_of
from dahlia.training.fine_tuning.sampling import Draw
from dahlia.training.fine_tuning.trunk import Trunk
from dahlia.training.fine_tuning.tuning_data import Item, PhotoMemory, TuningData
from dahlia.training.graph_features import answer, single_session
from dahlia.training.threads import in_threads, thread_count
from dahlia.training.trainer import uses_gpu

LIMIT = 512 * 2**20
_TOLERANCE = 2e-3  # relative to the largest value: two steps of float16 there
_LEAST = 2  # the plain view and one to learn from
Maps = npt.NDArray[np.float16]


class MapMemory:
    """Maps by image id and view; view 0 is the plain one, which prediction sees.

    Args:
        stages: that are frozen.

    Attributes:
        stages: as given.
        maps: for each view, (C, h, w) float16 by image id.
    """

    def __init__(self, stages: int) -> None:
        self.stages = stages
        self.maps: list[dict[str, Maps]] = []

    @property
    def views(self) -> int:
        """How many there are of each photo, the plain one included."""
        return len(self.maps)

    def items(self, data: TuningData) -> Dataset[Item]:
        """Maps by (epoch, position, photo), in a view that these decide, and truths (K,) float32."""
        return _MappedViews(data, self)

    def loaders(self, photos: int) -> int:
        """Processes that load: none, for nothing is left to compute."""
        return 0

    def plain(self, photos: Sequence[tuple[str, Path]]) -> Tensor:
        """(N, C, h, w) float32: the plain view of N photos (id and file)."""
        return torch.from_numpy(np.stack([self.maps[0][name] for name, _ in photos]).astype(np.float32))


class _MappedViews(Dataset[Item]):
    def __init__(self, data: TuningData, memory: MapMemory) -> None:
        self.data, self.memory = data, memory

    def __len__(self) -> int:
        return len(self.data.ids)

    def __getitem__(self, key: Draw) -> tuple[Tensor, Tensor]:
        epoch, position, row = key
        view = seed_of(self.data.seed, epoch, position) % self.memory.views
        chosen = torch.from_numpy(self.memory.maps[view][self.data.ids[row]])
        return chosen, torch.from_numpy(self.data.truth[row].astype(np.float32))


def map_views(
    backbone: Backbone,
    stages: int,
    data: TuningData,
    photos: PhotoMemory,
    *,
    views: int,
    trainer: TrainerParams,
    graphs: Path | None,
    enough: Callable[[], bool],
    stop: Callable[[], bool],
    limit: int = LIMIT,
) -> MapMemory | None:
    """Compute maps, one view of all photos after the other.

    Args:
        backbone: on the CPU; stays as it is.
        stages: that are frozen, at least 1.
        data: the photos.
        photos: where decoded ones are.
        views: how many at most.
        trainer: decides whether a GPU computes them.
        graphs: a folder where graphs are kept; without one, torch computes.
        enough: asked between views, once there are two.
        stop: asked between photos; views that are not complete are left out.
        limit: bytes; there are no more views than fit.

    Returns:
        The maps; `None` where two views of every photo do not fit into the memory.

    Raises:
        DatasetError: a photo changed or vanished after ingest.
        TrainingError: the runtime has no memory left.
    """
    compute, workers = _computer(Trunk(backbone, stages), data.size, trainer, graphs)
    memory = MapMemory(stages)
    own = threading.local()

    def made(view: int, row: int) -> Maps:
        photo = photos.get(data.ids[row], data.paths[row])
        if view == 0:
            return compute(photo.plain)
        if not hasattr(own, "augmentation"):
            own.augmentation = Augmentation(data.augmentation, data.size, data.seed)
        own.augmentation.reseed(view, row)
        return compute(own.augmentation(photo.reduced))

    least = made(0, 0).nbytes * len(data.ids)
    if least * _LEAST > limit:
        return None
    for view in range(min(views, limit // least)):
        if stop() or (view >= _LEAST and enough()):
            break
        maps: dict[str, Maps] = {}
        found = in_threads(partial(made, view), range(len(data.ids)), workers)
        for name, of_photo in zip(data.ids, found, strict=True):
            maps[name] = of_photo
            if stop():
                break
        if len(maps) == len(data.ids):
            memory.maps.append(maps)
    return memory


def _computer(
    trunk: Trunk, size: int, trainer: TrainerParams, graphs: Path | None
) -> tuple[Callable[[Pixels], Maps], int]:
    """What makes a map of pixels (size, size, 3), and in how many threads."""
    if graphs is not None and not uses_gpu(trainer):
        try:
            return _by_graph(trunk, size, graphs), thread_count()
        except ExportError as error:
            warnings.warn(f"Maps are computed by torch, which takes longer. {error}", stacklevel=2)
    device = torch.device("cuda" if uses_gpu(trainer) else "cpu")
    return _by_torch(trunk, device), 1


def _by_graph(trunk: Trunk, size: int, graphs: Path) -> Callable[[Pixels], Maps]:
    session = single_session(kept_graph(graphs, trunk.fingerprint, size, lambda: trunk))

    of_what = f"the first stages of {trunk.architecture} at {size} px"

    def compute(pixels: Pixels) -> Maps:
        return answer(session, to_tensor_layout([pixels]), of_what).astype(np.float16)

    _require_agreement(compute, _by_torch(trunk, torch.device("cpu")), size, of_what)
    return compute


def _require_agreement(
    graph: Callable[[Pixels], Maps], module: Callable[[Pixels], Maps], size: int, of_what: str
) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (size, size, 3), np.uint8)
    found, expected = graph(pixels).astype(np.float32), module(pixels).astype(np.float32)
    with np.errstate(invalid="ignore"):  # of weights that are not finite, as the loss will tell
        error = np.abs(found - expected).max() / max(np.abs(expected).max(), 1.0)
    if error > _TOLERANCE:
        raise ExportError(
            f"The graph of {of_what} gives maps that differ from torch's by {error:.1g} of the largest "
            f"value, expected {_TOLERANCE:g} at most. Choose another backbone in conf/domain."
        )


def _by_torch(trunk: Trunk, device: torch.device) -> Callable[[Pixels], Maps]:
    trunk = copy.deepcopy(trunk).to(device)

    def compute(pixels: Pixels) -> Maps:
        with torch.inference_mode():
            seen = trunk(torch.from_numpy(to_tensor_layout([pixels])).to(device))
        found: Maps = seen[0].half().cpu().numpy()
        return found

    return compute
