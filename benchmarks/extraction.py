"""What features cost: by the graph in ONNX Runtime, as on the CPU, and by torch, in alternating rounds.

    python benchmarks/extraction.py DIR [--photos 100] [--rounds 3] [--network NAME:SIZE[:WEIGHTS]] ...

A DIR holds `train/<tag>/` and `test/<tag>/`, or `<tag>/` alone. Every photo is decoded and computed in four
views. A network without WEIGHTS (a `.safetensors` file, or what `weights` of a domain may say) has random
ones, which cost the same. Seconds are of the processor, those of loaders' processes included.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from dahlia.composition import compose
from dahlia.config import check_params
from dahlia.dataset.records import ImageRecord
from dahlia.modeling.backbones import Backbone, load_backbone
from dahlia.params import TrainerParams
from dahlia.training.feature_cache import FeatureCache, Key
from dahlia.training.graph_features import GraphFeatures
from dahlia.training.torch_features import compute_by_torch
from packs import survey

REPOSITORY = Path(__file__).parents[1]
VIEWS = ("plain", "mirror", "zoom", "zoom_mirror")
NETWORKS = ("mobilenetv4_conv_small:160:bundled", "tf_efficientnet_lite0:224", "tf_efficientnet_lite2:260")
ROWS = 32
SMOOTHING = 0.16


@dataclass(frozen=True)
class Photos:
    """What is computed.

    Attributes:
        root: of the photos, and of the caches.
        keys: photos in views.
        paths: of the photos, by their id.
    """

    root: Path
    keys: list[Key]
    paths: dict[str, Path]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("pack", type=Path)
    parser.add_argument("--photos", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--network", action="append", help="NAME:SIZE[:WEIGHTS]; may be repeated")
    options = parser.parse_args()
    params = check_params(compose(REPOSITORY), "conf/")
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        records: list[ImageRecord] = survey(options.pack, root, params)[: options.photos]
        photos = Photos(
            root,
            [(record.id, view) for record in records for view in VIEWS],
            {record.id: root / record.path for record in records},
        )
        table = Table(title=f"{len(records)} photos in {len(VIEWS)} views, processor seconds")
        for column in (
            *("network", "px", "torch, a photo", "graph, a photo", "ratio"),
            *("set-up", "graph made once", "largest difference"),
        ):
            table.add_column(column, justify="left" if column == "network" else "right")
        for network in options.network or NETWORKS:
            table.add_row(*measured(network, photos, options.rounds))
        Console(width=130).print(table)


def measured(network: str, photos: Photos, rounds: int) -> list[str]:
    """A row of the table."""
    architecture, size, weights = (*network.split(":"), "none")[:3]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of random weights
        backbone = load_backbone(architecture, weights, SMOOTHING)
    edge = int(size)
    graphs = photos.root / "graphs"
    making = seconds_of(lambda: GraphFeatures(backbone, edge, graphs))
    setting_up = seconds_of(lambda: GraphFeatures(backbone, edge, graphs))
    spent: dict[str, list[float]] = {way: [] for way in WAYS}
    for number in range(rounds):
        caches = []
        for way, compute in WAYS.items():
            cache = FeatureCache(photos.root / f"{way}-{number}", backbone.fingerprint, edge)
            spent[way].append(seconds_of(partial(compute, backbone, edge, photos, cache)))
            caches.append(cache)
    by_torch, by_graph = map(np.median, spent.values())
    one, other = (cache.get(photos.keys) for cache in caches)
    count = len(photos.paths)
    return [
        architecture,
        size,
        f"{by_torch / count:.4f}",
        f"{by_graph / count:.4f}",
        f"{by_torch / by_graph:.2f}",
        f"{setting_up:.2f}",
        f"{making - setting_up:.1f}",
        f"{np.abs(one - other).max():.0e}",
    ]


def torch_features(backbone: Backbone, size: int, photos: Photos, cache: FeatureCache) -> None:
    """As on a GPU, but on the CPU."""
    compute_by_torch(
        photos.keys,
        photos.paths,
        backbone,
        cache,
        size=size,
        rows=ROWS,
        trainer=TrainerParams(accelerator="cpu", precision="32-true"),
    )


def graph_features(backbone: Backbone, size: int, photos: Photos, cache: FeatureCache) -> None:
    """As on the CPU, where the graph is kept."""
    graph = GraphFeatures(backbone, size, photos.root / "graphs")
    graph.compute(photos.keys, photos.paths, cache, ROWS)


WAYS = {"torch": torch_features, "graph": graph_features}


def seconds_of(work: Callable[[], object]) -> float:
    """Of the processor, of this process and of those that it waited for."""
    before = used()
    work()
    return used() - before


def used() -> float:
    """Seconds until now."""
    spent = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in spent)


if __name__ == "__main__":
    main()
