"""`dahlia proposals`: a corpus in, the graph that proposes regions out.

A detector of one tag learns from composed scenes (`object_scenes`) on the maps of a frozen backbone, as a
project's detector does.
"""

from __future__ import annotations

from pathlib import Path

import click
import cv2
import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

from dahlia import __version__, layout
from dahlia.boxes import Boxes
from dahlia.dataset.imaging import RULES
from dahlia.errors import ConfigError
from dahlia.files import sha256_of, staged_file, write_text
from dahlia.modeling.backbone_graph import kept_graph
from dahlia.modeling.backbones import load_backbone
from dahlia.modeling.detection.detector import Detector
from dahlia.modeling.tensors import weights_fingerprint
from dahlia.params import DetectionParams
from dahlia.serving.proposals import DIGESTS, GRAPH, PLACES, SCORES
from dahlia.training.detection.finder import Finder, put_into
from dahlia.training.detection.map_graphs import computer
from dahlia.training.detection.runs import RunData, Weights, train_run
from dahlia.training.detection.view_maps import MapShapes, View, ViewMaps, is_written, open_view, write_view
from dahlia.training.threads import in_threads, thread_count
from dahlia_pretraining import ProposalsParams
from dahlia_pretraining.compact_graph import compacted
from dahlia_pretraining.corpus import Corpus, open_corpus
from dahlia_pretraining.cutouts import Cutout, cut_out
from dahlia_pretraining.object_scenes import ObjectScenes

RECORD = "dahlia"
"""The entry of the graph's metadata that has its record."""
_EVERY = 200  # scenes, after which what is done is told


