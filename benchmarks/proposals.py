"""Boxes of things of any kind, before any training: the share of true boxes that 50 of them find.

    python benchmarks/proposals.py DIR [DIR ...] [--garden] [--most 50]
        [--methods fixed saliency shipped] [--graph FILE]

A DIR holds photos and `regions.csv`, see `detection.py`. `fixed` are the same 50 boxes for every photo;
`saliency` are connected parts of what stands out in the maps of the frozen backbone, where nothing was
trained; `shipped` is what servers answer. A true box is found where a box overlaps it by 0.5, or 0.3.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import torch
from rich.console import Console
from rich.table import Table

from dahlia.boxes import Boxes, overlaps, suppressed
from dahlia.dataset.imaging import Pixels, load, squash, to_tensor_layout
from dahlia.dataset.records import ImageRecord
from dahlia.modeling.backbones import load_backbone
from dahlia.modeling.detection.taps import Taps
from dahlia.serving.proposals import GRAPH, SIZE, Proposer
from detection import GARDEN, make_garden, read_pack

OVERLAPS = (0.5, 0.3)
METHODS = ("fixed", "saliency", "shipped")
_QUANTILES = (0.4, 0.55, 0.7, 0.8, 0.9, 0.95)
_SAME = 0.7  # overlap above which of two boxes of the saliency one goes
Propose = Callable[[Pixels, int], Boxes]


@dataclass(frozen=True)
class Photo:
    """A photo as a server sees it, and the places (M, 4) of its true boxes as fractions."""

    pixels: Pixels
    places: npt.NDArray[np.float32]


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("packs", nargs="*", type=Path)
    parser.add_argument("--garden", action="store_true", help="scenes of the sample garden too")
    parser.add_argument("--most", type=int, default=50, help="boxes of a photo")
    parser.add_argument("--methods", nargs="*", choices=METHODS, default=METHODS)
    parser.add_argument("--graph", type=Path, default=GRAPH, help="in place of the shipped one")
    options = parser.parse_args()
    known: dict[str, Callable[[], Propose]] = {
        "fixed": lambda: fixed,
        "saliency": Saliency,
        "shipped": lambda: Proposer(options.graph).proposed,
    }
    methods = {name: known[name]() for name in options.methods}
    table = Table(title=f"share of true boxes found by {options.most} boxes of a photo")
    for name in ("photos", "boxes", *(f"{name}, {least}" for name in methods for least in OVERLAPS)):
        table.add_column(name)
    with tempfile.TemporaryDirectory() as folder:
        packs = {pack.resolve().name: read_pack(pack.resolve()) for pack in options.packs}
        if options.garden:
            packs[GARDEN] = read_pack(make_garden(Path(folder) / GARDEN))
        for name, records in packs.items():
            found = recalls(photos_of(records), methods.values(), options.most)
            boxes = sum(len(record.regions) for record in records)
            table.add_row(name, str(boxes), *(f"{share:.3f}" for shares in found for share in shares))
    Console(width=120).print(table)


def photos_of(records: Sequence[ImageRecord]) -> list[Photo]:
    """The photos that have boxes."""
    return [
        Photo(
            load(Path(record.path).read_bytes(), SIZE),
            np.array([(r.left, r.top, r.width, r.height) for r in record.regions], np.float32),
        )
        for record in records
        if record.regions
    ]


def recalls(photos: Sequence[Photo], methods: Iterable[Propose], most: int) -> list[list[float]]:
    """Of each method the share of true boxes that it finds, at each of `OVERLAPS`."""
    shares = []
    for propose in methods:
        best = np.concatenate([_best(propose(photo.pixels, most), photo.places) for photo in photos])
        shares.append([float((best >= least).mean()) for least in OVERLAPS])
    return shares


def _best(found: Boxes, true: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    if not len(found):
        return np.zeros(len(true), np.float32)
    return np.asarray(overlaps(true, found.places).max(1), np.float32)


def fixed(photo: Pixels, most: int) -> Boxes:
    """The whole photo, its middle, and boxes of four shapes on grids, the larger first."""
    shapes = [((0.95, 0.95), 1, 1), ((0.7, 0.7), 1, 1), ((0.5, 0.5), 3, 3), ((0.7, 0.4), 1, 3)]
    shapes += [((0.4, 0.7), 3, 1), ((0.3, 0.3), 5, 5), ((0.2, 0.2), 3, 3)]
    places = []
    for (width, height), across, down in shapes:
        for column, row in product(range(across), range(down)):
            left = (1 - width) * (column / (across - 1) if across > 1 else 0.5)
            top = (1 - height) * (row / (down - 1) if down > 1 else 0.5)
            places.append((left, top, width, height))
    return _boxes(places[:most], np.linspace(1, 0.5, len(places))[:most])


class Saliency:
    """Connected parts of what stands out in the maps of the backbone: nothing is trained.

    Of each map, what stands out is the length of its vectors, and their part along the direction in which
    those of the photo differ most, each also the other way round. Parts that a threshold leaves are scored
    by how much more stands out in them than around them.
    """

    def __init__(self) -> None:
        backbone = load_backbone("tf_efficientnet_lite0", "package", 0.0)
        self._taps = Taps(backbone, (8, 16, 32)).eval()

    @torch.inference_mode()
    def __call__(self, photo: Pixels, most: int) -> Boxes:
        """Boxes of a photo (H, W, 3)."""
        maps = self._taps(torch.from_numpy(to_tensor_layout([squash(photo, SIZE)])))
        places: list[tuple[float, ...]] = []
        scores: list[float] = []
        for seen in maps:
            for standing in _standing_out(seen[0].numpy()):
                for quantile in _QUANTILES:
                    _add_parts(standing, float(np.quantile(standing, quantile)), places, scores)
        return suppressed(_boxes(places, scores), _SAME, 0.0, most)


def _standing_out(seen: npt.NDArray[np.float32]) -> list[npt.NDArray[np.float32]]:
    channels, height, width = seen.shape
    vectors = seen.reshape(channels, -1).T
    lengths = np.linalg.norm(vectors, axis=1)
    centred = vectors - vectors.mean(0)
    direction = np.linalg.svd(centred, full_matrices=False)[2][0]
    along = centred @ direction
    found = []
    for each in (lengths, along, -along, -lengths):
        spread = (each - each.mean()) / max(float(each.std()), 1e-6)
        found.append(spread.reshape(height, width).astype(np.float32))
    return found


def _add_parts(
    standing: npt.NDArray[np.float32], least: float, places: list[tuple[float, ...]], scores: list[float]
) -> None:
    height, width = standing.shape
    count, pieces, facts, _ = cv2.connectedComponentsWithStats((standing > least).astype(np.uint8))
    for number in range(1, count):
        left, top, across, down, area = facts[number].tolist()
        if area < 2:
            continue
        inside = pieces == number
        places.append((left / width, top / height, across / width, down / height))
        scores.append(float(standing[inside].mean() - standing[~inside].mean()) * area / (across * down))


def _boxes(places: Sequence[Sequence[float]], scores: Sequence[float] | npt.NDArray[np.floating]) -> Boxes:
    numbers = np.array(scores, np.float32)
    return Boxes(np.zeros(len(numbers), np.int32), np.array(places, np.float32).reshape(-1, 4), numbers)


if __name__ == "__main__":
    main()
