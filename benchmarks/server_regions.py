"""A large detection project on the server: what reading and changing its images with their regions takes.

The rows are written straight to the database, before they are read through the API. Four images of five have
regions, 5 to 8 each; every other image has one more, which was removed after a training and which its
iteration still sees. The others have a suggestion with five boxes each. Images have no files, and nothing
here reads one.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import requests
from sqlalchemy import insert, select, text

from dahlia.server.database.sessions import Database
from dahlia.server.database.tables import ImageRow, ImageTagRow, ProjectRow, RegionRow, TagRow
from dahlia.server.database.types import new_id
from dahlia.server.database.work_tables import IterationRow, PredictionRow, ScoreRow
from dahlia.server.predictions.uncertainty import uncertainty
from server_process import Running, running_server

DETECTION = "a27d5ca5-bb19-49d8-a70a-fec086c47f5b"
BASE = "/customvision/v3.4-preview/training"
TAGS = 100
LEAST, MOST = 5, 8  # regions of an image that has any
REGIONS = 0.8 * (LEAST + MOST) / 2
"""Regions in the workspace, for each image."""
PAGE = 256
BATCH = 64
_ROWS = 5000  # of images, that are written at once
Row = dict[str, Any]


def fill_and_read(database: str, images: int) -> dict[str, str]:
    """Figures by their names: milliseconds as p50, p95 and processor time of the server; and megabytes."""
    with running_server(database) as server:
        session = requests.Session()
        session.headers["Training-Key"] = server.key
        made = session.post(f"{server.address}{BASE}/projects?name=Large&domainId={DETECTION}").json()["id"]
        base = f"{server.address}{BASE}/projects/{made}"
        tags = [session.post(f"{base}/tags?name=tag {number}").json()["id"] for number in range(TAGS)]
        began = time.perf_counter()
        filled = Database(server.database)
        iteration = _Filling(filled, made).fill(images)
        answers = {"rows written, s": f"{time.perf_counter() - began:.0f}"}
        memory = server.memory
        for name, ask in _questions(session, base, tags, iteration, images):
            answers[name] = _percentiles(server, ask)
        filled.close()
        return answers | {"memory before, after, MB": f"{memory >> 20}, {server.memory >> 20}"}


class _Filling:
    def __init__(self, database: Database, project: str) -> None:
        self._database = database
        self._random = np.random.default_rng(0)
        with database.read() as session:
            self._project = session.scalars(select(ProjectRow).where(ProjectRow.id == project)).one()
            rows = session.execute(
                select(TagRow.key, TagRow.id).where(TagRow.project_key == self._project.key)
            )
            self._tags = [(key, identity) for key, identity in rows]
        self._now = datetime.now(UTC) - timedelta(days=1)

    def fill(self, images: int) -> str:
        """Write all rows; gives the id of the iteration."""
        iteration = self._iteration()
        for start in range(0, images, _ROWS):
            self._images(range(start, min(start + _ROWS, images)), iteration)
        with self._database.write() as session:
            project = session.get_one(ProjectRow, self._project.key)
            project.epoch, project.revision = 2, images
        with self._database.read() as session:
            session.execute(text("ANALYZE"))
        return iteration.id

    def _iteration(self) -> IterationRow:
        fields: Row = {
            "id": new_id(), "project_key": self._project.key, "number": 1, "name": "Iteration 1",
            "status": "Completed", "created": self._now, "modified": self._now, "trained": self._now,
            "epoch": 1, "revision": 1, "domain_id": DETECTION, "classification": None,
            "training_type": "Regular", "budget_hours": 0, "minutes": 1, "chosen_tags": [], "tag_ids": {},
            "base_project_id": None, "base_iteration_id": None, "publish_name": None,
            "publish_resource": None, "error": None, "run_id": None, "files": False,
        }  # fmt: skip
        with self._database.write() as session:
            row = IterationRow(**fields)
            session.add(row)
        return row

    def _images(self, numbers: range, iteration: IterationRow) -> None:
        common = {"created": self._now, "added": 1}
        rows = [
            {
                "id": new_id(), "project_key": self._project.key, "suffix": ".jpg", "width": 1280,
                "height": 960, "size": 200_000, "details": {}, "tagged": number % 5 != 4, "removed": None,
                "sha256": hashlib.sha256(str(number).encode()).hexdigest(), **common,
            }
            for number in numbers
        ]  # fmt: skip
        with self._database.write() as session:
            inserted = insert(ImageRow).returning(ImageRow.key, sort_by_parameter_order=True)
            keys = list(session.scalars(inserted, rows))
            regions: list[Row] = []
            pairs: set[tuple[int, int]] = set()
            for key, row in zip(keys, rows, strict=True):
                if row["tagged"]:
                    drawn = list(self._regions(key, common))
                    pairs |= {(key, one["tag_key"]) for one in drawn if one["removed"] is None}
                    regions += drawn
            session.execute(insert(RegionRow), regions)
            tagged = [
                {"image_key": image, "tag_key": tag, "removed": None, **common}
                for image, tag in sorted(pairs)
            ]
            session.execute(insert(ImageTagRow), tagged)
            self._suggest(
                session,
                iteration,
                [(key, row) for key, row in zip(keys, rows, strict=True) if not row["tagged"]],
            )

    def _regions(self, image: int, common: Row) -> Iterator[Row]:
        random = self._random
        live = int(random.integers(LEAST, MOST + 1))
        for number in range(live + image % 2):
            left, top, width, height = random.random(4) / 2
            yield {
                "id": new_id(), "image_key": image, "tag_key": self._tags[int(random.integers(TAGS))][0],
                "left": left, "top": top, "width": width, "height": height,
                "removed": None if number < live else 2, **common,
            }  # fmt: skip

    def _suggest(self, session: Any, iteration: IterationRow, images: list[tuple[int, Row]]) -> None:
        rows = []
        for key, image in images:
            scores, tags = self._random.random(5).tolist(), self._random.permutation(TAGS)[:5].tolist()
            predictions = [
                {
                    "probability": round(score, 6), "tagId": self._tags[tag][1], "tagName": f"tag {tag}",
                    "tagType": "Regular",
                    "boundingBox": {"left": 0.1, "top": 0.1, "width": 0.2, "height": 0.2},
                }
                for score, tag in zip(scores, tags, strict=True)
            ]  # fmt: skip
            unsure = uncertainty([one["probability"] for one in predictions], "detection")
            rows.append(
                {
                    "id": image["id"], "project_key": self._project.key, "iteration_key": iteration.key,
                    "image_key": key, "domain_id": DETECTION, "sha256": image["sha256"], "suffix": ".jpg",
                    "width": 1280, "height": 960, "size": 0, "application": None, "created": self._now,
                    "predictions": predictions, "uncertainty": unsure,
                }
            )  # fmt: skip
        inserted = insert(PredictionRow).returning(PredictionRow.key, sort_by_parameter_order=True)
        keys = session.scalars(inserted, rows)
        best = [
            {"prediction_key": key, "tag_id": one["tagId"], "probability": one["probability"]}
            for key, row in zip(keys, rows, strict=True)
            for one in row["predictions"]
            if one["probability"] >= 0.01
        ]
        session.execute(insert(ScoreRow), best)


def _questions(
    session: requests.Session, base: str, tags: list[str], iteration: str, images: int
) -> Iterator[tuple[str, Callable[[int], None]]]:
    def get(path: str) -> Callable[[int], None]:
        def once(number: int) -> None:
            chosen = ",".join(tags[(number * 7 + one) % TAGS] for one in range(5))
            session.get(base + path.format(tag=tags[number * 7 % TAGS], tags=chosen)).raise_for_status()

        return once

    def suggested(**more: Any) -> Callable[[int], None]:
        path = f"{base}/images/suggested?iterationId={iteration}"

        def once(number: int) -> None:
            asked = {"tagIds": [tags[number * 7 % TAGS]], "maxCount": BATCH, **more}
            session.post(path, json=asked).raise_for_status()

        return once

    def counted(number: int) -> None:
        path = f"{base}/images/suggested/count?iterationId={iteration}"
        session.post(path, json={"tagIds": tags, "threshold": 0.5}).raise_for_status()

    far = images * 9 // 10
    seen = f"iterationId={iteration}"
    yield f"get_images, {PAGE}, no filter", get(f"/images?take={PAGE}")
    yield f"get_tagged_images, {PAGE}", get(f"/images/tagged?take={PAGE}")
    yield f"get_images, {PAGE} of one tag", get(f"/images/tagged?take={PAGE}&tagIds={{tag}}")
    yield f"get_images, {PAGE} of five tags", get(f"/images?take={PAGE}&tagIds={{tags}}")
    yield f"get_images, {PAGE}, far down", get(f"/images?take={PAGE}&skip={far}")
    yield f"get_images, {PAGE}, of an iteration", get(f"/images?take={PAGE}&{seen}")
    yield (
        f"get_tagged_images, {PAGE} of one tag, of an iteration",
        get(f"/images/tagged?take={PAGE}&tagIds={{tag}}&{seen}"),
    )
    yield "get_untagged_images, 64", get(f"/images/untagged?take={BATCH}")
    yield "get_tagged_image_count", get("/images/tagged/count")
    yield "get_tagged_image_count, one tag", get("/images/tagged/count?tagIds={tag}")
    yield "get_tags", get("/tags")
    yield "export_project", get("/export")
    yield "query_suggested_images, one tag, 0.5", suggested(threshold=0.5)
    yield "query_suggested_images, one tag, most uncertain", suggested(sortBy="UncertaintyDescending")
    yield "query_suggested_images, no tag", suggested(tagIds=[])
    yield "query_suggested_image_count, all tags", counted
    changes = _Changes(session, base, tags)
    yield f"create_image_regions, {BATCH}", changes.draw
    yield f"delete_image_regions, {BATCH}", changes.delete


class _Changes:
    """Draws regions on images all over the project, a batch a call, and deletes them again."""

    def __init__(self, session: requests.Session, base: str, tags: list[str]) -> None:
        self._session, self._base, self._tags = session, base, tags
        self._drawn: list[list[str]] = []
        self._images = session.get(f"{base}/images?take={PAGE}&skip=500").json()

    def draw(self, number: int) -> None:
        regions = [
            {
                "imageId": self._images[(number * BATCH + one) % PAGE]["id"], "tagId": self._tags[one],
                "left": number / 1000, "top": 0.1, "width": 0.3, "height": 0.3,
            }
            for one in range(BATCH)
        ]  # fmt: skip
        answer = self._session.post(f"{self._base}/images/regions", json={"regions": regions})
        answer.raise_for_status()
        self._drawn.append([one["regionId"] for one in answer.json()["created"]])
        assert len(self._drawn[-1]) == BATCH

    def delete(self, number: int) -> None:
        chosen = ",".join(self._drawn.pop())
        self._session.delete(f"{self._base}/images/regions?regionIds={chosen}").raise_for_status()


def _percentiles(server: Running, ask: Callable[[int], None], calls: int = 60) -> str:
    for number in range(3):
        ask(number)
    times, busy = [], server.processor
    for number in range(3, calls + 3):
        began = time.perf_counter()
        ask(number)
        times.append(1000 * (time.perf_counter() - began))
    busy = 1000 * (server.processor - busy) / calls
    times.sort()
    return f"{times[len(times) // 2]:.0f}, {times[int(len(times) * 0.95)]:.0f}, {busy:.0f}"
