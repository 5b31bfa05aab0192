"""Training a detector: maps, runs, calibration, and all that evaluation and exports read of it."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import click

from dahlia import __version__, layout
from dahlia.boxes import Boxes
from dahlia.dataset.manifest import fingerprint, load_folds, load_manifest
from dahlia.errors import ConfigError
from dahlia.modeling.backbones import card_of, load_backbone
from dahlia.modeling.box_curve import BoxCurve, save_box_curve
from dahlia.modeling.box_predictions import BoxPredictions, save_box_predictions
from dahlia.modeling.card import (
    DetectorCard,
    InputCard,
    ModelCard,
    TagCard,
    TrainingCard,
    project_id,
    tag_id,
)
from dahlia.modeling.detection.detector import Detector, save_detector
from dahlia.modeling.detection.reference import ask_detector
from dahlia.modeling.pretrained import require_size
from dahlia.modeling.scaling import Scaling
from dahlia.params import DetectionParams, Params
from dahlia.provenance import git_revision
from dahlia.terminal import progress_bar
from dahlia.training.detection.deeper import train_deeper
from dahlia.training.detection.detection_data import DetectionData, gather_boxes
from dahlia.training.detection.finder import put_into
from dahlia.training.detection.folds import FoldRuns, Phase, Problem, own_folder, run_folds, steps_for
from dahlia.training.detection.held_out import predict
from dahlia.training.detection.judging import rights
from dahlia.training.detection.tail import tail_of
from dahlia.training.detection.view_maps import (
    MapShapes,
    ViewMaps,
    compute_maps,
    maps_key,
    views_that_fit,
)
from dahlia.training.fine_tuning.tuning_data import PhotoMemory
from dahlia.training.history import save_history

_MOST_OF_MAPS = 3 * 2**30  # bytes on disk
_KEPT_MAPS = 2**30  # bytes that stay there for another training

USUAL = DetectionParams(
    steps=1400, batch_size=4, views=12, folds=3, learning_rate=4e-3, weight_decay=0.02, averaging=0.99
)
"""What parameters of before there were detectors mean, where their domain is changed to one of detection."""


def train_detector(params: Params, root: Path) -> None:
    """Write the bundle, the predictions, the history and the learning curve.

    What is finished is on disk: the same command goes on after a kill.

    Args:
        params: reads `project`, `domain` and `training`; the domain is one of detection.
        root: the project folder.

    Raises:
        DatasetError: an earlier stage's file is missing, or a photo changed after ingest.
        WeightsError: the backbone or its weights are not available, or it has no maps for a detector.
        TrainingError: nothing can be learned from the photos, or a number on the way cannot be used.
    """
    domain, training = params.domain, params.training.detection or USUAL
    if domain.detector is None:
        raise ConfigError(
            "Training a detector needs a domain of detection, received one of classification. Choose one "
            "with `dahlia params domain=detection_general_compact`."
        )
    require_size(domain.backbone.architecture, domain.input.size)
    data = gather_boxes(
        load_manifest(root / layout.MANIFEST), load_folds(root / layout.FOLDS), parts=training.folds
    )
    backbone = load_backbone(domain.backbone.architecture, domain.backbone.weights, domain.input.smoothing)
    print(f"train: {backbone.architecture} with weights: {backbone.origin}", flush=True)
    model = Detector(
        backbone,
        len(data.tags),
        size=domain.input.size,
        strides=domain.detector.strides,
        output=domain.detector.output,
        width=domain.detector.width,
    )
    folder = root / layout.DETECTION
    maps = _maps(model, data, params, training, root)
    problem = Problem(data, maps, domain.detector, training, domain.input.size, params.project.seed)
    runs, recipe = _trained(problem, params, model, folder / "runs")
    predictions, scaling = predict(data, runs.answers, domain.detector)
    put_into(model, runs.final.weights)
    model.slope.fill_(1 / scaling.temperature)
    model.shift.fill_(scaling.shift)
    model.eval()
    card = _card(data, model, params, scaling, recipe, git_revision(root)[0])
    reference = ask_detector(model, card, data.records, root)
    save_box_predictions(root / layout.PREDICTIONS, predictions)
    save_history(root / layout.HISTORY, runs.final.history)
    save_box_curve(root / layout.LEARNING_CURVE, BoxCurve(recipe=recipe))
    save_detector(root / layout.BUNDLE, model, card, reference)
    shutil.rmtree(folder / "runs", ignore_errors=True)
    if sum(path.stat().st_size for path in folder.rglob("*.bin")) > _KEPT_MAPS:
        shutil.rmtree(folder, ignore_errors=True)
    _tell(data, predictions, params, recipe)


def _trained(
    problem: Problem, params: Params, model: Detector, folder: Path
) -> tuple[FoldRuns, Literal["quick", "advanced"]]:
    tuning = params.training.fine_tuning
    own = own_folder(problem, folder, tuning and tuning.budget_minutes)
    quick = run_folds(
        problem, Phase("quick", steps_for(problem.training, int(problem.data.training.sum()))), own
    )
    if tuning is None:
        return quick, "quick"
    deeper = train_deeper(problem, quick, tail_of(model.taps), tuning, own)
    return (quick, "quick") if deeper is None else (deeper, "advanced")


def _maps(
    model: Detector, data: DetectionData, params: Params, training: DetectionParams, root: Path
) -> ViewMaps:
    domain, seed = params.domain, params.project.seed
    detector, size = domain.detector, domain.input.size
    assert detector is not None
    shapes = MapShapes(model.taps.channels, tuple(size // stride for stride in detector.strides))
    views = views_that_fit(len(data.records), shapes, training.views, _MOST_OF_MAPS)
    if views < training.views:
        click.echo(
            f"train: {len(data.records):,} photos, each in {views} views instead of {training.views}: maps "
            f"of more would take over {_MOST_OF_MAPS / 2**30:g} GB of disk space"
        )
    folder = root / layout.DETECTION / f"maps-{maps_key(data, model.taps, size, detector.views, seed)[:16]}"
    for other in folder.parent.glob("maps-*"):
        if other != folder:
            shutil.rmtree(other, ignore_errors=True)
    photos = PhotoMemory(size)
    records = data.records
    photos.fill([record.id for record in records], [root / record.path for record in records], lambda: False)
    total = len(records) + int(data.training.sum()) * views
    with progress_bar("maps") as bar:
        task = bar.add_task("maps", total=total)
        return compute_maps(
            data,
            model.taps,
            photos,
            root,
            folder,
            size=size,
            views=views,
            params=detector.views,
            seed=seed,
            graphs=layout.home(root) / layout.GRAPH_CACHE,
            progress=lambda done: bar.advance(task, done),
        )


def _card(
    data: DetectionData,
    model: Detector,
    params: Params,
    scaling: Scaling,
    recipe: Literal["quick", "advanced"],
    revision: str | None,
) -> ModelCard:
    project, detector = params.project, params.domain.detector
    assert detector is not None
    return ModelCard(
        project=project.name,
        project_id=project_id(project.name),
        domain=params.domain.name,
        domain_id=params.domain.id,
        classification=params.kind,
        tags=tuple(TagCard(id=tag_id(project.name, tag), name=tag) for tag in data.tags),
        input=InputCard(size=params.domain.input.size),
        channels=params.domain.channels,
        backbone=card_of(model.backbone),
        temperature=scaling.temperature,
        detector=DetectorCard(
            strides=tuple(detector.strides),
            output=detector.output,
            overlap=detector.overlap,
            least=detector.least,
            most=detector.most,
        ),
        training=TrainingCard(
            recipe=recipe,
            regularisation=(params.training.detection or USUAL).weight_decay,
            views=(),
            images=int(data.training.sum()),
            seed=project.seed,
        ),
        data_fingerprint=fingerprint(data.records),
        git_revision=revision,
        dahlia_version=__version__,
    )


def _tell(data: DetectionData, predictions: BoxPredictions, params: Params, recipe: str) -> None:
    held_out = predictions.held_out
    sure = [boxes.where(boxes.scores >= params.evaluate.threshold) for boxes in held_out.found]
    found = _right(sure, held_out.truth)
    true, said = sum(map(len, held_out.truth)), sum(map(len, sure))
    print(
        f"train: {recipe}, {params.domain.backbone.architecture}, {int(data.training.sum()):,} images, "
        f"{len(data.tags)} tags, {found:,} of {true:,} held-out boxes found, {said - found:,} wrong ones"
    )


def _right(found: Sequence[Boxes], truth: Sequence[Boxes]) -> int:
    return sum(int(rights(one, true).sum()) for one, true in zip(found, truth, strict=True))
