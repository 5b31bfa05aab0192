"""A copy of a project that detects: its regions, its figures, and its answers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rescue_cases import Seen, fill_with_boxes, opened, predicted, seen, talking
from sqlalchemy import select

from dahlia.server.context import Server
from dahlia.server.database.work_tables import JobRow
from dahlia.server.jobs.job import JobKind
from dahlia.server.projects.copying import run_import


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    server = opened(tmp_path / "home", str(tmp_path / "files"), f"sqlite:///{tmp_path / 'home' / 'd.db'}")
    yield server
    server.database.close()


def places(images: list[Any]) -> list[Any]:
    """Where the regions of images are, and of which tags, by the images' numbers."""
    names = ("tagName", "left", "top", "width", "height")
    return [[[one[name] for name in names] for one in image.get("regions", [])] for image in images]


def boxes(found: Seen) -> list[Any]:
    return [
        [(one["tagName"], one["probability"], one["boundingBox"]) for one in image["predictions"]]
        for iteration in found["iterations"]
        for image in iteration["judged"]
    ]


def figures(found: Seen) -> list[Any]:
    overall = [dict(one["performance"]) for one in found["iterations"]]
    tags = [one.pop("perTagPerformance") for one in overall]
    return [*overall, *({**tag, "id": ""} for part in tags for tag in part)]


def test_a_copy_has_regions_figures_and_answers(server: Server) -> None:
    original = fill_with_boxes(server)
    with talking(server) as client:
        token = client.get(f"/projects/{original}/export").json()["token"]
        copy = client.post("/projects/import", params={"token": token}).json()["id"]
        with server.database.read() as session:
            job = session.scalars(select(JobRow).where(JobRow.kind == JobKind.IMPORT)).one()
        run_import(server, job.payload)
        before, after = seen(client, original), seen(client, copy)
        assert after["project"]["settings"] == before["project"]["settings"]
        assert any(places(before["images"][0]))
        assert places(after["images"][0]) == places(before["images"][0])
        for old, new in zip(before["iterations"], after["iterations"], strict=True):
            assert places(new["images"][0]) == places(old["images"][0])
            assert places(new["judged"]) == places(old["judged"])
        assert (figures(after), boxes(after)) == (figures(before), boxes(before))
        answers = [
            [probability for _, probability in predicted(client, *place, "detect")]
            for place in ((original, before["iterations"][-1]["id"]), (copy, after["iterations"][-1]["id"]))
        ]
        assert answers[0] == answers[1]
        assert len(answers[0]) == 4
