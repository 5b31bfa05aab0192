"""Projects whose iterations left predictions of held-out photos and an evaluation, without a training."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from azure.cognitiveservices.vision.customvision.training.models import (
    ImageFileCreateBatch,
    ImageFileCreateEntry,
    Region,
)
from contract_projects import COMPACT, DETECTION, upload
from contract_server import RunningServer
from portal_projects import scene
from prediction_cases import add_iteration
from sqlalchemy import select

from dahlia.boxes import Boxes
from dahlia.evaluation.detection.evaluation import evaluate_detector, save_box_evaluation
from dahlia.evaluation.evaluation import evaluate, save_evaluation
from dahlia.modeling.box_predictions import BoxPredictions, save_box_predictions
from dahlia.modeling.predictions import ClassPredictions, save_predictions
from dahlia.params import EvaluateParams
from dahlia.server.context import Server, open_server
from dahlia.server.database.changes import project_of
from dahlia.server.database.tables import ImageRow
from dahlia.server.disk import private
from dahlia.server.jobs.training_data import EVALUATION, PAGE, PREDICTIONS, artifact_key
from dahlia.settings.server import load_settings

TAGS = ("daffodil", "dahlia", "daisy")
REPORT = b"<!DOCTYPE html><title>report</title><p>All figures</p>"
MISTAKES, EARLIER_MISTAKES = 3, 7
_SURE, _UNSURE, _FOLDS = 0.9, 0.6, 3
_PARAMS: dict[str, Any] = {
    "threshold": 0.5, "confidence": 0.95, "bootstrap_samples": 50, "calibration_bins": 5, "worst_images": 8,
}  # fmt: skip
_PLACES = ((0.1, 0.1, 0.3, 0.4), (0.5, 0.4, 0.4, 0.4))  # left, top, width, height


@dataclass(frozen=True)
class Judged:
    """A project with iterations that were never trained.

    Attributes:
        project: its id.
        iteration: id of the newest iteration.
        earlier: id of the one before, which has more mistakes; empty if there is none.
        old: id of the oldest, which has no evaluation; empty if there is none.
        tags: ids by name.
        suspect: id of the image whose tag, or of whose boxes one, is wrong.
    """

    project: str
    iteration: str
    earlier: str
    old: str
    tags: Mapping[str, str]
    suspect: str


def judged_flowers(client: Any, server: RunningServer, photos: Sequence[Path]) -> Judged:
    """Nine photos of each of three tags; the last daisy is tagged as a dahlia."""
    project = client.create_project("Judged", domain_id=COMPACT, classification_type="Multiclass").id
    tags = {name: client.create_tag(project, name).id for name in TAGS}
    shown = [name for name in TAGS for photo in photos if photo.parent.name == name]
    given = [*shown[:-1], "dahlia"]
    by_tag = {name: [photo for photo in photos if photo.parent.name == name] for name in TAGS}
    ordered = [photo for name in TAGS for photo in by_tag[name]]
    images = [
        upload(client, project, [photo.read_bytes()], tags[tag])[0]
        for photo, tag in zip(ordered, given, strict=True)
    ]
    with _opened(server) as opened:
        contents = _contents(opened, images)
        old = _iteration(opened, project, tags, _said(contents, shown, given, 0), judged=False)
        earlier = _iteration(opened, project, tags, _said(contents, shown, given, EARLIER_MISTAKES))
        newest = _iteration(opened, project, tags, _said(contents, shown, given, MISTAKES))
    return Judged(project, newest, earlier, old, tags, images[-1])


def judged_scenes(client: Any, server: RunningServer) -> Judged:
    """Eight photos with a red and a blue box each; on the last one nobody drew the blue one."""
    project = client.create_project("Judged scenes", domain_id=DETECTION).id
    tags = {name: client.create_tag(project, name).id for name in ("red", "blue")}
    images = []
    for number in range(8):
        drawn = [*zip(tags, _PLACES, strict=True)][: 1 if number == 7 else 2]
        entry = ImageFileCreateEntry(
            name=f"{number}.png",
            contents=scene("red", _PLACES[0], (320 + number, 240)),
            regions=[
                Region(tag_id=tags[tag], left=place[0], top=place[1], width=place[2], height=place[3])
                for tag, place in drawn
            ],
        )
        summary = client.create_images_from_files(project, ImageFileCreateBatch(images=[entry]))
        images.append(summary.images[0].image.id)
    with _opened(server) as opened:
        newest = _iteration(opened, project, tags, _found(_contents(opened, images)))
    return Judged(project, newest, "", "", tags, images[-1])


def add_copy(server: RunningServer, judged: Judged, photos: Mapping[str, str]) -> str:
    """Another iteration, as good as any; returns its id."""
    with _opened(server) as opened:
        contents = _contents(opened, list(photos))
        given = list(photos.values())
        return _iteration(opened, judged.project, judged.tags, _said(contents, given, given, 0))


def _said(
    contents: Sequence[str], shown: Sequence[str], given: Sequence[str], mistakes: int
) -> ClassPredictions:
    """What a model says that knows flowers, but takes the first photos for those of the next tag."""
    size = (len(shown), len(TAGS))
    probabilities = np.full(size, 0.0)
    for row, name in enumerate(shown):
        place = TAGS.index(name)
        said = (place + 1) % len(TAGS) if row < mistakes else place
        sure = _UNSURE + 0.001 * row if row % 4 == 1 else _SURE + 0.001 * row
        probabilities[row] = (1 - sure) / (len(TAGS) - 1)
        probabilities[row, said] = sure
    return ClassPredictions(
        ids=tuple(contents), tags=TAGS, kind="multiclass",
        fold=np.arange(len(shown), dtype=np.int32) % _FOLDS,
        truth=np.array([[name == tag for tag in TAGS] for name in given]),
        probabilities=probabilities, uncalibrated=probabilities,
    )  # fmt: skip


def _found(contents: Sequence[str]) -> BoxPredictions:
    """What a model finds that sees both boxes everywhere, but takes the first photo's blue one for red."""
    places = np.array(_PLACES, np.float32)
    truth, found = [], []
    for number in range(len(contents)):
        both = Boxes(np.array([0, 1], np.int32), places, np.ones(2, np.float32))
        truth.append(both.where(np.arange(1 if number == len(contents) - 1 else 2)))
        tags = np.array([0, 0 if number == 0 else 1], np.int32)
        scores = np.array([0.95, 0.9], np.float32) + np.float32(0.005) * number
        found.append(Boxes(tags, places, scores))
    return BoxPredictions(
        ids=tuple(contents), tags=("red", "blue"), fold=np.arange(len(contents), dtype=np.int32) % _FOLDS,
        truth=tuple(truth), found=tuple(found), uncalibrated=tuple(one.scores for one in found),
    )  # fmt: skip


