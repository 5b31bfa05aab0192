from __future__ import annotations

import hashlib
import json
import shutil
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from image_cases import photo
from project_cases import make_project
from rescue_cases import Seen, fill, fill_with_boxes, forget_records, opened, predicted, seen, talking, train
from s3_server import make_bucket, running_s3, s3_variables
from sqlalchemy import select

from dahlia.errors import DahliaError
from dahlia.server.backup.archive import is_empty
from dahlia.server.context import Server
from dahlia.server.database.tables import AuditRow, KeyRow, ProjectRow, TagRow
from dahlia.server.database.work_tables import IterationRow, JobRow
from dahlia.server.jobs.job import JobKind
from dahlia.server.jobs.training_data import artifact_key
from dahlia.server.projects.copying import run_import
from dahlia.server.rescue import rescuing
from dahlia.server.rescue.rescuing import Rescued, rescue
from dahlia.server.storage.names import export_key, image_key, thumbnail_key

pytestmark = pytest.mark.slow

Open = Callable[[str], Server]


@pytest.fixture(params=["folder and SQLite", "S3 and PostgreSQL"])
def servers(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Server, Server]]:
    """A server, and another on the same storage with a new database."""
    with _places(request.param, request, tmp_path, monkeypatch) as (storage, databases):
        both = [opened(tmp_path / name, storage, databases[name]) for name in ("first", "second")]
        yield both[0], both[1]
        for one in both:
            one.database.close()


@contextmanager
def _places(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[str, dict[str, str]]]:
    if kind.startswith("folder"):
        yield str(tmp_path / "files"), {name: _sqlite(tmp_path, name) for name in ("first", "second")}
        return
    postgres = request.getfixturevalue("postgres")
    with running_s3() as endpoint, postgres.database() as first, postgres.database() as second:
        for name, value in s3_variables(endpoint).items():
            monkeypatch.setenv(name, value)
        yield f"s3://{make_bucket(endpoint)}/dahlia", {"first": first, "second": second}


def _sqlite(tmp_path: Path, name: str) -> str:
    return f"sqlite:///{tmp_path / name / 'dahlia.db'}"


def _both(tmp_path: Path) -> tuple[Server, Server]:
    files = str(tmp_path / "files")
    first, second = (opened(tmp_path / name, files, _sqlite(tmp_path, name)) for name in ("first", "second"))
    return first, second


@pytest.fixture
def lost(tmp_path: Path) -> Iterator[tuple[Server, Server]]:
    """Both, on SQLite and a folder, with nothing in them."""
    both = _both(tmp_path)
    yield both
    for one in both:
        one.database.close()


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """What a server with trained projects leaves in a folder."""
    folder = tmp_path_factory.mktemp("filled")
    first = opened(folder / "first", str(folder / "files"), _sqlite(folder, "first"))
    ids = fill(first)
    first.database.close()
    return folder, ids


@pytest.fixture
def ids(tmp_path: Path, filled: tuple[Path, dict[str, str]]) -> dict[str, str]:
    """Ids of the projects by their names; ask for it before `lost`, which then has them."""
    folder, ids = filled
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    return ids


def rescued(server: Server, **options: Any) -> Rescued:
    return rescue(server, lambda done: None, lambda keys: None, **options)


def files_of(server: Server) -> dict[str, Any]:
    return {entry.key: (entry.size, entry.modified) for entry in server.storage.keys("")}


def look(server: Server, ids: dict[str, str], key: str | None = None) -> dict[str, Seen]:
    with talking(server, key) as client:
        return {name: seen(client, identity) for name, identity in ids.items()}


