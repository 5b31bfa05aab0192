from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from prediction_cases import add_iteration, new_garden, picture, tags_of
from sqlalchemy import delete, func, select

from dahlia.http.replies import timestamp
from dahlia.server.context import Server
from dahlia.server.database.types import new_id
from dahlia.server.database.work_tables import IterationRow, JournalRow, PredictionRow, ScoreRow
from dahlia.server.predictions.journal import Journal, Maintenance
from dahlia.server.predictions.rows import FLOOR
from dahlia.server.storage.backend import StorageError
from dahlia.server.storage.names import image_key, thumbnail_key
from dahlia.serving.stored.segments import MAGIC, MARKER_BYTES, segment_name
from dahlia.serving.stored.store import Kept, PredictionStore

pytestmark = pytest.mark.both_databases

SECONDS = 60.0
CREATED = timestamp(datetime.now(UTC))


class Scene:
    """A project, and what was predicted by one of its iterations."""

    def __init__(self, server: Server, folder: Path) -> None:
        self.server = server
        self.folder = folder
        self.project = new_garden(server)
        self.iteration = add_iteration(server, self.project, files=False)
        self.tags = tags_of(server, self.project)
        self.journal = Journal(server, folder)

    def kept(self, image: bytes | None = None, application: str | None = None, **more: Any) -> Kept:
        shares = {"red": 0.7, "green": 0.295, "blue": 0.005}
        predictions = [
            {"probability": share, "tagId": self.tags[name], "tagName": name, "tagType": "Regular"}
            for name, share in shares.items()
        ]
        answer = {
            "id": new_id(),
            "iteration": self.iteration.id,
            "created": CREATED,
            "predictions": predictions,
        } | more
        return Kept(image or picture(), answer, "live", application, "request")

    def keep(self, *kept: Kept) -> None:
        """In a segment that is closed."""
        with self.open_store() as store:
            assert all(map(store.offer, kept))

    @contextmanager
    def open_store(self) -> Iterator[PredictionStore]:
        store = PredictionStore(self.folder)
        try:
            yield store
        finally:
            store.close()

    def rows(self) -> list[PredictionRow]:
        with self.server.database.read() as session:
            return list(session.scalars(select(PredictionRow).order_by(PredictionRow.key)))

    def ids(self) -> list[str]:
        return [row.id for row in self.rows()]

    def segments(self) -> list[str]:
        return [path.name for path in self.folder.glob("*.segment")]

    def places(self) -> int:
        with self.server.database.read() as session:
            return session.scalar(select(func.count()).select_from(JournalRow)) or 0


@pytest.fixture
def scene(server: Server, tmp_path: Path) -> Scene:
    return Scene(server, tmp_path / "journal")


def identity(kept: Kept) -> str:
    return str(kept.answer["id"])


def test_a_prediction_becomes_a_row_with_its_files(scene: Scene) -> None:
    image = picture(size=(80, 40))
    kept = scene.kept(image, "kiosk")
    scene.keep(kept)
    assert scene.journal.catch_up(SECONDS)
    (row,) = scene.rows()
    facts = (row.id, row.width, row.height, row.size, row.suffix, row.application, row.image_key)
    assert facts == (identity(kept), 80, 40, len(image), ".png", "kiosk", None)
    assert (row.project_key, row.iteration_key) == (scene.project.key, scene.iteration.key)
    assert (row.domain_id, row.predictions) == (scene.project.domain_id, kept.answer["predictions"])
    assert row.created == datetime.fromisoformat(CREATED)
    assert 0.5 < row.uncertainty < 0.6
    assert scene.server.storage.get(image_key(row.sha256, ".png")) == image
    assert scene.server.storage.exists(thumbnail_key(row.sha256))
    with scene.server.database.read() as session:
        scores = {score.tag_id: score.probability for score in session.scalars(select(ScoreRow))}
    assert scores == {scene.tags["red"]: 0.7, scene.tags["green"]: 0.295}
    assert FLOOR > 0.005
    assert (scene.segments(), scene.places(), scene.journal.taken) == ([], 0, len(image))


def test_a_segment_that_is_written_is_followed(scene: Scene) -> None:
    with scene.open_store() as store:
        expected = []
        for _ in range(3):
            kept = [scene.kept(), scene.kept()]
            assert all(map(store.offer, kept))
            expected += [identity(one) for one in kept]
            assert scene.journal.catch_up(SECONDS)
            assert scene.ids() == expected
        assert len(scene.segments()) == scene.places() == 1
    assert scene.journal.catch_up(SECONDS)
    assert (scene.ids(), scene.segments(), scene.places()) == (expected, [], 0)


def test_more_than_a_batch(scene: Scene) -> None:
    kept = [scene.kept() for _ in range(130)]
    scene.keep(*kept)
    assert scene.journal.catch_up(SECONDS)
    assert scene.ids() == [identity(one) for one in kept]


