"""Schemathesis against the OpenAPI page of a running server: 3,000 cases, right and wrong; none is too much.

Three of the checks do not fit: ids and photos are often made up, so right requests may be refused; unknown
fields and queries are ignored, and an unknown method is an unknown route, as with Custom Vision.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from iteration_cases import Case, held_out
from prediction_cases import add_iteration
from reliability_actors import new_project
from reliability_client import DETECTION, Client, new_photo
from reliability_photo_sets import PhotoSet
from reliability_server import Supervised, supervised
from sqlalchemy import select

from child_processes import python_path
from dahlia.modeling.predictions import save_predictions
from dahlia.server.context import Server, open_server
from dahlia.server.contract.domains import DOMAINS
from dahlia.server.database.tables import ProjectRow
from dahlia.server.jobs.training_data import PREDICTIONS, artifact_key
from dahlia.server.storage.names import image_key
from dahlia.settings.server import load_settings

CASES = 3000
REACHED = 50  # operations that answer well at least once; addresses, detection and admins' cannot
TESTS = Path(__file__).parents[1]
COLOURS = ("red", "green", "blue")
UNFIT = "positive_data_acceptance,negative_data_rejection,unsupported_method"
COMMAND = (
    *("run", "--seed", "1", "--generation-deterministic", "--no-shrink", "-n", "8"),
    *("--phases", "examples,coverage,fuzzing", "--exclude-checks", UNFIT, "--continue-on-failure"),
    *("--suppress-health-check", "all", "--warnings", "off", "--request-timeout", "20", "--no-color"),
)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def test_no_case_is_too_much(tmp_path: Path) -> None:
    settings = {"DAHLIA_JOBS_WORKERS": "0", "DAHLIA_SECURITY_URL_FETCH": "off"}
    with supervised(tmp_path / "home", **settings) as server:
        (tmp_path / "things.json").write_text(json.dumps(things(server)))
        documented = operations(server)
        fuzz(server, tmp_path)
    answers = [line.split(" ", 2) for line in (tmp_path / "calls").read_text().splitlines()]
    assert len(answers) >= CASES
    statuses = Counter(status for _, status, _ in answers)
    print(f"\n{len(answers)} cases: {dict(statuses)}")
    assert {"200", "204", "207", "400", "404"} <= set(statuses)
    assert not [status for status in statuses if status >= "500"]
    reached = {(method, path) for method, status, path in answers if status < "300"} & documented
    assert len(reached) >= REACHED, sorted(documented - reached)


def operations(server: Supervised) -> set[tuple[str, str]]:
    paths = Client(server.base, server.key).ask("GET", "/openapi.json").json()["paths"]
    return {(method.upper(), path) for path, methods in paths.items() for method in methods}


def fuzz(server: Supervised, folder: Path) -> None:
    done = subprocess.run(
        [
            Path(sys.executable).parent / "schemathesis", *COMMAND, f"{server.base}/openapi.json",
            *("-H", f"Training-Key: {server.key}"),
        ],
        cwd=folder,
        env=os.environ
        | {"SCHEMATHESIS_HOOKS": "reliability_fuzz_hooks", "PYTHONPATH": python_path(Path(__file__).parent)}
        | {"FUZZ_CALLS": str(folder / "calls"), "FUZZ_THINGS": str(folder / "things.json")},
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr


def things(server: Supervised) -> dict[str, Any]:
    """What there is: a project to be kept, and one whose things may be deleted."""
    client, random = Client(server.base, server.key), np.random.default_rng(1)
    opened = open_server(load_settings(None, server.environment))
    try:
        found = {name: project(opened, client, name, random) for name in ("kept", "spare")}
    finally:
        opened.database.close()
    return found | {"photo": base64.b64encode(new_photo(random, "red")).decode()}


def project(opened: Server, client: Client, name: str, random: np.random.Generator) -> dict[str, Any]:
    """The ids of a project with photos, iterations, predictions and suggestions; and some regions'."""
    photo_set = PhotoSet(client, new_project(client, name, classificationType="Multilabel"))
    for colour in COLOURS:
        assert photo_set.upload(random, colour, 20, photo_set.add_tag(colour))
    assert photo_set.upload(random, "red", 20)
    iterations = [train(opened, photo_set, number) for number in (1, 2)]
    place = {"publishName": "live", "predictionId": "any"}
    client.call("POST", f"{photo_set.path}/iterations/{iterations[0]}/publish", params=place)
    route = f"/customvision/v3.1/prediction/{photo_set.project}/classify/iterations/live/image"
    predictions = [client.ask("POST", route, data=new_photo(random, "blue")).json()["id"] for _ in range(20)]
    query = {"iterationId": iterations[0], "imageIds": ",".join(list(photo_set.ids.values())[-20:])}
    client.call("POST", f"{photo_set.path}/tagsandregions/suggestions", params=query)
    detection = PhotoSet(client, new_project(client, f"{name}, drawn", domainId=DETECTION))
    assert detection.upload(random, "red", 5)
    tag = detection.add_tag("red")
    assert detection.draw(list(detection.state), tag, 0.1)
    images = client.call("GET", f"{detection.path}/images")
    drawn = {"project": detection.project, "tags": [tag], "images": list(detection.ids.values())}
    return {
        "drawn": drawn,
        "project": photo_set.project,
        "tags": photo_set.tags,
        "images": list(photo_set.ids.values()),
        "iterations": iterations,
        "predictions": predictions,
        "regions": [region["regionId"] for image in images for region in image["regions"]],
        "domains": [domain.id for domain in DOMAINS],
        "files": [image_key(sha256, ".jpg") for sha256 in photo_set.ids],
    }


def train(opened: Server, photo_set: PhotoSet, number: int) -> str:
    """An iteration as a training leaves it; its model is a toy."""
    with opened.database.read() as session:
        row = session.scalars(select(ProjectRow).where(ProjectRow.id == photo_set.project)).one()
    tags = dict(zip(COLOURS, photo_set.tags, strict=True))
    iteration = add_iteration(opened, row, number, tag_ids=tags)
    images = {
        tag: [(photo_set.ids[one], one) for one, labels in photo_set.state.items() if identity in labels.tags]
        for tag, identity in tags.items()
    }
    file = opened.settings.server.home / "held-out.parquet"
    save_predictions(file, held_out(Case(photo_set.project, tags, images), COLOURS, wrong=9))
    opened.storage.put_file(artifact_key(iteration.id, PREDICTIONS), file)
    return iteration.id