def test_what_was_trained_is_there_again(servers: tuple[Server, Server]) -> None:
    first, second = servers
    ids = fill(first)
    before, files = look(first, ids), files_of(first)
    with talking(first) as client:
        newest = before["garden"]["iterations"][-1]["id"]
        answers = predicted(client, ids["garden"], newest)
    shown: list[dict[Any, str]] = []
    found = rescue(second, lambda done: None, shown.append)
    assert found.problems == []
    assert [(one.name, one.iterations, one.tags, one.images, one.tagged) for one in found.projects] == [
        ("Grandma's garden", 2, 3, 13, 12),
        ("kitchen", 1, 3, 6, 6),
    ]
    assert shown == [found.keys]
    after = look(second, ids, found.keys["training"])  # type: ignore[index]
    assert _without_moments(after) == _without_moments(before)
    with talking(second) as client:
        assert predicted(client, ids["garden"], newest) == answers
    assert files_of(second) == files
    with second.database.read() as session:
        used = select(IterationRow.name, IterationRow.use_negative_set).order_by(IterationRow.id)
        with first.database.read() as original:
            assert session.execute(used).all() == original.execute(used).all()
        assert session.scalars(select(AuditRow.action).order_by(AuditRow.key)).first() == "rescue"


def _without_moments(value: Any) -> Any:
    """Without what no file says: when an image got a tag, when a project was renamed."""
    if isinstance(value, list):
        return [_without_moments(one) for one in value]
    if isinstance(value, dict):
        unknown = {"created"} if "tagName" in value else {"lastModified"} if "settings" in value else set()
        return {key: _without_moments(one) for key, one in value.items() if key not in unknown}
    return value


def test_a_detector_is_there_again_with_its_regions(lost: tuple[Server, Server]) -> None:
    first, second = lost
    ids = {"table": fill_with_boxes(first)}
    before = look(first, ids)
    assert any(one["regions"] for one in before["table"]["images"][0])
    newest = before["table"]["iterations"][-1]["id"]
    with talking(first) as client:
        answers = predicted(client, ids["table"], newest, "detect")
    found = rescued(second)
    assert found.problems == []
    assert [(one.iterations, one.images, one.tagged) for one in found.projects] == [(2, 7, 6)]
    assert _without_moments(look(second, ids)) == _without_moments(before)
    with talking(second) as client:
        assert predicted(client, ids["table"], newest, "detect") == answers


def test_regions_of_a_detector_without_a_record_are_those_that_it_was_judged_by(
    lost: tuple[Server, Server],
) -> None:
    first, second = lost
    ids = {"table": fill_with_boxes(first)}
    before = look(first, ids)["table"]
    forget_records(first)
    assert rescued(second).problems == []
    after = look(second, ids)["table"]
    assert _boxes_of(after["images"][0]) == _boxes_of(before["images"][0])
    for old, new in zip(before["iterations"], after["iterations"], strict=True):
        assert new["performance"] == old["performance"]
        assert _boxes_of(new["judged"]) == _boxes_of(old["judged"])


def _boxes_of(images: list[Any]) -> list[Any]:
    names = ("tagId", "left", "top", "width", "height")
    return sorted(
        sorted(
            tuple(round(one[name], 5) if name != "tagId" else one[name] for name in names)
            for one in image["regions"]
        )
        for image in images
    )


def test_iterations_of_versions_that_wrote_no_record(lost: tuple[Server, Server]) -> None:
    first, second = lost
    ids = fill(first, records=False)
    before = look(first, ids)
    found = rescued(second)
    assert found.problems == []
    after = look(second, ids)
    assert after["garden"]["project"]["name"] == "Grandma-s garden"
    assert after["kitchen"]["project"]["settings"] == before["kitchen"]["project"]["settings"]
    for name in ids:
        assert _short(after[name]["tags"]) == _short(before[name]["tags"])
        for old, new in zip(before[name]["iterations"], after[name]["iterations"], strict=True):
            assert (new["id"], new["name"], new["status"]) == (old["id"], old["name"], "Completed")
            assert new["performance"] == old["performance"]
            assert _labels(new["judged"]) == _labels(old["judged"])
    # The deleted photo is back, since no file says that it was deleted; the one without tags is not known.
    assert [(one.name, one.images, one.tagged) for one in found.projects] == [
        ("Grandma-s garden", 13, 13), ("kitchen", 6, 6), ("Rescued images", 1, 0),
    ]  # fmt: skip


def _short(tags: list[Any]) -> list[Any]:
    return [(tag["id"], tag["name"], tag["type"]) for tag in tags]


