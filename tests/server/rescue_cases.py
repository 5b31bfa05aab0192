"""Servers with trained projects, and what clients see of them, before and after their database is lost."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import fake_detector
import numpy as np
from fake_project import TAGS, write_model
from image_cases import box, entry, uploaded
from prediction_cases import TRAINING, picture
from project_cases import make_project, make_tag
from sqlalchemy import select
from starlette.testclient import TestClient

from dahlia.kinds import Kind
from dahlia.modeling.box_predictions import save_box_predictions
from dahlia.modeling.card import load_card, save_card
from dahlia.modeling.predictions import ClassPredictions, save_predictions
from dahlia.server.app import create_app
from dahlia.server.context import Server, open_server
from dahlia.server.contract.domains import DOMAINS, domain_of
from dahlia.server.contract.enums import IterationStatus
from dahlia.server.database.tables import ProjectRow
from dahlia.server.database.work_tables import IterationRow, JobRow
from dahlia.server.jobs.job import State
from dahlia.server.jobs.training_data import PREDICTIONS, SERVABLE, SizedPhoto, read_photos
from dahlia.server.keys.keys import Scope, create_key
from dahlia.server.rescue.records import IMAGES_TABLE, RECORD, write_record
from dahlia.server.storage.names import iteration_prefix
from dahlia.server.workspaces.models import personalise
from dahlia.settings.server import load_settings
from generated_boxes import written

Seen = dict[str, Any]


def opened(home: Path, storage: str, database: str) -> Server:
    """A server without workers; small projects can be trained."""
    places = {"SERVER_HOME": str(home), "STORAGE_URL": storage, "DATABASE_URL": database}
    small = {
        "LIMITS_MIN_IMAGES_PER_TAG": "1",
        "LIMITS_MIN_BOXED_IMAGES_PER_TAG": "1",
        "JOBS_POLL_SECONDS": "60",
    }
    settings = {f"DAHLIA_{name}": value for name, value in (places | small).items()}
    known = {"DAHLIA_SERVER_ALLOWED_HOSTS": "testserver"}  # as the test client calls it
    return open_server(load_settings(None, known | settings), paired=False)


@contextmanager
def talking(server: Server, key: str | None = None) -> Iterator[TestClient]:
    """A client of a server; it has a key of its own where it is given none."""
    if key is None:
        with server.database.write() as session:
            key = create_key(session, "tests", Scope.TRAINING, None, server.now())[1]
    with TestClient(create_app(server), base_url=TRAINING) as client:
        client.headers["Training-Key"] = key
        yield client


def fill(server: Server, *, records: bool = True) -> dict[str, str]:
    """Two projects with three iterations; the ids of the projects by their names."""
    with talking(server) as client:
        garden = make_project(
            client, "Grandma's garden", classificationType="Multiclass", description="roses"
        )
        kitchen = make_project(client, "kitchen", classificationType="Multilabel")
        if records:  # models say nothing of it
            body = {"settings": {"useNegativeSet": False}}
            client.patch(f"/projects/{garden['id']}", json=body).raise_for_status()
        tags = {name: make_tag(client, garden, name, description=name)["id"] for name in TAGS}
        photos = [
            uploaded(client, garden["id"], *(entry(100 * place + number, tags[name]) for number in range(4)))
            for place, name in enumerate(TAGS)
        ]
        uploaded(client, garden["id"], entry(900), metadata={"bed": "3"})
        train(server, client, garden["id"], records=records)
        _change(client, garden["id"], tags, photos)
        train(server, client, garden["id"], records=records)
        tags = {name: make_tag(client, kitchen, name)["id"] for name in TAGS}
        several = [[TAGS[number % 3]] + ([TAGS[2]] if number % 2 else []) for number in range(6)]
        pairs = [entry(number, *{tags[name] for name in names}) for number, names in enumerate(several)]
        uploaded(client, kitchen["id"], *pairs)  # three of them are the garden's too
        train(server, client, kitchen["id"], records=records)
        return {"garden": garden["id"], "kitchen": kitchen["id"]}


def fill_with_boxes(server: Server) -> str:
    """A project that detects, with two iterations; its id."""
    domain = next(one.id for one in DOMAINS if one.pipeline == "detection_general_compact")
    with talking(server) as client:
        project = make_project(client, "table", domainId=domain)
        path = f"/projects/{project['id']}"
        tags = {name: make_tag(client, project, name)["id"] for name in TAGS}
        regions = [
            [box(tags[TAGS[number % 3]], 0.05 * number), *([box(tags["red"], 0.4)] if number % 2 else [])]
            for number in range(6)
        ]
        images = uploaded(
            client, project["id"], *(entry(number, regions=drawn) for number, drawn in enumerate(regions))
        )
        uploaded(client, project["id"], entry(900))
        train(server, client, project["id"])
        found = client.get(f"{path}/images/tagged", params={"orderBy": "Oldest"}).json()
        gone = found[1]["regions"][0]["regionId"]
        client.delete(f"{path}/images/regions", params={"regionIds": gone}).raise_for_status()
        more = [{"imageId": images[0], **box(tags["blue"], 0.3)}]
        client.post(f"{path}/images/regions", json={"regions": more}).raise_for_status()
        train(server, client, project["id"])
        identity: str = project["id"]
        return identity


def _change(client: TestClient, project: str, tags: dict[str, str], photos: list[list[str]]) -> None:
    """Delete a photo, give another its neighbour's tag, add one, and rename a tag."""
    gone, moved = photos[0][0], photos[0][1]
    assert client.delete(f"/projects/{project}/images", params={"imageIds": gone}).status_code == 204
    client.delete(
        f"/projects/{project}/images/tags", params={"imageIds": moved, "tagIds": tags["red"]}
    ).raise_for_status()
    body = {"tags": [{"imageId": moved, "tagId": tags["blue"]}]}
    client.post(f"/projects/{project}/images/tags", json=body).raise_for_status()
    uploaded(client, project, entry(950, tags["green"]))


