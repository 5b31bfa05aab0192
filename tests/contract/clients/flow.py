"""`python flow.py JSON`: from an empty project to a downloaded model and back; a line of JSON a step.

The JSON names `endpoint`, `trainingKey`, `predictionKey`, `domain`, `photos` (a folder of a folder per tag),
the photo to `ask` about and the `zip` to write.
"""

from __future__ import annotations

import inspect
import json
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from azure.cognitiveservices.vision.customvision import training
from azure.cognitiveservices.vision.customvision.prediction import CustomVisionPredictionClient
from azure.cognitiveservices.vision.customvision.training import CustomVisionTrainingClient, models
from msrest.authentication import ApiKeyCredentials
from msrest.exceptions import HttpOperationError


def say(step: str, **what: Any) -> None:
    print(json.dumps({"step": step, **what}))


def upload(client: Any, project: str, images: list[Any]) -> Any:
    if "batch" in inspect.signature(client.create_images_from_files).parameters:
        return client.create_images_from_files(project, models.ImageFileCreateBatch(images=images))
    return client.create_images_from_files(project, images=images)  # before 3.0.0


def refusal(call: Callable[..., Any], *given: Any) -> list[Any]:
    try:
        call(*given)
    except HttpOperationError as error:
        return [error.response.status_code, error.error.code]
    return []


def fill(client: Any, project: str, folder: Path) -> None:
    tags = {one.name: client.create_tag(project, one.name) for one in sorted(folder.iterdir())}
    images = [
        models.ImageFileCreateEntry(name=photo.name, contents=photo.read_bytes(), tag_ids=[tags[name].id])
        for name in tags
        for photo in sorted((folder / name).iterdir())
    ]
    summary = upload(
        client, project, [*images, models.ImageFileCreateEntry(name="bad", contents=b"no photo")]
    )
    say("upload", statuses=sorted({one.status for one in summary.images}), images=len(summary.images))
    (one, *_) = client.get_untagged_images(project) or client.get_tagged_images(project, take=1)
    dated = [each.tzinfo is not None for each in (one.created, one.tags[0].created)]
    counts = {tag.name: tag.image_count for tag in client.get_tags(project)}
    say("images", count=client.get_tagged_image_count(project), tags=counts, dated=dated)


def train(client: Any, project: str) -> Any:
    iteration = client.train_project(project)
    say("train", name=iteration.name, status=iteration.status)
    while iteration.status != "Completed":
        time.sleep(0.2)
        iteration = client.get_iteration(project, iteration.id)
        if iteration.status == "Failed":
            sys.exit("the training failed")
    say("trained", exportable=iteration.exportable, dated=iteration.trained_at.tzinfo is not None)
    say("again", refused=refusal(client.train_project, project))
    performance = client.get_iteration_performance(project, iteration.id, threshold=0.5)
    say("performance", tags=sorted(tag.name for tag in performance.per_tag_performance))
    return iteration


def export(client: Any, project: str, iteration: str, target: str) -> None:
    export = client.export_iteration(project, iteration, "ONNX")
    while export.status == "Exporting":
        time.sleep(0.2)
        (export,) = client.get_exports(project, iteration)
    with urllib.request.urlopen(export.download_uri) as answer:
        Path(target).write_bytes(answer.read())
    say("export", status=export.status, platform=export.platform, flavor=export.flavor)


def main() -> None:
    asked = json.loads(sys.argv[1])
    client = CustomVisionTrainingClient(
        asked["endpoint"], ApiKeyCredentials(in_headers={"Training-key": asked["trainingKey"]})
    )
    predictor = CustomVisionPredictionClient(
        asked["endpoint"], ApiKeyCredentials(in_headers={"Prediction-key": asked["predictionKey"]})
    )
    project = client.create_project("Flow", domain_id=asked["domain"], classification_type="Multiclass")
    say(
        "create",
        name=project.name,
        domain=project.settings.domain_id,
        dated=project.created.tzinfo is not None,
    )
    fill(client, project.id, Path(asked["photos"]))
    iteration = train(client, project.id)
    say("publish", answer=client.publish_iteration(project.id, iteration.id, "the model", "a resource"))
    answer = predictor.classify_image(project.id, "the model", Path(asked["ask"]).read_bytes())
    say("predict", scores={one.tag_name: one.probability for one in answer.predictions})
    export(client, project.id, iteration.id, asked["zip"])
    say("refused", refused=refusal(client.delete_iteration, project.id, iteration.id))
    client.unpublish_iteration(project.id, iteration.id)
    client.delete_iteration(project.id, iteration.id)
    client.delete_project(project.id)
    say("delete", refused=refusal(client.get_project, project.id))
    say("from", file=training.__file__)


main()