def _labels(images: list[Any]) -> list[Any]:
    return sorted(
        (
            sorted(tag["tagId"] for tag in image["tags"]),
            [(one["tagId"], one["probability"]) for one in image["predictions"]],
        )
        for image in images
        if image["predictions"]  # one that was deleted before the iteration is shown as if it was set aside
    )


def test_photos_of_no_iteration_become_a_project(lost: tuple[Server, Server]) -> None:
    first, second = lost
    with talking(first) as client:
        project = make_project(client)
        path = f"/projects/{project['id']}/images"
        client.post(path, content=photo(1), headers={"content-type": "image/jpeg"}).raise_for_status()
        client.post(path, content=photo(2, 300, 200, "PNG")).raise_for_status()
    found = rescued(second)
    assert [(one.name, one.iterations, one.images) for one in found.projects] == [("Rescued images", 0, 2)]
    with talking(second) as client:
        (project,) = client.get("/projects").json()
        assert (project["name"], project["settings"]["classificationType"]) == (
            "Rescued images",
            "Multilabel",
        )
        images = client.get(f"/projects/{project['id']}/images/untagged").json()
        assert {(one["width"], one["height"]) for one in images} == {(32, 24), (300, 200)}
        for one in images:
            for link in ("originalImageUri", "thumbnailUri"):
                assert client.get(one[link]).status_code == 200


@pytest.mark.parametrize(
    ("name", "received"), [(None, "none"), ("images/note", "1 that cannot be used, such as images/note")]
)
def test_a_storage_without_anything_to_rescue_is_refused(
    lost: tuple[Server, Server], name: str | None, received: str
) -> None:
    if name:
        lost[1].storage.put(name, b"mine")
    with pytest.raises(DahliaError, match=f"received {received}.*DAHLIA_STORAGE_URL"):
        rescued(lost[1])
    with lost[1].database.read() as session:
        assert is_empty(session)