def train(server: Server, client: TestClient, project: str, *, records: bool = True) -> str:
    """Train as a worker does, but with a model that is made up; the iteration's id."""
    answer = client.post(f"/projects/{project}/train", params={"forceTrain": True})
    assert answer.status_code == 200, answer.text
    identity: str = answer.json()["id"]
    with server.database.write() as session:
        row = session.scalars(select(IterationRow).where(IterationRow.id == identity)).one()
        owner = session.get_one(ProjectRow, row.project_key)
        row.status, row.trained, row.minutes = IterationStatus.COMPLETED, server.now(), 1
        row.files, row.run_id, row.modified = True, "run", row.trained
        for job in session.scalars(select(JobRow).where(JobRow.iteration_key == row.key)):
            job.state = State.DONE
        session.flush()
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            _leave(folder, owner, row)
            _PREDICT[row.kind](folder / PREDICTIONS, read_photos(session, row), row.kind)
            if records:
                write_record(folder, session, owner, row, trained=row.trained, minutes=1, run_id="run")
            server.storage.put_folder(iteration_prefix(identity), folder)
    return identity


def _leave(folder: Path, project: ProjectRow, row: IterationRow) -> None:
    _MODELS[row.kind](folder / "plain")
    changes = {
        "project": project.pipeline_name,
        "domain_id": domain_of(row.domain_id).id,
        "classification": row.kind,
    }
    save_card(folder / "plain", load_card(folder / "plain").model_copy(update=changes))
    personalise(folder / "plain", folder / SERVABLE, project_id=project.id, tag_ids=row.tag_ids)
    for path in (folder / "plain").iterdir():
        path.unlink()
    (folder / "plain").rmdir()


