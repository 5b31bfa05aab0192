"""Regions that are drawn and deleted by several clients at once, and while the server is killed."""

from __future__ import annotations

import http.client
import random
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from detector_cases import DOMAIN
from killed_homes import Home
from prediction_cases import new_garden, picture, tags_of
from server_rows import add_image
from sqlalchemy import select

from dahlia.server.context import Server
from dahlia.server.database.changes import locked
from dahlia.server.database.tables import ImageRow, ImageTagRow, RegionRow, TagRow
from dahlia.server.images.labelling import NewRegion, delete_regions, draw_regions

BATCH = 64
ROUNDS = 12


def labels_in(server: Server) -> tuple[set[tuple[str, str]], set[tuple[str, str]], set[str]]:
    """Images with the tags of their regions, images with their tags, and the images that count as tagged."""
    with server.database.read() as session:
        drawn = (
            select(ImageRow.id, TagRow.id)
            .join(RegionRow, RegionRow.image_key == ImageRow.key)
            .join(TagRow, TagRow.key == RegionRow.tag_key)
            .where(RegionRow.removed.is_(None))
        )
        tagged = (
            select(ImageRow.id, TagRow.id)
            .join(ImageTagRow, ImageTagRow.image_key == ImageRow.key)
            .join(TagRow, TagRow.key == ImageTagRow.tag_key)
            .where(ImageTagRow.removed.is_(None))
        )
        counted = session.scalars(select(ImageRow.id).where(ImageRow.tagged.is_(True)))
        pairs = ({(image, tag) for image, tag in session.execute(asked)} for asked in (drawn, tagged))
        return *pairs, set(counted)


@pytest.mark.both_databases
def test_drawing_and_deleting_at_once_leaves_tags_where_regions_are(server: Server) -> None:
    project = new_garden(server, domain_id=DOMAIN, classification=None)
    tags = list(tags_of(server, project).values())
    images = [add_image(server, project, picture(size=(64 + number, 48))).id for number in range(4)]

    def work(seed: int) -> int:
        chance, own, deleted = random.Random(seed), [], 0
        for _ in range(ROUNDS):
            regions = [
                NewRegion(chance.choice(images), chance.choice(tags), (chance.random() / 2, 0.1, 0.2, 0.2))
                for _ in range(6)
            ]
            with server.database.write() as session:
                row = locked(session, project.id, server.now())
                drawn = draw_regions(session, row, regions, server.settings.limits, server.now())
            own += [one.region_id for one in drawn.created]
            with server.database.read() as session:
                everybodys = list(session.scalars(select(RegionRow.id)))  # that others delete too
            gone = chance.sample(everybodys, min(5, len(everybodys)))
            with server.database.write() as session:
                delete_regions(session, locked(session, project.id, server.now()), gone)
            deleted += len(gone)
        return deleted

    with ThreadPoolExecutor(3) as pool:
        assert sum(pool.map(work, range(3))) > ROUNDS
    drawn, tagged, counted = labels_in(server)
    assert drawn
    assert tagged == drawn
    assert counted == {image for image, _ in drawn}
    with server.database.read() as session:
        everything = list(session.scalars(select(RegionRow.id)))
    with server.database.write() as session:
        delete_regions(session, locked(session, project.id, server.now()), everything)
    assert labels_in(server) == (set(), set(), set())


@pytest.mark.slow
def test_a_killed_server_leaves_whole_batches(tmp_path: Path) -> None:
    home = Home(tmp_path / "home", domain_id=DOMAIN, classification=None)
    with home.opened() as server:
        tags = list(tags_of(server, home.project).values())
        images = [
            add_image(server, home.project, picture(size=(64 + number, 48))).id for number in range(BATCH)
        ]
    chance, acknowledged, number = random.Random(3), [], 0
    for _ in range(2):
        with home.running() as (process, port):
            killer = threading.Timer(chance.uniform(0.05, 1.0), process.kill)
            while process.poll() is None:
                number += 1
                if _draw(home, port, images, tags[number % 3], number):
                    acknowledged.append(number)
                if not killer.ident:  # once the first call is answered, however slow the machine is
                    killer.start()
            killer.join()
    with home.opened() as server:
        with server.database.read() as session:
            lefts = Counter(round(left * 1000) for left in session.scalars(select(RegionRow.left)))
        drawn, tagged, counted = labels_in(server)
    assert acknowledged
    assert set(lefts.values()) == {BATCH}
    assert set(acknowledged) <= set(lefts)
    assert tagged == drawn
    assert counted == set(images)


def _draw(home: Home, port: int, images: list[str], tag: str, number: int) -> bool:
    """Draw a region on each image, which tells by its place which call it is of."""
    where: dict[str, Any] = {"tagId": tag, "left": number / 1000, "top": 0.1, "width": 0.1, "height": 0.1}
    path = f"/customvision/v3.4-preview/training/projects/{home.project.id}/images/regions"
    try:
        status, said, _ = home.call(port, path, {"regions": [{"imageId": one, **where} for one in images]})
    except (OSError, http.client.HTTPException):
        return False
    assert status == 200, said
    return True