def test_of_two_rescues_at_once_one_is_refused(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    server.storage.put(image_key(hashlib.sha256(photo(1)).hexdigest(), ".jpg"), photo(1))
    both, real = threading.Barrier(2), rescuing.check_photos

    def together(*given: Any, **named: Any) -> Any:
        both.wait(20)
        return real(*given, **named)

    monkeypatch.setattr(rescuing, "check_photos", together)
    with ThreadPoolExecutor(2) as pool:
        done = [pool.submit(rescued, server) for _ in range(2)]
    (error,) = [one.exception() for one in done if one.exception()]
    assert "Expected an empty database" in str(error)
    with server.database.read() as session:
        assert len(session.scalars(select(ProjectRow)).all()) == 1


def _other_content(server: Server, key: str) -> None:
    server.storage.put(key, photo(555))


def _cut(server: Server, key: str) -> None:
    # Its name fits what is left of it.
    data = server.storage.get(key)[:200]
    server.storage.put(image_key(hashlib.sha256(data).hexdigest(), ".jpg"), data)
    server.storage.delete(key)


def _no_image(server: Server, key: str) -> None:
    server.storage.put(image_key(hashlib.sha256(b"text").hexdigest(), ".jpg"), b"text")


def _other_suffix(server: Server, key: str) -> None:
    server.storage.put(key.removesuffix(".jpg") + ".png", server.storage.get(key))


def _other_name(server: Server, key: str) -> None:
    server.storage.put("images/notes.txt", b"mine")


@pytest.mark.parametrize(
    ("damage", "problem", "images"),
    [
        (_other_content, "its content is not what its name says", 11),
        (_cut, "stop before its end", 11),
        (_no_image, "Expected a JPEG, PNG", 12),
        (_other_suffix, "expected as images/", 12),
        (_other_name, "images/notes.txt: its name is not that of an image", 12),
    ],
)  # fmt: skip
def test_damaged_images_are_named_and_left_alone(
    lost: tuple[Server, Server], damage: Callable[[Server, str], None], problem: str, images: int
) -> None:
    first, second = lost
    with talking(first) as client:
        path = f"/projects/{make_project(client)['id']}/images"
        for number in range(12):
            client.post(path, content=photo(number)).raise_for_status()
    damage(first, next(entry.key for entry in first.storage.keys("images")))
    files = files_of(first)
    found = rescued(second)
    assert found.images == images
    (line,) = found.problems
    assert problem in line
    assert files.items() <= files_of(second).items()


def _damage(name: str) -> Callable[[Server, str], None]:
    return lambda server, iteration: server.storage.put(artifact_key(iteration, name), b"{}")


def _lose(name: str) -> Callable[[Server, str], None]:
    return lambda server, iteration: server.storage.delete(artifact_key(iteration, name))


def _all(*parts: Callable[[Server, str], None]) -> Callable[[Server, str], None]:
    def damage(server: Server, iteration: str) -> None:
        for part in parts:
            part(server, iteration)

    return damage


@pytest.mark.parametrize(
    ("damage", "problem", "iterations", "tagged"),
    [
        (_damage("iteration.json"), "expected its own iteration.json", 2, 12),
        (_damage("images.parquet"), "images.parquet: expected a table of images", 2, 12),
        (_lose("images.parquet"), "expected images.parquet, found none", 2, 12),
        (_damage("servable/model.json"), "expected the card of a model", 1, 12),
        (_lose("servable/model.onnx"), "expected servable/model.onnx, found none", 1, 12),
        (
            _all(_lose("iteration.json"), _damage("predictions.parquet")),
            "predictions.parquet: expected",
            2,
            12,
        ),
    ],
)
def test_damaged_files_of_an_iteration_cost_as_little_as_can_be(
    ids: dict[str, str],
    lost: tuple[Server, Server],
    damage: Callable[[Server, str], None],
    problem: str,
    iterations: int,
    tagged: int,
) -> None:
    first, second = lost
    with first.database.read() as session:
        chosen = select(IterationRow.id).join(ProjectRow).where(ProjectRow.id == ids["garden"])
        made = list(session.scalars(chosen.order_by(IterationRow.number)))
    damage(first, made[0])
    found = rescued(second)
    assert [line for line in found.problems if made[0] in line and problem in line]
    assert all(made[0] in line for line in found.problems)
    garden = next(one for one in found.projects if one.id == ids["garden"])
    assert (garden.iterations, garden.tagged) == (iterations, tagged)
    after = look(second, {"kitchen": ids["kitchen"]})
    assert len(after["kitchen"]["iterations"]) == 1


@pytest.mark.usefixtures("ids")
def test_thumbnails_that_are_missing_are_made_again(lost: tuple[Server, Server]) -> None:
    first, second = lost
    thumbnails = [entry.key for entry in first.storage.keys("thumbnails")]
    before = first.storage.get(thumbnails[0])
    first.storage.delete(thumbnails[0])
    first.storage.put(thumbnails[1], b"")
    assert rescued(second, write=False).thumbnails == 2
    assert not second.storage.exists(thumbnails[0])
    assert rescued(second).thumbnails == 2
    assert second.storage.get(thumbnails[0]) == before
    assert second.storage.size(thumbnails[1])
    assert thumbnail_key(Path(thumbnails[0]).stem) == thumbnails[0]


def test_exports_can_be_downloaded_again(ids: dict[str, str], lost: tuple[Server, Server]) -> None:
    first, second = lost
    with first.database.read() as session:
        made = session.scalars(select(IterationRow.id).order_by(IterationRow.key)).first()
    names = ("TensorFlow.TensorFlowLite", "ONNX", "Abacus", "ONNX.verification")
    for name in names:
        first.storage.put(export_key(str(made), f"{made}.{name}.zip"), name.encode())
    assert rescued(second).exports == 2
    with talking(second) as client:
        exports = client.get(f"/projects/{ids['garden']}/iterations/{made}/export").json()
        assert [(one["platform"], one["flavor"], one["status"]) for one in exports] == [
            ("ONNX", None, "Done"), ("TensorFlow", "TensorFlowLite", "Done"),
        ]  # fmt: skip
        assert client.get(exports[0]["downloadUri"]).content == b"ONNX"


@pytest.mark.usefixtures("ids")
def test_a_second_rescue_is_refused(lost: tuple[Server, Server]) -> None:
    first, second = lost
    rescued(second)
    for server in (first, second):
        with pytest.raises(DahliaError, match=r"Expected an empty database.*DAHLIA_DATABASE_URL"):
            rescued(server)


@pytest.mark.parametrize("stage", ["check_photos", "insert_unnamed", "create_first_keys"])
def test_one_that_was_interrupted_begins_again(
    ids: dict[str, str], lost: tuple[Server, Server], monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    first, second = lost
    first.storage.put(image_key(hashlib.sha256(photo(800)).hexdigest(), ".jpg"), photo(800))

    def interrupt(*given: Any, **named: Any) -> Any:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(rescuing, stage, interrupt)
        with pytest.raises(KeyboardInterrupt):
            rescued(second)
    with second.database.read() as session:
        assert [session.scalar(select(table.key)) for table in (ProjectRow, KeyRow, AuditRow)] == [None] * 3
    found = rescued(second)
    assert [one.name for one in found.projects] == ["Grandma's garden", "kitchen", "Rescued images"]
    assert {one.id for one in found.projects} > set(ids.values())


@pytest.mark.usefixtures("ids")
def test_a_dry_run_writes_nothing(lost: tuple[Server, Server]) -> None:
    first, second = lost
    files = files_of(first)
    dry = rescued(second, write=False)
    assert (dry.keys, files_of(second)) == ({}, files)
    found = rescued(second)
    assert [(one.name, one.images, one.tagged) for one in dry.projects] == [
        (one.name, one.images, one.tagged) for one in found.projects
    ]


def test_what_was_rescued_is_trained_and_rescued_again(
    ids: dict[str, str], lost: tuple[Server, Server], tmp_path: Path
) -> None:
    first, second = lost
    forget_records(first)
    rescued(second)
    with talking(second) as client:
        train(second, client, ids["garden"])
    before = look(second, ids)
    third = opened(tmp_path / "third", str(tmp_path / "files"), _sqlite(tmp_path, "third"))
    rescued(third)
    after = look(third, ids)
    third.database.close()
    newest = [whole["garden"]["iterations"][-1] for whole in (before, after)]
    assert newest[0]["name"] == newest[1]["name"] == "Iteration 3"
    assert _without_moments(newest[1]) == _without_moments(newest[0])
    assert _without_moments(after["garden"]["images"]) == _without_moments(before["garden"]["images"])


def test_a_copied_project_is_one_of_its_own(ids: dict[str, str], lost: tuple[Server, Server]) -> None:
    first, second = lost
    with talking(first) as client:
        token = client.get(f"/projects/{ids['garden']}/export").json()["token"]
        ids["copy"] = client.post("/projects/import", params={"token": token}).json()["id"]
    with first.database.read() as session:
        jobs = select(JobRow.payload).where(JobRow.kind == JobKind.IMPORT)
        payload = session.scalars(jobs).one()
    run_import(first, payload)
    before = look(first, ids)
    assert len(before["copy"]["iterations"]) == 2
    rescued(second)
    assert _without_moments(look(second, ids)) == _without_moments(before)


def test_files_of_two_servers_are_refused(ids: dict[str, str], lost: tuple[Server, Server]) -> None:
    first, second = lost
    with first.database.read() as session:
        chosen = select(IterationRow.id).join(ProjectRow).where(ProjectRow.id == ids["kitchen"])
        made = session.scalars(chosen).one()
        tags = session.scalars(select(TagRow.id).join(ProjectRow).where(ProjectRow.id == ids["garden"])).all()
    key = artifact_key(made, "iteration.json")
    record = json.loads(first.storage.get(key))
    record["tags"] = [{**tag, "id": tags[place]} for place, tag in enumerate(record["tags"])]
    first.storage.put(key, json.dumps(record).encode())
    with pytest.raises(DahliaError, match="Nothing was written"):
        rescued(second)
    with second.database.read() as session:
        assert is_empty(session)
