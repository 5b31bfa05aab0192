"""`dahlia negatives`: a corpus in, the negative set of a backbone and an input size out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click
import cv2
import numpy as np
import numpy.typing as npt

from dahlia import __version__, layout
from dahlia.dataset.imaging import RULES, squash
from dahlia.errors import ConfigError
from dahlia.modeling.backbone_graph import kept_graph
from dahlia.modeling.backbones import load_backbone
from dahlia.modeling.negative_set import NegativeRecord, NegativeSet, save_negative_set
from dahlia.training.graph_features import answer, single_session
from dahlia.training.threads import in_threads, thread_count
from dahlia_pretraining import NegativesParams
from dahlia_pretraining.corpus import Corpus, open_corpus
from dahlia_pretraining.generated import pattern, scenery

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

Image = npt.NDArray[np.uint8]
Values = npt.NDArray[np.float64]
_ACROSS = (2, 3, 4)
_MOSAICS = 120  # of each, of which enlarged copies are compared
_QUALITY = 80


def make_negative_set(params: NegativesParams, root: Path) -> Path:
    """Compute features of a corpus and of generated pictures, and write those that a gate needs.

    Returns:
        The file.

    Raises:
        ConfigError: there are fewer photos than axes.
        DatasetError: there is no such corpus.
        WeightsError: the weights are not available.
        ExportError: the backbone has no ONNX form.
    """
    cv2.setNumThreads(1)
    corpus = open_corpus(root / params.corpus, root / layout.PRETRAINING, params.stored_size)
    chosen = evenly(corpus, params.photos, np.random.default_rng(params.seed))
    half = params.generated // 2
    if len(chosen) + 2 * half <= params.axes:
        raise ConfigError(
            f"Expected more photos than axes, received {len(chosen) + 2 * half} for {params.axes}. Give a "
            "larger `corpus`, or lower `axes`."
        )
    backbone = load_backbone(params.backbone.architecture, params.backbone.weights, params.smoothing)
    graph = kept_graph(root / layout.GRAPH_CACHE, backbone.fingerprint, params.size, lambda: backbone)
    see = partial(_features, single_session(graph), params.size)
    generated = [partial(scenery, params.seed, n) for n in range(half)]
    generated += [partial(pattern, params.seed, n) for n in range(half)]
    features = np.stack(
        [*_each(see, (corpus.images[row] for row in chosen)), *_each(see, (draw() for draw in generated))]
    )
    click.echo(f"negatives: {len(chosen):,} photos and {len(generated):,} generated pictures seen")
    movement = partial(_movement, see, params.stored_size)
    moved = np.stack(list(_each(movement, _mosaics(corpus, np.random.default_rng(params.seed)))))
    centre, axes = axes_of(features, moved, params.axes, params.left_out)
    axes = axes.astype(np.float16).astype(np.float64)  # as they are kept
    record = NegativeRecord(
        architecture=params.backbone.architecture,
        fingerprint=backbone.fingerprint,
        size=params.size,
        rules=RULES,
        sources={params.source: len(chosen), "generated scenery": half, "generated patterns": half},
        licence=params.licence,
        dahlia_version=__version__,
    )
    made = NegativeSet(centre, axes, (features - centre) @ axes, record)
    return save_negative_set(root / params.out, made)


def evenly(corpus: Corpus, count: int, random: np.random.Generator) -> npt.NDArray[np.intp]:
    """At most `count` rows of a corpus by chance, as many of each class as can be; sorted."""
    order = random.permutation(len(corpus.labels))
    turn = np.zeros(len(order), np.intp)  # the how manieth of its class each is
    for label in np.unique(corpus.labels):
        own = np.flatnonzero(corpus.labels[order] == label)
        turn[own] = np.arange(len(own))
    return np.sort(order[np.argsort(turn, kind="stable")[:count]])


def axes_of(
    features: npt.NDArray[np.floating], moved: npt.NDArray[np.floating], count: int, left_out: int
) -> tuple[Values, Values]:
    """Where photos differ most, without the directions in which they move.

    Args:
        features: (N, D) of photos.
        moved: (L, D) differences of features, each of one photo seen twice.
        count: of axes that are wanted.
        left_out: how many directions of `moved` are left out, those of most movement first.

    Returns:
        The mean (D,), and (D, R) orthonormal axes; R is less than `count` where there is no more variance.
    """
    centre = features.mean(0, dtype=np.float64)
    directions = np.linalg.svd(np.asarray(moved, np.float64), full_matrices=False)[2][:left_out].T
    centred = features - centre
    centred = centred - (centred @ directions) @ directions.T
    values, vectors = np.linalg.eigh(centred.T @ centred / len(centred))
    largest = np.argsort(values)[::-1][:count]
    return centre, np.asarray(vectors[:, largest[values[largest] > values.max() * 1e-9]])


def enlarged(image: Image, edge: int) -> Image:
    """The middle square of a photo, as a corpus of small JPEG files would have it."""
    height, width = image.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = np.ascontiguousarray(image[top : top + side, left : left + side])
    small = cv2.resize(square, (edge, edge), interpolation=cv2.INTER_AREA)
    kept = cv2.imencode(".jpg", small[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])[1]
    return np.ascontiguousarray(np.asarray(cv2.imdecode(kept, cv2.IMREAD_COLOR), np.uint8)[..., ::-1])


def mosaic(corpus: Corpus, across: int, random: np.random.Generator) -> Image:
    """Photos of a corpus by chance, `across` side by side in as many rows: sharper than each of them."""
    rows = random.integers(0, len(corpus.labels), (across, across))
    return np.concatenate([np.concatenate(list(corpus.images[row]), 1) for row in rows])


def _mosaics(corpus: Corpus, random: np.random.Generator) -> Iterator[Image]:
    return (mosaic(corpus, across, random) for across in _ACROSS for _ in range(_MOSAICS))


def _movement(see: Callable[[Image], Values], edge: int, image: Image) -> Values:
    return np.asarray(see(enlarged(image, edge)) - see(image))


def _features(session: InferenceSession, size: int, image: Image) -> Values:
    pixels = squash(image, size).transpose(2, 0, 1)[None].astype(np.float32)
    return answer(session, pixels, "features of the negative set").astype(np.float64)


def _each(see: Callable[[Image], Values], images: Iterable[Image]) -> Iterator[Values]:
    return in_threads(see, images, thread_count())
