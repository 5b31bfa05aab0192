from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from job_cases import add_photo, order, plant
from sqlalchemy import select

from dahlia.errors import DatasetError
from dahlia.server.context import Server
from dahlia.server.database.tables import ImageRow, ProjectRow
from dahlia.server.database.work_tables import IterationRow
from dahlia.server.rescue.records import (
    IMAGES_TABLE,
    RECORD,
    ImageEntry,
    Record,
    RegionEntry,
    images_writer,
    read_images,
    write_record,
)

pytestmark = pytest.mark.both_databases

NOW = datetime(2026, 3, 4, 5, 6, 7, 89, tzinfo=UTC)


def test_images_are_read_as_they_were_written(tmp_path: Path) -> None:
    region = RegionEntry("r", "t2", 0.1, 0.25, 0.3, 0.5)
    images = [
        ImageEntry("i1", "a" * 64, NOW, {"shelf": "3 ✿"}, ("t1", "t2"), (region,)),
        ImageEntry("i2", "b" * 64, NOW, {}, (), ()),
    ]
    with images_writer(tmp_path / IMAGES_TABLE) as table:
        table.add(images[:1])
        table.add(images[1:])
    assert read_images(tmp_path / IMAGES_TABLE) == images


def test_a_project_without_images(tmp_path: Path) -> None:
    with images_writer(tmp_path / IMAGES_TABLE):
        pass
    assert read_images(tmp_path / IMAGES_TABLE) == []


@pytest.mark.parametrize("content", [b"", b"no table", None])
def test_tables_that_cannot_be_read(tmp_path: Path, content: bytes | None) -> None:
    with images_writer(tmp_path / IMAGES_TABLE) as table:
        table.add([ImageEntry("i1", "a" * 64, NOW, {})])
    whole = (tmp_path / IMAGES_TABLE).read_bytes()
    (tmp_path / IMAGES_TABLE).write_bytes(whole[:-20] if content is None else content)
    with pytest.raises(DatasetError, match="not a readable Parquet file"):
        read_images(tmp_path / IMAGES_TABLE)


def test_a_record_is_of_the_iterations_epoch(server: Server, tmp_path: Path) -> None:
    garden = plant(server, "red", "blue")
    with server.database.write() as session:
        session.get_one(ProjectRow, garden.key).queue_uri = "https://queue.example/?sig=secret"
    kept = add_photo(server, garden, b"kept", "red", region="blue")
    untagged = add_photo(server, garden, b"untagged")
    made = order(server, garden)
    add_photo(server, garden, b"later", "blue")
    with server.database.write() as session:
        session.scalars(select(ImageRow).where(ImageRow.sha256 == untagged)).one().removed = 2
    with server.database.read() as session:
        row = session.scalars(select(IterationRow).where(IterationRow.id == made)).one()
        project = session.get_one(ProjectRow, garden.key)
        write_record(tmp_path, session, project, row, trained=NOW, minutes=3, run_id="run")
        ids = {one.sha256: one.id for one in session.scalars(select(ImageRow))}
    record = Record.model_validate_json((tmp_path / RECORD).read_bytes())
    assert (record.project.use_negative_set, record.iteration.use_negative_set) == (True, True)
    assert (record.project.id, record.project.name, record.iteration.id) == (garden.id, "garden", made)
    assert (record.iteration.tag_ids, record.minutes, record.run_id) == (garden.tags, 3, "run")
    assert {tag.name: tag.id for tag in record.tags} == garden.tags
    images = read_images(tmp_path / IMAGES_TABLE)
    assert [(one.sha256, one.id, one.tags) for one in images] == [
        (kept, ids[kept], (garden.tags["red"],)), (untagged, ids[untagged], ()),
    ]  # fmt: skip
    (region,) = images[0].regions
    assert (region.tag, region.left, region.height) == (garden.tags["blue"], 0.1, 0.4)
    assert b"secret" not in (tmp_path / RECORD).read_bytes()


def test_a_record_of_before_there_was_a_negative_set(server: Server, tmp_path: Path) -> None:
    garden = plant(server, "red")
    made = order(server, garden)
    with server.database.read() as session:
        row = session.scalars(select(IterationRow).where(IterationRow.id == made)).one()
        project = session.get_one(ProjectRow, garden.key)
        write_record(tmp_path, session, project, row, trained=NOW, minutes=3, run_id="run")
    content = json.loads((tmp_path / RECORD).read_text())
    for part in ("project", "iteration"):
        del content[part]["use_negative_set"]
    record = Record.model_validate_json(json.dumps(content))
    assert (record.project.use_negative_set, record.iteration.use_negative_set) == (True, False)