def _predict_tags(path: Path, photos: Sequence[SizedPhoto], classification: str) -> None:
    truth = {one.photo.sha256: one.photo.tags for one in photos}
    matrix = np.array([[tag in tags for tag in TAGS] for tags in truth.values()])
    sure = np.where(matrix, 0.8, 0.1)
    sure[0] = sure[0][::-1]  # one is wrong
    if classification == "multiclass":
        sure /= sure.sum(axis=1, keepdims=True)
    folds = (np.arange(len(truth)) % 3).astype(np.int32)
    predictions = ClassPredictions(tuple(truth), TAGS, classification, folds, matrix, sure, sure)
    save_predictions(path, predictions)


def _predict_boxes(path: Path, photos: Sequence[SizedPhoto], classification: str) -> None:
    boxes = [
        [(TAGS.index(one.tag), one.left, one.top, one.width, one.height) for one in sized.photo.regions]
        for sized in photos
    ]
    found = [[(*one, 0.8) for one in rows] for rows in boxes]
    found[0] = [(0, 0.9, 0.9, 0.1, 0.1, 0.7)]  # one is wrong
    folds = [number % 3 for number in range(len(photos))]
    predictions = written(boxes, found, tags=TAGS, fold=folds)
    save_box_predictions(path, replace(predictions, ids=tuple(one.photo.sha256 for one in photos)))


_MODELS: dict[Kind, Callable[[Path], None]] = {
    "multiclass": write_model,
    "multilabel": write_model,
    "detection": fake_detector.write_model,
}
_PREDICT: dict[Kind, Callable[[Path, Sequence[SizedPhoto], str], None]] = {
    "multiclass": _predict_tags,
    "multilabel": _predict_tags,
    "detection": _predict_boxes,
}


def forget_records(server: Server) -> None:
    """Leave what earlier versions left."""
    for key in [each.key for each in server.storage.keys("iterations")]:
        if key.endswith((f"/{RECORD}", f"/{IMAGES_TABLE}")):
            server.storage.delete(key)


def seen(client: TestClient, project: str) -> Seen:
    """What a client sees of a project, its iterations and what they saw, without signed links."""
    path = f"/projects/{project}"
    found = {
        "project": _get(client, path),
        "tags": _get(client, f"{path}/tags"),
        "images": _images(client, path),
    }
    found["iterations"] = iterations = _get(client, f"{path}/iterations")
    for one in iterations:
        judged = f"{path}/iterations/{one['id']}/performance"
        one["tags"] = _get(client, f"{path}/tags", iterationId=one["id"])
        one["images"] = _images(client, path, iterationId=one["id"])
        one["performance"] = _get(client, judged, threshold=0.5)
        one["judged"] = _get(client, f"{judged}/images", take=50)
    return found


def _images(client: TestClient, path: str, **query: Any) -> list[Any]:
    kinds = ("tagged", "untagged")
    return [_get(client, f"{path}/images/{kind}", take=50, orderBy="Oldest", **query) for kind in kinds]


def _get(client: TestClient, path: str, **query: Any) -> Any:
    answer = client.get(path, params=query)
    assert answer.status_code == 200, answer.text
    return _without_links(answer.json())


def _without_links(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_links(one) for one in value]
    if isinstance(value, dict):
        kept = {key: each for key, each in value.items() if not key.lower().endswith("uri")}
        return {key: _without_links(each) for key, each in kept.items()}
    return value


def predicted(
    client: TestClient, project: str, iteration: str, task: str = "classify"
) -> list[tuple[str, float]]:
    """Publish an iteration and ask it about a picture: ids of tags and probabilities."""
    query = {"publishName": "live", "predictionId": "local"}
    path = f"/projects/{project}/iterations/{iteration}/publish"
    client.post(path, params=query).raise_for_status()
    route = f"customvision/v3.1/prediction/{project}/{task}/iterations/live/image/nostore"
    answer = client.post(f"http://testserver/{route}", content=picture((250, 10, 10)))
    assert answer.status_code == 200, answer.text
    return [(one["tagId"], one["probability"]) for one in answer.json()["predictions"]]