def _iteration(
    opened: Server,
    project: str,
    tags: Mapping[str, str],
    predictions: ClassPredictions | BoxPredictions,
    *,
    judged: bool = True,
) -> str:
    with opened.database.write() as session:
        row = project_of(session, project)
        number, epoch = row.iterations_made + 1, row.epoch
        row.iterations_made, row.epoch = number, epoch + 1  # as a training leaves the project
    made = add_iteration(opened, row, number, files=False, epoch=epoch, tag_ids=dict(tags))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if isinstance(predictions, BoxPredictions):
            save_box_predictions(folder / PREDICTIONS, predictions)
            params = EvaluateParams(**_PARAMS, overlap=0.5)
            save_box_evaluation(folder / EVALUATION, evaluate_detector(predictions, params, seed=1))
        else:
            save_predictions(folder / PREDICTIONS, predictions)
            found = evaluate(predictions, EvaluateParams(**_PARAMS), seed=1, negative_tag=None)
            save_evaluation(folder / EVALUATION, found)
        for file in (PREDICTIONS, EVALUATION) if judged else (PREDICTIONS,):
            opened.storage.put_file(artifact_key(made.id, file), folder / file)
    opened.storage.put(artifact_key(made.id, PAGE), REPORT)
    return made.id


def _contents(opened: Server, images: Sequence[str]) -> list[str]:
    with opened.database.read() as session:
        rows = session.execute(select(ImageRow.id, ImageRow.sha256).where(ImageRow.id.in_(images)))
        known = {row.id: row.sha256 for row in rows}
    return [known[identity] for identity in images]


@contextmanager
def _opened(server: RunningServer) -> Iterator[Server]:
    variables = {"DAHLIA_SERVER_HOME": str(server.home), **server.settings}
    opened = open_server(load_settings(None, variables))
    try:
        with private():  # as the server itself writes
            yield opened
    finally:
        opened.database.close()