def test_a_kill_after_the_rows_makes_no_second_ones(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = [scene.kept() for _ in range(3)]
    scene.keep(*kept)
    with monkeypatch.context() as killed:
        killed.setattr(Journal, "_discard", lambda self, segment: None)
        assert scene.journal.catch_up(SECONDS)
    with scene.server.database.write() as session:
        session.execute(delete(PredictionRow).where(PredictionRow.id == identity(kept[1])))
    assert len(scene.segments()) == 1
    assert Journal(scene.server, scene.folder).catch_up(SECONDS)
    assert scene.ids() == [identity(kept[0]), identity(kept[2])]
    assert scene.segments() == []


def test_a_kill_between_batches_loses_none(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = [scene.kept() for _ in range(5)]
    scene.keep(*kept)
    monkeypatch.setattr("dahlia.server.predictions.journal._BATCH", 2)
    store, batches = Journal._store, iter(range(2))

    def cut_off(self: Journal, *given: Any) -> None:
        if next(batches, None) is None:
            raise KeyboardInterrupt
        store(self, *given)

    with monkeypatch.context() as killed:
        killed.setattr(Journal, "_store", cut_off)
        with pytest.raises(KeyboardInterrupt):
            scene.journal.catch_up(SECONDS)
    assert len(scene.ids()) == 4
    assert Journal(scene.server, scene.folder).catch_up(SECONDS)
    assert scene.ids() == [identity(one) for one in kept]


def test_two_journals_of_one_folder(scene: Scene) -> None:
    kept = [scene.kept() for _ in range(70)]
    with scene.open_store() as store:
        journals = [Journal(scene.server, scene.folder) for _ in range(2)]
        for one in kept:
            store.offer(one)
        threads = [threading.Thread(target=journal.catch_up, args=(SECONDS,)) for journal in journals]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert scene.ids() == [identity(one) for one in kept]


def test_who_cannot_wait_is_told(scene: Scene) -> None:
    scene.keep(scene.kept())
    other = Journal(scene.server, scene.folder)
    with scene.journal._alone(time.monotonic()) as alone:
        assert alone
        assert not other.catch_up(0.05)
        assert not scene.journal.catch_up(0.05)
    assert other.catch_up(SECONDS)


def test_time_that_is_up_leaves_the_rest(scene: Scene) -> None:
    scene.keep(scene.kept())
    scene.folder.mkdir(exist_ok=True)
    assert not scene.journal._take_over(scene.folder / scene.segments()[0], time.monotonic() - 1)
    assert scene.ids() == []
    assert scene.journal.catch_up(SECONDS)
    assert len(scene.ids()) == 1


def test_what_cannot_be_kept_is_left_out(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    whole = scene.kept()
    odd = scene.kept()
    odd.answer["predictions"][0]["probability"] = float("nan")  # type: ignore[index]
    scene.keep(scene.kept(b"no image"), odd, whole, scene.kept(application="a\0b"))
    assert scene.journal.catch_up(SECONDS)
    assert scene.ids()[0] == identity(whole)
    assert [row.application for row in scene.rows()] == [None, "ab"]
    assert sum("is not kept" in line for line in caplog.messages) == 2
    assert scene.segments() == []


def test_a_damaged_record_costs_itself_alone(scene: Scene) -> None:
    kept = [scene.kept() for _ in range(3)]
    scene.keep(*kept)
    path = scene.folder / scene.segments()[0]
    data = path.read_bytes()
    path.write_bytes(data.replace(identity(kept[1]).encode(), b"x" * 36))
    assert scene.journal.catch_up(SECONDS)
    assert scene.ids() == [identity(kept[0]), identity(kept[2])]


def test_predictions_of_an_iteration_that_is_gone(scene: Scene) -> None:
    other = add_iteration(scene.server, scene.project, 2, files=False)
    stays = scene.kept(iteration=other.id)
    scene.keep(scene.kept(), stays)
    with scene.server.database.write() as session:
        session.execute(delete(IterationRow).where(IterationRow.key == scene.iteration.key))
    assert scene.journal.catch_up(SECONDS)
    assert scene.ids() == [identity(stays)]


def test_while_files_cannot_be_written_all_waits(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    scene.keep(scene.kept())

    def full(files: Any) -> None:
        raise StorageError("the disk is full")

    thread = Maintenance(scene.server, scene.journal)
    with monkeypatch.context() as patched:
        patched.setattr(scene.server.storage, "put_many", full)
        with pytest.raises(StorageError):
            scene.journal.catch_up(SECONDS)
        thread.turn()
    assert (scene.ids(), len(scene.segments())) == ([], 1)
    thread.turn()
    assert (len(scene.ids()), scene.segments()) == (1, [])


def test_a_folder_that_cannot_be_used(server: Server, tmp_path: Path) -> None:
    (tmp_path / "journal").write_text("a file")
    with pytest.raises(StorageError, match="Look after the disk"):
        Journal(server, tmp_path / "journal").catch_up(SECONDS)


def test_segments_that_are_not_ours_stay(scene: Scene) -> None:
    scene.folder.mkdir()
    now = time.time()
    young, old, later = (scene.folder / segment_name(now - age) for age in (0, 3600, 7200))
    young.write_bytes(b"")
    old.write_bytes(MAGIC + os.urandom(MARKER_BYTES))
    later.write_bytes(b"dahlia predictions 2\n" + os.urandom(50))
    assert scene.journal.catch_up(SECONDS)
    assert sorted(scene.segments()) == sorted([young.name, later.name])


def test_the_keeper_works_in_the_background(scene: Scene) -> None:
    scene.keep(scene.kept())
    thread = Maintenance(scene.server, scene.journal)
    thread.start()
    try:
        deadline = time.monotonic() + 30
        while not scene.ids() and time.monotonic() < deadline:
            time.sleep(0.01)
    finally:
        thread.stop()
    assert len(scene.ids()) == 1
