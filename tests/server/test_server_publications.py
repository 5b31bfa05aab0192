from __future__ import annotations

import logging
import time
from pathlib import Path

import pytest
from prediction_cases import NOWHERE, add_iteration, new_garden, publish
from prometheus_client import CollectorRegistry

from dahlia.errors import ServiceError
from dahlia.server.context import Server
from dahlia.server.contract.enums import not_found
from dahlia.server.database.tables import ProjectRow
from dahlia.server.predictions.published_models import DatabaseSource, ModelFiles
from dahlia.server.storage.backend import StorageError
from dahlia.server.storage.names import servable_prefix
from dahlia.serving.metrics import Metrics
from dahlia.serving.models.loading import ModelCache, Servable
from dahlia.serving.models.publications import Publications
from dahlia.serving.models.runtime import Model, load_model

pytestmark = pytest.mark.both_databases


class Followed:
    """Publications of a server, asked by hand."""

    def __init__(self, server: Server, folder: Path) -> None:
        self.files = ModelFiles(server.storage, folder)
        self.models = ModelCache(self._load, 1 << 30, Metrics(CollectorRegistry()).loaded)
        self.source = DatabaseSource(server.database, self.files)
        self.published_when_loaded: dict[str, bool] = {}
        self.publications = Publications(
            [self.source],
            self.models,
            serves_faulty=True,
            unknown_project=lambda project: not_found("Project", project),
        )
        server.on_publish.append(self.publications.refresh)

    def _load(self, servable: Servable) -> Model:
        self.published_when_loaded[servable.id] = self.source.has_published(servable.id)
        self.files.bring(servable)
        return load_model(servable.folder, servable.id, servable.number)

    def served(self, project: ProjectRow, name: str = "live") -> str:
        return self.publications.named(project.id, name).servable.id

    def loaded(self, identity: str, number: int) -> bool:
        return self.files.servable(identity, number) in self.models


@pytest.fixture
def followed(server: Server, tmp_path: Path) -> Followed:
    return Followed(server, tmp_path / "models")


def test_what_is_published_is_known_and_loaded_at_once(server: Server, followed: Followed) -> None:
    project = new_garden(server)
    one, two = add_iteration(server, project, 1), add_iteration(server, project, 2)
    followed.publications.refresh()
    publish(server, one, "Caf\u00e9")
    assert followed.served(project, "Cafe\u0301") == one.id
    assert followed.publications.named(project.id.upper(), "Caf\u00e9").project == project.id
    assert followed.loaded(one.id, 1)
    publish(server, one, None)
    publish(server, two, "Caf\u00e9")
    assert followed.served(project, "Caf\u00e9") == two.id
    publish(server, two, None)
    with pytest.raises(ServiceError, match="Invalid iteration: nothing is published as"):
        followed.served(project, "Caf\u00e9")


def test_a_model_that_is_loaded_since_it_was_published_is_known_as_such(
    server: Server, followed: Followed
) -> None:
    project = new_garden(server)
    one, two = add_iteration(server, project, 1), add_iteration(server, project, 2)
    followed.publications.refresh()
    publish(server, one, "live")
    followed.models.get(followed.files.servable(two.id, 2))
    assert followed.published_when_loaded == {one.id: True, two.id: False}


def test_at_the_start_nothing_is_loaded(server: Server, followed: Followed) -> None:
    project = new_garden(server)
    iteration = add_iteration(server, project, publish_name="live")
    followed.publications.refresh()
    assert followed.served(project) == iteration.id
    assert not followed.loaded(iteration.id, 1)


def test_a_new_name_whose_model_fails_answers_with_the_reason(server: Server, followed: Followed) -> None:
    project = new_garden(server)
    iteration = add_iteration(server, project, files=False)
    followed.publications.refresh()
    publish(server, iteration, "live")
    servable = followed.publications.named(project.id, "live").servable
    with pytest.raises(ServiceError, match="the service's log says why") as refused:
        followed.models.get(servable)
    assert (refused.value.code, refused.value.status) == ("ErrorPredictionModelNotFound", 500)