class ProposalRecord(BaseModel):
    """What a graph of proposals is, and where it is from.

    Attributes:
        architecture: of the backbone.
        fingerprint: of the backbone.
        size: input edge, pixels.
        strides: of the maps that it looks at.
        rules: of decoding and resizing (`dahlia.dataset.imaging.RULES`).
        sources: what scenes were made of, and of how many.
        left_out: classes of the corpus that are in no scene.
        scenes: it learned from.
        steps: of the optimiser.
        licence: of the photos, as far as it is known.
        dahlia_version: that made it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    architecture: str
    fingerprint: str
    size: int
    strides: tuple[int, ...]
    rules: int
    sources: dict[str, int]
    left_out: tuple[str, ...]
    scenes: int
    steps: int
    licence: str
    dahlia_version: str


def make_proposals(params: ProposalsParams, root: Path) -> Path:
    """Cut things out of a corpus, compose scenes, train on them, and write the graph.

    What is finished is on disk: the same command goes on after a kill.

    Returns:
        The graph; its digest lies beside it.

    Raises:
        ConfigError: nothing can be cut out of the corpus.
        DatasetError: there is no such corpus.
        WeightsError: the weights are not available.
        ExportError: the network has no ONNX form.
        TrainingError: a loss is not finite.
    """
    cv2.setNumThreads(1)
    folder = root / layout.PRETRAINING
    corpus = open_corpus(root / params.corpus, folder, params.stored_size)
    cutouts = cut_outs(corpus, params)
    click.echo(f"proposals: {len(cutouts):,} things cut out of {params.photos:,} photos")
    backbone = load_backbone(params.backbone.architecture, params.backbone.weights, 0.0)
    model = Detector(
        backbone, 1, size=params.size, strides=params.strides, output="boxes", width=params.width
    )
    scenes = ObjectScenes(cutouts, corpus, params.size, params.seed)
    maps = _maps(model, scenes, params, folder, root / layout.GRAPH_CACHE)
    put_into(model, _learned(model, maps, params, folder))
    model.eval()
    record = ProposalRecord(
        architecture=params.backbone.architecture,
        fingerprint=backbone.fingerprint,
        size=params.size,
        strides=tuple(params.strides),
        rules=RULES,
        sources={params.source: len(cutouts)},
        left_out=tuple(params.left_out),
        scenes=params.scenes,
        steps=params.steps,
        licence=params.licence,
        dahlia_version=__version__,
    )
    return _write(model, record, root / params.out, root / layout.GRAPH_CACHE)


def cut_outs(corpus: Corpus, params: ProposalsParams) -> list[Cutout]:
    """Things of a corpus, of photos drawn by chance.

    Raises:
        ConfigError: there is none, or no such class.
    """
    unknown = set(params.left_out) - set(corpus.classes)
    if unknown:
        raise ConfigError(
            f"`left_out` was expected to name classes of the corpus, received {', '.join(sorted(unknown))}. "
            "Correct it."
        )
    out = [number for number, name in enumerate(corpus.classes) if name in params.left_out]
    rows = np.flatnonzero(~np.isin(corpus.labels, out))
    chosen = np.random.default_rng(params.seed).permutation(rows)[: params.photos].tolist()
    found = in_threads(lambda row: cut_out(np.asarray(corpus.images[row])), chosen, thread_count())
    things = [each for each in found if each is not None]
    if not things:
        raise ConfigError(
            f"Expected photos in which a thing stands out, received {len(chosen)} in which none does. Give "
            "another `corpus`, or raise `photos`."
        )
    return things


def _maps(
    model: Detector, scenes: ObjectScenes, params: ProposalsParams, folder: Path, graphs: Path
) -> ViewMaps:
    shapes = MapShapes(model.taps.channels, tuple(params.size // stride for stride in params.strides))
    path = folder / f"scenes-{model.taps.fingerprint[:16]}-{params.scenes}-{params.seed}.bin"
    rows = range(params.scenes)
    if not is_written(path, len(rows), shapes):
        done = 0

        def progress(more: int) -> None:
            nonlocal done
            done += more
            if done % _EVERY == 0:
                click.echo(f"proposals: {done:,} of {params.scenes:,} scenes seen")

        write_view(path, scenes, rows, computer(model.taps, params.size, graphs), progress)
    view = open_view(path, False, params.scenes, rows)
    return ViewMaps(shapes, view, (view,))


def truth_in(view: View, size: int) -> list[Boxes]:
    """The boxes of the scenes of a view, as fractions of their edge in pixels."""
    return [_fractions(view.corners[slot], size) for slot in view.slots.tolist()]


def _fractions(corners: npt.NDArray[np.float32], size: int) -> Boxes:
    places = np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], 1) / np.float32(size)
    return Boxes(np.zeros(len(places), np.int32), places.astype(np.float32), np.ones(len(places), np.float32))


def _learned(model: Detector, maps: ViewMaps, params: ProposalsParams, folder: Path) -> Weights:
    finder = Finder(
        model.taps.channels,
        1,
        size=params.size,
        strides=params.strides,
        output="boxes",
        width=params.width,
        seed=params.seed,
    )
    data = RunData(maps, truth_in(maps.plain, params.size), 1, np.arange(params.scenes))
    recipe = DetectionParams(
        steps=params.steps,
        batch_size=params.batch_size,
        views=2,
        folds=2,
        learning_rate=params.learning_rate,
        weight_decay=params.weight_decay,
        averaging=params.averaging,
    )
    done = 0

    def progress(more: int) -> None:
        nonlocal done
        done += more
        if done % _EVERY == 0:
            click.echo(f"proposals: {done:,} of {params.steps:,} steps")

    checkpoint = folder / f"proposals-{params.scenes}-{params.steps}-{params.seed}.safetensors"
    learned = train_run(
        finder, data, recipe, steps=params.steps, seed=params.seed, checkpoint=checkpoint, progress=progress
    )
    last = learned.history[-1]
    click.echo(
        f"proposals: loss of scores {last['loss_of_scores']:.3f}, of places {last['loss_of_places']:.3f}"
    )
    return learned.weights


def _write(model: Detector, record: ProposalRecord, folder: Path, cache: Path) -> Path:
    import onnx

    digest = weights_fingerprint(record.architecture, None, model.state_dict())
    kept = kept_graph(cache, digest, record.size, lambda: model, (PLACES, SCORES))
    graph = compacted(onnx.load(kept))
    onnx.helper.set_model_props(graph, {RECORD: record.model_dump_json()})
    path = folder / GRAPH.name
    folder.mkdir(parents=True, exist_ok=True)
    with staged_file(path) as staged:
        staged.write_bytes(graph.SerializeToString())
    write_text(folder / DIGESTS, f"{sha256_of(path)}  {path.name}\n")
    return path
