"""`dahlia adopt` and `dahlia orphans`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from image_cases import photo
from server_rows import add_image, add_project
from sqlalchemy import delete, select, text
from test_server_cleaning import age, keys

from dahlia.cli import cli
from dahlia.server.context import Server, open_server
from dahlia.server.database.tables import DiscardRow, ImageRow
from dahlia.server.pairing import adopt
from dahlia.server.storage.names import image_key, sha256_of_key, thumbnail_key
from dahlia.settings.server import load_settings


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DAHLIA_SERVER_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def here(home: Path) -> Iterator[Server]:
    """The server of the commands."""
    server = open_server(load_settings(None, {"DAHLIA_SERVER_HOME": str(home)}))
    yield server
    server.database.close()


def run(*words: str, answer: str | None = None) -> Result:
    result = CliRunner().invoke(cli, words, input=answer)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def lose_rows(server: Server) -> None:
    with server.database.write() as session:
        session.execute(delete(ImageRow))
        session.execute(delete(DiscardRow))


def test_orphans_are_listed_restored_and_purged(here: Server) -> None:
    project = add_project(here)
    rows = [add_image(here, project, photo(seed)) for seed in range(3)]
    broken = add_image(here, project, b"no photo")
    lose_rows(here)
    assert (
        "0 of 4 files (0 MB) belong to nothing known. 4 younger than a day" in run("orphans", "list").stdout
    )
    age(here)
    listing = run("orphans", "list")
    assert "4 of 4 files (0 MB) belong to nothing known." in listing.stdout
    assert image_key(rows[0].sha256, ".jpg") in listing.stdout

    one = run("orphans", "restore", image_key(rows[0].sha256, ".jpg"), "--project", "garden")
    assert "1 images are in garden; 0 files were refused." in one.stdout
    rest = run("orphans", "restore", "--project", project.id)
    assert f"{image_key(broken.sha256, '.jpg')}: ErrorImageFormat" in rest.stderr
    assert "2 images are in" in rest.stdout
    with here.database.read() as session:
        restored = session.scalars(select(ImageRow)).all()
        assert {row.sha256 for row in restored} == {row.sha256 for row in rows}
        assert {(row.width, row.height, row.tagged) for row in restored} == {(32, 24, False)}
    assert {thumbnail_key(row.sha256) for row in rows} <= keys(here)

    assert "0 files are deleted." in run("orphans", "purge", "--yes").stdout  # found just now
    assert run("orphans", "purge", "--days", "0", answer="n\n").exit_code == 1
    assert "1 files are deleted." in run("orphans", "purge", "--days", "0", answer="y\n").stdout
    left = {sha256_of_key(key) for key in keys(here)}
    assert left == {row.sha256 for row in rows}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("restore", "--project", "nothing"), "Expected the id or the name of a project"),
        (("restore", "images/ab/x.jpg", "--project", "garden"), "Expected keys of images on the list"),
    ],
)
def test_what_cannot_be_restored_is_refused(here: Server, words: tuple[str, ...], message: str) -> None:
    add_project(here)
    with pytest.raises(Exception, match=message):
        run("orphans", *words)


def test_a_new_database_adopts_a_storage_when_asked_to(here: Server, home: Path) -> None:
    add_image(here, add_project(here), photo(1))
    here.database.close()
    for file in home.glob("dahlia.db*"):
        file.unlink()
    with pytest.raises(Exception, match="received a new, empty one"):
        run("orphans", "list")
    refused = run("adopt", answer="n\n")
    assert refused.exit_code == 1
    assert "0 projects, 0 images, never changed" in refused.stdout
    assert "The database names none of the files that were looked up." in refused.stdout
    assert "They are one server now" in run("adopt", "--yes").stdout
    age(here)
    assert "1 of 1 files" in run("orphans", "list").stdout


def test_files_older_than_the_database_are_shown_as_kept_until_they_are_purged(here: Server) -> None:
    add_image(here, add_project(here), photo(1))
    lose_rows(here)
    age(here)
    adopt(here.database, here.storage, here.now())
    assert " it is purged" in run("orphans", "list").stdout
    with here.database.write() as session:
        session.execute(text("UPDATE identity SET made = 0"))
    assert " it is purged" not in run("orphans", "list").stdout
