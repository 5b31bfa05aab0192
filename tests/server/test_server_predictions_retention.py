from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest
from prediction_cases import add_iteration, new_garden
from server_rows import add_image
from sqlalchemy import delete, insert, select

from dahlia.server.cleaning.cleaning import clean
from dahlia.server.context import Server
from dahlia.server.database.tables import ImageRow
from dahlia.server.database.types import new_id
from dahlia.server.database.work_tables import PredictionRow
from dahlia.server.pairing import adopt
from dahlia.server.predictions import journal
from dahlia.server.predictions.journal import Journal, Maintenance, delete_old
from dahlia.server.storage.names import image_key, thumbnail_key

pytestmark = pytest.mark.both_databases

MEGABYTE = 1 << 20


@pytest.fixture
def frugal(server: Server) -> Server:
    """Keeps 30 days and 10 MB."""
    kept = server.settings.predictions.model_copy(update={"max_mb": 10})
    server.settings = server.settings.model_copy(update={"predictions": kept})
    return server


class Kept:
    """Predictions with files, by the first letter of their content."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.project = new_garden(server)
        self.iteration = add_iteration(server, self.project, files=False)

    def add(self, letters: str, size: int = MEGABYTE, days: float = 0, image: int | None = None) -> None:
        rows = [
            {
                "id": new_id(), "project_key": self.project.key, "iteration_key": self.iteration.key,
                "image_key": image, "domain_id": self.project.domain_id, "sha256": letter * 64,
                "suffix": ".jpg", "width": 1, "height": 1, "size": 0 if image else size, "application": None,
                "created": self.server.now() - timedelta(days=days), "predictions": [], "uncertainty": 0.0,
            }
            for letter in letters
        ]  # fmt: skip
        with self.server.database.write() as session:
            session.execute(insert(PredictionRow), rows)
        for letter in letters:
            self.server.storage.put_many(dict.fromkeys(files(letter), b"x"))

    def left(self) -> str:
        with self.server.database.read() as session:
            found = session.scalars(select(PredictionRow.sha256).order_by(PredictionRow.key))
            return "".join(sha256[0] for sha256 in found)

    def files_left(self, letters: str) -> str:
        return "".join(one for one in letters if any(map(self.server.storage.exists, files(one))))


def files(letter: str) -> Sequence[str]:
    return image_key(letter * 64, ".jpg"), thumbnail_key(letter * 64)


def age(server: Server, letters: str, seconds: float = 7200) -> None:
    for key in (key for letter in letters for key in files(letter)):
        path = Path(server.storage.place) / key
        os.utime(path, (path.stat().st_atime, path.stat().st_mtime - seconds))


def clean_later(server: Server, by: timedelta = timedelta(minutes=11)) -> None:
    """Clean when no request can be under way any more that names the files."""
    now = server.now
    server.now = lambda: now() + by
    clean(server)
    server.now = now


@pytest.fixture
def kept(frugal: Server) -> Kept:
    return Kept(frugal)


def test_predictions_that_are_too_old_go(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "_DELETED_AT_ONCE", 2)
    kept.add("abc", days=31)
    kept.add("de", days=29)
    age(kept.server, "abcd")
    assert delete_old(kept.server) == 3
    clean_later(kept.server)
    assert kept.left() == "de"
    assert kept.files_left("abcde") == "de"


def test_suggestions_that_are_too_old_go(kept: Kept) -> None:
    image = add_image(kept.server, kept.project, b"untagged")
    kept.add("a", days=31, image=image.key)
    kept.add("b", days=29, image=image.key)
    assert delete_old(kept.server) == 1
    assert kept.left() == "b"


def test_the_oldest_make_room(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "_DELETED_AT_ONCE", 2)
    image = add_image(kept.server, kept.project, b"untagged")
    kept.add("0", image=image.key)
    kept.add("abcdef", size=3 * MEGABYTE)
    assert delete_old(kept.server) == 3
    assert kept.left() == "0def"
    assert delete_old(kept.server) == 0


def test_files_stay_that_something_names_or_that_are_new(kept: Kept) -> None:
    kept.add("abcd", days=31)
    kept.add("b")
    image = add_image(kept.server, kept.project, b"c", sha256="c" * 64)
    age(kept.server, "abc")
    age(kept.server, "d", -600)  # uploaded just before cleaning
    assert delete_old(kept.server) == 4
    clean_later(kept.server)
    assert image.sha256 == "c" * 64
    assert kept.left() == "b"
    assert kept.files_left("abcd") == "bcd"


def test_files_stay_whose_images_an_adopted_database_may_have_lost(kept: Kept) -> None:
    kept.add("a", days=31)
    age(kept.server, "a")
    adopt(kept.server.database, kept.server.storage, kept.server.now())
    assert delete_old(kept.server) == 1
    clean_later(kept.server)
    assert kept.files_left("a") == "a"


def test_files_stay_for_a_day_where_an_image_of_the_same_content_was_deleted(kept: Kept) -> None:
    image = add_image(kept.server, kept.project, b"c", sha256="c" * 64)
    kept.add("c", days=31)
    age(kept.server, "c")
    with kept.server.database.write() as session:
        session.execute(delete(ImageRow).where(ImageRow.key == image.key))
    assert delete_old(kept.server) == 1
    clean_later(kept.server)
    assert kept.files_left("c") == "c"
    clean_later(kept.server, timedelta(days=2))
    assert kept.files_left("c") == ""


def test_the_keeper_looks_after_them_now_and_then(kept: Kept, tmp_path: Path) -> None:
    thread = Maintenance(kept.server, Journal(kept.server, tmp_path / "journal"))
    kept.add("a", days=31)
    thread.turn()
    assert kept.left() == ""
    kept.add("b", days=31)
    thread.turn()
    assert kept.left() == "b"
    thread._journal.taken = MEGABYTE
    thread.turn()
    assert kept.left() == ""