def test_a_moved_name_stays_until_the_new_model_works(
    server: Server, followed: Followed, caplog: pytest.LogCaptureFixture
) -> None:
    project = new_garden(server)
    works = add_iteration(server, project, 1, publish_name="live")
    fails = add_iteration(server, project, 2, files=False)
    followed.publications.refresh()
    with server.database.write() as session:
        session.merge(works).publish_name = None
        session.flush()
        session.merge(fails).publish_name = "live"
    with caplog.at_level(logging.ERROR, "dahlia.server"):
        for _ in range(3):
            followed.publications.refresh()
    assert followed.served(project) == works.id
    said = [line for line in caplog.messages if "cannot be served as 'live'" in line]
    assert len(said) == 1


def test_changes_of_other_servers_are_followed(server: Server, followed: Followed) -> None:
    project = new_garden(server)
    iteration = add_iteration(server, project)
    server.on_publish.clear()
    followed.publications.start(0.02)
    try:
        publish(server, iteration, "live")
        deadline = time.monotonic() + 20
        while "live" not in _names(followed, project):
            assert time.monotonic() < deadline
            time.sleep(0.01)
    finally:
        followed.publications.stop()


def _names(followed: Followed, project: ProjectRow) -> str:
    try:
        followed.served(project)
    except ServiceError:
        return ""
    return "live"


@pytest.mark.parametrize(
    ("published", "asked", "code"),
    [
        ((1,), None, ""),
        ((1, 2), 2, ""),
        ((1, 2), None, "NotFoundProjectDefaultIteration"),
        ((), None, "NotFoundProjectDefaultIteration"),
        ((1,), 2, "NotFoundIteration"),
        ((1,), "rose", "BadRequestInvalidIds"),
        ((), "rose", "BadRequestInvalidIds"),
    ],
)
def test_iterations_without_names(
    server: Server, followed: Followed, published: tuple[int, ...], asked: int | str | None, code: str
) -> None:
    project = new_garden(server)
    ids = {
        number: add_iteration(
            server, project, number, files=False, publish_name=f"n{number}" if number in published else None
        ).id
        for number in (1, 2)
    }
    followed.publications.refresh()
    wanted = ids[asked].upper() if isinstance(asked, int) else asked
    if code:
        with pytest.raises(ServiceError) as refused:
            followed.publications.numbered(project.id, wanted)
        assert refused.value.code == code
    else:
        found = followed.publications.numbered(project.id, wanted)
        assert found.servable.id == ids[asked if isinstance(asked, int) else published[0]]


@pytest.mark.parametrize(
    ("project", "code"), [(NOWHERE, "NotFoundProject"), ("rose", "BadRequestInvalidIds")]
)
def test_projects_that_are_not_here(server: Server, followed: Followed, project: str, code: str) -> None:
    followed.publications.refresh()
    with pytest.raises(ServiceError) as refused:
        followed.publications.named(project, "live")
    assert refused.value.code == code


def test_models_are_brought_once_and_forgotten(server: Server, tmp_path: Path) -> None:
    project = new_garden(server)
    iteration = add_iteration(server, project)
    files = ModelFiles(server.storage, tmp_path / "models")
    files.forget(lambda name: False)
    servable = files.servable(iteration.id, 1)
    assert files.bring(servable)
    assert not files.bring(servable)
    (servable.folder / "model.onnx").write_bytes(b"damaged")
    assert files.bring(servable, again=True)
    load_model(servable.folder, servable.id, 1)
    (tmp_path / "models" / ".half").mkdir()
    files.forget(lambda name: name == iteration.id)
    assert [path.name for path in (tmp_path / "models").iterdir()] == [iteration.id]
    server.storage.delete_folder(servable_prefix(iteration.id))
    with pytest.raises(StorageError):
        files.bring(servable, again=True)
